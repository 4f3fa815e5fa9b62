//! A disk that syncs for nothing, so that what is left is our own cost.

use std::hint::black_box;
use std::io::{self, Read};
use std::path::Path;

use yett::audit::{Disk, LogFile, Space, Storage};

/// Takes everything and keeps nothing.
#[derive(Debug)]
pub(crate) struct NullDisk;

impl Storage for NullDisk {
    /// The lock is a real file.
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir_all(path)
    }

    fn list(&self, _directory: &Path) -> io::Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }

    fn read(&self, _path: &Path) -> io::Result<Box<dyn Read>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn create(&self, _path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(NullDisk))
    }

    fn open(&self, _path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(NullDisk))
    }

    fn open_or_create(&self, _path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(NullDisk))
    }

    fn replace_tail(&self, _path: &Path, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn publish(&self, _path: &Path, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn destroy(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn occupy(&self, _path: &Path, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    fn space(&self, _directory: &Path) -> io::Result<Space> {
        Ok(Space { total: u64::MAX, free: u64::MAX })
    }
}

impl LogFile for NullDisk {
    fn truncate(&mut self, _length: u64) -> io::Result<()> {
        Ok(())
    }

    fn write_at(&mut self, _offset: u64, bytes: &[u8]) -> io::Result<()> {
        black_box(bytes);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}

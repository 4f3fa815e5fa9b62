//! A disk that syncs for nothing, so that what is left is our own cost.

use std::hint::black_box;
use std::io::{self, Read};
use std::path::Path;

use yett::audit::{Disk, LogFile, Storage};

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

    fn create_append(&self, _path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(NullDisk))
    }

    fn open_append(&self, _path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(NullDisk))
    }

    fn open_overwrite(&self, _path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(NullDisk))
    }

    fn replace_tail(&self, _path: &Path, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile for NullDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        black_box(bytes);
        Ok(())
    }

    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        black_box(bytes);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}

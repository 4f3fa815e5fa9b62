//! A disk that fails when told to, counts what it is asked, and can hold its syncs back.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::super::{Disk, LogFile, Storage};

/// What goes wrong. Counts are of segment operations from the moment the disk was made.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The sync that answers EIO.
    pub(super) sync: Option<u64>,
    /// The write that puts down only this many bytes and answers an error.
    pub(super) short_write: Option<(u64, usize)>,
    /// The sync before which the thread panics.
    pub(super) panic: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct FaultyDisk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Faults,
    syncs: AtomicU64,
    writes: AtomicU64,
    paused: Mutex<bool>,
    resumed: Condvar,
    journal: Mutex<Vec<String>>,
    /// Bytes of segments that would survive a power cut.
    synced: AtomicU64,
    written: AtomicU64,
}

impl FaultyDisk {
    pub(super) fn new(faults: Faults) -> Arc<Self> {
        Arc::new(Self { shared: Arc::new(Shared { faults, ..Shared::default() }) })
    }

    pub(super) fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::SeqCst)
    }

    pub(super) fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst)
    }

    /// Bytes of segments that would survive a power cut.
    pub(super) fn synced(&self) -> u64 {
        self.shared.synced.load(Ordering::SeqCst)
    }

    /// Syncs wait until [`FaultyDisk::resume`].
    pub(super) fn pause(&self) {
        *self.shared.paused.lock() = true;
    }

    pub(super) fn resume(&self) {
        *self.shared.paused.lock() = false;
        self.shared.resumed.notify_all();
    }

    /// What was done, in order: `create x`, `append x`, `sync x`, `sync_dir x`, `head`.
    pub(super) fn journal(&self) -> Vec<String> {
        self.shared.journal.lock().clone()
    }

    fn wrap(&self, path: &Path, file: Box<dyn LogFile>) -> Box<dyn LogFile> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Box::new(FaultyFile { name, file, shared: Arc::clone(&self.shared) })
    }
}

impl Shared {
    fn note(&self, what: &str, name: &str) {
        self.journal.lock().push(format!("{what} {name}"));
    }
}

impl Storage for FaultyDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        Disk.list(directory)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Disk.read(path)
    }

    fn create_append(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.shared.note("create", &path.file_name().unwrap().to_string_lossy());
        Ok(self.wrap(path, Disk.create_append(path)?))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(self.wrap(path, Disk.open_append(path)?))
    }

    fn open_overwrite(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(self.wrap(path, Disk.open_overwrite(path)?))
    }

    fn replace_tail(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.shared.note("replace_tail", &format!("{offset}+{}", bytes.len()));
        Disk.replace_tail(path, offset, bytes)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.shared.note("sync_dir", &directory.file_name().unwrap().to_string_lossy());
        Disk.sync_dir(directory)
    }
}

#[derive(Debug)]
struct FaultyFile {
    name: String,
    file: Box<dyn LogFile>,
    shared: Arc<Shared>,
}

impl LogFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.shared.note("append", &self.name);
        let count = self.shared.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((at, kept)) = self.shared.faults.short_write
            && at == count
        {
            self.file.append(&bytes[..kept.min(bytes.len())])?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.shared.written.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        self.file.append(bytes)
    }

    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.shared.note("overwrite", &self.name);
        self.file.overwrite(bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.shared.note("sync", &self.name);
        if self.name == "head" {
            return self.file.sync_data();
        }
        let count = self.shared.syncs.fetch_add(1, Ordering::SeqCst) + 1;
        let mut paused = self.shared.paused.lock();
        while *paused {
            self.shared.resumed.wait_for(&mut paused, Duration::from_secs(5));
        }
        drop(paused);
        assert_ne!(self.shared.faults.panic, Some(count), "asked to panic");
        if self.shared.faults.sync == Some(count) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.file.sync_data()?;
        self.shared.synced.store(self.shared.written.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(())
    }
}

//! A disk that fails when told to, counts what it is asked, and can hold its syncs back.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::super::{Disk, LogFile, Space, Storage};

/// What goes wrong. Counts are of segment operations from the moment the disk was made.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The sync that answers EIO.
    pub(super) sync: Option<u64>,
    /// The write that puts down only this many bytes and answers an error.
    pub(super) short_write: Option<(u64, usize)>,
    /// The write for which there is no space beside the reserve: half of it is put down.
    pub(super) full_write: Option<u64>,
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
    /// No byte is left beside the reserve, and what the reserve gives when it is released.
    full: AtomicBool,
    occupied: AtomicU64,
    given: AtomicU64,
    delay: Mutex<Duration>,
}

impl FaultyDisk {
    pub(super) fn new(faults: Faults) -> Arc<Self> {
        Arc::new(Self { shared: Arc::new(Shared { faults, ..Shared::default() }) })
    }

    /// Syncs of segments. Counted from 0, here and for faults: a new log begins with the record of its keys.
    pub(super) fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::SeqCst).saturating_sub(1)
    }

    pub(super) fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst).saturating_sub(1)
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

    /// Bytes the reserve takes.
    pub(super) fn occupied(&self) -> u64 {
        self.shared.occupied.load(Ordering::SeqCst)
    }

    /// From now on every sync of a segment takes `delay`.
    pub(super) fn slow_down(&self, delay: Duration) {
        *self.shared.delay.lock() = delay;
    }

    /// From now on the volume has no room, and a released reserve gives `bytes`.
    pub(super) fn fill(&self, bytes: u64) {
        self.shared.given.store(bytes, Ordering::SeqCst);
        self.shared.full.store(true, Ordering::SeqCst);
    }

    /// Somebody has cleared the volume.
    pub(super) fn clear(&self) {
        self.shared.full.store(false, Ordering::SeqCst);
    }

    /// What was done, in order: `create x`, `append x`, `sync x`, `sync_dir x`, `write x`.
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

    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.shared.note("create", &path.file_name().unwrap().to_string_lossy());
        Ok(self.wrap(path, Disk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(self.wrap(path, Disk.open(path)?))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(self.wrap(path, Disk.open_or_create(path)?))
    }

    fn replace_tail(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.shared.note("replace_tail", &format!("{offset}+{}", bytes.len()));
        Disk.replace_tail(path, offset, bytes)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.shared.note("sync_dir", &directory.file_name().unwrap().to_string_lossy());
        Disk.sync_dir(directory)
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.shared.note("publish", &path.file_name().unwrap().to_string_lossy());
        Disk.publish(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.shared.note("rename", &from.file_name().unwrap().to_string_lossy());
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.shared.note("remove", &path.file_name().unwrap().to_string_lossy());
        Disk.remove(path)
    }

    fn destroy(&self, path: &Path) -> io::Result<()> {
        self.shared.note("destroy", &path.file_name().unwrap().to_string_lossy());
        Disk.destroy(path)
    }

    /// Sparse: the tests of a full volume have a disk of their own.
    fn occupy(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if self.shared.full.load(Ordering::SeqCst) && bytes > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.shared.note(if bytes > 0 { "take" } else { "release" }, &path.file_name().unwrap().to_string_lossy());
        self.shared.occupied.store(bytes, Ordering::SeqCst);
        Ok(())
    }

    fn space(&self, _directory: &Path) -> io::Result<Space> {
        let free = if self.shared.full.load(Ordering::SeqCst) { 0 } else { 1 << 30 };
        Ok(Space { total: 1 << 30, free })
    }
}

#[derive(Debug)]
struct FaultyFile {
    name: String,
    file: Box<dyn LogFile>,
    shared: Arc<Shared>,
}

impl LogFile for FaultyFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let no_space = |full: bool| full && self.shared.occupied.load(Ordering::SeqCst) > 0;
        if !self.name.contains(".jsonl") {
            self.shared.note("write", &self.name);
            // Heads are small: they find a place while there is any.
            let kept_out =
                self.name.contains(".part") || (self.name.contains(".notes") && self.shared.given.load(Ordering::SeqCst) == 0);
            if kept_out && no_space(self.shared.full.load(Ordering::SeqCst)) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            return self.file.write_at(offset, bytes);
        }
        // Room ahead of the lines.
        if bytes.first() == Some(&0) {
            if self.shared.full.load(Ordering::SeqCst) {
                // Without a reserve that was given up, there is no byte left.
                let left =
                    if self.shared.occupied.load(Ordering::SeqCst) == 0 { self.shared.given.load(Ordering::SeqCst) } else { 0 };
                if left < bytes.len() as u64 {
                    // As real ones do: what fits is there before the error comes.
                    let fits = usize::try_from(left).unwrap();
                    self.file.write_at(offset, &bytes[..fits.max(bytes.len() / 2)])?;
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.shared.given.fetch_sub(bytes.len() as u64, Ordering::SeqCst);
            }
            return self.file.write_at(offset, bytes);
        }
        self.shared.note("append", &self.name);
        let count = self.shared.writes.fetch_add(1, Ordering::SeqCst);
        if let Some((at, kept)) = self.shared.faults.short_write
            && at == count
        {
            self.file.write_at(offset, &bytes[..kept.min(bytes.len())])?;
            return Err(io::Error::from_raw_os_error(5));
        }
        if no_space(self.shared.faults.full_write.is_some_and(|at| count >= at)) {
            self.file.write_at(offset, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.shared.written.store(offset + bytes.len() as u64, Ordering::SeqCst);
        self.file.write_at(offset, bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.shared.note("cut", &self.name);
        self.file.truncate(length)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.shared.note("sync", &self.name);
        if !self.name.contains(".jsonl") {
            return self.file.sync_data();
        }
        let count = self.shared.syncs.fetch_add(1, Ordering::SeqCst);
        let delay = *self.shared.delay.lock();
        std::thread::sleep(delay);
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

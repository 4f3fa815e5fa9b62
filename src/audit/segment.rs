//! The segment that grows: lines, and behind them zero bytes that are room for more.
//!
//! Room is made ahead of the lines, so that writing a batch changes no length: the sync of a call then waits for the disk
//! alone and not for the file system's journal, and a full volume is met before a line is begun, never in the middle of one.

use std::path::PathBuf;
use std::{fmt, io};

use super::fs::{LogFile, Storage};
use super::layout::Layout;
use super::stamp::Stamp;
use super::writer::{WriteError, failed};

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// See the module.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// Index of its first record.
    first: u64,
    file: Box<dyn LogFile>,
    /// Bytes of lines.
    bytes: u64,
    /// Length of the file as far as it is known to be lines and zeros.
    allocated: u64,
    /// How long the file may be: a growth that failed half-way leaves zeros behind what is known to be room.
    end: u64,
    /// Time of its first record.
    started: Option<Stamp>,
}

impl Segment {
    /// The segment that recovery has found in order: `bytes` of lines, and zeros up to `allocated`.
    pub(crate) fn open(
        storage: &dyn Storage,
        path: PathBuf,
        first: u64,
        bytes: u64,
        allocated: u64,
        started: Option<Stamp>,
    ) -> Result<Self, WriteError> {
        let file = storage.open(&path).map_err(failed("open", &path))?;
        Ok(Self { path, first, file, bytes, allocated, end: allocated, started })
    }

    /// A new one whose name survives a power cut.
    pub(crate) fn create(storage: &dyn Storage, layout: &Layout, first: u64) -> Result<Self, WriteError> {
        let path = layout.segment(first);
        let file = storage.create(&path).map_err(failed("create", &path))?;
        // Crash point: the file may or may not be there, and is empty. Recovery accepts both.
        let directory = layout.segments();
        storage.sync_dir(&directory).map_err(failed("sync", &directory))?;
        Ok(Self { path, first, file, bytes: 0, allocated: 0, end: 0, started: None })
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn started(&self) -> Option<Stamp> {
        self.started
    }

    /// Sees to room for `length` bytes, and `ahead` more if any has to be made. An error leaves the lines as they are: it may
    /// be tried again.
    pub(crate) fn make_room(&mut self, length: usize, ahead: u64) -> Result<(), WriteError> {
        let wanted = self.bytes + as_u64(length);
        if wanted > self.allocated { self.grow(wanted + ahead) } else { Ok(()) }
    }

    /// Makes and syncs room while nobody waits for a record, once a quarter of `room` is left. Whether there is space for it
    /// matters to the next batch only.
    pub(crate) fn make_room_ahead(&mut self, room: u64) -> Result<(), WriteError> {
        if self.allocated - self.bytes >= room / 4 {
            return Ok(());
        }
        if self.grow(self.bytes + room).is_ok() {
            self.file.sync_data().map_err(failed("sync", &self.path))?;
        }
        Ok(())
    }

    /// Writes whole lines where room was made. An error that says the volume is full (a file system that copies what it
    /// overwrites) leaves the lines before as they are: it may be tried again, since nothing was synced.
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<(), WriteError> {
        self.end = self.end.max(self.bytes + as_u64(lines.len()));
        // Crash point: any part of the batch may be there, in any order. Nobody was told; recovery keeps what is whole from the
        // front on and moves the rest.
        self.file.write_at(self.bytes, lines).map_err(failed("write", &self.path))
    }

    /// Returns once the lines just written are durable.
    pub(crate) fn sync(&mut self, lines: &[u8], time: Stamp) -> Result<(), WriteError> {
        self.file.sync_data().map_err(failed("sync", &self.path))?;
        self.bytes += as_u64(lines.len());
        self.allocated = self.allocated.max(self.bytes);
        self.started.get_or_insert(time);
        Ok(())
    }

    /// Takes the room back, so that what is left is lines alone. The segment never changes again.
    pub(crate) fn seal(&mut self) -> Result<(), WriteError> {
        if self.end > self.bytes {
            self.file.truncate(self.bytes).map_err(failed("cut", &self.path))?;
            self.end = self.bytes;
            self.allocated = self.bytes;
        }
        Ok(())
    }

    fn grow(&mut self, length: u64) -> Result<(), WriteError> {
        let mut at = self.allocated;
        while at < length {
            let piece = usize::try_from(length - at).unwrap_or(usize::MAX).min(ZEROS.len());
            let zeros = ZEROS.get(..piece).unwrap_or(&ZEROS);
            self.end = self.end.max(at + as_u64(piece));
            self.file.write_at(at, zeros).map_err(failed("extend", &self.path))?;
            at += as_u64(piece);
        }
        self.allocated = at;
        Ok(())
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("path", &self.path).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Whether an error says that the volume, the owner's share of it, or what one file may take of it is used up.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull)
}

/// Whether an error says that something is used up which others may give back: space, or descriptors.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    let descriptors = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    is_full(error) || rustix::io::Errno::from_io_error(error).is_some_and(|errno| descriptors.contains(&errno))
}

fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

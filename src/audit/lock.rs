//! One writer per log: an exclusive lock that the kernel drops with the process, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and how far apart, a lock that is held is looked at again: somebody may only be looking ([`may_be_held`]).
const LOOKS: u8 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody writes this log.
    #[error("another process holds the lock `{}`", .0.display())]
    Held(PathBuf),
    /// The lock file could not be opened or locked.
    #[error("cannot lock `{}`", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The right to write one log, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    /// The lock goes with the descriptor. The file stays: deleting it would let two processes lock two files.
    _file: File,
}

impl Lock {
    /// Takes the lock or says who is in the way; waits for nobody who writes.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        Self::take_after(path, || std::thread::sleep(BETWEEN_LOOKS))
    }

    /// The same with something else to do between two looks.
    pub(super) fn take_after(path: &Path, mut wait: impl FnMut()) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(failed)?;
        for look in 1..=LOOKS {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if look < LOOKS => wait(),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(LockError::Held(path.to_owned()))
    }
}

/// Whether somebody may be writing the log with this lock; what cannot be asked may be. Nothing is created or changed.
pub(crate) fn may_be_held(path: &Path) -> bool {
    match fs::metadata(path) {
        // SECURITY: opening a pipe from a hostile bundle would block for ever, and nobody can hold one.
        Ok(metadata) if !metadata.is_file() => false,
        // Shared, so that two who look are not in each other's way, and given back at once.
        Ok(_) => File::open(path).and_then(|file| file.try_lock_shared().map_err(io::Error::from)).is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

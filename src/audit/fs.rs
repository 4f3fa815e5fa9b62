//! The disk as the log needs it: few operations, each with a promise about what survives a power cut.
//!
//! Only the writer and recovery go through [`Storage`]; reading tools open files themselves, since they hold no promise.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A file that is written by one owner.
pub trait LogFile: Send + Debug {
    /// Writes all bytes at the end. After an error any part of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes all bytes over the start of the file, which keeps its length if it was as long.
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything written to this file survives a power cut. After an error that is unknown for good: the
    /// kernel may have dropped the pages and would report success the next time, so the caller must never ask again.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// The directory tree under the audit directory.
pub trait Storage: Send + Sync + Debug {
    /// Creates a directory and its missing parents, readable by the owner alone.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Names and sizes of the files in a directory, in no order.
    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>>;

    /// Opens a file for reading from its start.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>>;

    /// Creates a file that must not exist, for appending. Its name survives a power cut only after [`Storage::sync_dir`].
    fn create_append(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Opens an existing file for appending.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Opens a file for overwriting, creating it if need be.
    fn open_overwrite(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Replaces everything from `offset` on by `bytes` and syncs. At every crash in between, the file holds at least
    /// what it held of `bytes` before.
    fn replace_tail(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the names in a directory survive a power cut.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;
}

/// The host's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            files.push((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()));
        }
        Ok(files)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    fn create_append(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(private().append(true).create_new(true).open(path)?))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(private().append(true).open(path)?))
    }

    fn open_overwrite(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(private().write(true).create(true).truncate(false).open(path)?))
    }

    fn replace_tail(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = private().write(true).open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)?;
        let end = file.stream_position()?;
        file.set_len(end)?;
        file.sync_all()
    }

    #[cfg(unix)]
    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    /// Elsewhere a directory cannot be opened as a file; creating a file there is ordered by the file system itself.
    #[cfg(not(unix))]
    fn sync_dir(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        // One call less than seek and write, twice a batch on the path of every call.
        std::os::unix::fs::FileExt::write_all_at(self, bytes, 0)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// New files are for the owner alone: records tell who did what.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

//! The disk as the log needs it: few operations, each with a promise about what survives a power cut.
//!
//! Only the writer and recovery go through [`Storage`]; reading tools open files themselves, since they hold no promise.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

/// A file that is written by one owner.
pub trait LogFile: Send + Debug {
    /// Writes all bytes at `offset`; behind the end, the file grows. After an error any part of them may be there.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything written to this file survives a power cut. After an error that is unknown for good: the
    /// kernel may have dropped the pages and would report success the next time, so the caller must never ask again.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Cuts the file to `length` and returns once that survives a power cut.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// Bytes of the volume that holds the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What the owner of the log may still take.
    pub free: u64,
}

/// The directory tree under the audit directory.
pub trait Storage: Send + Sync + Debug {
    /// Creates a directory and its missing parents, readable by the owner alone.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Names and sizes of the files in a directory, in no order.
    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>>;

    /// Opens a file for reading from its start.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>>;

    /// Creates a file that must not exist. Its name survives a power cut only after [`Storage::sync_dir`].
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Opens an existing file for writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Opens a file for writing, creating it if need be.
    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Replaces everything from `offset` on by `bytes` and syncs. At every crash in between, the file holds at least
    /// what it held of `bytes` before.
    fn replace_tail(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the names in a directory survive a power cut.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Puts `bytes` in the place of a file in one step for whoever reads it. After a power cut it is the old one, the new one, or
    /// damaged: only for copies.
    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file another name, in the place of a file that has it. Survives a power cut only after [`Storage::sync_dir`]; until
    /// then the one or the other is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. It may be back after a power cut, until [`Storage::sync_dir`]. One that is not there is removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Overwrites a file and removes it, both durably. That the bytes are gone from the medium is beyond a program on many file
    /// systems and disks; that no name leads to them is not. A file that is not there is destroyed.
    fn destroy(&self, path: &Path) -> io::Result<()>;

    /// Makes `path` a file that occupies `bytes` of the volume and holds nothing. It fails with
    /// [`io::ErrorKind::StorageFull`] when they are not to be had, and then occupies nothing.
    fn occupy(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// How much room the volume of `directory` has.
    fn space(&self, directory: &Path) -> io::Result<Space>;
}

/// The host's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) => files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len())),
                // Somebody has removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(private().create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(private().open(path)?))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(private().create(true).truncate(false).open(path)?))
    }

    fn replace_tail(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = private().open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)?;
        let end = file.stream_position()?;
        file.set_len(end)?;
        file.sync_all()
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = private().create(true).truncate(true).open(&new)?;
        file.write_all(bytes)?;
        fs::rename(new, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn destroy(&self, path: &Path) -> io::Result<()> {
        let file = match private().open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        fill(&file, file.metadata()?.len())?;
        fs::remove_file(path)?;
        path.parent().map_or(Ok(()), |directory| self.sync_dir(directory))
    }

    fn occupy(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file = private().create(true).truncate(false).open(path)?;
        if bytes == 0 {
            return file.set_len(0);
        }
        // Allocates without writing, so it takes no time; a file system that cannot do that is given zeros.
        let taken = match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => fill(&file, bytes),
            taken => taken.map_err(io::Error::from),
        };
        taken.or_else(|error| file.set_len(0).and(Err(error)))
    }

    fn space(&self, directory: &Path) -> io::Result<Space> {
        let volume = statvfs(directory)?;
        Ok(Space {
            total: volume.f_blocks.saturating_mul(volume.f_frsize),
            free: volume.f_bavail.saturating_mul(volume.f_frsize),
        })
    }
}

impl LogFile for File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // One call less than seek and write, twice a batch on the path of every call.
        self.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

fn fill(file: &File, bytes: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = 0;
    while at < bytes {
        let piece = usize::try_from(bytes - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all_at(ZEROS.get(..piece).unwrap_or(&ZEROS), at)?;
        at += u64::try_from(piece).unwrap_or(u64::MAX);
    }
    file.sync_data()
}

/// New files are for the owner alone: records tell who did what.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

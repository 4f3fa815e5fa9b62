//! Reading a file that an operator named, without being held by what it turns out to be.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::tree::MAX_FILE_SIZE;

/// The bytes of a file, at most one more than [`MAX_FILE_SIZE`]: [`super::read`] then refuses it by name.
///
/// # Errors
/// When it cannot be read, or is no regular file: a pipe would wait for ever. Links are followed, since Kubernetes mounts
/// its maps by them.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

//! Secrets that stand in files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use jiff::Timestamp;
use zeroize::Zeroizing;

/// Largest file that a reference may name, in bytes. Keys and tokens are small; a device or a log is a mistake.
pub const MAX_FILE: u64 = 64 * 1024;

/// Why a file has no value.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// More than [`MAX_FILE`].
    #[error("it is larger than {MAX_FILE} bytes")]
    Large,
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The system says no.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
}

/// The text of a file, without the newline that editors and `echo` leave at its end; and when it was written.
pub fn read_file(path: &Path) -> Result<(Zeroizing<String>, Option<Timestamp>), FileError> {
    // Before opening: a pipe would wait for ever.
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file").into());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(FileError::Large);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_not_utf8| FileError::NotText)?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        return Err(FileError::Empty);
    }
    let written = meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    Ok((Zeroizing::new(text.to_owned()), written))
}

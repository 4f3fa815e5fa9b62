//! Why a log is written no more.

use std::io;
use std::path::PathBuf;

/// An operation on the disk that failed and ended the log.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", .path.display())]
pub struct WriteError {
    /// What was tried.
    pub action: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

/// What makes of an error of the disk that of an operation on a file.
pub(crate) fn failed(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError { action, path, source }
}

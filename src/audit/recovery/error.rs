//! Why a start refuses a log.

use std::io;
use std::path::PathBuf;

use super::super::chain::Broken;
use super::super::epoch::{BadHead, EpochError};

/// Why a log cannot be continued. Each of these needs a person: run `yett audit verify`, keep a copy, start a new replica
/// name if the log is to be left as it is.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A complete line does not fit where it stands.
    #[error("the audit log is damaged at record {index}, in `{}`: {reason}", .segment.display())]
    Broken {
        /// The file.
        segment: PathBuf,
        /// Index the line should have.
        index: u64,
        /// What is wrong.
        #[source]
        reason: Broken,
    },
    /// The newest segment is one that no writer compresses.
    #[error("the audit log's last segment is `{}`, but only segments with another behind them are compressed: its end was removed", .0.display())]
    Compressed(PathBuf),
    /// The head counts records that are not there.
    #[error("the audit log was cut: its head counts {size} records, {found} are there")]
    Cut {
        /// Records the head counts.
        size: u64,
        /// Records found.
        found: u64,
    },
    /// The head says something else than the records.
    #[error("the audit log's newest head, over {size} records, does not match them: something was changed")]
    HeadDiffers {
        /// Records the head counts.
        size: u64,
    },
    /// No head, although there are records.
    #[error("the audit log has records but no head in `{}`", .0.display())]
    HeadMissing(PathBuf),
    /// The head is older than any crash can make it.
    #[error("the audit log's head counts {size} records but the last segment begins at {segment}: an old head was put back")]
    HeadOld {
        /// Records the head counts.
        size: u64,
        /// First record of the last segment.
        segment: u64,
    },
    /// A file of heads is damaged other than by a crash.
    #[error("the audit log's heads in `{}` cannot be read: {reason}", .path.display())]
    HeadUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The head is signed by somebody else.
    #[error("the audit log's newest head, over {size} records, is not signed by this log's key: {reason}")]
    HeadUnsigned {
        /// Records the head counts.
        size: u64,
        /// What is wrong.
        #[source]
        reason: BadHead,
    },
    /// Records that no writer of this log leaves behind its newest head.
    #[error(
        "the audit log has records from {index} on that are under no head and were not written by its writer: they were appended by \
         somebody without its keys"
    )]
    Foreign {
        /// The first of them.
        index: u64,
    },
    /// Somebody else knows more of this log than its directory.
    #[error(
        "the audit log has {found} records, but {size} were signed before (says {keeper}): an old copy was put back, or another \
         gateway writes it. To go on with a new log, start with another `audit.replica`"
    )]
    RolledBack {
        /// Records that were signed.
        size: u64,
        /// Records found.
        found: u64,
        /// Who says so.
        keeper: &'static str,
    },
    /// Somebody else knows another history of this log.
    #[error(
        "the audit log says another history than the one that was signed before, over {size} records (says {keeper}). To go on with a \
         new log, start with another `audit.replica`"
    )]
    Forked {
        /// Records that were signed.
        size: u64,
        /// Who says so.
        keeper: &'static str,
    },
    /// There is no key to sign heads with.
    #[error(transparent)]
    Key(#[from] EpochError),
    /// The disk failed.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

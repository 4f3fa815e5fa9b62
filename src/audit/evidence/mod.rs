//! What is handed to somebody who has no access to the log: receipts, bundles, and proof of a fork.
//!
//! What passes through: records, heads and proofs out of a log's directory into files, and such files of strangers into a yes or a
//! reason. What it guarantees: a file is checked before it is given away, and whoever has the key of epoch 0 alone can check it
//! without a network. What it does not do: say that there was no other record. Only a head from elsewhere can.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `epochs` | which keys followed the first ones |
//! | `receipt` | is this record in the log? |
//! | `bundle` | a range of records as a log of its own |
//! | `export` | all records about somebody |
//! | `head` | the head of a period, and whose it is |
//! | `compare` | do two heads, or two copies of a log, say the same? |

mod bundle;
mod compare;
mod epochs;
mod export;
mod head;
mod receipt;

use std::path::{Path, PathBuf};

use super::verify::{VerifyIo, find_logs};

pub use bundle::{BundleError, Bundled, at_once, bundle};
pub(crate) use bundle::{EPOCHS, FRONTIER, FRONTIER_MAX, parse_frontier};
pub use compare::{CompareError, Compared, Fork, compare};
pub use epochs::{EPOCHS_MAX, Epochs, EpochsError, epochs};
pub use export::{count_about, export};
pub use head::{check_head, head_after};
pub use receipt::{ReceiptError, Trust, check_receipt};

/// A path does not say which log is meant.
#[derive(Debug, thiserror::Error)]
pub enum NotOneLog {
    /// None, or several.
    #[error("`{}` holds {logs} logs: name the directory of one", .path.display())]
    Count {
        /// What was named.
        path: PathBuf,
        /// How many there are.
        logs: usize,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] VerifyIo),
}

/// The directory of the one log in `path`.
pub fn only_log(path: &Path) -> Result<PathBuf, NotOneLog> {
    let mut logs = find_logs(path)?;
    match (logs.pop(), logs.len()) {
        (Some(log), 0) => Ok(log),
        (found, others) => Err(NotOneLog::Count { path: path.to_owned(), logs: others + usize::from(found.is_some()) }),
    }
}

//! What holds the audit log in place from outside its directory: the head store, copies of heads, and witnesses.
//!
//! What passes through: signed heads of the log, once they are durable. What it guarantees: a log that is not the one remembered
//! outside is not continued ([`Frozen`]): no call begins, and a message says what to do; and that no witness alone can have it so without
//! proof. What it costs calls: nothing, but where `audit.witness.mode` is `strict` and witnesses are silent for too long. Limits: without
//! a witness or a copy, whoever puts back the log and `state.db` together is not seen.

mod board;
mod client;
mod copies;
mod evidence;
mod follower;
mod heads;
mod witnesses;

pub use copies::{Copies, CopyError};
pub use heads::{HeadKeeper, KeeperError};
pub use witnesses::Witnesses;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Log;

/// All that holds one log.
#[derive(Debug)]
pub struct Anchors {
    /// The head store.
    pub keeper: HeadKeeper,
    /// On systems of other administrators.
    pub copies: Copies,
    /// Where there are any.
    pub witnesses: Option<Witnesses>,
}

impl Anchors {
    /// Follows the log on `tasks` until it is closed; `stop` ends what only watches.
    pub fn run(self, log: &Arc<Log>, tasks: &TaskTracker, stop: &CancellationToken) {
        tasks.spawn(self.keeper.run(Arc::clone(log)));
        self.copies.run(tasks);
        if let Some(witnesses) = self.witnesses {
            witnesses.run(tasks, stop);
        }
    }
}

/// Why a log must not be continued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (says {keeper}). To go on with a new log, start with another `audit.replica`")]
pub struct Frozen {
    /// Who knows better.
    pub keeper: String,
    /// What they know.
    pub reason: FreezeReason,
}

/// See [`Frozen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreezeReason {
    /// Its keys are not ours, though it follows changes of keys.
    #[error("another audit log is known by this name, with keys that this one never had")]
    AnotherLog,
    /// Another head than ours was swapped in.
    #[error("the head of the audit log was changed by somebody else: another gateway writes it")]
    AnotherWriter,
    /// A head of that size was signed, and it says something else than ours, or does not lead to ours.
    #[error("the audit log says another history than the one that was signed before, over {size} records")]
    Forked {
        /// Records that were signed.
        size: u64,
    },
    /// More was signed than there is.
    #[error(
        "the audit log has {found} records, but {size} were signed before: an old copy was put back, or another gateway writes it"
    )]
    RolledBack {
        /// Records that were signed.
        size: u64,
        /// Records found.
        found: u64,
    },
}

impl Frozen {
    /// No call begins from now on.
    fn freeze(&self, log: &Log) {
        log.freeze();
        tracing::error!(log = log.name(), keeper = self.keeper, "{self}");
    }
}

//! What holds the audit log in place from outside its directory: the head store, and witnesses.
//!
//! What passes through: signed heads of the log, once they are durable. What it guarantees: a log that is not the one remembered
//! outside is not continued ([`Frozen`]): no call begins, and a message says what to do. What it costs calls: nothing, but where
//! `audit.witness.mode` is `strict` and witnesses are silent for too long. Limits: without a witness, whoever puts back the log and
//! `state.db` together is not seen.

mod heads;

pub use heads::{HeadKeeper, KeeperError};

use crate::audit::Log;

/// Why a log must not be continued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({keeper}). To go on with a new log, start with another `audit.replica`")]
pub struct Frozen {
    /// Who knows better.
    pub keeper: String,
    /// What they know.
    pub reason: FreezeReason,
}

/// See [`Frozen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreezeReason {
    /// Another head than ours was swapped in.
    #[error("another gateway writes the audit log `state.db` belongs to")]
    AnotherWriter,
}

impl Frozen {
    /// No call begins from now on.
    fn freeze(&self, log: &Log) {
        log.freeze();
        tracing::error!(log = log.name(), keeper = self.keeper, "{self}");
    }
}

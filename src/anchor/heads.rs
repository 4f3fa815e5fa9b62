//! Follows the log with the head store.

use std::sync::Arc;
use std::time::Duration;

use super::{FreezeReason, Frozen};
use crate::audit::{KnownHead, Log};
use crate::state::{HeadStore, StoreError, Swapped};
use crate::tlog::Head;

/// At most one swap in this time: what is not in the store yet is in the log.
const EVERY: Duration = Duration::from_secs(1);

/// Its name, for operators.
const KEEPER: &str = "the head store (`state.db`, or the database of `state.url`)";

/// Why the head of a log cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Somebody swapped while the log was opened.
    #[error(transparent)]
    Frozen(#[from] Frozen),
    /// The store failed.
    #[error("no head store")]
    Store(#[from] StoreError),
}

/// Keeps the newest head of one log in the head store.
#[derive(Debug)]
pub struct HeadKeeper {
    store: HeadStore,
    log: String,
    stored: Option<Head>,
}

impl HeadKeeper {
    /// Before the log of that name is opened.
    pub async fn new(store: HeadStore, log: String) -> Result<Self, StoreError> {
        let stored = store.known(&log).await?;
        Ok(Self { store, log, stored })
    }

    /// What the log has to continue.
    pub fn known(&self) -> Option<KnownHead> {
        self.stored.map(|Head { size, root }| KnownHead { size, root, keeper: KEEPER })
    }

    /// Once the log is open, and so locked: that nobody has written it between the look into the store and the lock.
    pub async fn confirm(&self) -> Result<(), KeeperError> {
        if self.store.known(&self.log).await? == self.stored { Ok(()) } else { Err(conflict().into()) }
    }

    /// Stores the newest head, whenever there is one, until the log is closed. A conflict freezes the log.
    pub async fn run(mut self, log: Arc<Log>) {
        let mut heads = log.heads();
        let mut failing = false;
        loop {
            match self.store_newest(&log).await {
                Ok(()) => failing = false,
                Err(KeeperError::Frozen(frozen)) => return frozen.freeze(&log),
                Err(error @ KeeperError::Store(_)) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(error = &error as &dyn std::error::Error, "the newest head is not in the head store");
                    }
                }
            }
            // It ends early with the log alone.
            let closed = tokio::time::timeout(EVERY, heads.wait_for(|_any| false)).await.is_ok();
            if closed || (!failing && self.is_current(&log) && heads.changed().await.is_err()) {
                if let Err(error) = self.store_newest(&log).await {
                    tracing::error!(error = &error as &dyn std::error::Error, "the last head is not in the head store");
                }
                return;
            }
        }
    }

    /// Swaps, if there is something new.
    pub async fn store_newest(&mut self, log: &Log) -> Result<(), KeeperError> {
        let Some(new) = newest(log).filter(|new| Some(*new) != self.stored) else { return Ok(()) };
        match self.store.swap(&self.log, self.stored, new).await? {
            Swapped::Done => {
                self.stored = Some(new);
                Ok(())
            }
            Swapped::Conflict => Err(conflict().into()),
        }
    }

    fn is_current(&self, log: &Log) -> bool {
        newest(log) == self.stored
    }
}

fn newest(log: &Log) -> Option<Head> {
    log.heads().borrow().as_ref().map(|signed| Head { size: signed.head.size, root: signed.head.root })
}

fn conflict() -> Frozen {
    Frozen { keeper: KEEPER.to_owned(), reason: FreezeReason::AnotherWriter }
}

//! Keeps memory and store together: what other replicas have changed is read, and what could not be stored is stored once it can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::store::within;
use super::{ApiKeys, StoreError, Switches};

/// How often to look. A key that is revoked and a switch that is set at another replica hold here within a second.
pub const LOOK: Duration = Duration::from_millis(500);

/// Follows one store for the keys and switches that were opened from it.
#[derive(Debug)]
pub struct Following {
    keys: Arc<ApiKeys>,
    switches: Arc<Switches>,
    seen: AtomicI64,
    /// The doubts about the store that are settled.
    settled: AtomicU64,
    reachable: AtomicBool,
}

impl Following {
    /// For keys and switches of one store.
    pub fn new(keys: Arc<ApiKeys>, switches: Arc<Switches>) -> Self {
        // Whatever changed since they were read is read at the first look.
        Self { keys, switches, seen: AtomicI64::new(-1), settled: AtomicU64::new(0), reachable: AtomicBool::new(true) }
    }

    /// Whether the last look has reached the store. Where not, what is in memory holds, and nobody knows what others have changed.
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Acquire)
    }

    /// Looks once.
    pub async fn look(&self) -> Result<(), StoreError> {
        let looked = within(self.try_look()).await;
        self.reachable.store(looked.is_ok(), Ordering::Release);
        self.keys.approvals().set_known(looked.is_ok());
        looked
    }

    async fn try_look(&self) -> Result<(), StoreError> {
        // What was ordered here goes before what stands there. One order that no store takes is in the way of no other, and of nothing that others
        // have ordered.
        let rest = self.switches.store_rest().await;
        let rest = rest.and(self.keys.store_rest().await);
        let rest = rest.and(self.keys.approvals().store_rest().await);
        let store = self.keys.store();
        let doubts = store.doubts();
        let is_in_doubt = doubts != self.settled.load(Ordering::Acquire);
        if !store.is_shared() && !is_in_doubt {
            return rest;
        }
        // First the number, then what it counts: what comes in between is read now, and once more.
        let changes = store.changes().await?;
        if is_in_doubt || changes != self.seen.load(Ordering::Acquire) {
            self.switches.reload().await?;
            self.keys.reload().await?;
            self.keys.approvals().reload().await?;
            self.keys.accounts().note_change();
            self.seen.store(changes, Ordering::Release);
            self.settled.store(doubts, Ordering::Release);
        }
        rest
    }
}

#[cfg(test)]
#[path = "following_tests.rs"]
mod tests;

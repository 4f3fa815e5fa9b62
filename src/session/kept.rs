//! Streams of a session that wait for their clients. Few: each holds a place at its server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::chain::Kept;

/// In one session, and in all.
const PER_SESSION: usize = 8;
const IN_ALL: usize = 512;

/// Room for kept streams, of all sessions together.
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(IN_ALL)))
    }
}

/// Those of one session.
#[derive(Default)]
pub(super) struct KeptStreams {
    waiting: BTreeMap<u64, Waiting>,
    numbered: u64,
}

/// One that waits.
pub(super) struct Waiting {
    stream: Box<Kept>,
    _room: OwnedSemaphorePermit,
    /// Whoever watches over it need not any longer.
    _taken: DropGuard,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Room {
    /// Takes a stream, or drops it where there is no room.
    pub(super) fn enter(&self, stream: Box<Kept>, taken: CancellationToken) -> Option<Waiting> {
        let taken = taken.drop_guard();
        let room = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Waiting { stream, _room: room, _taken: taken })
    }
}

impl KeptStreams {
    /// A number for a stream.
    pub(super) fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// Keeps one; gives back what has to go for it.
    pub(super) fn keep(&mut self, number: u64, waiting: Waiting) -> Vec<Waiting> {
        let mut gone: Vec<Waiting> = self.waiting.insert(number, waiting).into_iter().collect();
        while self.waiting.len() > PER_SESSION {
            gone.extend(self.waiting.pop_first().map(|(_, oldest)| oldest));
        }
        gone
    }

    /// Whether one goes on after that event.
    pub(super) fn goes_on(&self, number: u64, after: u64) -> bool {
        self.waiting.get(&number).is_some_and(|waiting| waiting.stream.sent.after(after).is_some())
    }

    /// Takes one that does.
    pub(super) fn take(&mut self, number: u64, after: u64) -> Option<Box<Kept>> {
        if !self.goes_on(number, after) {
            return None;
        }
        let Waiting { mut stream, .. } = self.waiting.remove(&number)?;
        stream.after = after;
        Some(stream)
    }

    /// Takes one away.
    pub(super) fn forget(&mut self, number: u64) -> Option<Waiting> {
        self.waiting.remove(&number)
    }
}

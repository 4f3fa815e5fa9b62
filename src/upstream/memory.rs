//! Memory for large replies: read a few at a time, not all at once.
//!
//! A reply is judged whole, so it lies here whole, from its first byte until its client has taken the last. When two hundred of a quarter
//! of a MiB come in the same second, this keeps most of them in the kernel, and then at their server, until it is their turn.
//!
//! SECURITY: clients that take their replies slowly would hold any amount, so a reply waits for its memory, and its call keeps its places
//! at the server meanwhile: those who come after it are refused before the server hears of them. Only after twenty seconds, or the
//! server's `timeout` before that, is it lost; the record of its call says so.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::chain::Reason;
use crate::places::{Fair, Lane, Place, Share};
use crate::telemetry::Metrics;

/// A reply up to this size is read without asking, which is nearly every one; larger ones are counted in units of it.
const SMALL: usize = 16 << 10;

/// What a large message counts whose length its server does not tell, until it turns out to be larger.
const UNKNOWN: usize = 256 << 10;

/// Large replies that wait.
const WAITING: usize = 1_024;

/// Memory for large replies, shared fairly by all callers. Clones count together.
#[derive(Clone, Debug)]
pub struct ReplyMemory {
    lane: Arc<Lane>,
    units: usize,
}

type Coming = Pin<Box<dyn Future<Output = Result<Place, Reason>> + Send>>;

/// The part of it that one reply has, while it grows.
pub(super) struct Growing {
    memory: ReplyMemory,
    share: Share,
    paid: usize,
    place: Option<Place>,
    coming: Option<Coming>,
}

impl ReplyMemory {
    /// So many bytes, for which a message waits so long.
    pub fn new(bytes: usize, patience: Duration, metrics: &Metrics) -> Self {
        let units = bytes.div_ceil(SMALL);
        let levels = (metrics.large_replies.clone(), metrics.large_replies_waiting.clone());
        Self { lane: Arc::new(Lane::new(Fair::new(units, WAITING), patience, levels)), units }
    }

    /// So much room, now or in a while.
    async fn take(&self, share: Share, bytes: usize) -> Result<Place, Reason> {
        // A message that is larger than all of it has it for itself.
        let wanted = bytes.div_ceil(SMALL).min(self.units);
        self.lane.enter(share, wanted).await.map_err(|_refused| {
            tracing::warn!("a large reply was not read: its caller's clients have not taken others yet");
            Reason::Overloaded
        })
    }

    /// For one reply.
    pub(super) fn growing(&self, share: Share) -> Growing {
        Growing { memory: self.clone(), share, paid: SMALL, place: None, coming: None }
    }
}

/// Whether so much is counted at all.
pub(super) fn is_large(bytes: usize) -> bool {
    bytes > SMALL
}

/// How large a message will be of which so much has come, and which is at most `most` bytes.
pub(super) fn guess(held: usize, most: usize) -> usize {
    if held > UNKNOWN { most } else { UNKNOWN }
}

impl Growing {
    /// Whose it is.
    pub(super) fn share(&self) -> Share {
        self.share.clone()
    }

    /// Ready once there is room for `held` bytes, of what will be `all`.
    pub(super) fn poll_for(&mut self, cx: &mut Context<'_>, held: usize, all: usize) -> Poll<Result<(), Reason>> {
        loop {
            if let Some(coming) = &mut self.coming {
                let place = ready!(coming.as_mut().poll(cx));
                self.coming = None;
                self.place = Some(place?);
            }
            if held <= SMALL {
                (self.paid, self.place) = (SMALL, None);
            }
            if held <= self.paid {
                return Poll::Ready(Ok(()));
            }
            // Given back first: two that hold a part each and want more would wait for each other.
            self.place = None;
            self.paid = all.max(held);
            let (memory, share, bytes) = (self.memory.clone(), self.share.clone(), self.paid);
            self.coming = Some(Box::pin(async move { memory.take(share, bytes).await }));
        }
    }

    /// The part that a message of this size has of the room: it keeps that until its client has taken it.
    pub(super) fn give(&mut self, size: usize) -> Option<Place> {
        if size <= SMALL {
            return None;
        }
        self.paid = SMALL;
        let mut place = self.place.take()?;
        place.shrink_to(size.div_ceil(SMALL));
        Some(place)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;

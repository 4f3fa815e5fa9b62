//! Memory for large replies: read a few at a time, not all at once.
//!
//! A reply is judged whole, so it lies here whole, from its first byte until it is handed to the client's connection. When two hundred
//! of a quarter of a MiB come in the same second, this keeps most of them in the kernel, and then at their server, until it is their turn.
//!
//! Nobody is refused for want of this memory, since the call has been made: after [`PATIENCE`] a reply is read all the same. So it
//! smooths a burst; what bounds calls under way at last are the places at servers.

use std::sync::Arc;
use std::time::Duration;

use crate::places::{Fair, Lane, Place, Share};
use crate::telemetry::Metrics;

/// A reply up to this size is read without asking, which is nearly every one; larger ones are counted in units of it.
pub(super) const SMALL: usize = 16 << 10;

/// What a large reply counts whose length its server does not tell.
const UNKNOWN: usize = 256 << 10;

/// Large replies that wait, and for how long.
const WAITING: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(2);

/// Memory for large replies, shared fairly by all callers. Clones count together.
#[derive(Clone, Debug)]
pub struct ReplyMemory {
    lane: Arc<Lane>,
    units: usize,
}

impl ReplyMemory {
    /// So many bytes.
    pub fn new(bytes: usize, metrics: &Metrics) -> Self {
        let units = bytes.div_ceil(SMALL);
        let levels = (metrics.large_replies.clone(), metrics.large_replies_waiting.clone());
        Self { lane: Arc::new(Lane::new(Fair::new(units, WAITING), PATIENCE, levels)), units }
    }

    /// Room for a reply, now or in a while; `None` when it is read without.
    pub(super) async fn take(&self, share: Share, declared: Option<usize>) -> Option<Place> {
        let wanted = declared.unwrap_or(UNKNOWN).div_ceil(SMALL).min(self.units);
        self.lane.enter(share, wanted).await.ok()
    }
}

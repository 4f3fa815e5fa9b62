//! Memory for large replies: read a few at a time, not all at once.
//!
//! A reply is judged whole, so it lies here whole, from its first byte until its client has taken the last. When two hundred of a quarter
//! of a MiB come in the same second, this keeps most of them in the kernel, and then at their server, until it is their turn.
//!
//! SECURITY: clients that take their replies slowly would hold any amount, so a reply waits for its memory, and its call keeps its places
//! at the server meanwhile: those who come after it are refused before the server hears of them. Only after [`PATIENCE`], or the server's
//! `timeout` before that, is it lost; the record of its call says so.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::Reason;
use crate::places::{Fair, Lane, Place, Share};
use crate::telemetry::Metrics;

/// A reply up to this size is read without asking, which is nearly every one; larger ones are counted in units of it.
pub(super) const SMALL: usize = 16 << 10;

/// What a large reply counts whose length its server does not tell, until it turns out to be larger.
pub(super) const UNKNOWN: usize = 256 << 10;

/// Large replies that wait, and for how long.
const WAITING: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(20);

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

    /// Room for a reply, now or in a while.
    pub(super) async fn take(&self, share: Share, bytes: usize) -> Result<Place, Reason> {
        let wanted = bytes.div_ceil(SMALL).min(self.units);
        self.lane.enter(share, wanted).await.map_err(|_refused| {
            tracing::warn!("a large reply was not read: its caller's clients have not taken others yet");
            Reason::Overloaded
        })
    }
}

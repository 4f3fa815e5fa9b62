//! Reading a request body: bounded in size and time, and all of them together in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::chain::{Body, Reason};
use crate::listener::refusal::HeadError;
use crate::places::{Fair, Lane, Place, Share};
use crate::telemetry::Metrics;

/// A body up to this size is read without asking, which is nearly every one; larger ones are counted in units of it.
const SMALL: usize = 16 << 10;

/// Large bodies that wait for memory, and for how long. What waits is not read, so it costs a socket and little more.
const WAITING: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(2);

/// Memory for large bodies, shared fairly by all callers. Clones count together.
#[derive(Clone, Debug)]
pub struct BodyMemory(Arc<Lane>);

impl BodyMemory {
    /// So many bytes, and at the least two bodies of the largest size.
    pub fn new(bytes: usize, largest: usize, metrics: &Metrics) -> Self {
        let units = bytes.max(largest.saturating_mul(2)).div_ceil(SMALL);
        let levels = (metrics.large_bodies.clone(), metrics.large_bodies_waiting.clone());
        Self(Arc::new(Lane::new(Fair::new(units, WAITING), PATIENCE, levels)))
    }

    async fn take(&self, share: &Share, bytes: usize) -> Result<Place, Reason> {
        self.0.enter(share.clone(), bytes.div_ceil(SMALL)).await.map_err(|_refused| Reason::Overloaded)
    }
}

/// A body, and its part of the memory for large ones.
pub(super) type Read = (Bytes, Option<Place>);

/// Collects a body of at most `limit` bytes within `time`. A declared length over the limit is refused before anything is read.
///
/// The lowest rate and the framing are held by the head filter in front of hyper.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    time: Duration,
    (memory, share): (&BodyMemory, &Share),
) -> Result<Read, Reason> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Reason::BodyTooLarge);
    }
    let size = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(limit);
    tokio::time::timeout(time, collect(body, limit, memory.take(share, size))).await.unwrap_or(Err(Reason::BodyTooSlow))
}

/// `memory` is asked once the body turns out to be large, and before more of it is read.
async fn collect(mut body: Body, limit: usize, memory: impl Future<Output = Result<Place, Reason>>) -> Result<Read, Reason> {
    let (mut memory, mut place) = (Some(memory), None);
    let mut first: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&*error))?.into_data() else {
            // Trailers are dropped: nothing of them is forwarded.
            continue;
        };
        let so_far = joined.len() + first.as_ref().map_or(0, Bytes::len);
        if so_far + data.len() > limit {
            return Err(Reason::BodyTooLarge);
        }
        if so_far + data.len() > SMALL
            && let Some(memory) = memory.take()
        {
            place = Some(memory.await?);
        }
        if so_far == 0 {
            first = Some(data);
            if body.is_end_stream() {
                break;
            }
            continue;
        }
        if let Some(first) = first.take() {
            joined.reserve(so_far + data.len());
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
    }
    // Most bodies come in one piece, which is then handed on as it is.
    Ok((first.unwrap_or_else(|| joined.freeze()), place))
}

/// What the head filter found wrong with a body, or that its sender went away.
fn broken(error: &(dyn std::error::Error + 'static)) -> Reason {
    match HeadError::in_chain(error) {
        Some(HeadError::SlowBody) => Reason::BodyTooSlow,
        Some(error) => Reason::Framing(error.status(), error.reason()),
        None => Reason::BodyIncomplete,
    }
}

//! Reading a request body: bounded in size and time, and all of them together in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::chain::{Body, Reason};
use crate::listener::refusal::HeadError;
use crate::places::{Fair, Lane, Place, Share};
use crate::telemetry::Metrics;

/// A body up to this size is read without asking, which is nearly every one; larger ones are counted in units of it.
const SMALL: usize = 16 << 10;

/// Large bodies that wait for memory, and for how long. What waits is not read, so it costs a socket and little more.
const WAITING: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a body may hold memory that somebody waits for who holds less. Shorter than [`PATIENCE`], so that they get it. Without this two
/// bodies that are announced and do not come would keep everybody else's large ones out for all of `body_timeout`.
const LENT: Duration = Duration::from_secs(2);

/// How often it is looked whether somebody waits, after that.
const LOOK: Duration = Duration::from_millis(100);

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

    async fn take(&self, share: &Share, bytes: usize) -> Result<Lent, Unread> {
        let entered = self.0.enter(share.clone(), bytes.div_ceil(SMALL)).await;
        let place = entered.map_err(|_refused| (Reason::Overloaded, Some(NO_MEMORY)))?;
        Ok(Lent { place, until: Instant::now() + LENT })
    }
}

/// A body, and its part of the memory for large ones.
pub(super) type Read = (Bytes, Option<Place>);

/// Why there is no body, and a word for the record.
pub(super) type Unread = (Reason, Option<&'static str>);

const NO_MEMORY: &str = "body_memory";

/// Memory that a body has, and until when it has it for sure.
struct Lent {
    place: Place,
    until: Instant,
}

/// Collects a body of at most `limit` bytes within `time`. A declared length over the limit is refused before anything is read.
///
/// The lowest rate and the framing are held by the head filter in front of hyper.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    time: Duration,
    (memory, share): (&BodyMemory, &Share),
) -> Result<Read, Unread> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err((Reason::BodyTooLarge, None));
    }
    let declared = declared.and_then(|length| usize::try_from(length).ok());
    let taking = memory.take(share, declared.unwrap_or(limit));
    let collected = tokio::time::timeout(time, collect(body, declared.unwrap_or(0), limit, taking)).await;
    collected.unwrap_or(Err((Reason::BodyTooSlow, None)))
}

/// `memory` is asked once the body turns out to be large, and before more of it is read.
async fn collect(
    mut body: Body,
    declared: usize,
    limit: usize,
    memory: impl Future<Output = Result<Lent, Unread>>,
) -> Result<Read, Unread> {
    let (mut memory, mut lent) = (Some(memory), None);
    let mut first: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    while let Some(frame) = next(&mut body, lent.as_ref()).await? {
        let Ok(data) = frame.into_data() else {
            // Trailers are dropped: nothing of them is forwarded.
            continue;
        };
        let so_far = joined.len() + first.as_ref().map_or(0, Bytes::len);
        if so_far + data.len() > limit {
            return Err((Reason::BodyTooLarge, None));
        }
        if so_far + data.len() > SMALL
            && let Some(memory) = memory.take()
        {
            lent = Some(memory.await?);
        }
        if so_far == 0 {
            first = Some(data);
            if body.is_end_stream() {
                break;
            }
            continue;
        }
        // In one piece: a buffer that doubles again and again leaves as much behind as it holds. No more than is paid for, though.
        let room = if lent.is_some() { declared } else { declared.min(SMALL) };
        joined.reserve(room.max(so_far + data.len()).saturating_sub(joined.len()));
        if let Some(first) = first.take() {
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
    }
    // Most bodies come in one piece, which is then handed on as it is.
    Ok((first.unwrap_or_else(|| joined.freeze()), lent.map(|lent| lent.place)))
}

/// The next piece of a body; not if it does not come, and the memory that it holds is wanted.
async fn next(body: &mut Body, lent: Option<&Lent>) -> Result<Option<Frame<Bytes>>, Unread> {
    let frame = match lent {
        Some(lent) => wait(body, lent).await?,
        None => body.frame().await,
    };
    frame.transpose().map_err(|error| (broken(&*error), None))
}

async fn wait<B: http_body::Body + Unpin>(body: &mut B, lent: &Lent) -> Result<Option<Result<Frame<B::Data>, B::Error>>, Unread> {
    let mut look = lent.until;
    loop {
        if let Ok(frame) = timeout_at(look, body.frame()).await {
            return Ok(frame);
        }
        if lent.place.is_pressed() {
            return Err((Reason::BodyTooSlow, Some(NO_MEMORY)));
        }
        look = Instant::now() + LOOK;
    }
}

/// What the head filter found wrong with a body, or that its sender went away.
fn broken(error: &(dyn std::error::Error + 'static)) -> Reason {
    match HeadError::in_chain(error) {
        Some(HeadError::SlowBody) => Reason::BodyTooSlow,
        Some(error) => Reason::Framing(error.status(), error.reason()),
        None => Reason::BodyIncomplete,
    }
}

//! Reading a request body: bounded in size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::chain::{Body, Reason};
use crate::listener::refusal::HeadError;

/// Collects a body of at most `limit` bytes within `time`. A declared length over the limit is refused before anything is read.
///
/// The lowest rate and the framing are held by the head filter in front of hyper.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize, time: Duration) -> Result<Bytes, Reason> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Reason::BodyTooLarge);
    }
    tokio::time::timeout(time, collect(body, limit)).await.unwrap_or(Err(Reason::BodyTooSlow))
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Reason> {
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
    Ok(first.unwrap_or_else(|| joined.freeze()))
}

/// What the head filter found wrong with a body, or that its sender went away.
fn broken(error: &(dyn std::error::Error + 'static)) -> Reason {
    match HeadError::in_chain(error) {
        Some(HeadError::SlowBody) => Reason::BodyTooSlow,
        Some(error) => Reason::Framing(error.status(), error.reason()),
        None => Reason::BodyIncomplete,
    }
}

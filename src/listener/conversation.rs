//! One connection from its first byte to its last: the filter, hyper on top of it, and the answer to what the filter refused.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use super::framing::{FilteredStream, FramingLimits, close_refused};
use super::refusal::HeadError;
use super::secure::Wire;
use crate::places::Untaken;

/// How long a refused client may take to read why.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The HTTP library buffers no less.
const LEAST_BUFFER: usize = 8 * 1024;

/// The HTTP library has room for so many headers on its stack, and takes memory for each request once it is told another number. Fewer
/// are the filter's to count.
const HEADERS: usize = 100;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By either side, in order or not.
    Closed,
    /// Its client took nothing of what it was sent, or too little of it while others waited for the memory.
    Stalled,
}

/// Serves requests until the connection ends; after `stop`, until the one that is being answered is.
///
/// `refused` records what the filter refused and writes the answer to it.
pub(super) async fn hold<W, S, B>(
    stream: W,
    limits: FramingLimits,
    service: S,
    (stop, untaken): (CancellationToken, Untaken),
    refused: impl AsyncFnOnce(HeadError) -> Vec<u8>,
) -> Ended
where
    W: Wire,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if stream.tcp().set_nodelay(true).is_err() {
        return Ended::Closed;
    }
    let filtered = FilteredStream::new(stream, limits).counted_with(untaken.clone());
    let (refusal, stalled) = (filtered.refusal_handle(), filtered.stall_handle());
    let mut http = http1::Builder::new();
    if limits.head.headers > HEADERS {
        http.max_headers(limits.head.headers);
    }
    let mut connection = http
        .keep_alive(true)
        .max_buf_size(limits.queue.max(limits.head.bytes).max(LEAST_BUFFER))
        .serve_connection(TokioIo::new(filtered), service);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => Some(ended),
        () = untaken.pressed() => None,
        () = stop.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                ended = &mut connection => Some(ended),
                () = untaken.pressed() => None,
            }
        }
    };
    let pressed = ended.is_none();
    if let Some(Err(error)) = ended {
        tracing::debug!(error = &error as &dyn Error, "a client connection ended");
    }
    if let Some(error) = refusal.take() {
        let answer = refused(error).await;
        let stream = connection.into_parts().io.into_inner().into_inner();
        let _ = tokio::time::timeout(LAST_WORD, Box::pin(close_refused(stream, &answer))).await;
        return Ended::Closed;
    }
    if pressed || stalled.is_set() {
        // What the kernel still holds for this client would otherwise be offered to it for minutes.
        let _ = connection.into_parts().io.into_inner().into_inner().tcp().set_zero_linger();
        return Ended::Stalled;
    }
    Ended::Closed
}

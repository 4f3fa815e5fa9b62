//! HTTP/2 on TLS connections whose client asked for it (ALPN `h2`), and nowhere else.
//!
//! hyper speaks it; what hyper lets through is caught on both sides of it. Beneath, `wire` reads the frames that pass: floods end by
//! GOAWAY, and what hyper refuses without asking anybody is recorded before it leaves. Above, `requests` holds each head to the rules of
//! HTTP/1.1.
//!
//! SECURITY: a client that takes nothing of one answer loses the connection, with all answers on it: hyper cannot be told to let go of one.

mod body;
mod budget;
mod fragment;
mod frames;
mod ledger;
mod meeting;
mod requests;
mod wary;
mod wire;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Client;
use super::conversation::Ended;
use super::refusal::HeadError;
use super::secure::Wire;
use crate::places::Untaken;
use meeting::Meeting;
pub(super) use wary::Wary;
use wire::{Company, Recorder, WatchedStream};

/// The least that HTTP/2 has for a window, and its largest frame (RFC 9113, sections 6.9.2 and 4.2).
const LEAST_WINDOW: usize = 65_535;
const FRAME: u32 = 16 * 1024;

/// Streams that the library resets on its own before it ends the connection: more than the ledger lets pass in a burst.
const LIBRARY_RESETS: usize = 20_000;

/// Each request is a task of the gateway's.
#[derive(Clone, Debug)]
struct OnTasks(TaskTracker);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for OnTasks {
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// Serves requests until the connection ends; after `stop`, until those that are being answered are.
pub(super) async fn hold<W: Wire + Send + 'static>(
    stream: W,
    client: Client,
    tasks: TaskTracker,
    stop: CancellationToken,
) -> Ended {
    if stream.tcp().set_nodelay(true).is_err() {
        return Ended::Closed;
    }
    let Client { endpoint, limits, metrics, peer, wary } = client;
    let (meeting, untaken, leave) = (Meeting::default(), Untaken::default(), CancellationToken::new());
    let record: Recorder = {
        let (endpoint, peer, tasks) = (Arc::clone(&endpoint), peer.clone(), tasks.clone());
        Arc::new(move |error: HeadError| {
            let (endpoint, peer) = (Arc::clone(&endpoint), peer.clone());
            // A task of its own: it is made, though the client hangs up meanwhile.
            let made = tasks.spawn(async move {
                endpoint.refuse_framing(error.status(), error.reason(), peer).await;
            });
            Box::pin(async move {
                let _ = made.await;
            })
        })
    };
    let company = Company {
        meeting: meeting.clone(),
        record,
        metrics,
        untaken: untaken.clone(),
        leave: leave.clone(),
        wary,
        peer: peer.address,
    };
    let watched = WatchedStream::new(stream, limits, company);
    let stalled = watched.stall_handle();
    let service = requests::service(endpoint, peer, limits, untaken.clone(), meeting);
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX >> 1);
    let mut connection = http2::Builder::new(OnTasks(tasks))
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(size(limits.head.bytes))
        .max_frame_size(FRAME)
        .initial_stream_window_size(size(limits.queue.max(LEAST_WINDOW)))
        .initial_connection_window_size(size((limits.queue * 4).max(LEAST_WINDOW)))
        .max_send_buf_size(limits.queue)
        // Over the life of the connection, streams that were refused for want of a place included; the ledger counts by time and kind.
        .max_local_error_reset_streams(LIBRARY_RESETS)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.stall_timeout)
        .serve_connection(TokioIo::new(watched), service);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => Some(ended),
        () = untaken.pressed() => None,
        () = async { tokio::select! { () = stop.cancelled() => {} () = leave.cancelled() => {} } } => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                ended = &mut connection => Some(ended),
                () = untaken.pressed() => None,
            }
        }
    };
    match ended {
        Some(Err(error)) => tracing::debug!(error = &error as &dyn Error, "a client connection ended"),
        Some(Ok(())) => {}
        None => stalled.0.store(true, Ordering::Release),
    }
    if stalled.is_set() { Ended::Stalled } else { Ended::Closed }
}

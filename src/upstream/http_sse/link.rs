//! One stream of a server, and the endpoint that it has announced on it: a connection on which requests go one way and replies come
//! another (`paired/`). Its end, whoever's it is, ends what is open on it.

use std::sync::Arc;
use std::time::Duration;

use http::Method as HttpMethod;
use http::uri::PathAndQuery;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::address;
use super::super::paired::{Audience, Paired, cancelled};
use super::super::pool::Lease;
use super::super::questions::{Questions, recorded};
use super::super::reply;
use super::super::sse::{Decoder, Event, SseError};
use super::super::strict::Doubt;
use super::endpoint;
use super::post::{Poster, Whose};
use crate::chain::{Reason, Rejection};

/// How old a stream may become; then it ends once nothing is open on it, and the next call opens another.
const LIFE: Duration = Duration::from_hours(24);

/// How long an end of age waits for what is open.
const LAST_CALLS: Duration = Duration::from_mins(5);

/// How long a stream goes on without a call while the gateway stops: those that have been let in are yet to come.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// Messages that are nobody's, after which a server is not listened to any more.
const FAULTS: u32 = 64;

/// An open stream. Dropped, it is closed.
pub(super) struct Link {
    pub(super) paired: Arc<Paired>,
    pub(super) target: PathAndQuery,
    over: CancellationToken,
    _close: DropGuard,
}

/// A stream that is read.
struct Reading {
    body: Incoming,
    decoder: Decoder,
    lease: Lease,
}

impl Link {
    /// Opens a stream that ends with `over` at the latest, and waits until the server has said where it wants its messages.
    pub(super) async fn open(poster: &Arc<Poster>, over: &CancellationToken, whose: Whose<'_>) -> Result<Self, Rejection> {
        let mut lease = poster.lease().await?;
        let mut request = poster.address.request(&HttpMethod::GET, poster.address.target(), None);
        address::mark(&mut request, whose.call, whose.trace);
        let used = address::show(poster.address.pass(None)?.as_ref(), &mut request).await?;
        let response = lease.sender.send_request(request).await;
        let response = response.map_err(|error| lease.failed(&error))?;
        used.answered(response.status());
        let mut reading = Reading { body: reply::event_stream(response)?, decoder: Decoder::new(poster.largest), lease };
        let first = reading.event().await?;
        if first.event.as_deref() != Some("endpoint") {
            return Err(Reason::UpstreamFailed("no_endpoint").into());
        }
        let target = endpoint::resolve(&poster.url, &first.data).map_err(|error| {
            // SECURITY: what it names is not shown: it is the server's own text.
            tracing::warn!(server = poster.name(), error = &error as &dyn std::error::Error, "an endpoint was refused");
            poster.metrics.stream_fault(poster.name(), error.word());
            Reason::UpstreamFailed(error.word())
        })?;
        let paired = pair(poster, &target);
        let over = over.child_token();
        let (reader, ended) = (Arc::clone(&paired), over.clone());
        let listener = Arc::clone(poster);
        poster.tasks.spawn(async move {
            let reason = reading.read(&reader, &ended, &listener).await;
            reader.end(&reason);
            ended.cancel();
        });
        Ok(Self { paired, target, _close: over.clone().drop_guard(), over })
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Ends it.
    pub(super) fn close(&self) {
        self.over.cancel();
    }
}

/// Pairs what goes to `target` with what comes on the stream. The server's own questions are answered where all messages go.
fn pair(poster: &Arc<Poster>, target: &PathAndQuery) -> Arc<Paired> {
    let (asked, answers) = (Arc::clone(poster), target.clone());
    let questions = Questions::new(move |answer| asked.post_soon(&answers, answer));
    let (left, cancels) = (Arc::clone(poster), target.clone());
    let abandon = move |wire: i64| left.post_soon(&cancels, cancelled(wire));
    let unheard = recorded(poster.name(), poster.unheard.clone(), poster.tasks.clone());
    Paired::new(Audience::One, poster.largest, questions, unheard, abandon)
}

impl Reading {
    /// The next event.
    async fn event(&mut self) -> Result<Event, Reason> {
        loop {
            if let Some(event) = self.decoder.next_event().map_err(broken)? {
                return Ok(event);
            }
            self.more().await?;
        }
    }

    /// Waits for more of the stream.
    async fn more(&mut self) -> Result<(), Reason> {
        match self.body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.decoder.push(&data);
                }
                Ok(())
            }
            Some(Err(_)) => Err(Reason::UpstreamFailed(self.lease.doubt().map_or("body", Doubt::word))),
            None => Err(Reason::UpstreamFailed(if self.decoder.is_mid_event() { "cut_event" } else { "no_response" })),
        }
    }

    /// Reads to the end, whoever's it is: why whatever is still open has failed.
    async fn read(&mut self, paired: &Paired, over: &CancellationToken, poster: &Poster) -> Reason {
        let age = async {
            sleep(LIFE).await;
            let _drained = timeout(LAST_CALLS, paired.drained()).await;
        };
        let stopped = async {
            poster.stopping.cancelled().await;
            paired.idle_for(LAST_REQUESTS).await;
        };
        let events = async {
            let mut faults = 0;
            loop {
                let event = match self.event().await {
                    Ok(event) => event,
                    Err(reason) => break reason,
                };
                match event.event.as_deref() {
                    None | Some("message") if event.data.is_empty() => {}
                    None | Some("message") => {
                        if let Err(fault) = paired.receive(&poster.discreet(event.data)) {
                            tracing::warn!(server = poster.name(), fault = fault.0, "a server sent a message that is nobody's");
                            poster.metrics.stream_fault(poster.name(), fault.0);
                            faults += 1;
                        }
                    }
                    // SECURITY: it was checked once, and is not to be moved under calls that are on their way.
                    Some("endpoint") => {
                        poster.metrics.stream_fault(poster.name(), "second_endpoint");
                        break Reason::UpstreamFailed("second_endpoint");
                    }
                    Some(_) => {}
                }
                if faults >= FAULTS {
                    break Reason::UpstreamFailed("faults");
                }
            }
        };
        tokio::select! {
            biased;
            () = over.cancelled() => Reason::SessionNotFound,
            reason = events => reason,
            () = age => Reason::StreamOver,
            () = stopped => Reason::StreamOver,
        }
    }
}

fn broken(error: SseError) -> Reason {
    tracing::warn!(error = &error as &dyn std::error::Error, "a server's event stream is broken");
    Reason::UpstreamFailed(if matches!(error, SseError::TooLarge { .. }) { "too_large" } else { "event_stream" })
}

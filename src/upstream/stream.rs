//! An event stream as messages. Bounded: one event is held at a time, and one event has a largest size.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::memory;
use super::pool::Lease;
use super::reply::{self, Expected};
use super::resumption::{Resumed, Resumption};
use super::sse::{Decoder, SseError};
use super::strict::Doubt;
use crate::chain::{Reason, Rejection, ServerMessage};
use crate::protocol::Shape;

/// Messages from a reply stream, up to and including the response.
pub(super) struct EventStream {
    source: Source,
    decoder: Decoder,
    brought: usize,
    expected: Expected,
    ends: Pin<Box<Sleep>>,
    /// Ends a stream on which nothing comes any more, comments included.
    silence: Pin<Box<Sleep>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    lease: Option<Lease>,
    done: bool,
}

/// Where the next bytes come from.
enum Source {
    /// The connection.
    Body(Incoming),
    /// A connection that is yet to be made, after the pause.
    Pause(Pin<Box<Sleep>>, Resumed),
    /// The same, under way.
    Return(Resumed),
}

impl EventStream {
    pub(super) fn new(body: Incoming, lease: Lease, expected: Expected) -> Self {
        Self {
            source: Source::Body(body),
            decoder: Decoder::new(expected.max_message),
            brought: 0,
            ends: Box::pin(sleep_until(expected.ends.at)),
            silence: Box::pin(sleep(expected.idle)),
            cut: Box::pin(expected.cut.token.clone().cancelled_owned()),
            expected,
            lease: Some(lease),
            done: false,
        }
    }

    fn next_message(&mut self) -> Result<Option<ServerMessage>, Rejection> {
        loop {
            let event = self.decoder.next_event().map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "a server's event stream is broken");
                Reason::UpstreamFailed(if matches!(error, SseError::TooLarge { .. }) { "too_large" } else { "event_stream" })
            })?;
            let Some(event) = event else {
                return Ok(None);
            };
            if let Some(resumption) = &mut self.expected.resumption {
                resumption.note(&event);
            }
            // Priming events (an id without data) and foreign event types carry no message. Ids are not relayed: to its clients the
            // gateway gives its own.
            if event.data.is_empty() || event.event.as_deref().is_some_and(|kind| kind != "message") {
                continue;
            }
            let size = event.data.len();
            let mut message = ServerMessage::new(self.expected.parse(event.data)?);
            message.memory = self.expected.memory.give(size);
            match message.message.shape() {
                // SECURITY: what answers no request would be judged as an answer to none.
                Shape::Response if self.expected.pushes => return Err(Reason::UpstreamFailed("unexpected_response").into()),
                Shape::Response => self.expected.check_response(&message.message)?,
                Shape::Request if self.expected.version.has_sessions() => {
                    message.responder = Some(self.expected.questions.responder());
                }
                Shape::Request => return Err(Reason::UpstreamFailed("unexpected_request").into()),
                Shape::Notification => {}
            }
            return Ok(Some(message));
        }
    }
}

impl EventStream {
    /// The connection, once there is one.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut Incoming, Rejection>> {
        loop {
            match &mut self.source {
                Source::Body(_) => break,
                Source::Pause(pause, _) => ready!(pause.as_mut().poll(cx)),
                Source::Return(resumed) => {
                    let resumed = ready!(resumed.as_mut().poll(cx));
                    let (response, lease) = match resumed {
                        Ok(resumed) => resumed,
                        Err(rejection) => return Poll::Ready(Err(rejection)),
                    };
                    match reply::resumed(response, self.expected.version) {
                        Ok(body) => self.source = Source::Body(body),
                        Err(rejection) => return Poll::Ready(Err(rejection)),
                    }
                    self.lease = Some(lease);
                    self.decoder = Decoder::new(self.expected.max_message);
                    self.silence.as_mut().reset(Instant::now() + self.expected.idle);
                    continue;
                }
            }
            self.source = match std::mem::replace(&mut self.source, Source::Return(Box::pin(std::future::pending()))) {
                Source::Pause(_, resumed) | Source::Return(resumed) => Source::Return(resumed),
                Source::Body(body) => Source::Body(body),
            };
        }
        match &mut self.source {
            Source::Body(body) => Poll::Ready(Ok(body)),
            Source::Pause(..) | Source::Return(_) => Poll::Pending,
        }
    }

    /// Whether the server has only closed the connection, and is to be asked again. What came of an event without its end is void.
    fn comes_back(&mut self) -> bool {
        let Some((pause, resumed)) = self.expected.resumption.as_mut().and_then(Resumption::next) else {
            return false;
        };
        self.lease = None;
        self.source = Source::Pause(Box::pin(sleep(pause)), resumed);
        true
    }
}

impl Stream for EventStream {
    type Item = Result<ServerMessage, Rejection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.done {
                return Poll::Ready(None);
            }
            // SECURITY: before more is read. What waits for room meanwhile lies in the kernel, and then at the server.
            let held = this.decoder.held();
            let all = memory::guess(held, this.expected.max_message);
            let room = this.expected.memory.poll_for(cx, held, all);
            let waits = room.is_pending();
            let next = match room {
                Poll::Ready(Ok(())) => this.next_message(),
                Poll::Ready(Err(reason)) => Err(reason.into()),
                Poll::Pending => Ok(None),
            };
            match next {
                Ok(Some(message)) => {
                    // After the response nothing on this stream can concern the request any more.
                    this.done = message.is_final();
                    return Poll::Ready(Some(Ok(message)));
                }
                Ok(None) => {}
                Err(rejection) => {
                    this.done = true;
                    this.lease = None;
                    return Poll::Ready(Some(Err(rejection)));
                }
            }
            if this.ends.as_mut().poll(cx).is_ready() {
                this.done = true;
                this.lease = None;
                return Poll::Ready(Some(Err(this.expected.ends.because.clone().into())));
            }
            if this.cut.as_mut().poll(cx).is_ready() {
                this.done = true;
                return Poll::Ready(Some(Err(this.expected.cut.reason().into())));
            }
            if waits {
                return Poll::Pending;
            }
            let body = match ready!(this.poll_source(cx)) {
                Ok(body) => body,
                Err(rejection) => {
                    this.done = true;
                    this.lease = None;
                    return Poll::Ready(Some(Err(rejection)));
                }
            };
            let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
                // Only once there is nothing to read: a client that reads slowly is not the server's silence.
                ready!(this.silence.as_mut().poll(cx));
                this.done = true;
                return Poll::Ready(Some(Err(Reason::UpstreamTimeout.into())));
            };
            this.silence.as_mut().reset(Instant::now() + this.expected.idle);
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.brought = this.brought.saturating_add(data.len());
                        if memory::is_large(held) {
                            this.decoder.expect(all);
                        }
                        this.decoder.push(&data);
                    }
                    if this.brought > this.expected.most {
                        this.done = true;
                        this.lease = None;
                        return Poll::Ready(Some(Err(Reason::StreamLimit.into())));
                    }
                }
                Some(Err(_)) => {
                    this.done = true;
                    let what = this.lease.as_ref().and_then(Lease::doubt).map_or("body", Doubt::word);
                    this.lease = None;
                    return Poll::Ready(Some(Err(Reason::UpstreamFailed(what).into())));
                }
                None if this.comes_back() => {}
                None => {
                    this.done = true;
                    this.lease = None;
                    if this.expected.pushes {
                        return Poll::Ready(None);
                    }
                    // Without its response the call has failed.
                    let what = if this.decoder.is_mid_event() { "cut_event" } else { "no_response" };
                    return Poll::Ready(Some(Err(Reason::UpstreamFailed(what).into())));
                }
            }
        }
    }
}

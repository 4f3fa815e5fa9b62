//! What comes back for one call: a message, or a stream of them.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use http::StatusCode;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::Paired;
use super::inbox::Reader;
use crate::chain::{McpResponse, Reason, Rejection, ResponseBody, ServerMessage};
use crate::protocol::Message;
use crate::upstream::cut::{Cut, Ends};
use crate::upstream::memory::Growing;

/// A call that is open. Dropped before its response, the server is told that nobody waits for it.
pub(in crate::upstream) struct OpenCall {
    paired: Arc<Paired>,
    wire: i64,
    reader: Reader,
    over: bool,
}

/// How a reply is read.
pub(in crate::upstream) struct Reading {
    /// Whether it is what the server pushes, which has no response.
    pub(in crate::upstream) pushes: bool,
    /// When a stream is over.
    pub(in crate::upstream) ends: Ends,
    /// What one may bring in all.
    pub(in crate::upstream) most: usize,
    /// Longest silence of one.
    pub(in crate::upstream) idle: Duration,
    /// Ends one before that.
    pub(in crate::upstream) cut: Cut,
    /// Its memory, where it is large.
    pub(in crate::upstream) memory: Growing,
    /// The HTTP status that a response has for a client of this revision.
    pub(in crate::upstream) status: fn(&Message) -> StatusCode,
}

impl OpenCall {
    pub(super) fn new(paired: Arc<Paired>, wire: i64, reader: Reader) -> Self {
        Self { paired, wire, reader, over: false }
    }

    /// The id under which the server knows it.
    pub(in crate::upstream) fn wire(&self) -> i64 {
        self.wire
    }

    /// The reply: of one message if the first that comes is the response, else a stream.
    pub(in crate::upstream) async fn reply(mut self, mut reading: Reading) -> Result<McpResponse, Rejection> {
        if reading.pushes {
            return Ok(Self::streamed(Replies::new(self, reading).boxed()));
        }
        let first = poll_fn(|cx| self.poll_next(cx, &mut reading.memory)).await.unwrap_or_else(nothing)?;
        if !first.is_final() {
            let mut rest = Replies::new(self, reading);
            rest.brought = first.message.original().len();
            return Ok(Self::streamed(stream::iter([Ok(first)]).chain(rest).boxed()));
        }
        let status = (reading.status)(&first.message);
        Ok(McpResponse { body: ResponseBody::Json(status, first), session: None, polling: None })
    }

    /// The next message, whatever its size: for what the gateway itself has asked.
    pub(in crate::upstream) async fn response_or_more(&mut self) -> Result<ServerMessage, Rejection> {
        poll_fn(|cx| self.reader.poll_size(cx)).await;
        let next = self.reader.take();
        self.note(next.as_ref());
        next.unwrap_or_else(nothing)
    }

    fn streamed(body: crate::chain::MessageStream) -> McpResponse {
        McpResponse { body: ResponseBody::Stream(body), session: None, polling: None }
    }

    /// Only once there is room for it, a message leaves the backlog of its connection, which is bounded as well.
    fn poll_next(&mut self, cx: &mut Context<'_>, memory: &mut Growing) -> Poll<Option<Result<ServerMessage, Rejection>>> {
        let size = ready!(self.reader.poll_size(cx)).unwrap_or(0);
        let next = match ready!(memory.poll_for(cx, size, size)) {
            Ok(()) => self.reader.take(),
            Err(reason) => Some(Err(reason.into())),
        };
        let next = next.map(|item| {
            item.map(|mut message| {
                message.memory = memory.give(size);
                message
            })
        });
        self.note(next.as_ref());
        Poll::Ready(next)
    }

    fn note(&mut self, next: Option<&Result<ServerMessage, Rejection>>) {
        self.over |= next.is_none_or(|item| item.as_ref().map_or(true, ServerMessage::is_final));
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.over {
            self.paired.leave(self.wire);
        }
        self.paired.left();
    }
}

/// Without its response a call has failed.
fn nothing() -> Result<ServerMessage, Rejection> {
    Err(Reason::UpstreamFailed("no_response").into())
}

/// Messages, up to and including the response.
struct Replies {
    call: Option<OpenCall>,
    memory: Growing,
    pushes: bool,
    most: usize,
    brought: usize,
    because: Reason,
    ends: Pin<Box<Sleep>>,
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    cut: Cut,
    cutting: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Replies {
    fn new(call: OpenCall, reading: Reading) -> Self {
        let Reading { pushes, ends, most, idle, cut, memory, status: _ } = reading;
        let cutting = Box::pin(cut.token.clone().cancelled_owned());
        let (silence, at) = (Box::pin(sleep(idle)), ends.at);
        Self {
            call: Some(call),
            memory,
            pushes,
            most,
            brought: 0,
            because: ends.because,
            ends: Box::pin(sleep_until(at)),
            idle,
            silence,
            cut,
            cutting,
        }
    }

    /// Ends the stream: nothing can concern the request any more.
    fn end(&mut self, reason: Reason) -> Poll<Option<Result<ServerMessage, Rejection>>> {
        self.call = None;
        Poll::Ready(Some(Err(reason.into())))
    }
}

impl Stream for Replies {
    type Item = Result<ServerMessage, Rejection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.call.is_none() {
            return Poll::Ready(None);
        }
        if this.ends.as_mut().poll(cx).is_ready() {
            return this.end(this.because.clone());
        }
        if this.cutting.as_mut().poll(cx).is_ready() {
            return this.end(this.cut.reason());
        }
        let Some(call) = &mut this.call else { return Poll::Ready(None) };
        if let Poll::Ready(next) = call.poll_next(cx, &mut this.memory) {
            if let Some(Ok(message)) = &next {
                this.brought = this.brought.saturating_add(message.message.original().len());
                if this.brought > this.most {
                    return this.end(Reason::StreamLimit);
                }
            }
            let is_final = next.as_ref().is_none_or(|item| item.as_ref().map_or(true, ServerMessage::is_final));
            if is_final {
                this.call = None;
            } else {
                this.silence.as_mut().reset(Instant::now() + this.idle);
            }
            return match next {
                None if !this.pushes => Poll::Ready(Some(nothing())),
                next => Poll::Ready(next),
            };
        }
        if call.reader.has_next() {
            // It waits for room: clients that read slowly are not the server's silence.
            return Poll::Pending;
        }
        ready!(this.silence.as_mut().poll(cx));
        this.end(Reason::UpstreamTimeout)
    }
}

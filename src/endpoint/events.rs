//! A streamed reply as an event-stream body: one event for each message, comments while nothing comes.
//!
//! Where the stream may be come back for, events have ids (`STREAM.EVENT`), and the first event says so. The body then ends when the
//! server leaves, or when the client is lost, and the stream is kept.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, Sleep, sleep};

use super::sse::EventFields;
use super::{encode, sse};
use crate::chain::{CallId, Keeper, Kept, MessageStream, Polling, Rejection, Sent};
use crate::places::Place;
use crate::protocol::Method;

/// Silence after which a comment tells intermediaries that the stream lives.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct EventBody {
    /// `None` once it is kept, or told to its end.
    stream: Option<MessageStream>,
    call: CallId,
    quiet: Pin<Box<Sleep>>,
    /// What goes before anything else.
    next: VecDeque<Chunk>,
    resumable: Option<Resumable>,
    ended: bool,
}

/// Bytes, and their part of the memory for large replies.
pub(super) type Chunk = (Bytes, Option<Place>);

struct Resumable {
    polling: Arc<Polling>,
    keeper: Arc<dyn Keeper>,
    sent: Sent,
    /// The client knows that it may come back.
    announced: bool,
}

impl EventBody {
    pub(super) fn new(stream: MessageStream, call: CallId, polling: Option<Arc<Polling>>) -> Self {
        let resumable = polling.and_then(|polling| {
            let keeper = Arc::clone(polling.keeper()?);
            Some(Resumable { polling, keeper, sent: Sent::default(), announced: false })
        });
        Self { stream: Some(stream), call, quiet: Box::pin(sleep(KEEP_ALIVE)), next: VecDeque::new(), resumable, ended: false }
    }

    /// The rest of a stream, and before it what the client has missed.
    pub(super) fn resumed(kept: Kept) -> Self {
        let Kept { stream, polling, call, sent, ended, after } = kept;
        let mut body = Self::new(stream, call, Some(polling));
        body.next = sent.after(after).unwrap_or_default().into_iter().map(|event| (event, None)).collect();
        body.ended = ended;
        if let Some(resumable) = &mut body.resumable {
            resumable.sent = sent;
            resumable.announced = true;
        }
        body
    }

    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        if self.next.is_empty() && !self.ended && self.poll_stream(cx).is_pending() {
            return Poll::Pending;
        }
        let chunk = self.next.pop_front();
        if chunk.is_some() {
            self.quiet.as_mut().reset(Instant::now() + KEEP_ALIVE);
        } else {
            // Whoever reads the end has read all of it.
            self.stream = None;
        }
        Poll::Ready(chunk)
    }

    /// Ready with something in `next`, or at the end.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.stream else {
            self.ended = true;
            return Poll::Ready(());
        };
        let polled = stream.as_mut().poll_next(cx);
        self.next.extend(self.resumable.as_mut().and_then(Resumable::announce).map(|event| (event, None)));
        match polled {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Ok(message))) => {
                self.ended = message.is_final();
                self.tell(&message.message.encode(), message.memory);
            }
            Poll::Ready(Some(Err(rejection))) => {
                // The status line is long gone: the refusal is the final message.
                self.ended = true;
                if !is_push(&rejection) {
                    self.tell(&encode::error_body(&rejection, self.call), None);
                }
            }
            Poll::Pending if self.resumable.as_ref().is_some_and(Resumable::is_left) => {
                self.keep();
                self.ended = true;
            }
            Poll::Pending if self.quiet.as_mut().poll(cx).is_ready() => {
                self.next.push_back((Bytes::from_static(sse::KEEP_ALIVE), None));
            }
            Poll::Pending if self.next.is_empty() => return Poll::Pending,
            Poll::Pending => {}
        }
        Poll::Ready(())
    }

    fn tell(&mut self, data: &Bytes, place: Option<Place>) {
        if let Some(resumable) = self.resumable.as_mut().filter(|resumable| resumable.announced) {
            let id = resumable.keeper.event_id(resumable.sent.next());
            let mut out = BytesMut::new();
            sse::encode_event_with(&mut out, EventFields { event: Some("message"), id: Some(&id), retry: None }, data);
            let event = out.freeze();
            resumable.sent.add(event.clone());
            self.next.push_back((event, place));
        } else if let Some([head, data, tail]) = sse::event_around(data) {
            self.next.extend([(head, None), (data, place), (tail, None)]);
        } else {
            let mut out = BytesMut::new();
            sse::encode_event(&mut out, data);
            self.next.push_back((out.freeze(), place));
        }
    }

    /// Keeps what is left, if the client knows how to come back for it.
    fn keep(&mut self) {
        let resumable = self.resumable.take().filter(|resumable| resumable.announced);
        let Some((stream, resumable)) = self.stream.take().zip(resumable) else { return };
        let Resumable { polling, keeper, sent, .. } = resumable;
        keeper.keep(Box::new(Kept { stream, polling, call: self.call, sent, ended: self.ended, after: 0 }));
    }
}

impl Drop for EventBody {
    fn drop(&mut self) {
        // The client is lost. In a session that is no cancellation; where it cannot come back, the stream ends with its body.
        self.keep();
    }
}

impl Resumable {
    /// The event that says from where to go on, once the server has given it; a number of its own, and no message.
    fn announce(&mut self) -> Option<Bytes> {
        if self.announced || !self.polling.is_primed() {
            return None;
        }
        self.announced = true;
        let (id, mut out) = (self.keeper.event_id(0), BytesMut::new());
        sse::encode_event_with(&mut out, EventFields { event: None, id: Some(&id), retry: self.polling.retry() }, b"");
        Some(out.freeze())
    }

    fn is_left(&self) -> bool {
        self.announced && self.polling.has_left()
    }
}

/// There is no request that a refusal could answer. MCP 2025-11-25, "Listening for Messages from the Server".
fn is_push(rejection: &Rejection) -> bool {
    rejection.reply_to().is_some_and(|reply_to| reply_to.method == Method::Push)
}

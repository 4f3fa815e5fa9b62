//! A streamed reply as an event-stream body: one event for each message, comments while nothing comes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, Sleep, sleep};

use super::{encode, sse};
use crate::chain::{CallId, MessageStream};
use crate::protocol::Method;

/// Silence after which a comment tells intermediaries that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct EventBody {
    stream: MessageStream,
    call: CallId,
    quiet: Pin<Box<Sleep>>,
    ended: bool,
}

impl EventBody {
    pub(super) fn new(stream: MessageStream, call: CallId) -> Self {
        Self { stream, call, quiet: Box::pin(sleep(KEEP_ALIVE)), ended: false }
    }

    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let chunk = match self.stream.as_mut().poll_next(cx) {
            Poll::Ready(None) => {
                self.ended = true;
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Ok(message))) => {
                self.ended = message.is_final();
                event(&message.message.encode())
            }
            Poll::Ready(Some(Err(rejection))) => {
                // The status line is long gone: the refusal is the final message.
                self.ended = true;
                if rejection.reply_to().is_some_and(|reply_to| reply_to.method == Method::Push) {
                    // There is no request that it could answer. MCP 2025-11-25, "Listening for Messages from the Server".
                    return Poll::Ready(None);
                }
                event(&encode::error_body(&rejection, self.call))
            }
            Poll::Pending => {
                if self.quiet.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                Bytes::from_static(sse::KEEP_ALIVE)
            }
        };
        self.quiet.as_mut().reset(Instant::now() + KEEP_ALIVE);
        Poll::Ready(Some(chunk))
    }
}

fn event(data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 32);
    sse::encode_event(&mut out, data);
    out.freeze()
}

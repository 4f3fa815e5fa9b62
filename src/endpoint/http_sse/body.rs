//! The body of a session's stream: what its calls say, and comments while they say nothing.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, Sleep, sleep};

use super::super::events::KEEP_ALIVE;
use super::super::sse;
use crate::chain::Channel;
use crate::places::Place;
use crate::protocol::ListKind;

/// See the module.
pub(in super::super) struct ChannelBody {
    /// `None` at the end: whoever reads the end has read all of it.
    channel: Option<Box<Channel>>,
    quiet: Pin<Box<Sleep>>,
}

impl ChannelBody {
    pub(in super::super) fn new(channel: Box<Channel>) -> Self {
        Self { channel: Some(channel), quiet: Box::pin(sleep(KEEP_ALIVE)) }
    }

    pub(in super::super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Bytes, Option<Place>)>> {
        let Some(channel) = &mut self.channel else { return Poll::Ready(None) };
        match channel.poll_event(cx) {
            Poll::Ready(Some(event)) => {
                self.quiet.as_mut().reset(Instant::now() + KEEP_ALIVE);
                Poll::Ready(Some((event.0, Some(event.1))))
            }
            Poll::Ready(None) => {
                self.channel = None;
                Poll::Ready(None)
            }
            Poll::Pending if let Poll::Ready(list) = channel.poll_change(cx) => {
                self.quiet.as_mut().reset(Instant::now() + KEEP_ALIVE);
                Poll::Ready(Some((changed(list), None)))
            }
            Poll::Pending if self.quiet.as_mut().poll(cx).is_ready() => {
                self.quiet.as_mut().reset(Instant::now() + KEEP_ALIVE);
                Poll::Ready(Some((Bytes::from_static(sse::KEEP_ALIVE), None)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The word of the gateway, of no server: it stands for nothing but another policy, whose record there is.
fn changed(list: ListKind) -> Bytes {
    let mut event = BytesMut::new();
    sse::encode_event(&mut event, format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, list.notification()).as_bytes());
    event.freeze()
}

//! The body of a session's stream: what its calls say, and comments while they say nothing.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::super::events::KEEP_ALIVE;
use super::super::sse;
use crate::chain::Channel;

/// See the module.
pub(in super::super) struct ChannelBody {
    /// `None` at the end: whoever reads the end has read all of it.
    channel: Option<Box<Channel>>,
    quiet: Pin<Box<Sleep>>,
    /// The credential of the client, whose end is the stream's.
    credential: Option<Pin<Box<Sleep>>>,
}

impl ChannelBody {
    pub(in super::super) fn new(channel: Box<Channel>) -> Self {
        let credential = channel.good_until().map(|end| Box::pin(sleep_until(end)));
        Self { channel: Some(channel), quiet: Box::pin(sleep(KEEP_ALIVE)), credential }
    }

    pub(in super::super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let expired = self.poll_expired(cx).is_ready();
        let Some(channel) = self.channel.as_mut().filter(|_| !expired) else {
            self.channel = None;
            return Poll::Ready(None);
        };
        match channel.poll_event(cx) {
            Poll::Ready(Some(event)) => {
                self.quiet.as_mut().reset(Instant::now() + KEEP_ALIVE);
                Poll::Ready(Some(event))
            }
            Poll::Ready(None) => {
                self.channel = None;
                Poll::Ready(None)
            }
            Poll::Pending if self.quiet.as_mut().poll(cx).is_ready() => {
                self.quiet.as_mut().reset(Instant::now() + KEEP_ALIVE);
                Poll::Ready(Some(Bytes::from_static(sse::KEEP_ALIVE)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ready once no credential that the client has shown in this session is good any more.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.credential else { return Poll::Pending };
        while sleep.as_mut().poll(cx).is_ready() {
            match self.channel.as_ref().and_then(|channel| channel.good_until()) {
                // It has shown a newer one meanwhile.
                Some(end) if end > sleep.deadline() => sleep.as_mut().reset(end),
                Some(_) => return Poll::Ready(()),
                None => break,
            }
        }
        Poll::Pending
    }
}

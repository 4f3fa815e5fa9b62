//! The body of an answer: a reply with its part of the memory for large ones, or a stream.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::events::EventBody;
use super::http_sse::ChannelBody;
use crate::chain::ServerMessage;
use crate::places::{Place, Untaken};

/// The body of an answer.
pub struct EdgeBody {
    inner: Inner,
    untaken: Untaken,
}

enum Inner {
    Channel(Box<ChannelBody>),
    Events(Box<EventBody>),
    Full(Bytes, Option<Place>),
}

impl EdgeBody {
    /// No body.
    pub(super) fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// An event stream.
    pub(super) fn events(events: EventBody) -> Self {
        Self::from(Inner::Events(Box::new(events)))
    }

    /// The stream of a session.
    pub(super) fn channel(channel: ChannelBody) -> Self {
        Self::from(Inner::Channel(Box::new(channel)))
    }

    /// These bytes.
    pub(super) fn full(bytes: Bytes) -> Self {
        Self::from(Inner::Full(bytes, None))
    }

    /// A reply, and its part of the memory for large ones.
    pub(super) fn reply(reply: ServerMessage) -> Self {
        Self::from(Inner::Full(reply.message.encode(), reply.memory))
    }

    fn from(inner: Inner) -> Self {
        Self { inner, untaken: Untaken::default() }
    }

    /// Counts what is not taken of it with the rest of its connection.
    #[must_use]
    pub fn counted_with(self, untaken: &Untaken) -> Self {
        Self { untaken: untaken.clone(), ..self }
    }
}

impl std::fmt::Debug for EdgeBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EdgeBody")
    }
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let chunk = match &mut this.inner {
            Inner::Full(bytes, _) if bytes.is_empty() => return Poll::Ready(None),
            Inner::Full(bytes, place) => Some((std::mem::take(bytes), place.take())),
            Inner::Channel(channel) => ready!(channel.poll_chunk(cx)),
            Inner::Events(events) => ready!(events.poll_chunk(cx)),
        };
        Poll::Ready(chunk.map(|(bytes, place)| {
            // The library holds it until the client has taken it, and so does its place.
            Ok(Frame::data(match place {
                Some(place) => this.untaken.hold(bytes, place),
                None => bytes,
            }))
        }))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.inner, Inner::Full(bytes, _) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Full(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Channel(_) | Inner::Events(_) => SizeHint::default(),
        }
    }
}

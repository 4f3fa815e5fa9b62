//! What travels inward: an arrival, then a head with its unread body, then a message; and what has been proven about its sender.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Channel, Claim, Listed, Mirrored, Peer, Rejection, TaskIds, Trail};
use crate::config::Server;
use crate::places::Place;
use crate::protocol::{Access, Answerable, ClientMessage, ListSet, ProtocolVersion, RequestId};

/// An unread request body.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Nothing is proven.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

/// What the edge hands to the chain.
#[derive(Debug)]
pub enum Arrival {
    /// A request whose framing, Host and Origin are in order.
    Request(Incoming<Anonymous>),
    /// What the edge refused. Only the audit layer takes it, so that this is recorded as well.
    Refused(RequestContext, Rejection),
}

/// A request of which only the head has been looked at.
pub struct Incoming<E> {
    /// Method, target and headers.
    pub head: Box<Parts>,
    /// The body, not read.
    pub body: Body,
    /// Facts.
    pub context: RequestContext,
    /// What is proven.
    pub evidence: E,
}

impl<E> fmt::Debug for Incoming<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers hold credentials: they are never printed.
        f.debug_struct("Incoming").field("method", &self.head.method).field("context", &self.context).finish_non_exhaustive()
    }
}

/// A client message on its way in, and what has been proven about its sender.
#[derive(Debug)]
pub struct McpRequest<E> {
    /// The message and how it came. In one piece on the heap: it passes through a dozen futures, each of which would hold copies of it.
    pub carried: Box<Carried>,
    /// What is proven.
    pub evidence: E,
}

/// What a request carries, whatever has been proven about its sender.
#[derive(Debug)]
pub struct Carried {
    /// The message.
    pub message: ClientMessage,
    /// What it asks for.
    pub access: Access,
    /// How it came, as far as the way on depends on it.
    pub exchange: Exchange,
    /// The stream that the client has come back for.
    pub claim: Option<Claim>,
    /// The stream of the HTTP+SSE session that it opens.
    pub opens: Option<Box<Channel>>,
    /// Its part of the memory for large bodies, until it has been sent.
    pub memory: Option<Place>,
    /// Facts.
    pub context: RequestContext,
}

impl<E> McpRequest<E> {
    /// The same message with other evidence.
    pub fn with_evidence<F>(self, evidence: F) -> McpRequest<F> {
        McpRequest { carried: self.carried, evidence }
    }
}

impl<E> Deref for McpRequest<E> {
    type Target = Carried;

    fn deref(&self) -> &Carried {
        &self.carried
    }
}

impl<E> DerefMut for McpRequest<E> {
    fn deref_mut(&mut self) -> &mut Carried {
        &mut self.carried
    }
}

/// What the upstream request must repeat of the client's.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The revision spoken.
    pub version: ProtocolVersion,
    /// The **upstream's** session id, in a legacy session. The client knows another one.
    pub session: Option<HeaderValue>,
    /// What the client says it can be asked.
    pub answerable: Answerable,
    /// The lists of whose changes the client of a session was told that it would hear.
    pub lists: ListSet,
    /// What it was shown of them.
    pub listed: Option<Listed>,
    /// The **server's** id of the question that is answered. The client knows another one.
    pub question: Option<RequestId>,
    /// The **server's** progress token, where the client says how far it is with a question. The client knows another one.
    pub progress: Option<RequestId>,
    /// What it is about is not open in its session: it is taken, and the server hears nothing.
    pub moot: bool,
    /// The **server's** state, where the client has shown one. What stands in the message is our seal over it.
    pub state: Option<String>,
    /// The caller's tasks, as far as messages of this exchange name them.
    pub tasks: TaskIds,
    /// `Mcp-Param-*` headers.
    pub mirrored: Vec<Mirrored>,
    /// The place in the caller's tree.
    pub trace: TraceHeaders,
}

/// W3C Trace Context as the server gets it.
#[derive(Clone, Debug, Default)]
pub struct TraceHeaders {
    /// `traceparent`, once the message is on its way.
    pub parent: Option<HeaderValue>,
    /// `tracestate`: the caller's, checked and written anew.
    pub state: Option<HeaderValue>,
}

/// Facts of one message that no layer changes.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The id of its records.
    pub call: CallId,
    /// When its head was complete, UTC: the millisecond that stands in `call`, so that whoever has the record judges by the same time.
    pub received: Timestamp,
    /// The same moment, monotonic.
    pub started: Instant,
    /// Who sent it, as the connection says.
    pub peer: Peer,
    /// Where it is going.
    pub route: Arc<Route>,
    /// What the layers saw; shared with the audit layer.
    pub trail: Trail,
}

/// A path on a listener, resolved.
#[derive(Debug)]
pub struct Route {
    /// The resource identifier: `public_url` + path, exact. RFC 9728, section 1.
    pub resource: String,
    /// Where the metadata of the resource is: RFC 9728, section 3.1.
    pub metadata_url: String,
    /// The server it leads to; `None` for a path that leads nowhere. Nobody learns which before authorization.
    pub server: Option<Arc<Server>>,
    /// Accepted `aud` values.
    pub audiences: Vec<String>,
    /// Whether it is the HTTP+SSE endpoint of the server (2024-11-05). Only the edge asks.
    pub legacy_sse: bool,
}

/// The id of a call and of its records: a `UUIDv7`, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(uuid::Uuid);

impl CallId {
    /// A fresh id.
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// A fresh id for a message that came at `time`: its first 48 bits are the millisecond, in Unix time.
    pub fn at(time: Timestamp) -> Self {
        let seconds = u64::try_from(time.as_second()).unwrap_or(0);
        let nanos = u32::try_from(time.subsec_nanosecond()).unwrap_or(0);
        Self(uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
    }

    /// The millisecond in it; `None` for an id of another form.
    pub fn moment(&self) -> Option<Timestamp> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
    }

    /// The id that is written so.
    pub fn from_text(text: &str) -> Option<Self> {
        let written = text.len() == uuid::fmt::Hyphenated::LENGTH;
        uuid::Uuid::try_parse(text).ok().filter(|_| written).map(Self)
    }

    /// The bytes that key a record's commitments.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id as a header value.
    pub fn to_header(self) -> Option<HeaderValue> {
        let mut buffer = uuid::Uuid::encode_buffer();
        HeaderValue::from_str(self.0.as_hyphenated().encode_lower(&mut buffer)).ok()
    }
}

impl Default for CallId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

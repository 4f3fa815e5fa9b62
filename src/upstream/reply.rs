//! The reply of a server: what of it is believed.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::credential::Discretion;
use super::cut::{Cut, Ends};
use super::memory::{self, Growing};
use super::pool::Lease;
use super::questions::Questions;
use super::resumption::Resumption;
use super::stream::EventStream;
use super::strict::Doubt;
use crate::chain::{McpResponse, Reason, Rejection, ResponseBody, ServerMessage, end_of_stage};
use crate::places::Place;
use crate::protocol::json::Limits;
use crate::protocol::{Message, ProtocolVersion, RequestId, Shape, Side};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// What the request leads us to expect.
pub(super) struct Expected {
    /// The id that the response must carry.
    pub(super) id: Option<RequestId>,
    /// What was sent.
    pub(super) shape: Shape,
    /// The revision spoken.
    pub(super) version: ProtocolVersion,
    /// Whether it named a session.
    pub(super) in_session: bool,
    /// Whether it asks for what belongs to no request.
    pub(super) pushes: bool,
    /// How to read on when the server closes the connection before the response.
    pub(super) resumption: Option<Resumption>,
    /// Whether it ends that session.
    pub(super) ends_session: bool,
    /// Largest message.
    pub(super) max_message: usize,
    /// What a stream may bring in all.
    pub(super) most: usize,
    /// When the stream is over.
    pub(super) ends: Ends,
    /// Longest silence of a stream.
    pub(super) idle: Duration,
    /// Ends a stream before that.
    pub(super) cut: Cut,
    /// Its memory, where it is large.
    pub(super) memory: Growing,
    /// Answers the server's questions.
    pub(super) questions: Questions,
    /// Takes our credential out of it.
    pub(super) discretion: Option<Discretion>,
}

impl Expected {
    /// Parses one message of the server as strictly as one of a client.
    pub(super) fn parse(&self, bytes: Bytes) -> Result<Message, Rejection> {
        // One string of a reply may be as long as the reply: file contents come so.
        let limits = Limits { string: self.max_message, ..Limits::default() };
        let bytes = match &self.discretion {
            Some(discretion) => discretion.clean(bytes, limits),
            None => bytes,
        };
        Message::parse(bytes, limits, Side::Server).map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "a server sent something that is not a message");
            let word = match error {
                error if error.is_too_deep() => "too_deep",
                error if error.is_too_large() => "too_large",
                _ => "not_a_message",
            };
            Reason::UpstreamFailed(word).into()
        })
    }

    /// A response must answer this request: ids are the only thing that ties the two together.
    pub(super) fn check_response(&self, message: &Message) -> Result<(), Rejection> {
        match message.id() {
            Some(id) if Some(id) != self.id.as_ref() => Err(Reason::UpstreamFailed("foreign_id").into()),
            Some(_) | None => Ok(()),
        }
    }
}

/// The stream of a reply that goes on: nothing else is one.
pub(super) fn resumed(response: Response<Incoming>, version: ProtocolVersion) -> Result<Incoming, Rejection> {
    if response.status() == StatusCode::NOT_FOUND && version.has_sessions() {
        return Err(Reason::SessionNotFound.into());
    }
    Ok(event_stream(response)?)
}

/// An event stream, and nothing else.
pub(super) fn event_stream(response: Response<Incoming>) -> Result<Incoming, Reason> {
    let (head, body) = response.into_parts();
    let plain = head.headers.get_all(CONTENT_ENCODING).iter().all(|value| value == "identity");
    let stream = head.status == StatusCode::OK && plain && matches!(media_type(&head.headers), Media::EventStream);
    if stream { Ok(body) } else { Err(Reason::UpstreamFailed("status")) }
}

/// Reads a reply as far as it can be read at once.
pub(super) async fn read(response: Response<Incoming>, lease: Lease, mut expected: Expected) -> Result<McpResponse, Rejection> {
    let (head, body) = response.into_parts();
    if head.headers.get_all(CONTENT_ENCODING).iter().any(|value| value != "identity") {
        // Never asked for; an encoded body cannot be inspected.
        return Err(Reason::UpstreamFailed("content_encoding").into());
    }
    let session = if expected.version.has_sessions() { session_id(&head.headers)? } else { None };
    if head.status == StatusCode::NOT_FOUND && expected.in_session {
        // Whatever the body says: some servers answer it with an id of their own making. MCP 2025-11-25, "Session Management".
        return Err(Reason::SessionNotFound.into());
    }
    let kind = media_type(&head.headers);
    let mut polling = None;
    let body = match (head.status, kind) {
        (StatusCode::OK, Media::EventStream) if expected.shape == Shape::Request => {
            polling = expected.resumption.as_ref().map(Resumption::polling);
            ResponseBody::Stream(Box::pin(EventStream::new(body, lease, expected)))
        }
        (status, Media::Json) if expected.shape == Shape::Request && !expected.pushes && carries_message(status) => {
            let (bytes, memory) = collect(body, &lease, &mut expected).await?;
            end_of_stage().await;
            let message = if status == StatusCode::OK {
                expected.parse(bytes)?
            } else {
                // A modern server's refusal, on which clients decide what to try next. Anything else is no more than a failure.
                match expected.parse(bytes) {
                    Ok(message) if message.error().is_some() => message,
                    _ => return Err(Reason::UpstreamFailed("status").into()),
                }
            };
            if message.shape() != Shape::Response {
                return Err(Reason::UpstreamFailed("not_a_response").into());
            }
            expected.check_response(&message)?;
            // SECURITY: not a moment earlier. An answer to another request means that the server and we no longer agree on which
            // reply is whose.
            lease.give_back();
            // To a legacy client 404 says that its session is gone, whichever side said it.
            let legacy_error = expected.version.has_sessions() && status == StatusCode::NOT_FOUND;
            let status = if legacy_error { StatusCode::OK } else { status };
            let mut message = ServerMessage::new(message);
            message.memory = memory;
            ResponseBody::Json(status, message)
        }
        // A server need not push. MCP 2025-11-25, "Listening for Messages from the Server".
        (StatusCode::METHOD_NOT_ALLOWED, _) if expected.pushes => return Err(Reason::MethodNotAllowed.into()),
        // A server need not let sessions be ended; ours is over all the same. MCP 2025-11-25, "Session Management".
        (status, _) if expected.ends_session && (status.is_success() || status == StatusCode::METHOD_NOT_ALLOWED) => {
            drop(lease);
            ResponseBody::Ended
        }
        (status, _) if expected.shape != Shape::Request && status.is_success() => {
            // Whatever stands in the answer to a notification was not asked for, and nobody has judged it.
            drop(lease);
            ResponseBody::Accepted
        }
        (status, _) if status.is_server_error() => return Err(Reason::UpstreamFailed("server_error").into()),
        // An upstream's own 401 and 403 concern our credential, not the caller's, and are never relayed.
        _ => return Err(Reason::UpstreamFailed("status").into()),
    };
    Ok(McpResponse { body, session, polling })
}

/// The session id that a server gives: short, and a copy, since what hyper hands out keeps its whole read buffer alive.
fn session_id(headers: &HeaderMap) -> Result<Option<HeaderValue>, Rejection> {
    const LONGEST: usize = 1024;
    let mut ids = headers.get_all(&SESSION_ID).iter();
    let Some(id) = ids.next() else {
        return Ok(None);
    };
    let only = ids.next().is_none();
    let copy = HeaderValue::from_bytes(id.as_bytes()).ok().filter(|id| only && id.len() <= LONGEST);
    copy.map(Some).ok_or_else(|| Reason::UpstreamFailed("session_id").into())
}

fn carries_message(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
}

enum Media {
    EventStream,
    Json,
    Other,
}

fn media_type(headers: &HeaderMap) -> Media {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let text = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    if types.next().is_some() {
        // Two readers could take different ones.
        return Media::Other;
    }
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    // SECURITY: JSON and event streams are UTF-8 (RFC 8259, section 8.1; HTML, section 9.2). A client that believes another name would read
    // other text than the layers have.
    let charset = |part: &str| {
        part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).map(|(_, set)| set.trim().to_owned())
    };
    if parts.filter_map(charset).any(|set| !set.trim_matches('"').eq_ignore_ascii_case("utf-8")) {
        return Media::Other;
    }
    if kind.eq_ignore_ascii_case("application/json") {
        Media::Json
    } else if kind.eq_ignore_ascii_case("text/event-stream") {
        Media::EventStream
    } else {
        Media::Other
    }
}

/// The whole of a reply, and its part of the memory for large ones.
async fn collect(mut body: Incoming, lease: &Lease, expected: &mut Expected) -> Result<(Bytes, Option<Place>), Rejection> {
    let broken = || Reason::UpstreamFailed(lease.doubt().map_or("body", Doubt::word));
    let limit = expected.max_message;
    let declared = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Reason::UpstreamFailed("too_large").into());
    }
    let memory = &mut expected.memory;
    // Before it is read, where its length is known: what waits lies in the kernel, and then at the server.
    let length = declared.unwrap_or(0);
    poll_fn(|cx| memory.poll_for(cx, length, length)).await?;
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_unused| broken())?.into_data() else {
            continue;
        };
        let so_far = first.len() + joined.len() + data.len();
        if so_far > limit {
            return Err(Reason::UpstreamFailed("too_large").into());
        }
        let all = declared.unwrap_or_else(|| memory::guess(so_far, limit));
        poll_fn(|cx| memory.poll_for(cx, so_far.max(length), all)).await?;
        if so_far == data.len() {
            first = data;
        } else {
            // In one piece, as far as it is known: a buffer that doubles leaves as much behind as it holds.
            joined.reserve(length.max(so_far).saturating_sub(joined.len()));
            joined.extend_from_slice(&std::mem::take(&mut first));
            joined.extend_from_slice(&data);
        }
    }
    let whole = if joined.is_empty() { first } else { joined.freeze() };
    let place = memory.give(whole.len());
    Ok((whole, place))
}

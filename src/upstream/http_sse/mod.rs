//! HTTP+SSE to one server, the transport of 2024-11-05: what is sent goes by POST to the endpoint that the server announces, and
//! what answers it comes on a stream.
//!
//! Each session of a client has a stream of its own, so that nobody hears what is another's. Replies are paired with their calls here
//! (`paired/`), and a layer sees request and reply. Only revisions with a handshake are spoken: a client of 2026-07-28 is told as a
//! server of this transport would tell it.
//!
//! | file | what |
//! | --- | --- |
//! | `endpoint.rs` | which announced endpoint is believed |
//! | `link.rs` | one stream, from its begin to its end |
//! | `session.rs` | which stream a client's session has |
//! | `post.rs` | what is sent |

pub mod endpoint;
mod link;
mod post;
mod session;

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::link::Link;
use self::post::{Poster, Whose};
use self::session::{ONLY, Session};
use super::connect::ConnectError;
use super::cut::{Cut, Cuts, Ends};
use super::memory::ReplyMemory;
use super::paired::{OpenCall, Reading, cancelled};
use super::transport::Shared;
use crate::chain::{Carried, Exchange, McpRequest, McpResponse, Reason, Rejection, ResponseBody, ServerMessage};
use crate::config::Server;
use crate::layers::audit::Recorded;
use crate::master_key::random_bytes;
use crate::places::{Fair, Lane, Place, Share};
use crate::protocol::json::Limits;
use crate::protocol::{Access, ClientMessage, Message, Method, RequestId, Shape, Side, code};

/// How long nothing is open in a session before its place is somebody else's who has none: between two calls of a client at work it passes
/// less.
const IDLE: Duration = Duration::from_secs(5);

/// The client for one server.
#[derive(Clone)]
pub struct HttpSse(Arc<Inner>);

struct Inner {
    server: Arc<Server>,
    poster: Arc<Poster>,
    memory: ReplyMemory,
    cuts: Cuts,
    /// By ids of ours, which no client and no server ever sees.
    sessions: Mutex<HashMap<Box<str>, Arc<Session>>>,
    /// For them, shared fairly by all callers: each holds a stream at the server for as long as its client likes.
    places: Arc<Lane>,
}

impl fmt::Debug for HttpSse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSse").field("server", &self.0.server.name).finish_non_exhaustive()
    }
}

impl HttpSse {
    /// For `server`, whose streams are at `url`. Nothing is opened before the first handshake.
    pub(super) fn new(server: Arc<Server>, url: &Uri, shared: &Shared) -> Result<Self, ConnectError> {
        let poster = Arc::new(Poster::new(&server, url, shared)?);
        let memory = shared.memory.clone();
        let places = Arc::new(Lane::new(Fair::new(server.limits.streams, 0), Duration::ZERO, <_>::default()));
        Ok(Self(Arc::new(Inner { server, poster, memory, cuts: Cuts::new(), sessions: Mutex::default(), places })))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.server.name
    }

    pub(super) fn close(&self) {
        self.0.poster.pool.close();
        self.0.poster.stopping.cancel();
    }

    pub(super) fn expire(&self) {
        self.0.poster.pool.expire();
        let lost: Vec<_> = self.0.sessions.lock().extract_if(|_, session| session.is_lost()).collect();
        for (_, session) in lost {
            session.end();
        }
    }

    pub(super) fn cuts(&self) -> &Cuts {
        &self.0.cuts
    }

    /// The session of that id is over.
    pub(super) fn forget(&self, id: &HeaderValue) {
        if let Some(session) = id.to_str().ok().and_then(|id| self.0.sessions.lock().remove(id)) {
            session.end();
        }
    }

    pub(super) async fn send(&self, request: McpRequest<Recorded>) -> Result<McpResponse, Rejection> {
        let method = request.access.method;
        self.0.cuts.within(&self.0.server, method, |ends, cut| self.exchange(request, ends, cut)).await
    }

    async fn exchange(&self, request: McpRequest<Recorded>, ends: Ends, cut: Cut) -> Result<McpResponse, Rejection> {
        let McpRequest { carried, evidence } = request;
        let Carried { message, access, exchange, memory, context, .. } = *carried;
        if !exchange.version.has_sessions() {
            return other_era(message.rpc().and_then(Message::id));
        }
        let whose = Whose { call: context.call, trace: &exchange.trace };
        let reading = self.reading(&access, Share::of(evidence.permit().principal()), ends, cut);
        match message {
            ClientMessage::Rpc(message) if access.method == Method::Initialize => {
                self.begin(message, access, whose, memory, reading).await
            }
            ClientMessage::Rpc(message) => self.say(message, &access, &exchange, whose, memory, reading).await,
            ClientMessage::EndSession => {
                exchange.session.iter().for_each(|id| self.forget(id));
                Ok(McpResponse { body: ResponseBody::Ended, session: None, polling: None })
            }
            ClientMessage::OpenStream => {
                let link = self.session(&exchange)?.link(&self.0.poster, whose).await?;
                link.paired.open_push(ONLY)?.reply(reading).await
            }
        }
    }

    /// A session, on a stream of its own.
    async fn begin(
        &self,
        mut message: Message,
        access: Access,
        whose: Whose<'_>,
        memory: Option<Place>,
        reading: Reading,
    ) -> Result<McpResponse, Rejection> {
        // Before the server hears of it.
        let place = self.place(&reading.memory.share()).await?;
        let over = CancellationToken::new();
        let link = Arc::new(Link::open(&self.0.poster, &over, whose).await?);
        let hello = message.encode();
        let (bytes, call) = link.paired.open(&mut message, &access, Some(ONLY))?;
        let session = Session::new(hello, access, Arc::clone(&link), over, place);
        let id = self.enter(Arc::new(session))?;
        let answered = self.ask(&link, (bytes, call), whose, memory, reading).await;
        match answered {
            Ok(response) if may_have_begun(&response.body) => Ok(McpResponse { session: Some(id), ..response }),
            other => {
                self.forget(&id);
                other
            }
        }
    }

    /// A place among the streams. Where there is none, a caller who has none at all gets that of the session that has been idle for the longest:
    /// whoever leaves sessions lying about shuts nobody out.
    async fn place(&self, share: &Share) -> Result<Place, Reason> {
        let places = &self.0.places;
        match places.enter(share.clone(), 1).await {
            Err(_full) if places.has_none(share) && self.end_longest_idle() => {}
            entered => return entered.map_err(|_full| Reason::Overloaded),
        }
        places.enter(share.clone(), 1).await.map_err(|_full| Reason::Overloaded)
    }

    /// Ends the session that has been idle for the longest; false if none has been for long. Its client is told by its next call.
    fn end_longest_idle(&self) -> bool {
        let mut sessions = self.0.sessions.lock();
        let idle = sessions.iter().filter_map(|(id, session)| Some((session.idle_since()?, id)));
        let longest = idle.filter(|(since, _)| since.elapsed() >= IDLE).min_by_key(|(since, _)| *since);
        let Some(ended) = longest.map(|(_, id)| id.clone()).and_then(|id| sessions.remove(&id)) else { return false };
        drop(sessions);
        ended.end();
        true
    }

    /// Any other message.
    async fn say(
        &self,
        mut message: Message,
        access: &Access,
        exchange: &Exchange,
        whose: Whose<'_>,
        memory: Option<Place>,
        reading: Reading,
    ) -> Result<McpResponse, Rejection> {
        let (session, poster) = (self.session(exchange)?, &self.0.poster);
        if access.shape == Shape::Request {
            let link = session.link(poster, whose).await?;
            let opened = link.paired.open(&mut message, access, Some(ONLY))?;
            drop(message);
            return self.ask(&link, opened, whose, memory, reading).await;
        }
        match session.open_link().await {
            Some(link) => {
                if let Some(bytes) = heard(&link, &message, access) {
                    poster.post(&link.target, bytes, whose).await.map_err(|reason| lost(reason, &link))?;
                }
                Ok(McpResponse::accepted())
            }
            // Whoever has asked is not there any more.
            None if access.shape == Shape::Response => Err(Reason::UpstreamFailed("stream_lost").into()),
            // What it is about was lost with the stream, or is said again with the handshake.
            None => Ok(McpResponse::accepted()),
        }
    }

    /// Sends a request, and gives what comes back for it. Neither waits for the other: a server may answer the POST when it is done.
    async fn ask(
        &self,
        link: &Arc<Link>,
        (bytes, call): (Bytes, OpenCall),
        whose: Whose<'_>,
        memory: Option<Place>,
        reading: Reading,
    ) -> Result<McpResponse, Rejection> {
        let posting = self.0.poster.post_apart(&link.target, bytes, whose, memory);
        tokio::select! {
            biased;
            reply = call.reply(reading) => reply,
            reason = failure(posting) => Err(lost(reason, link).into()),
        }
    }

    /// Puts a session into the table, under an id.
    fn enter(&self, session: Arc<Session>) -> Result<HeaderValue, Rejection> {
        let id = random_bytes::<16>().map(|bytes| format!("{:032x}", u128::from_be_bytes(bytes)));
        let id = id.ok_or_else(|| Rejection::internal("session id"))?;
        let value = HeaderValue::from_str(&id).map_err(|_unprintable| Rejection::internal("session id"))?;
        self.0.sessions.lock().insert(id.into(), session);
        Ok(value)
    }

    fn session(&self, exchange: &Exchange) -> Result<Arc<Session>, Reason> {
        let id = exchange.session.as_ref().and_then(|id| id.to_str().ok()).ok_or(Reason::SessionNotFound)?;
        let session = self.0.sessions.lock().get(id).map(Arc::clone).ok_or(Reason::SessionNotFound)?;
        session.claim();
        Ok(session)
    }

    fn reading(&self, access: &Access, share: Share, ends: Ends, cut: Cut) -> Reading {
        let (limits, pushes) = (&self.0.server.limits, access.method == Method::Push);
        // A server may have nothing to say for as long as the stream lives.
        let idle = if pushes { limits.stream_life } else { limits.idle_timeout };
        let memory = self.0.memory.growing(share);
        Reading { pushes, ends, most: limits.stream_bytes, idle, cut, memory, status: |_| StatusCode::OK }
    }
}

/// What the server hears of a message that is not answered.
fn heard(link: &Link, message: &Message, access: &Access) -> Option<Bytes> {
    if access.method == Method::Cancelled {
        let named = message.param("requestId").and_then(RequestId::read)?;
        return link.paired.cancel(Some(ONLY), &named).map(cancelled);
    }
    Some(message.encode())
}

/// Why a POST came to nothing; never where it did not.
async fn failure(posting: JoinHandle<Result<(), Reason>>) -> Reason {
    match posting.await {
        Ok(Ok(())) => pending().await,
        Ok(Err(reason)) => reason,
        Err(_panicked) => Reason::Internal("post"),
    }
}

/// A server that does not know the endpoint any more has lost the session: the next call opens another stream.
fn lost(reason: Reason, link: &Link) -> Reason {
    if reason == Reason::SessionNotFound {
        link.close();
        return Reason::UpstreamFailed("stream_lost");
    }
    reason
}

/// Whether a handshake has succeeded, or may yet.
fn may_have_begun(body: &ResponseBody) -> bool {
    match body {
        ResponseBody::Json(_, answer) => answer.message.result().is_some(),
        ResponseBody::Stream(_) => true,
        ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Opened(_) | ResponseBody::Resumed(_) => false,
    }
}

/// What a client of 2026-07-28 is told: by this status it knows a server of the other era, and one that can goes on to `initialize`. MCP
/// 2026-07-28, "Versioning".
fn other_era(id: Option<&RequestId>) -> Result<McpResponse, Rejection> {
    let id = id.ok_or(Reason::UnknownMethod)?;
    let (id, code) = (id.as_json(), code::METHOD_NOT_FOUND);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"Method not found: this server begins with `initialize`"}}}}"#
    );
    let message = Message::parse(text.into(), Limits::NONE, Side::Server).map_err(|_own| Rejection::internal("error"))?;
    let body = ResponseBody::Json(StatusCode::BAD_REQUEST, ServerMessage::new(message));
    Ok(McpResponse { body, session: None, polling: None })
}

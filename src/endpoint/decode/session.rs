//! Legacy sessions at the edge: the streams that belong to one, its end, and its two ids, the gateway's own and the server's.

use std::sync::Arc;

use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue};

use super::super::headers::{self, SESSION_ID};
use super::super::progress::About;
use super::super::tasks::Tasks;
use super::super::{http_sse, resumption};
use super::Decode;
use super::decoded::Decoded;
use crate::chain::{McpResponse, Reason, Rejection, RequestContext, ResponseBody};
use crate::layers::authn::Principal;
use crate::protocol::{Access, Answerable, ClientMessage, ListSet, Message, ProtocolVersion};
use crate::session::{Session, SessionError, reference};

impl Decode {
    pub(super) fn end_session(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
        context: &RequestContext,
    ) -> Result<Decoded, Reason> {
        refuse_modern(headers)?;
        let session = self.session(headers, principal, context)?;
        Ok(Decoded::of_session(ClientMessage::EndSession, Access::end_session(), session, Tasks::none()))
    }

    /// The stream on which the server of a session says what belongs to no request. Nobody without a session has one: a client of
    /// 2024-11-05, which opens a stream first of all, learns by the 405 that this is not its transport.
    pub(super) fn open_stream(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
        context: &RequestContext,
    ) -> Result<Decoded, Reason> {
        refuse_modern(headers)?;
        if !headers.contains_key(&SESSION_ID) {
            return Err(Reason::MethodNotAllowed);
        }
        headers::check_accepts_events(headers)?;
        let session = self.session(headers, principal, context)?;
        let claim = resumption::claim(&self.sessions, headers)?;
        let tasks = Tasks::of(&self.sessions, session.version, principal, context);
        Ok(Decoded { claim, ..Decoded::of_session(ClientMessage::OpenStream, Access::push(), session, tasks) })
    }

    /// A session of HTTP+SSE, which begins with its stream.
    pub(super) async fn open_session(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
        context: &RequestContext,
    ) -> Result<Decoded, Rejection> {
        refuse_modern(headers)?;
        headers::check_accepts_events(headers)?;
        // A part of what is kept for a slow reader lies in the HTTP library, and in the kernel.
        let opened = http_sse::open(&self.sessions, &context.route, self.limits.stream_buffer / 2, principal).await?;
        let (id, channel, outlet) = opened;
        context.trail.with(|decision| decision.session = Some(reference(&id)));
        Ok(Decoded {
            message: ClientMessage::OpenStream,
            access: Access::push(),
            version: ProtocolVersion::V2024_11_05,
            session: None,
            question: None,
            state: None,
            tasks: Tasks::none(),
            claim: None,
            token: None,
            about: About::Open,
            opens: Some((channel, id, outlet)),
        })
    }

    /// The caller's own session, by the one header that names it.
    pub(super) fn session(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
        context: &RequestContext,
    ) -> Result<Session, Reason> {
        let mut ids = headers.get_all(&SESSION_ID).iter();
        let id = ids.next().ok_or(Reason::MissingSession)?;
        if ids.next().is_some() {
            return Err(Reason::SessionNotFound);
        }
        let session = self.sessions.find(id, principal, &context.route.resource);
        // Of this transport: what is said in one of HTTP+SSE belongs on its stream.
        let session = session.filter(|session| session.outlet.is_some() == context.route.legacy_sse);
        let session = session.ok_or(Reason::SessionNotFound)?;
        context.trail.with(|decision| decision.session = Some(Arc::clone(&session.reference)));
        Ok(session)
    }

    /// On the way out: the upstream's session id becomes ours, when the handshake has succeeded.
    pub(super) fn exchange_session(
        &self,
        mut response: McpResponse,
        (handshake, known): (bool, Option<&HeaderValue>),
        principal: &Principal,
        context: &RequestContext,
        (asked, declares): (ProtocolVersion, Answerable),
    ) -> Result<McpResponse, Rejection> {
        let upstream = response.session.take();
        if !handshake || !succeeded(&response.body) {
            return Ok(response);
        }
        let version = agreed_version(&response.body).unwrap_or(asked);
        let id = if let Some(id) = known {
            self.sessions.begin(id, (version, declares), upstream);
            id.clone()
        } else {
            let resource = &context.route.resource;
            self.sessions.mint(principal, resource, (version, declares), upstream).map_err(no_session)?
        };
        context.trail.with(|decision| decision.session = Some(reference(&id)));
        if let ResponseBody::Json(_, reply) = &response.body {
            self.sessions.promise(&id, ListSet::offered_by(&reply.message));
        }
        if let ResponseBody::Stream(stream) = response.body {
            // The client goes on only once it has this message, so the session learns of the revision in time.
            let (sessions, id) = (Arc::clone(&self.sessions), id.clone());
            response.body = ResponseBody::Stream(Box::pin(stream.inspect(move |item| {
                let Ok(reply) = item else { return };
                if let Some(version) = agreed_in(&reply.message) {
                    sessions.agree(&id, version);
                    sessions.promise(&id, ListSet::offered_by(&reply.message));
                }
            })));
        }
        response.session = Some(id).filter(|_| known.is_none());
        Ok(response)
    }
}

pub(super) fn no_session(error: SessionError) -> Reason {
    tracing::warn!(error = &error as &dyn std::error::Error, "no session for a client");
    Reason::Overloaded
}

/// HTTP methods that the stateless revision does not have.
fn refuse_modern(headers: &HeaderMap) -> Result<(), Reason> {
    let version = headers.get(&headers::PROTOCOL_VERSION).and_then(|value| value.to_str().ok());
    let modern = version.and_then(ProtocolVersion::from_date).is_some_and(|version| !version.has_sessions());
    if modern { Err(Reason::MethodNotAllowed) } else { Ok(()) }
}

/// Whether the upstream has forgotten the session, so that ours is void too.
pub(super) fn gone(result: &Result<McpResponse, Rejection>) -> bool {
    result.as_ref().is_err_and(|rejection| *rejection.reason() == Reason::SessionNotFound)
}

fn succeeded(body: &ResponseBody) -> bool {
    match body {
        ResponseBody::Json(_, reply) => reply.message.result().is_some(),
        // An `initialize` answered by a stream: whether it succeeds is not known when the headers leave.
        ResponseBody::Stream(_) => true,
        ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Opened(_) | ResponseBody::Resumed(_) => false,
    }
}

fn agreed_version(body: &ResponseBody) -> Option<ProtocolVersion> {
    let ResponseBody::Json(_, reply) = body else {
        return None;
    };
    agreed_in(&reply.message)
}

/// The revision that the response to a handshake names.
fn agreed_in(message: &Message) -> Option<ProtocolVersion> {
    let version = message.result()?.get("protocolVersion")?.as_str()?;
    ProtocolVersion::from_date(version).filter(|version| version.has_sessions())
}

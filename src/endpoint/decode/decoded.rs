//! What was read of a request, before any layer has judged it.

use http::HeaderValue;

use super::super::headers;
use super::super::progress::About;
use super::super::tasks::Tasks;
use crate::chain::{Channel, Claim, Outlet, Reason, RequestContext, What};
use crate::layers::authn::Principal;
use crate::protocol::{
    Access, AccessError, Answerable, ClientMessage, Message, Method, ProtocolVersion, RequestId, Shape, Target, code,
};
use crate::session::{Question, Session};

/// A message, and how it stands in its session.
pub(super) struct Decoded {
    pub(super) message: ClientMessage,
    pub(super) access: Access,
    pub(super) version: ProtocolVersion,
    pub(super) session: Option<Session>,
    /// What the server has asked, if this is an answer.
    pub(super) question: Option<Question>,
    /// The server's state, where the client has shown one.
    pub(super) state: Option<String>,
    /// The caller's tasks, as far as this can be about them.
    pub(super) tasks: Tasks,
    /// The stream that the client has come back for.
    pub(super) claim: Option<Claim>,
    /// The stream of the session that it opens, and what is yet to be put in the table.
    pub(super) opens: Option<(Box<Channel>, HeaderValue, Outlet)>,
    /// The progress token of a request.
    pub(super) token: Option<RequestId>,
    /// What a notification is about.
    pub(super) about: About,
}

impl Decoded {
    /// What concerns a session as such, and has no body.
    pub(super) fn of_session(message: ClientMessage, access: Access, session: Session, tasks: Tasks) -> Self {
        let version = session.version;
        let (about, session) = (About::Open, Some(session));
        Self {
            message,
            access,
            version,
            session,
            question: None,
            state: None,
            tasks,
            claim: None,
            token: None,
            about,
            opens: None,
        }
    }
}

/// The id by which a message can be answered. That of an answer is another side's.
pub(super) fn own_id(message: &Message) -> Option<RequestId> {
    message.id().filter(|_| message.shape() == Shape::Request).cloned()
}

/// What a client says it can be asked when it shakes hands.
pub(super) fn declared(decoded: &Decoded) -> Answerable {
    if decoded.access.method != Method::Initialize {
        return Answerable::NOTHING;
    }
    Answerable::of(decoded.message.rpc().and_then(|message| message.param("capabilities")))
}

/// What the client says it can be asked: in this request, or when its session began.
pub(super) fn answerable(decoded: &Decoded) -> Answerable {
    if let Some(session) = &decoded.session {
        return session.answerable;
    }
    let meta = decoded.message.rpc().filter(|_| !decoded.version.has_sessions()).and_then(|message| message.param("_meta"));
    Answerable::of(meta.and_then(|meta| meta.get(headers::META_CAPABILITIES)))
}

pub(super) fn unreadable(error: AccessError) -> Reason {
    match error {
        AccessError::Task => Reason::InvalidParams("this cannot be asked for as a task"),
        AccessError::UnknownTask => Reason::UnknownTask,
        AccessError::UnexpectedInput => Reason::InvalidParams("no question of this server is open"),
        AccessError::CaseVariant | AccessError::Target(_) | AccessError::Id | AccessError::UnexpectedAnswer => {
            Reason::Malformed(code::INVALID_REQUEST, error.to_string())
        }
    }
}

/// Writes into the trail what was asked, in terms fit for the log.
pub(super) fn describe(decoded: &Decoded, principal: &Principal, context: &RequestContext) {
    let commit = |part, bytes: &[u8]| principal.pseudonym().committer.commit(context.call.as_bytes(), part, bytes);
    let original = decoded.message.rpc().map(Message::original);
    let name = decoded.access.public_name();
    let target = match &decoded.access.target {
        Target::Prompt(text) | Target::Resource(text) | Target::Tool(text) | Target::Method(text) if name.is_none() => {
            Some(commit("target", text.as_bytes()))
        }
        Target::Answer(_)
        | Target::Listen { .. }
        | Target::Method(_)
        | Target::None
        | Target::Prompt(_)
        | Target::Resource(_)
        | Target::Session
        | Target::Task(_)
        | Target::Tool(_) => None,
    };
    let what = What {
        method: decoded.access.method,
        name: name.map(Into::into),
        target,
        server: context.route.server.as_ref().map(|server| server.name.as_str().into()),
        version: decoded.version,
        args: original.map(|bytes| commit("args", bytes)),
        size: original.map_or(0, bytes::Bytes::len),
        captured: None,
        number: decoded.message.rpc().and_then(|message| message.id()?.as_json().parse().ok()),
        expects_reply: decoded.access.shape == Shape::Request,
    };
    context.trail.with(|decision| decision.what = Some(what));
}

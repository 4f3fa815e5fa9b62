//! How far a request is: towards its server a client's progress token is the id of the call, so that what comes back names one request of
//! all there are. What names none of this stream or session is nobody's to hear. The same the other way round, for what a server asks.

use std::sync::Arc;

use http::HeaderMap;

use super::headers::SESSION_ID;
use crate::chain::{
    Action, CallId, Direction, Finding, McpResponse, Reason, Rejection, RequestContext, ResponseBody, ServerMessage, Trail,
};
use crate::config::Transport;
use crate::protocol::json::{RawJson, Value};
use crate::protocol::{Access, Message, Method, RequestId, Shape};
use crate::session::{Live, Session, Sessions, Underway};

const NOTIFICATION: &str = "notifications/progress";

/// A request of a client while it is with its server.
pub(super) struct Asking {
    call: CallId,
    token: Option<RequestId>,
    session: Option<(Arc<Live>, Option<Underway>)>,
    /// The transport pairs requests and replies itself, on a connection that many may share: what it gives has the client's own names.
    paired: bool,
}

/// What a notification of a client is about.
#[derive(Debug)]
pub(super) enum About {
    /// Something that is open, or nothing in particular.
    Open,
    /// What a server asks, by the server's own progress token.
    Question(RequestId),
    /// Nothing that is open in its session: whoever it meant, it is not the caller's to reach.
    Nothing,
}

impl About {
    /// The server's progress token, if it is about a question.
    pub(super) fn question(self) -> Option<RequestId> {
        match self {
            Self::Question(token) => Some(token),
            Self::Nothing | Self::Open => None,
        }
    }
}

/// The client's own token, which any server can give back as it is.
pub(super) fn token(message: &Message) -> Result<Option<RequestId>, Reason> {
    let token = message.param("_meta").and_then(|meta| meta.get("progressToken")).filter(|_| message.shape() == Shape::Request);
    let unreadable = Reason::InvalidParams("`progressToken` must be a string or a whole number");
    token.map(|token| RequestId::read(token).ok_or(unreadable)).transpose()
}

/// What a client's notification in its session is about.
pub(super) fn about(sessions: &Sessions, headers: &HeaderMap, session: &Session, message: &Message, access: &Access) -> About {
    let named = |key| message.param(key).and_then(RequestId::read);
    let known = if access.method == Method::Cancelled {
        // SECURITY: without a session of the server's own nothing would keep one client's number from meaning another's request.
        let own = named("requestId").filter(|id| session.upstream.is_some() && session.live.has_request(id));
        own.map(|_own| About::Open)
    } else if access.method == Method::Progress {
        let asked = named("progressToken").zip(headers.get(&SESSION_ID));
        asked.and_then(|(ours, id)| sessions.token_of_question(id, &ours)).map(About::Question)
    } else {
        Some(About::Open)
    };
    known.unwrap_or(About::Nothing)
}

impl Asking {
    /// A request, or whatever else is answered, begins.
    pub(super) fn begin(
        context: &RequestContext,
        session: Option<&Session>,
        id: Option<RequestId>,
        token: Option<RequestId>,
    ) -> Self {
        let call = context.call;
        let session = session.map(|session| {
            let underway = id.map(|id| session.live.begin(call, id, token.clone()));
            (Arc::clone(&session.live), underway)
        });
        let server = context.route.server.as_ref();
        let paired = server.is_some_and(|server| !matches!(server.transport, Transport::Http(_)));
        Self { call, token, session, paired }
    }

    /// On the way out: progress by the client's own tokens, and none that is not the client's to hear.
    pub(super) fn answered(mut self, result: Result<McpResponse, Rejection>, trail: Trail) -> Result<McpResponse, Rejection> {
        let response = match result {
            Ok(response) if matches!(response.body, ResponseBody::Stream(_)) => response,
            whole => {
                self.done();
                return whole;
            }
        };
        if let Some((live, _)) = &self.session {
            live.open(&trail.end());
        }
        response.map_messages(move |message| {
            if message.is_final() {
                self.done();
            }
            if message.message.method() != Some(NOTIFICATION) {
                return Ok(Some(message));
            }
            let told = self.tell(message);
            if told.is_none() {
                trail.find(foreign());
            }
            Ok(told)
        })
    }

    fn done(&mut self) {
        let underway = self.session.as_mut().and_then(|(_, underway)| underway.take());
        underway.into_iter().for_each(Underway::done);
    }

    fn tell(&self, mut message: ServerMessage) -> Option<ServerMessage> {
        let token = message.message.param("progressToken")?;
        if self.paired {
            let named = RequestId::read(token)?;
            let known =
                self.token.as_ref() == Some(&named) || self.session.as_ref().is_some_and(|(live, _)| live.has_token(&named));
            return known.then_some(message);
        }
        let (place, call) = (Value::id(token), CallId::from_text(token.as_str()?)?);
        let theirs = if call == self.call { self.token.clone() } else { self.session.as_ref()?.0.token_of(call) };
        let theirs = RawJson::id(&theirs?);
        let (document, edits) = message.message.split();
        edits.replace(document, place, theirs);
        Some(message)
    }
}

fn foreign() -> Finding {
    let (action, side) = (Action::Blocked, Direction::Response);
    Finding { layer: "decode", rule: "progress-token".into(), kind: NOTIFICATION, action, side, count: 1, by: None, about: None }
}

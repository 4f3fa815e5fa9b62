//! What a server asks of its client in a session: it goes on under an id of ours, and the answer comes back by it.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::headers::SESSION_ID;
use super::tasks::Showing;
use crate::chain::{McpResponse, Reason, Rejection, ResponseBody, ServerMessage};
use crate::protocol::json::{RawJson, Value};
use crate::protocol::{Asked, Message, RequestId, Shape, code};
use crate::session::{Question, Sessions};

/// What the server has asked, if `message` is the answer to something that is open. Taken: two answers are not two.
pub(super) fn answered(sessions: &Sessions, headers: &HeaderMap, message: &Message) -> Option<Question> {
    let id = message.id().filter(|_| message.shape() == Shape::Response)?;
    sessions.answer(headers.get(&SESSION_ID)?, id)
}

/// On the way out: whoever may ask was settled in the chain.
pub(super) fn relay(
    response: McpResponse,
    sessions: &Arc<Sessions>,
    session: &HeaderValue,
    tasks: Option<Arc<Showing>>,
) -> Result<McpResponse, Rejection> {
    if !matches!(response.body, ResponseBody::Stream(_)) {
        // Only a stream has room for questions.
        return Ok(response);
    }
    // A copy: what the HTTP library hands out keeps its whole read buffer alive, and a stream may live for days.
    let Ok(session) = HeaderValue::from_bytes(session.as_bytes()) else {
        return Err(Rejection::internal("session id"));
    };
    let sessions = Arc::clone(sessions);
    response.map_messages(move |message| {
        Ok(match message.message.shape() {
            Shape::Request => {
                let own = Asked::by(message.message.method(), message.message.params());
                let asked = own.or_else(|| tasks.as_ref()?.asked(&message.message));
                ask(message, asked, &sessions, &session)
            }
            Shape::Notification if message.message.method() == Some("notifications/cancelled") => {
                withdraw(message, &sessions, &session)
            }
            Shape::Notification | Shape::Response => Some(message),
        })
    })
}

fn ask(mut message: ServerMessage, asked: Option<Asked>, sessions: &Sessions, session: &HeaderValue) -> Option<ServerMessage> {
    let token = message.message.param("_meta").and_then(|meta| meta.get("progressToken"));
    let (token, token_place) = (token.map(RequestId::read), token.map(Value::id));
    // A token that cannot be given back as it is cannot be taken either.
    let asked = asked.zip(message.message.id()).filter(|_| token != Some(None));
    let responder = || message.responder.clone();
    let ours = asked.and_then(|(asked, theirs)| sessions.ask(session, theirs, asked, token.flatten(), responder()));
    let Some(ours) = ours.and_then(|ours| i64::try_from(ours).ok()) else {
        // The server is told, so that it does not wait.
        message.refuse(code::UNAVAILABLE, "too many requests are open, or its progress token cannot be read");
        return None;
    };
    let place = message.message.id_place()?;
    let (document, edits) = message.message.split();
    for place in [Some(place), token_place].into_iter().flatten() {
        edits.replace(document, place, RawJson::integer(ours));
    }
    Some(message)
}

/// The answer to a question did not get through. A client that reads the refusal may answer again. One that has heard before that its answer
/// was taken does not know: there the server is told, in words that say nothing of the answer, and the question is over.
pub(super) fn not_through(
    sessions: &Sessions,
    session: &HeaderValue,
    (question, ours): (Question, RequestId),
    (reason, legacy_sse): (&Reason, bool),
) {
    if !legacy_sse {
        return sessions.restore(session, &ours, question);
    }
    // A server that was stopped hears nothing of us.
    let Some(responder) = question.responder.filter(|_| *reason != Reason::Killed) else { return };
    let (code, text) = if matches!(reason, Reason::Blocked(_)) {
        (code::BLOCKED, "the answer was withheld by policy")
    } else {
        (code::UNAVAILABLE, "the answer did not get through")
    };
    responder.refuse(&question.id, code, text);
}

/// A server that gives up waiting says so by its own id. What we have not passed on is nothing to the client.
fn withdraw(mut message: ServerMessage, sessions: &Sessions, session: &HeaderValue) -> Option<ServerMessage> {
    let named = message.message.param("requestId")?;
    let (place, theirs) = (Value::id(named), RequestId::read(named)?);
    let ours = i64::try_from(sessions.withdraw(session, &theirs)?).ok()?;
    let (document, edits) = message.message.split();
    edits.replace(document, place, RawJson::integer(ours));
    Some(message)
}

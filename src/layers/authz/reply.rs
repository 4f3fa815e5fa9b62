//! What comes back: lists filtered, caching forbidden, and what a server asks of the client judged.

use std::sync::Arc;

use super::decide::Authorizer;
use super::listing;
use super::questions::{self, Question};
use crate::chain::{Action, Category, Direction, Finding, Reason, Rejection, ServerMessage, Trail};
use crate::layers::authn::Principal;
use crate::protocol::json::Value;
use crate::protocol::{Answerable, Asked, ListKind, Shape, code};

/// Judges what comes back.
pub(super) struct ReplyJudge {
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) principal: Principal,
    pub(super) server: String,
    pub(super) trail: Trail,
    pub(super) list: Option<ListKind>,
    /// Whether the result depends on the caller though it is no list.
    pub(super) private: bool,
    /// What the client says it can be asked.
    pub(super) answerable: Answerable,
    /// Whether a result may ask for input instead of being the whole answer.
    pub(super) may_ask: bool,
    /// Whether results say of what kind they are.
    pub(super) modern: bool,
}

impl ReplyJudge {
    pub(super) fn judge(&self, mut message: ServerMessage) -> Result<Option<ServerMessage>, Rejection> {
        match message.message.shape() {
            Shape::Response => {
                self.judge_questions(&message)?;
                if let Some(list) = self.list {
                    let held = self.authorizer.held_by(&self.principal);
                    listing::filter(&mut message.message, list, &held, &self.server);
                } else if self.private {
                    listing::forbid_shared_caching(&mut message.message);
                }
                Ok(Some(message))
            }
            Shape::Request if self.may_be_asked(&message) => Ok(Some(message)),
            Shape::Request => {
                self.refuse(&message);
                Ok(None)
            }
            Shape::Notification => Ok(self.may_hear(&message).then_some(message)),
        }
    }

    /// SECURITY: a result that asks is let through only where the policy grants each thing it asks, the revision has such results, and
    /// the method may be answered so. The same default deny as `refuse`.
    fn judge_questions(&self, message: &ServerMessage) -> Result<(), Rejection> {
        let asked = questions::of_response(&message.message, self.modern);
        if asked.is_empty() {
            return Ok(());
        }
        let held = self.authorizer.held_by(&self.principal);
        let granted = |question: &Question| match question {
            // Asks nothing of anybody; but what comes back for it is an answer, and taken only where answers are.
            Question::State => held.lets_ask_anything(&self.server),
            // What the client has not declared it would not understand: the server is at fault (MCP-029).
            Question::Of(asked) => self.answerable.has(*asked) && held.lets_ask(&self.server, *asked),
            Question::Other(_) => false,
        };
        let passes = self.modern && self.may_ask && asked.iter().all(granted);
        for question in &asked {
            self.note(question.word(), if passes { Action::Logged } else { Action::Blocked });
        }
        if passes { Ok(()) } else { Err(Reason::BlockedResult(Category::ServerRequest).into()) }
    }

    /// Whether a request of the server, in a session, goes on to the client: granted, declared, and with somebody to take the answer.
    fn may_be_asked(&self, message: &ServerMessage) -> bool {
        let asked = Asked::by(message.message.method(), message.message.params()).filter(|_| message.responder.is_some());
        let granted = |asked: &Asked| {
            self.answerable.has(*asked) && self.authorizer.held_by(&self.principal).lets_ask(&self.server, *asked)
        };
        let granted = asked.filter(granted);
        granted.inspect(|asked| self.note(asked.method(), Action::Logged)).is_some()
    }

    /// SECURITY: sampling, elicitation and roots are a server's way to reach the user's model and files. Default deny; the server is
    /// answered, so that it does not wait, and the outcome's record says what it asked.
    fn refuse(&self, message: &ServerMessage) {
        let kind = questions::word(message.message.method());
        if let Some(responder) = &message.responder {
            if kind == "ping" {
                // Asks for nothing but a sign of life, which is ours to give: the connection is ours.
                return responder.acknowledge(&message.message);
            }
            responder.refuse(&message.message, code::METHOD_NOT_FOUND, "the client does not take this request");
        }
        self.note(kind, Action::Blocked);
    }

    fn note(&self, kind: &'static str, action: Action) {
        let side = Direction::Response;
        self.trail.find(Finding { layer: "authz", rule: "server-request".into(), kind, action, side, count: 1 });
    }

    fn may_hear(&self, message: &ServerMessage) -> bool {
        if message.message.method() != Some("notifications/resources/updated") {
            return true;
        }
        let uri = message.message.param("uri").and_then(Value::as_str);
        let held = self.authorizer.held_by(&self.principal);
        uri.is_some_and(|uri| held.shows(&self.server, ListKind::Resources, uri))
    }
}

//! What comes back: lists filtered, caching forbidden, tasks of others withheld, and what a server asks of the client judged.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::in_force::{InForce, Rulebook};
use super::listen::{self, Wanted};
use super::questions::{self, Expected, Question};
use super::tasks::{Heard, TaskJudge};
use super::{capabilities, listing};
use crate::chain::{Action, Category, Changes, Direction, Finding, Listed, Reason, Rejection, RequestContext, ServerMessage};
use crate::config::Server;
use crate::decide::{Held, Hints, Scene};
use crate::layers::authn::Principal;
use crate::protocol::json::Value;
use crate::protocol::{self, Answerable, Asked, ListKind, Message, Method, Shape, code};

/// Judges what comes back.
pub(super) struct ReplyJudge {
    /// What judged the request, and judges what answers it. `None` for a subscription, which would keep many that are not in force any more.
    pub(super) book: Option<Arc<Rulebook>>,
    /// What judges everything else that comes.
    pub(super) in_force: InForce,
    pub(super) principal: Principal,
    pub(super) server: Arc<Server>,
    /// When and from where the request came.
    pub(super) context: RequestContext,
    /// What the client says it can be asked.
    pub(super) answerable: Answerable,
    /// What was asked for, where only that is to be told.
    pub(super) listens: Option<Box<Wanted>>,
    /// What its client is to hear of lists.
    pub(super) hears: Option<Changes>,
    /// Where its session keeps what it was shown of them, if it asks for one from its beginning.
    pub(super) listed: Option<Listed>,
    /// How often approvals of definitions had turned when the request began: what is listed for it is judged by these or later ones.
    pub(super) turns: u64,
    /// The request, and whose tasks it may hear of.
    pub(super) tasks: TaskJudge,
}

impl ReplyJudge {
    pub(super) fn judge(&self, mut message: ServerMessage) -> Result<Option<ServerMessage>, Rejection> {
        let plain = self.is_plain(&message.message);
        if !plain {
            self.find("case-variant", "spelling", Action::Blocked);
        }
        let shape = message.message.shape();
        // One policy to a message: an answer is judged as its request was.
        let own = self.book.as_ref().filter(|_| shape == Shape::Response);
        let book = own.map_or_else(|| self.in_force.newest(), Arc::clone);
        if shape == Shape::Response && self.tasks.method == Method::ToolsList {
            self.in_force.learn(&self.server.name, listing::destructive(&message.message));
        }
        let hints = self.hints();
        let held = self.held(&book, &hints);
        match shape {
            Shape::Response if !plain => Err(Reason::UpstreamFailed("case_variant").into()),
            Shape::Notification if !plain => Ok(None),
            Shape::Response => {
                self.judge_questions(&message, &held)?;
                self.judge_response(&mut message.message, &held)?;
                Ok(Some(message))
            }
            Shape::Request if plain && self.may_be_asked(&mut message, &held) => Ok(Some(message)),
            Shape::Request => {
                self.refuse(&message);
                Ok(None)
            }
            Shape::Notification => {
                Ok((self.may_hear(&mut message.message, &held) && self.wants(&mut message.message, &held)).then_some(message))
            }
        }
    }

    /// Whether it was asked for, where that is needed: a server tells nothing else on such a stream, and one that does is at fault.
    fn wants(&self, message: &mut Message, held: &Held<'_>) -> bool {
        let Some(wanted) = &self.listens else { return true };
        let asked = wanted.has(message);
        if asked {
            let promised = wanted.fit_acknowledgement(message, held);
            self.hears.as_ref().zip(promised).inspect(|(changes, lists)| changes.promise(*lists));
        } else {
            self.find("unasked", listen::word(message), Action::Blocked);
        }
        asked
    }

    /// SECURITY: what can be read in two ways would be judged in one and acted upon in the other. What MCP does not define has whatever
    /// names its server gives it.
    fn is_plain(&self, message: &Message) -> bool {
        let method = self.tasks.method;
        let own = message.shape() == Shape::Response && method == Method::Other;
        // Of a list the items are judged one by one.
        let list = method.list().map(ListKind::member).or_else(|| (method == Method::TasksList).then_some("tasks"));
        own || protocol::is_plain(message, list)
    }

    /// What the server says of its own tools.
    pub(super) fn hints(&self) -> Arc<Hints> {
        self.in_force.hints(&self.server.name)
    }

    /// What the caller holds by `book`, now.
    pub(super) fn held<'a>(&'a self, book: &'a Rulebook, hints: &'a Hints) -> Held<'a> {
        // What comes later than its request is judged at its own time.
        let since = SignedDuration::try_from(self.context.started.elapsed()).unwrap_or_default();
        self.held_at(book, hints, self.context.received.saturating_add(since).unwrap_or(self.context.received))
    }

    pub(super) fn held_at<'a>(&'a self, book: &'a Rulebook, hints: &'a Hints, now: Timestamp) -> Held<'a> {
        let scene = Scene { server: book.server(&self.server), now, peer: Some(self.context.peer.address), hints };
        book.engine.held_by(self.principal.caller(), scene)
    }

    fn judge_response(&self, message: &mut Message, held: &Held<'_>) -> Result<(), Rejection> {
        let method = self.tasks.method;
        if let Some(list) = method.list() {
            listing::filter(message, list, held);
            // What another policy has taken the place of meanwhile is told of, not shown.
            let listed = self.listed.as_ref().filter(|_| self.book.as_ref().is_some_and(|book| self.in_force.is_newest(book)));
            listed.inspect(|listed| listed.show(list, held.view(), self.turns));
        }
        if matches!(method, Method::Discover | Method::Initialize) {
            capabilities::narrow(message, held);
        }
        if matches!(method, Method::Discover | Method::ResourcesRead) {
            listing::forbid_shared_caching(message);
        }
        match self.tasks.judge(message, held) {
            Heard::Passes => Ok(()),
            Heard::Foreign => Err(Reason::UpstreamFailed("foreign_task").into()),
            Heard::Unasked => Err(Reason::UpstreamFailed("unexpected_task").into()),
        }
    }

    /// SECURITY: a result that asks is let through only where the policy grants each thing it asks, the revision has such results, and
    /// the method may be answered so. The same default deny as `refuse`.
    fn judge_questions(&self, message: &ServerMessage, held: &Held<'_>) -> Result<(), Rejection> {
        let method = self.tasks.method;
        let modern = !self.tasks.version.has_sessions();
        let standing = modern && method == Method::TasksGet;
        let task = modern && method == Method::ToolsCall && self.tasks.may_create;
        let asked = questions::of_response(&message.message, Expected { modern, task, standing });
        let passes = self.lets_pass(&asked, modern && (method.may_ask() || standing), held);
        if passes { Ok(()) } else { Err(Reason::BlockedResult(Category::ServerRequest).into()) }
    }

    /// Whether everything that a message asks may be asked; on record is what it was.
    fn lets_pass(&self, asked: &[Question], may_ask: bool, held: &Held<'_>) -> bool {
        if asked.is_empty() {
            return true;
        }
        let granted = |question: &Question| match question {
            // Asks nothing of anybody; but what comes back for it is an answer, and taken only where answers are.
            Question::State => held.lets_ask_anything(),
            // What the client has not declared it would not understand: the server is at fault (MCP-029).
            Question::Of(asked) => self.answerable.has(*asked) && held.lets_ask(*asked),
            Question::Other(_) => false,
        };
        let passes = may_ask && asked.iter().all(granted);
        for question in asked {
            self.note(question.word(), if passes { Action::Logged } else { Action::Blocked });
        }
        passes
    }

    /// Whether a request of the server, in a session, goes on to the client: granted, declared, with somebody to take the answer, and
    /// about no task but the client's own.
    fn may_be_asked(&self, message: &mut ServerMessage, held: &Held<'_>) -> bool {
        let asked = Asked::by(message.message.method(), message.message.params());
        let asked = asked.or_else(|| self.tasks.asked(&message.message)).filter(|_| message.responder.is_some());
        let granted = asked.filter(|asked| self.answerable.has(*asked) && held.lets_ask(*asked));
        let granted = granted.filter(|_| self.tasks.judge(&mut message.message, held) == Heard::Passes);
        granted.inspect(|asked| self.note(asked.method(), Action::Logged)).is_some()
    }

    /// SECURITY: sampling, elicitation and roots are a server's way to reach the user's model and files. Default deny; the server is
    /// answered, so that it does not wait, and the outcome's record says what it asked.
    fn refuse(&self, message: &ServerMessage) {
        let kind = Asked::word(message.message.method());
        if kind == "ping" && message.acknowledge() {
            // Asks for nothing but a sign of life, which is ours to give: the connection is ours.
            return;
        }
        message.refuse(code::METHOD_NOT_FOUND, "the client does not take this request");
        self.note(kind, Action::Blocked);
    }

    fn note(&self, kind: &'static str, action: Action) {
        self.find("server-request", kind, action);
    }

    fn find(&self, rule: &'static str, kind: &'static str, action: Action) {
        let side = Direction::Response;
        self.context.trail.find(Finding {
            layer: "authz",
            rule: rule.into(),
            kind,
            action,
            side,
            count: 1,
            by: None,
            about: None,
        });
    }

    fn may_hear(&self, message: &mut Message, held: &Held<'_>) -> bool {
        let method = message.method().unwrap_or_default();
        if let Some(list) = ListKind::changed(method) {
            return held.has_any(list);
        }
        match method {
            "notifications/resources/updated" => {
                let uri = message.param("uri").and_then(Value::as_str);
                let may = uri.is_some_and(|uri| held.may_read(uri));
                if !may {
                    // SECURITY: that something has changed tells that it exists, and when somebody is at it (MCP-021).
                    self.find("resource-update", "notifications/resources/updated", Action::Blocked);
                }
                may
            }
            "notifications/tasks" if !self.lets_task_ask(message, held) => false,
            _ => {
                let passes = self.tasks.judge(message, held) == Heard::Passes;
                if !passes {
                    self.find("foreign-task", "task", Action::Blocked);
                }
                passes
            }
        }
    }

    /// A task that is told of asks as one that is asked about.
    fn lets_task_ask(&self, message: &Message, held: &Held<'_>) -> bool {
        let asked = message.params().map(questions::of_task).unwrap_or_default();
        self.lets_pass(&asked, true, held)
    }
}

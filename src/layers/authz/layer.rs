//! The station: principal in, permit out; lists filtered and servers' own requests judged on the way back.

use std::sync::Arc;

use super::decide::{Authorizer, Verdict};
use super::listing;
use super::permit::Permit;
use crate::chain::{
    Action, Category, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, ServerMessage, Thing,
    Trail,
};
use crate::layers::authn::Principal;
use crate::protocol::json::Value;
use crate::protocol::{Access, ListKind, Message, Method, Shape, Target, code};

/// Judges accesses by the roles of a policy.
#[derive(Debug)]
pub struct Authz {
    authorizer: Arc<Authorizer>,
    policy: Arc<str>,
}

impl Authz {
    /// A station for this policy; `hash` goes into every record it decides.
    pub fn new(authorizer: Authorizer, hash: &str) -> Self {
        Self { authorizer: Arc::new(authorizer), policy: hash.into() }
    }
}

impl Middleware for Authz {
    type In = McpRequest<Principal>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let trail = request.context.trail.clone();
        trail.with(|decision| decision.policy = Some(Arc::clone(&self.policy)));
        let Some(server) = request.context.route.server.clone() else {
            return Err(Reason::NoSuchPath.into());
        };
        let verdict = self.authorizer.decide(&request.evidence, &server.name, &request.access);
        let rule = granted(verdict, &request.access)?;
        if !request.access.method.exists_in(request.exchange.version) {
            return Err(Reason::UnknownMethod.into());
        }
        trail.with(|decision| decision.rule = Some((*rule).into()));
        trail.pass("authz");

        let judge = ReplyJudge {
            authorizer: Arc::clone(&self.authorizer),
            principal: request.evidence.clone(),
            server: server.name.clone(),
            trail: trail.clone(),
            list: request.access.method.list(),
            private: request.access.method == Method::Discover || request.access.method == Method::ResourcesRead,
            modern: !request.exchange.version.has_sessions(),
        };
        let permit = Permit::new(request.evidence.clone(), server);
        next.run(request.with_evidence(permit)).await?.map_messages(move |message| judge.judge(message))
    }
}

/// The rule that allows, or the answer that tells nothing.
fn granted(verdict: Verdict, access: &Access) -> Result<Arc<str>, Reason> {
    match (verdict, &access.target) {
        (Verdict::Allow { rule }, _) => Ok(rule),
        (Verdict::NoServer, _) => Err(Reason::NoSuchPath),
        (_, Target::Tool(name)) => Err(Reason::UnknownTarget(Thing::Tool, name.clone())),
        (_, Target::Prompt(name)) => Err(Reason::UnknownTarget(Thing::Prompt, name.clone())),
        (_, Target::Resource(uri)) => Err(Reason::UnknownTarget(Thing::Resource, uri.clone())),
        (_, Target::Listen { resources, .. }) => {
            Err(Reason::UnknownTarget(Thing::Resource, resources.first().cloned().unwrap_or_default()))
        }
        (_, Target::Method(_) | Target::None | Target::Session) => Err(Reason::UnknownMethod),
    }
}

/// Judges what comes back.
struct ReplyJudge {
    authorizer: Arc<Authorizer>,
    principal: Principal,
    server: String,
    trail: Trail,
    list: Option<ListKind>,
    /// Whether the result depends on the caller though it is no list.
    private: bool,
    /// Whether results say of what kind they are.
    modern: bool,
}

impl ReplyJudge {
    fn judge(&self, mut message: ServerMessage) -> Result<Option<ServerMessage>, Rejection> {
        match message.message.shape() {
            Shape::Response => {
                // SECURITY: from 2026-07-28 on a server asks by a result that lists its questions. The same default deny as `refuse`.
                if let Some(questions) = message.message.result().and_then(|result| result.get("inputRequests")) {
                    for (_, question) in questions.members() {
                        self.note(asked(question.get("method").and_then(Value::as_str)));
                    }
                    return Err(Reason::BlockedResult(Category::ServerRequest).into());
                }
                if asks_by_error(&message.message) {
                    self.note("elicitation/create");
                    return Err(Reason::BlockedResult(Category::ServerRequest).into());
                }
                if self.modern && is_unfinished(&message.message) {
                    // A question without a list, or a task, whose result would come past the layers that judge this call.
                    self.note("other");
                    return Err(Reason::BlockedResult(Category::ServerRequest).into());
                }
                if let Some(list) = self.list {
                    let held = self.authorizer.held_by(&self.principal);
                    listing::filter(&mut message.message, list, &held, &self.server);
                } else if self.private {
                    listing::forbid_shared_caching(&mut message.message);
                }
                Ok(Some(message))
            }
            Shape::Request => {
                self.refuse(&message);
                Ok(None)
            }
            Shape::Notification => Ok(self.may_hear(&message).then_some(message)),
        }
    }

    /// SECURITY: sampling, elicitation and roots are a server's way to reach the user's model and files. Default deny; the server is
    /// answered, so that it does not wait, and the outcome's record says what it asked.
    fn refuse(&self, message: &ServerMessage) {
        let kind = asked(message.message.method());
        if let Some(responder) = &message.responder {
            if kind == "ping" {
                // Asks for nothing but a sign of life, which is ours to give: the connection is ours.
                return responder.acknowledge(&message.message);
            }
            responder.refuse(&message.message, code::METHOD_NOT_FOUND, "the client does not take this request");
        }
        self.note(kind);
    }

    fn note(&self, kind: &'static str) {
        let (action, side) = (Action::Blocked, Direction::Response);
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

/// Whether an error is a question: it sends the user to a URL. MCP 2025-11-25, "URL Elicitation Required Error".
fn asks_by_error(message: &Message) -> bool {
    const URL_ELICITATION_REQUIRED: i64 = -32042;
    message.error().is_some_and(|error| {
        error.get("code").and_then(Value::as_i64) == Some(URL_ELICITATION_REQUIRED)
            || error.path(&["data", "elicitations"]).is_some()
    })
}

/// Whether a result says that it is not the whole answer. MCP 2026-07-28, `resultType`; without one it is.
fn is_unfinished(message: &Message) -> bool {
    let kind = message.result().and_then(|result| result.get("resultType"));
    kind.is_some_and(|kind| kind.as_str() != Some("complete"))
}

/// What a server asks of the client, as a bounded word for the log.
fn asked(method: Option<&str>) -> &'static str {
    match method {
        Some("elicitation/create") => "elicitation/create",
        Some("ping") => "ping",
        Some("roots/list") => "roots/list",
        Some("sampling/createMessage") => "sampling/createMessage",
        _ => "other",
    }
}

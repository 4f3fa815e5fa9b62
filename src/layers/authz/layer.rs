//! The station: principal in, permit out; lists filtered and servers' own requests judged on the way back.

use std::sync::Arc;

use super::decide::{Authorizer, Verdict};
use super::listen;
use super::permit::Permit;
use super::reply::ReplyJudge;
use super::tasks::TaskJudge;
use crate::chain::{Carried, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, Thing};
use crate::layers::authn::Principal;
use crate::protocol::{Access, Target};

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

    async fn handle(&self, mut request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let trail = request.context.trail.clone();
        trail.with(|decision| decision.policy = Some(Arc::clone(&self.policy)));
        let Some(server) = request.context.route.server.clone() else {
            return Err(Reason::NoSuchPath.into());
        };
        let verdict = self.authorizer.decide(&request.evidence, &server.name, &request.access);
        if verdict == Verdict::NoServer && !request.evidence.reaches(&server.name) {
            trail.with(|decision| decision.detail = Some("credential_servers"));
        }
        if matches!(verdict, Verdict::NeedsScopes(_)) {
            trail.with(|decision| decision.detail = Some("scope_missing"));
        }
        let rule = granted(verdict, &request.evidence, &request.access)?;
        if !request.access.method.exists_in(request.exchange.version) {
            return Err(Reason::UnknownMethod.into());
        }
        if request.access.answers && !self.authorizer.held_by(&request.evidence).lets_ask_anything(&server.name) {
            // SECURITY: no question of this server has reached this caller, so an answer is one that nobody asked for.
            return Err(Reason::InvalidParams("no question of this server is open").into());
        }
        trail.with(|decision| decision.rule = Some((*rule).into()));
        trail.pass("authz");
        let mut listens = None;
        let McpRequest { carried, evidence } = &mut request;
        let Carried { message, access, .. } = &mut **carried;
        if let (Target::Listen { tasks, lists, resources }, Some(message)) = (&access.target, message.rpc_mut()) {
            listens = Some(Box::new(listen::Wanted::of(message, lists, resources)));
            listen::narrow(message, tasks, &self.authorizer.held_by(evidence), &server.name);
        }

        let judge = ReplyJudge {
            authorizer: Arc::clone(&self.authorizer),
            principal: request.evidence.clone(),
            server: server.name.clone(),
            trail: trail.clone(),
            answerable: request.exchange.answerable,
            listens,
            tasks: TaskJudge {
                own: request.exchange.tasks.own.clone(),
                method: request.access.method,
                version: request.exchange.version,
                may_create: if request.exchange.version.has_sessions() {
                    request.access.task
                } else {
                    request.exchange.answerable.has_tasks()
                },
            },
        };
        let permit = Permit::new(request.evidence.clone(), server, Arc::clone(&self.authorizer));
        next.run(request.with_evidence(permit)).await?.map_messages(move |message| judge.judge(message))
    }
}

/// The rule that allows, or the answer that tells nothing.
fn granted(verdict: Verdict, principal: &Principal, access: &Access) -> Result<Arc<str>, Reason> {
    match (verdict, &access.target) {
        (Verdict::Allow { rule }, _) => Ok(rule),
        // Who has shown no token can get none with more scopes: a client that were told to would try for ever.
        (Verdict::NeedsScopes(_), _) if principal.scopes().is_none() => Err(Reason::Denied(None)),
        (Verdict::NeedsScopes(scopes), _) => Err(Reason::InsufficientScope(scopes)),
        (Verdict::NoServer, _) => Err(Reason::NoSuchPath),
        (_, Target::Tool(name)) => Err(Reason::UnknownTarget(Thing::Tool, name.clone())),
        (_, Target::Prompt(name)) => Err(Reason::UnknownTarget(Thing::Prompt, name.clone())),
        (_, Target::Resource(uri)) => Err(Reason::UnknownTarget(Thing::Resource, uri.clone())),
        (_, Target::Task(_)) => Err(Reason::UnknownTask),
        (_, Target::Answer(_)) => Err(Reason::InvalidParams("no question of this server is open")),
        (_, Target::Listen { .. } | Target::Method(_) | Target::None | Target::Session) => Err(Reason::UnknownMethod),
    }
}

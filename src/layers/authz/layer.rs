//! The station: principal in, permit out; lists filtered and servers' own requests judged on the way back.

use std::sync::Arc;

use super::listen;
use super::permit::Permit;
use super::reply::ReplyJudge;
use super::tasks::TaskJudge;
use crate::chain::{
    Action, Carried, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, Thing, Trail,
};
use crate::config::Server;
use crate::decide::{Arguments, Engine, Held, Ruling, Scene, Verdict};
use crate::layers::authn::Principal;
use crate::protocol::{Access, Target};

/// Judges accesses by a policy.
#[derive(Debug)]
pub struct Authz {
    engine: Arc<Engine>,
    policy: Arc<str>,
}

impl Authz {
    /// A station for this policy; `hash` goes into every record it decides.
    pub fn new(engine: Engine, hash: &str) -> Self {
        Self { engine: Arc::new(engine), policy: hash.into() }
    }

    fn held<'a>(&'a self, request: &'a McpRequest<Principal>, server: &'a Server) -> Held<'a> {
        let scene = Scene { server, now: request.context.received, peer: Some(request.context.peer.address) };
        self.engine.held_by(request.evidence.caller(), scene)
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
        let held = self.held(&request, &server);
        let arguments = Arguments::Known(request.message.rpc().and_then(|message| message.param("arguments")));
        let Ruling { verdict, shadow } = held.decide(&request.access, arguments);
        if verdict == Verdict::NoServer
            && let Some(why) = out_of_reach(&request.evidence, &server)
        {
            trail.with(|decision| decision.detail = Some(why));
        }
        if matches!(verdict, Verdict::NeedsScopes(_)) {
            trail.with(|decision| decision.detail = Some("scope_missing"));
        }
        if let Some(failure) = verdict.failure() {
            trail.with(|decision| decision.detail = Some(failure.as_str()));
        }
        note_shadows(&trail, shadow);
        if let Some(rule) = verdict.rule() {
            trail.with(|decision| decision.rule = Some((**rule).into()));
        }
        granted(verdict, &request.evidence, &request.access)?;
        if !request.access.method.exists_in(request.exchange.version) {
            return Err(Reason::UnknownMethod.into());
        }
        if request.access.answers && !held.lets_ask_anything() {
            // SECURITY: no question of this server has reached this caller, so an answer is one that nobody asked for.
            return Err(Reason::InvalidParams("no question of this server is open").into());
        }
        trail.pass("authz");
        let mut listens = None;
        let McpRequest { carried, evidence } = &mut request;
        let Carried { message, access, context, .. } = &mut **carried;
        if let (Target::Listen { tasks, lists, resources }, Some(message)) = (&access.target, message.rpc_mut()) {
            let scene = Scene { server: &server, now: context.received, peer: Some(context.peer.address) };
            listens = Some(Box::new(listen::Wanted::of(message, lists, resources)));
            listen::narrow(message, tasks, &self.engine.held_by(evidence.caller(), scene));
        }

        let judge = ReplyJudge {
            engine: Arc::clone(&self.engine),
            principal: request.evidence.clone(),
            server: Arc::clone(&server),
            context: request.context.clone(),
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
        let permit = Permit::new(request.evidence.clone(), server, Arc::clone(&self.engine));
        next.run(request.with_evidence(permit)).await?.map_messages(move |message| judge.judge(message))
    }
}

/// What rules in shadow would have denied is on record, and goes on.
/// Why nothing of this server is this caller's, whatever the policy says; for the record alone.
fn out_of_reach(principal: &Principal, server: &Server) -> Option<&'static str> {
    let caller = principal.caller();
    if !server.tenants.include(caller.issuer, caller.tenant) {
        return Some("server_tenants");
    }
    (!caller.reaches(server)).then_some("credential_servers")
}

fn note_shadows(trail: &Trail, shadow: Vec<Arc<str>>) {
    for rule in shadow {
        let rule = rule.to_string().into();
        trail.find(Finding { layer: "authz", rule, kind: "rule", action: Action::Shadowed, side: Direction::Request, count: 1 });
    }
}

/// Nothing, or the answer that tells nothing.
fn granted(verdict: Verdict, principal: &Principal, access: &Access) -> Result<(), Reason> {
    let failed = verdict.failure().is_some();
    let refusal = match (verdict, &access.target) {
        (Verdict::Allow { .. }, _) => return Ok(()),
        (Verdict::Misfit { misfit, .. }, _) => Reason::Misfit(misfit.to_string().into()),
        (Verdict::Refused { reason, .. }, _) => Reason::Denied(reason.as_deref().map(str::to_owned)),
        // SECURITY: only what is asked without arguments can depend on them, and a message has its arguments.
        (Verdict::Depends { .. }, _) => Reason::Denied(None),
        // Who has shown no token can get none with more scopes: a client that were told to would try for ever.
        (Verdict::NeedsScopes(_), _) if principal.scopes().is_none() => Reason::Denied(None),
        (Verdict::NeedsScopes(scopes), _) => Reason::InsufficientScope(scopes),
        (Verdict::NoServer, _) => Reason::NoSuchPath,
        (_, Target::Tool(name)) => Reason::UnknownTarget(Thing::Tool, name.clone()),
        (_, Target::Prompt(name)) => Reason::UnknownTarget(Thing::Prompt, name.clone()),
        (_, Target::Resource(uri)) => Reason::UnknownTarget(Thing::Resource, uri.clone()),
        (_, Target::Task(_)) => Reason::UnknownTask,
        (_, Target::Answer(_)) => Reason::InvalidParams("no question of this server is open"),
        (_, Target::Listen { .. } | Target::Method(_) | Target::None | Target::Session) => Reason::UnknownMethod,
    };
    Err(if failed { Reason::PolicyError(Box::new(refusal)) } else { refusal })
}

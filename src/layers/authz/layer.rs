//! The station: principal in, permit out; lists filtered and servers' own requests judged on the way back.

use std::sync::Arc;

use super::in_force::{InForce, Rulebook};
use super::listen;
use super::permit::Permit;
use super::reply::ReplyJudge;
use super::standing::{Hears, Listens, Standing, asked_again};
use super::tasks::TaskJudge;
use super::telling::{Hearing, changed};
use crate::chain::{
    Action, Carried, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, ResponseBody, Thing,
    Trail, Vigil,
};
use crate::config::Server;
use crate::decide::{Arguments, Held, Hints, Ruling, Scene, Verdict};
use crate::layers::authn::Principal;
use crate::protocol::{Access, Target};

/// Judges accesses by a policy.
#[derive(Debug)]
pub struct Authz {
    book: Arc<Rulebook>,
    in_force: InForce,
    vigil: Arc<Vigil>,
}

impl Authz {
    /// A station for this policy; its hash goes into every record it decides. What lies open `vigil` holds against the one `in_force`.
    pub fn new(book: Arc<Rulebook>, in_force: InForce, vigil: Arc<Vigil>) -> Self {
        Self { book, in_force, vigil }
    }

    fn held<'a>(&'a self, request: &'a McpRequest<Principal>, server: &'a Server, hints: &'a Hints) -> Held<'a> {
        let scene = Scene { server, now: request.context.received, peer: Some(request.context.peer.address), hints };
        self.book.engine.held_by(request.evidence.caller(), scene)
    }
}

impl Middleware for Authz {
    type In = McpRequest<Principal>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, mut request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let trail = request.context.trail.clone();
        trail.with(|decision| decision.policy = Some(Arc::clone(&self.book.hash)));
        let Some(server) = request.context.route.server.as_ref().map(|known| Arc::clone(self.book.server(known))) else {
            return Err(Reason::NoSuchPath.into());
        };
        let hints = self.in_force.hints(&server.name);
        let held = self.held(&request, &server, &hints);
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
        if held.is_hinted(&request.access) {
            trail.with(|decision| decision.operation = Some("destructive"));
        }
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
        let open = Open {
            access: asked_again(&request.access),
            listens: Listens::new(&request.access.target, &held),
            hearing: Hearing::of(&request),
        };
        let mut wanted = None;
        let McpRequest { carried, evidence } = &mut request;
        let Carried { message, access, context, .. } = &mut **carried;
        if let (Target::Listen { tasks, lists, resources }, Some(message)) = (&access.target, message.rpc_mut()) {
            let scene = Scene { server: &server, now: context.received, peer: Some(context.peer.address), hints: &hints };
            wanted = Some(Box::new(listen::Wanted::of(message, lists, resources)));
            listen::narrow(message, tasks, &self.book.engine.held_by(evidence.caller(), scene));
        }

        let judge = self.judge(&request, &server, wanted, open.hearing.as_ref());
        let permit = Permit::new(request.evidence.clone(), server, Arc::clone(&self.book.engine));
        let answer = next.run(request.with_evidence(permit)).await;
        let response = heard(answer, &judge, open.hearing.as_ref())?;
        if !response.is_open() {
            return response.map_messages(move |message| judge.judge(message));
        }
        let judge = Arc::new(judge);
        let judges = Arc::clone(&judge);
        Ok(self.watch(response.map_messages(move |message| judges.judge(message))?, &judge, open))
    }
}

impl Authz {
    /// Who judges what comes back.
    fn judge(
        &self,
        request: &McpRequest<Principal>,
        server: &Arc<Server>,
        wanted: Option<Box<listen::Wanted>>,
        hearing: Option<&Hearing>,
    ) -> ReplyJudge {
        ReplyJudge {
            book: (!request.access.method.is_subscription()).then(|| Arc::clone(&self.book)),
            in_force: self.in_force.clone(),
            principal: request.evidence.clone(),
            server: Arc::clone(server),
            context: request.context.clone(),
            answerable: request.exchange.answerable,
            listens: wanted,
            hears: hearing.map(|hearing| hearing.changes.clone()),
            listed: request.exchange.listed.clone().filter(|_| asks_from_the_beginning(request)),
            turns: self.in_force.turns().count(),
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
        }
    }

    /// Holds what lies open against the policy in force for as long as it does, and has its client hear of what that changes.
    fn watch(&self, response: McpResponse, judge: &Arc<ReplyJudge>, open: Open) -> McpResponse {
        let Open { access, listens, hearing } = open;
        let (mut response, mut hears) = (response, None);
        if let ResponseBody::Opened(channel) = &response.body {
            hears = Some(Hears { changes: channel.changes().clone(), listed: None });
        } else if let Some(Hearing { changes, listener, listed }) = hearing {
            hears = Some(Hears { changes: changes.clone(), listed });
            response = response.telling(changes, move |list| changed(list, listener.as_ref()));
        }
        let standing = Standing::new((Arc::clone(judge), Arc::clone(&self.book)), access, listens, hears);
        self.vigil.over(&response, &judge.context.trail, move |now| standing.holds(now));
        response
    }
}

/// What comes back, or the gateway's own stream in the place of none.
fn heard(
    answer: Result<McpResponse, Rejection>,
    judge: &ReplyJudge,
    hearing: Option<&Hearing>,
) -> Result<McpResponse, Rejection> {
    let Some(hearing) = hearing else { return answer };
    let (book, hints) = (judge.in_force.newest(), judge.hints());
    let held = judge.held(&book, &hints);
    let room = || judge.in_force.own_stream(&judge.server.name, &judge.principal);
    hearing.or_own(answer, judge.listens.as_deref().zip(Some(&held)), room)
}

/// Whether a request for a list is not one for a further page of it.
fn asks_from_the_beginning(request: &McpRequest<Principal>) -> bool {
    request.access.method.list().is_some() && request.message.rpc().is_some_and(|message| message.param("cursor").is_none())
}

/// What is kept of a request while its reply lies open.
struct Open {
    access: Access,
    listens: Option<Listens>,
    hearing: Option<Hearing>,
}

/// Why nothing of this server is this caller's, whatever the policy says; for the record alone.
fn out_of_reach(principal: &Principal, server: &Server) -> Option<&'static str> {
    let caller = principal.caller();
    if !server.tenants.include(caller.issuer, caller.tenant) {
        return Some("server_tenants");
    }
    (!caller.reaches(server)).then_some("credential_servers")
}

/// What rules in shadow would have denied is on record, and goes on.
fn note_shadows(trail: &Trail, shadow: Vec<Arc<str>>) {
    for rule in shadow {
        let rule = rule.to_string().into();
        trail.find(Finding {
            layer: "authz",
            rule,
            kind: "rule",
            action: Action::Shadowed,
            side: Direction::Request,
            count: 1,
            by: None,
            about: None,
        });
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

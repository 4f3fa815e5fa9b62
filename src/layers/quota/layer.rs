//! The station.

use std::sync::Arc;

use super::plan::{Limits, Seen};
use super::repeats::sentence;
use crate::chain::{
    Action, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, ResponseBody, ServerMessage, Trail,
};
use crate::layers::authz::Permit;
use crate::limits::{Asked, Charge, FULL, Lease, Ledger, Measure, Over, Plan, Verdict};
use crate::policy::Limit;
use crate::protocol::Access;

const LAYER: &str = "quota";

/// Counts what authorization lets pass.
#[derive(Debug)]
pub struct Quota {
    limits: Limits,
    ledger: Ledger,
}

impl Quota {
    /// Those of the `limits:` of a policy that are counted here.
    pub fn new(limits: &[Limit], ledger: &Ledger) -> Self {
        Self { limits: Limits::new(limits, ledger.keyer()), ledger: ledger.clone() }
    }
}

impl Middleware for Quota {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        if self.limits.is_empty() {
            return next.run(request).await;
        }
        let trail = request.context.trail.clone();
        let (lease, results) = self.take(&request).await?;
        trail.pass(LAYER);
        let response = next.run(request).await?;
        Counting { lease, results, ledger: self.ledger.clone(), trail }.reply(response)
    }
}

impl Quota {
    /// Takes everything that this message costs; gives what is held for it, and under what the bytes of its reply count.
    async fn take(&self, request: &McpRequest<Permit>) -> Result<(Option<Lease>, Vec<Counter>), Rejection> {
        let trail = &request.context.trail;
        let session = trail.with(|decision| decision.session.clone());
        let plan = self.plan(request, session.as_deref());
        if plan.charges().is_empty() {
            return Ok((None, Vec::new()));
        }
        match self.ledger.take(plan.charges()).await {
            Verdict::Taken { lease, shadowed } => {
                for (limit, measure) in shadowed.iter().filter_map(|over| plan.owner(over)) {
                    shadow(trail, &limit.name, measure, Direction::Request);
                }
                let results = plan.by(Measure::ResultBytes);
                Ok((lease, results.map(|(name, charge)| Counter { name: name.into(), charge }).collect()))
            }
            Verdict::Refused(over) => Err(refusal(&plan, &over, &request.access, trail)),
            Verdict::Full { own } => {
                trail.with(|decision| decision.detail = Some(if own { "limit_keys_of_caller" } else { "limit_keys" }));
                Err(if own { Reason::RateLimited { wait: FULL, remaining: 0 } } else { Reason::Overloaded }.into())
            }
        }
    }

    fn plan(&self, request: &McpRequest<Permit>, session: Option<&str>) -> Plan<'_> {
        let (permit, access) = (&request.evidence, &request.access);
        let principal = permit.principal();
        let roles = if self.limits.ask_for_roles() { permit.roles() } else { Vec::new() };
        let asked = Asked {
            issuer: principal.issuer(),
            subject: principal.subject(),
            tenant: principal.tenant().unwrap_or_default(),
            client: principal.client().unwrap_or_default(),
            groups: principal.groups(),
            roles: &roles,
            server: &permit.server().name,
            // What a task brings is what its call has made.
            tool: access.tool(),
            route: &request.context.route.resource,
        };
        let message = request.message.rpc();
        self.limits.plan(self.ledger.keyer(), &Seen { access, message, caller: principal.identity(), session, asked })
    }
}

fn refusal(plan: &Plan<'_>, over: &Over, access: &Access, trail: &Trail) -> Rejection {
    let Over { wait, remaining, .. } = *over;
    let Some((limit, measure)) = plan.owner(over) else {
        return Reason::RateLimited { wait, remaining }.into();
    };
    trail.with(|decision| {
        decision.rule = Some(format!("limit:{}", limit.name).into());
        decision.detail = Some(measure.as_str());
    });
    match limit.repeats.filter(|_| measure == Measure::Repeats) {
        Some(repeats) => Reason::LoopGuard(sentence(repeats, access)).into(),
        None => Reason::RateLimited { wait, remaining }.into(),
    }
}

fn shadow(trail: &Trail, name: &str, measure: Measure, side: Direction) {
    let (rule, kind) = (name.into(), measure.as_str());
    trail.find(Finding { layer: LAYER, rule, kind, action: Action::Shadowed, side, count: 1, by: None, about: None });
}

/// Under what the bytes of a reply count, and whose limit it is.
struct Counter {
    name: Arc<str>,
    charge: Charge,
}

/// Counts a reply as it passes.
struct Counting {
    lease: Option<Lease>,
    results: Vec<Counter>,
    ledger: Ledger,
    trail: Trail,
}

impl Counting {
    fn reply(mut self, response: McpResponse) -> Result<McpResponse, Rejection> {
        let streams = matches!(response.body, ResponseBody::Stream(_));
        if self.results.is_empty() && !(streams && self.lease.is_some()) {
            return Ok(response);
        }
        response.map_messages(move |message| self.pass(message, streams))
    }

    /// SECURITY: of a stream nothing passes any more once nothing is left; so one message goes beyond it at most, as a single reply does.
    fn pass(&mut self, message: ServerMessage, streams: bool) -> Result<Option<ServerMessage>, Rejection> {
        let cost = message.message.original().len() as u64;
        let mut refused = None;
        for Counter { name, charge } in &self.results {
            let Err(over) = self.ledger.add(Charge { cost, ..*charge }) else { continue };
            if charge.shadow {
                shadow(&self.trail, name, Measure::ResultBytes, Direction::Response);
            } else if streams {
                refused.get_or_insert((Arc::clone(name), over));
            }
        }
        if let Some((name, over)) = refused {
            self.trail.with(|decision| {
                decision.rule = Some(format!("limit:{name}").into());
                decision.detail = Some(Measure::ResultBytes.as_str());
            });
            return Err(Reason::RateLimited { wait: over.wait, remaining: 0 }.into());
        }
        if message.is_final() {
            self.lease = None;
        }
        Ok(Some(message))
    }
}

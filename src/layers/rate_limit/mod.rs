//! Rate limit: how fast one caller may be.
//!
//! **Does**: takes one token from the caller's bucket of every `rate` that counts callers alone, all of them or none, or refuses with 429
//! and `Retry-After`.
//!
//! **Request**: every message counts, notifications too, before authorization: a caller who floods us buys no policy evaluations. Callers
//! are counted by issuer and tenant, and subject, group or client within them. What selects servers, tools or roles, and everything that
//! is no rate, is counted by `quota`, behind authorization.
//!
//! **Reply**: passes.
//!
//! **Streams**: pass; a stream costs what its request cost.
//!
//! **When it cannot decide**: closed. Where a caller is new and there is no room to count them, 503.
//!
//! **Findings**: the name of the limit becomes the deciding rule; a limit in shadow leaves a finding and never refuses.
//!
//! **Cost**: one short lock and one hash map look-up for each limit (GCRA).
//!
//! **Limits**: replicas each grant the whole rate until they share a store.

use std::sync::Arc;

use crate::chain::{Action, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection};
use crate::layers::authn::Principal;
use crate::limits::{Asked, Counted, FULL, Ledger, Measure, Plan, Verdict};
use crate::policy::Limit;

const LAYER: &str = "rate";

/// The station.
#[derive(Clone, Debug)]
pub struct RateLimits {
    limits: Arc<[Counted]>,
    ledger: Ledger,
}

impl RateLimits {
    /// Those of the `limits:` of a policy that are counted here.
    pub fn new(limits: &[Limit], ledger: &Ledger) -> Self {
        let here = limits.iter().filter(|limit| limit.rate.is_some() && limit.counts_callers_alone());
        Self { limits: here.map(|limit| Counted::new(ledger.keyer(), limit)).collect(), ledger: ledger.clone() }
    }
}

impl Middleware for RateLimits {
    type In = McpRequest<Principal>;
    type Out = McpRequest<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        if !self.limits.is_empty() {
            self.take(&request).await?;
        }
        request.context.trail.pass(LAYER);
        next.run(request).await
    }
}

impl RateLimits {
    async fn take(&self, request: &McpRequest<Principal>) -> Result<(), Rejection> {
        let plan = self.plan(&request.evidence);
        let trail = &request.context.trail;
        match self.ledger.take(plan.charges()).await {
            Verdict::Taken { shadowed, .. } => {
                for (limit, measure) in shadowed.iter().filter_map(|over| plan.owner(over)) {
                    let (rule, kind) = (limit.name.as_str().into(), measure.as_str());
                    let (action, side) = (Action::Shadowed, Direction::Request);
                    trail.find(Finding { layer: LAYER, rule, kind, action, side, count: 1, by: None, about: None });
                }
                Ok(())
            }
            Verdict::Refused(over) => {
                let name = plan.owner(&over).map_or("", |(limit, _)| limit.name.as_str());
                trail.with(|decision| decision.rule = Some(format!("limit:{name}").into()));
                Err(Reason::RateLimited { wait: over.wait, remaining: over.remaining }.into())
            }
            Verdict::Full { own } => {
                trail.with(|decision| decision.detail = Some(if own { "limit_keys_of_caller" } else { "limit_keys" }));
                Err(if own { Reason::RateLimited { wait: FULL, remaining: 0 } } else { Reason::Overloaded }.into())
            }
        }
    }

    fn plan(&self, principal: &Principal) -> Plan<'_> {
        let asked = Asked {
            issuer: principal.issuer(),
            subject: principal.subject(),
            tenant: principal.tenant().unwrap_or_default(),
            client: principal.client().unwrap_or_default(),
            groups: principal.groups(),
            // None of these makes a key here.
            roles: &[],
            server: "",
            tool: None,
            route: "",
        };
        let mut plan = Plan::of(&asked, self.ledger.keyer());
        for counted in self.limits.iter().filter(|counted| counted.limit.within.include(principal.issuer(), principal.tenant())) {
            if let Some(rate) = counted.limit.rate {
                plan.count(self.ledger.keyer(), counted, Measure::Rate, rate.into(), 1, &asked);
            }
        }
        plan
    }
}

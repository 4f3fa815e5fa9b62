//! Rate limit: how fast one caller may be.
//!
//! **Does**: takes one token from the caller's bucket of every `limits:` entry, or refuses with 429 and `Retry-After`.
//!
//! **Request**: counted per issuer, subject and tenant, before authorization: a caller who floods us buys no policy evaluations.
//! Limits that select servers, tools or roles are quotas and stand behind authorization.
//!
//! **Reply**: passes.
//!
//! **Streams**: pass; a stream costs what its request cost.
//!
//! **When it cannot decide**: it always can; buckets are local to this process until Redis joins.
//!
//! **Findings**: the name of the limit becomes the deciding rule.
//!
//! **Cost**: one hash map look-up and one compare-and-swap for each limit (GCRA).
//!
//! **Limits**: replicas each grant the whole rate until they share a store.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::chain::{McpRequest, McpResponse, Middleware, Next, Reason, Rejection};
use crate::layers::authn::Principal;
use crate::policy::RateLimit;

/// Callers remembered by one limit before idle ones are forgotten.
const REMEMBERED: usize = 50_000;

/// A caller, as limits count: who they are, not which key or token they use today.
type Caller = (Arc<str>, Arc<str>);

/// The station. Clones share their buckets.
#[derive(Clone, Debug)]
pub struct RateLimits {
    limits: Arc<[Arc<Limit>]>,
    clock: DefaultClock,
}

#[derive(Debug)]
struct Limit {
    written: RateLimit,
    buckets: DefaultKeyedRateLimiter<Caller>,
}

impl RateLimits {
    /// Compiles the `limits:` of a policy.
    pub fn new(limits: &[RateLimit]) -> Self {
        let limits = limits.iter().filter_map(Limit::compile).map(Arc::new).collect();
        Self { limits, clock: DefaultClock::default() }
    }

    /// Those of another policy. A limit that says the same as before keeps its buckets: a reload is no new allowance.
    #[must_use]
    pub fn renewed(&self, limits: &[RateLimit]) -> Self {
        let kept = |limit: &RateLimit| self.limits.iter().find(|kept| kept.written == *limit).map(Arc::clone);
        let renewed = |limit| kept(limit).or_else(|| Limit::compile(limit).map(Arc::new));
        Self { limits: limits.iter().filter_map(renewed).collect(), clock: self.clock.clone() }
    }
}

impl Limit {
    fn compile(written: &RateLimit) -> Option<Self> {
        let calls = NonZeroU32::new(written.calls)?;
        let burst = NonZeroU32::new(written.burst)?;
        let quota = Quota::with_period(written.period / calls.get())?.allow_burst(burst);
        Some(Self { written: written.clone(), buckets: RateLimiter::keyed(quota) })
    }
}

impl Middleware for RateLimits {
    type In = McpRequest<Principal>;
    type Out = McpRequest<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        if !self.limits.is_empty() {
            self.take(&request)?;
        }
        request.context.trail.pass("rate");
        next.run(request).await
    }
}

impl RateLimits {
    fn take(&self, request: &McpRequest<Principal>) -> Result<(), Rejection> {
        let principal = &request.evidence;
        // The pseudonym stands for issuer and subject, and is short.
        let caller = (Arc::clone(&principal.pseudonym().name), principal.tenant().unwrap_or_default().into());
        for limit in &*self.limits {
            if limit.buckets.len() >= REMEMBERED {
                limit.buckets.retain_recent();
            }
            if let Err(refused) = limit.buckets.check_key(&caller) {
                request.context.trail.with(|decision| decision.rule = Some(format!("limit:{}", limit.written.name).into()));
                return Err(Reason::RateLimited(refused.wait_time_from(self.clock.now())).into());
            }
        }
        Ok(())
    }
}

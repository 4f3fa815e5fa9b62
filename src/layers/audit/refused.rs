//! The middle station: what the policy has refused is kept as what it has allowed, so that the decision can be looked at again.

use std::sync::Arc;

use super::capture::{Kept, in_full, keep};
use crate::audit::Log;
use crate::chain::{McpRequest, McpResponse, Middleware, Next, Reason, Rejection};
use crate::config::Capture;
use crate::layers::authn::Principal;
use crate::vault::Vault;

/// Keeps arguments of calls that authorization, the next station, refuses.
#[derive(Debug)]
pub struct KeepRefused {
    log: Arc<Log>,
    vault: Arc<Vault>,
}

impl KeepRefused {
    /// What is kept goes to `vault`, as of a call that stands in `log`.
    pub fn new(log: Arc<Log>, vault: Arc<Vault>) -> Self {
        Self { log, vault }
    }
}

impl Middleware for KeepRefused {
    type In = McpRequest<Principal>;
    type Out = McpRequest<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let Some((keeping, kept)) = may_keep(&request) else { return next.run(request).await };
        let (context, principal) = (request.context.clone(), request.evidence.clone());
        let result = next.run(request).await;
        let Err(rejection) = &result else { return result };
        let refused = context.trail.with(|decision| {
            let allowed = decision.marks.iter().any(|(layer, _)| *layer == "authz");
            decision.policy.is_some() && !allowed
        });
        if refused && keeping.of(rejection.reason()) {
            // What cannot be stored was not to be sent either, and the record says that nothing is kept.
            let (call, whose) = (context.call.as_bytes(), principal.pseudonym());
            let captured = Box::pin(keep(kept, &self.vault, self.log.name(), call, whose)).await.ok();
            context.trail.with(|decision| {
                if let Some(what) = &mut decision.what {
                    what.captured = captured;
                }
            });
        }
        result
    }
}

/// Most bytes that are kept of a refused call; of a larger one nothing is.
const MOST_KEPT: usize = 64 << 10;

/// What there is to keep, and of which refusals; `None` where the operator does not want all of it.
fn may_keep(request: &McpRequest<Principal>) -> Option<(Keeping, Kept)> {
    let server = request.context.route.server.as_ref()?;
    let tool = request.access.tool().map_or(server.capture, |tool| server.capture_of(tool));
    let keeping = Keeping { known: tool == Capture::Full, unknown: server.capture == Capture::Full };
    let message = request.message.rpc().filter(|_| keeping.known || keeping.unknown)?;
    let kept = in_full(Capture::Full, message, &request.access)?;
    // SECURITY: a refusal costs its caller nothing, so it may not fill the disk.
    let is_small = if let Kept::Text(_, text) = &kept { text.len() <= MOST_KEPT } else { true };
    is_small.then_some((keeping, kept))
}

/// Of which refusals all is kept.
#[derive(Clone, Copy, Debug)]
struct Keeping {
    /// Of what the caller may know.
    known: bool,
    /// Of what does not exist for them.
    unknown: bool,
}

impl Keeping {
    /// SECURITY: how long a refusal takes must not tell what is there. So what is said of single tools does not count for those that are
    /// hidden, and nothing is kept where the server itself is.
    fn of(self, reason: &Reason) -> bool {
        let reason = if let Reason::PolicyError(inner) = reason { inner } else { reason };
        let is_known = matches!(reason, Reason::Denied(_) | Reason::Misfit(_));
        *reason != Reason::NoSuchPath && if is_known { self.known } else { self.unknown }
    }
}

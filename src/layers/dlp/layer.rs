//! The station: both directions, one engine.

use std::sync::Arc;

use super::rules::{Hit, Outcome, Rules};
use crate::chain::{
    Action, Carried, Category, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, ServerMessage,
    Trail,
};
use crate::layers::authz::Permit;
use crate::policy::{Classification, DlpAction};

const LAYER: &str = "dlp";

/// Blocks, masks and records.
#[derive(Debug)]
pub struct DlpLayer {
    rules: Arc<Rules>,
}

impl DlpLayer {
    /// A station with these rules.
    pub fn new(rules: Rules) -> Self {
        Self { rules: Arc::new(rules) }
    }
}

impl Middleware for DlpLayer {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, mut request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        self.clean_request(&mut request)?;
        let principal = request.evidence.principal();
        let attribute = self.rules.clearance_attribute().and_then(|name| principal.attribute(name));
        let reply = ReplyCleaner {
            rules: Arc::clone(&self.rules),
            server: request.evidence.server().name.clone(),
            clearance: self.rules.clearance(attribute),
            trail: request.context.trail.clone(),
        };
        next.run(request).await?.map_messages(move |message| reply.clean(message))
    }
}

impl DlpLayer {
    /// What the server receives: rules above its classification.
    fn clean_request(&self, request: &mut McpRequest<Permit>) -> Result<(), Rejection> {
        let server = Arc::clone(request.evidence.server());
        let applicable = self.rules.applicable(&server.name, true, server.classification);
        let Carried { message, access, exchange, context, .. } = &mut *request.carried;
        let trail = context.trail.clone();
        let Some(message) = message.rpc_mut().filter(|_| !applicable.is_empty()) else {
            trail.pass_with_findings(LAYER, 0);
            return Ok(());
        };
        let mut outcome = applicable.inspect(message);
        for (_, value) in &exchange.mirrored {
            let text = value.to_str().unwrap_or_default();
            let text = crate::protocol::decode_header(text).ok_or(Reason::Blocked(Category::NotScanned))?;
            applicable.inspect_header(&text, &mut outcome);
        }
        if let Some(state) = &exchange.trace.state {
            applicable.inspect_header(state.to_str().unwrap_or_default(), &mut outcome);
        }
        let passes = !outcome.blocked && outcome.mask(message);
        record(&outcome, Direction::Request, passes, &trail);
        if !passes {
            // The name may be what was found; the record repeats nothing that must not pass.
            let named = access.public_name().is_some_and(|name| applicable.finds(name));
            if named {
                trail.with(|decision| decision.what.iter_mut().for_each(|what| what.name = None));
            }
            return Err(Reason::Blocked(Category::SensitiveData).into());
        }
        trail.pass_with_findings(LAYER, u32::try_from(outcome.findings.len()).unwrap_or(u32::MAX));
        Ok(())
    }
}

struct ReplyCleaner {
    rules: Arc<Rules>,
    server: String,
    clearance: Classification,
    trail: Trail,
}

impl ReplyCleaner {
    /// What the caller receives: rules above their clearance.
    fn clean(&self, mut message: ServerMessage) -> Result<Option<ServerMessage>, Rejection> {
        let outcome = self.rules.applicable(&self.server, false, self.clearance).inspect(&message.message);
        let passes = !outcome.blocked && outcome.mask(&mut message.message);
        record(&outcome, Direction::Response, passes, &self.trail);
        if passes { Ok(Some(message)) } else { Err(Reason::BlockedResult(Category::SensitiveData).into()) }
    }
}

fn record(outcome: &Outcome, side: Direction, passes: bool, trail: &Trail) {
    for Hit { rule, kind, action, shadow } in &outcome.findings {
        let action = match (shadow, action) {
            (true, _) => Action::Shadowed,
            (false, DlpAction::Log) => Action::Logged,
            (false, DlpAction::Mask) if passes => Action::Masked,
            (false, DlpAction::Block | DlpAction::Mask) => Action::Blocked,
        };
        trail.find(Finding { layer: LAYER, rule: Arc::clone(rule), kind, action, side, count: 1 });
    }
}

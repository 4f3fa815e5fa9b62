//! Kill switch: the operator's order to stop, effective with the next message.
//!
//! **Does**: refuses every message while a switch stops everything or this server.
//!
//! **Request**: 503 with `Retry-After`, before any limit is charged.
//!
//! **Reply**: passes; a call that is already with its server is not broken off.
//!
//! **Streams**: end at the next message once the switch is on.
//!
//! **When it cannot decide**: it always can: switches are held in memory, and the store only keeps them across restarts.
//!
//! **Findings**: none; the refusal is the record.
//!
//! **Cost**: one atomic load while no switch is on.
//!
//! **Limits**: tools, principals and tenants as targets, and replicas, come later.

use std::sync::Arc;

use crate::chain::{McpRequest, McpResponse, Middleware, Next, Reason, Rejection};
use crate::layers::authn::Principal;
use crate::state::Switches;

/// The station.
#[derive(Debug)]
pub struct KillSwitch {
    switches: Arc<Switches>,
}

impl KillSwitch {
    /// Obeys `switches`.
    pub fn new(switches: Arc<Switches>) -> Self {
        Self { switches }
    }
}

impl Middleware for KillSwitch {
    type In = McpRequest<Principal>;
    type Out = McpRequest<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let server = request.context.route.server.clone();
        let name = server.as_ref().map(|server| server.name.as_str());
        if self.switches.stops(name) {
            return Err(Reason::Killed.into());
        }
        request.context.trail.pass("kill");
        let switches = Arc::clone(&self.switches);
        next.run(request).await?.map_messages(move |message| {
            // The response to a call that was let through is not taken away: it is done, and its caller must know.
            let stopped = !message.is_final() && switches.stops(server.as_ref().map(|server| server.name.as_str()));
            if stopped { Err(Reason::Killed.into()) } else { Ok(Some(message)) }
        })
    }
}

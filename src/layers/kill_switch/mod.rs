//! Kill switch: the operator's order to stop, effective with the next message.
//!
//! **Does**: refuses every message while a switch stops everything, this server, this caller, their tenant or their session. Behind authorization a
//! second part refuses calls of a tool that is stopped.
//!
//! **Request**: 503 with `Retry-After`, before any limit is charged. A stopped tool only once the caller may call it: until then it is
//! answered like one that there is not. Lists go on showing it.
//!
//! **Reply**: passes; what a server answers with one message is done, and its caller must know.
//!
//! **Streams**: end at the next message once the switch is on, and within a second where nothing comes; what their server is at is
//! broken off.
//!
//! **When it cannot decide**: it always can: switches are held in memory, and the store only keeps them across restarts.
//!
//! **Findings**: none; the refusal is the record.
//!
//! **Cost**: one atomic load for each part while no switch is on; one comparison for each switch that is.
//!
//! **Limits**: replicas read switches of others twice a second. What a task does that a tool has started before it was stopped is its
//! server's.

mod tool;

use std::sync::Arc;

use crate::chain::{McpRequest, McpResponse, Middleware, Next, Reason, Rejection, Trail, Vigil};
use crate::layers::authn::Principal;
use crate::state::{Switches, Whom};

pub use tool::ToolSwitch;

/// The station.
#[derive(Debug)]
pub struct KillSwitch {
    switches: Arc<Switches>,
    vigil: Arc<Vigil>,
}

impl KillSwitch {
    /// Obeys `switches`, and has `vigil` look at them for streams on which nothing comes.
    pub fn new(switches: Arc<Switches>, vigil: Arc<Vigil>) -> Self {
        Self { switches, vigil }
    }
}

impl Middleware for KillSwitch {
    type In = McpRequest<Principal>;
    type Out = McpRequest<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let server = request.context.route.server.clone();
        let switches = Arc::clone(&self.switches);
        let caller = request.evidence.clone();
        let session = request.context.trail.with(|decision| decision.session.clone());
        let stopped = move || {
            let name = server.as_ref().map(|server| server.name.as_str());
            let (issuer, subject, tenant) = (caller.issuer(), caller.subject(), caller.tenant());
            let whom = Whom { issuer, subject, tenant, session: session.as_deref() };
            if switches.stops(name, Some(whom)) { Err(Reason::Killed) } else { Ok(()) }
        };
        stopped()?;
        let trail = request.context.trail.clone();
        trail.pass("kill");
        hold(next.run(request).await?, &self.vigil, &trail, stopped)
    }
}

/// Ends a reply at its next message once `stopped` says so, and within a second where nothing comes.
fn hold(
    response: McpResponse,
    vigil: &Vigil,
    trail: &Trail,
    stopped: impl Fn() -> Result<(), Reason> + Clone + Send + Sync + 'static,
) -> Result<McpResponse, Rejection> {
    let still = stopped.clone();
    vigil.over(&response, trail, move |_| still());
    response.map_messages(move |message| {
        // The response to a call that was let through is not taken away: it is done, and its caller must know.
        if !message.is_final() {
            stopped()?;
        }
        Ok(Some(message))
    })
}

//! The part of the station behind authorization: tools.

use std::sync::Arc;

use super::hold;
use crate::chain::{McpRequest, McpResponse, Middleware, Next, Reason, Rejection, Vigil};
use crate::layers::authz::Permit;
use crate::protocol::Target;
use crate::state::Switches;

/// Refuses calls of tools that are stopped, and ends their streams.
#[derive(Debug)]
pub struct ToolSwitch {
    switches: Arc<Switches>,
    vigil: Arc<Vigil>,
}

impl ToolSwitch {
    /// Obeys `switches`, and has `vigil` look at them for streams on which nothing comes.
    pub fn new(switches: Arc<Switches>, vigil: Arc<Vigil>) -> Self {
        Self { switches, vigil }
    }
}

impl Middleware for ToolSwitch {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let Target::Tool(tool) = &request.access.target else {
            return next.run(request).await;
        };
        let (server, tool, switches) = (Arc::clone(request.evidence.server()), tool.clone(), Arc::clone(&self.switches));
        let stopped = move || if switches.stops_tool(&server.name, &tool) { Err(Reason::Killed) } else { Ok(()) };
        stopped()?;
        let trail = request.context.trail.clone();
        hold(next.run(request).await?, &self.vigil, &trail, stopped)
    }
}

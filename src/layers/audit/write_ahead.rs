//! The inner station: the decision is written before the upstream can act on it.

use std::sync::Arc;

use super::capture::{keep, wanted};
use super::entry;
use crate::audit::Log;
use crate::chain::{McpRequest, McpResponse, Middleware, Next, Reason, Rejection};
use crate::config::Durability;
use crate::layers::authz::Permit;
use crate::upstream::Admitted;
use crate::vault::Vault;

/// A permit whose use stands in the log. Made only by this layer; the upstream takes nothing less.
#[derive(Clone, Debug)]
pub struct Recorded(Admitted);

impl Recorded {
    /// The permit.
    pub fn permit(&self) -> &Permit {
        self.0.permit()
    }
}

/// Writes decisions.
#[derive(Debug)]
pub struct WriteAhead {
    log: Arc<Log>,
    durability: Durability,
    vault: Arc<Vault>,
}

impl WriteAhead {
    /// Writes to `log`; `durability` says whether dispatch waits for the disk. What is captured goes to `vault`.
    pub fn new(log: Arc<Log>, durability: Durability, vault: Arc<Vault>) -> Self {
        Self { log, durability, vault }
    }
}

impl Middleware for WriteAhead {
    type In = McpRequest<Admitted>;
    type Out = McpRequest<Recorded>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let captured = match wanted(&request)? {
            None => None,
            // Rare: what it needs is not to be part of every call.
            Some(kept) => {
                let whose = request.evidence.permit().principal().pseudonym().clone();
                let call = *request.context.call.as_bytes();
                Some(Box::pin(keep(kept, &self.vault, self.log.name(), &call, &whose)).await?)
            }
        };
        let expects_reply = request.context.trail.with(|decision| {
            decision.edits = request.message.rpc().map_or(0, crate::protocol::Message::edit_count);
            let what = decision.what.as_mut();
            what.is_some_and(|what| {
                what.captured = captured;
                what.expects_reply
            })
        });
        let decision = entry::decision(&request.context);
        match self.durability {
            // The log is ordered: whoever waits for the outcome has waited for this.
            Durability::Response if expects_reply => self.log.append_unhurried(decision),
            Durability::Async => self.log.append_unhurried(decision),
            Durability::Strict | Durability::Response => {
                self.log.append(decision).durable().await.map_err(|error| {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a decision could not be written; the call is refused"
                    );
                    Reason::NotRecorded
                })?;
            }
        }
        let recorded = Recorded(request.evidence.clone());
        next.run(request.with_evidence(recorded)).await
    }
}

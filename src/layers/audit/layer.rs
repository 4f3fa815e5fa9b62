//! The outer station.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::open::OpenRecord;
use crate::audit::Log;
use crate::chain::{Anonymous, Arrival, Incoming, McpResponse, Middleware, Next, Reason, Rejection};
use crate::config::Durability;
use crate::telemetry::Metrics;

/// Opens and closes records.
#[derive(Debug)]
pub struct Audit {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    durability: Durability,
}

impl Audit {
    /// Records to `log` and counts in `metrics`; `durability` says whether answers wait for the disk.
    pub fn new(log: Arc<Log>, metrics: Arc<Metrics>, durability: Durability) -> Self {
        Self { log, metrics, durability }
    }
}

impl Middleware for Audit {
    type In = Arrival;
    type Out = Incoming<Anonymous>;

    async fn handle(&self, arrival: Arrival, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let context = match &arrival {
            Arrival::Request(incoming) => incoming.context.clone(),
            Arrival::Refused(context, _) => context.clone(),
        };
        // A place for both records of this call is taken before anything else: a call that could not be recorded does not start.
        let Ok(slot) = self.log.try_reserve() else {
            self.metrics.audit_overload.inc();
            return Err(Reason::Overloaded.into());
        };
        let record = OpenRecord::new(Arc::clone(&self.log), Arc::clone(&self.metrics), self.durability, slot, context);
        let result = match arrival {
            Arrival::Refused(_, rejection) => Err(rejection),
            Arrival::Request(incoming) => match AssertUnwindSafe(next.run(incoming)).catch_unwind().await {
                Ok(result) => result,
                Err(_panic) => Err(Rejection::internal("panic")),
            },
        };
        match result {
            Ok(response) => record.complete(response).await,
            Err(rejection) => Err(record.refuse(rejection).await),
        }
    }
}

//! The outer station.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::flood::Flood;
use super::open::OpenRecord;
use crate::audit::{Condition, Log};
use crate::chain::{Anonymous, Arrival, Incoming, McpResponse, Middleware, Next, Reason, Rejection, RequestContext};
use crate::config::Durability;
use crate::telemetry::Metrics;

/// Opens and closes records.
#[derive(Debug)]
pub struct Audit {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    durability: Durability,
    flood: Arc<Flood>,
}

impl Audit {
    /// Records to `log` and counts in `metrics`; `durability` says whether answers wait for the disk. Refusals that come too fast are
    /// counted in `flood`.
    pub fn new(log: Arc<Log>, metrics: Arc<Metrics>, durability: Durability, flood: Arc<Flood>) -> Self {
        Self { log, metrics, durability, flood }
    }

    /// The answer when there is no room for records: it is counted, unless there is no log any more.
    fn without_room(&self, arrival: Arrival, context: &RequestContext) -> Rejection {
        self.metrics.audit_overload.inc();
        let condition = *self.log.condition().borrow();
        match arrival {
            // The disk is behind, and what is counted will be recorded soon: the edge's own answer can stand.
            Arrival::Refused(_, rejection)
                if condition == Condition::Writing && self.flood.counts_without_room(context, rejection.reason()) =>
            {
                rejection
            }
            Arrival::Refused(..) | Arrival::Request(_) => {
                let overloaded = Reason::Overloaded;
                let _counted = condition != Condition::Failed && self.flood.counts_without_room(context, &overloaded);
                overloaded.into()
            }
        }
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
            return Err(self.without_room(arrival, &context));
        };
        let (log, metrics, flood) = (Arc::clone(&self.log), Arc::clone(&self.metrics), Arc::clone(&self.flood));
        let record = OpenRecord::new(log, metrics, flood, self.durability, slot, context);
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

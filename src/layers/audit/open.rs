//! A record that is not closed yet. Dropping it closes it: a client that leaves cannot leave a gap.

use std::sync::Arc;

use super::entry::{self, Outcome};
use super::stream::AuditedStream;
use crate::audit::{AppendError, Log, Receipt, Slot};
use crate::chain::{McpResponse, Reason, Rejection, RequestContext, ResponseBody, ServerMessage};
use crate::telemetry::Metrics;

/// The record of one call, from its arrival to its end.
pub(super) struct OpenRecord {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    /// Room for both records, given back when this is dropped.
    _slot: Slot,
    context: RequestContext,
    closed: bool,
}

impl OpenRecord {
    pub(super) fn new(log: Arc<Log>, metrics: Arc<Metrics>, slot: Slot, context: RequestContext) -> Self {
        Self { log, metrics, _slot: slot, context, closed: false }
    }

    /// Closes with a refusal, durable before it is answered.
    pub(super) async fn refuse(mut self, rejection: Rejection) -> Rejection {
        let receipt = self.append_refusal(rejection.reason(), 0);
        match receipt.durable().await {
            Ok(_) => rejection,
            Err(error) => not_recorded(error, &rejection),
        }
    }

    /// Closes with an answer, durable before it is released; a stream takes the record along.
    pub(super) async fn complete(mut self, response: McpResponse) -> Result<McpResponse, Rejection> {
        let McpResponse { body, session } = response;
        let body = match body {
            ResponseBody::Accepted | ResponseBody::Ended => {
                // The decision is all there is to say, and write-ahead has waited for it.
                self.closed = true;
                self.count("accepted");
                body
            }
            ResponseBody::Json(status, message) => {
                self.append_outcome(&message, 0).durable().await.map_err(not_recorded_plain)?;
                ResponseBody::Json(status, message)
            }
            ResponseBody::Stream(inner) => ResponseBody::Stream(Box::pin(AuditedStream::new(inner, self))),
        };
        Ok(McpResponse { body, session })
    }

    /// Appends the outcome of a response that came after `events` other messages.
    pub(super) fn append_outcome(&mut self, message: &ServerMessage, events: u64) -> Receipt {
        self.closed = true;
        let outcome = Outcome::of(message);
        self.count(outcome.status());
        self.log.append(entry::outcome(&self.context, &outcome, events))
    }

    /// Appends a refusal: a decision, or, once one was written, the outcome.
    pub(super) fn append_refusal(&mut self, reason: &Reason, events: u64) -> Receipt {
        self.closed = true;
        self.count(reason.word());
        self.log.append(entry::refusal(&self.context, reason, events))
    }

    /// Appends how a stream ended without a response.
    pub(super) fn append_end(&mut self, status: &'static str, events: u64) -> Receipt {
        self.closed = true;
        self.count(status);
        self.log.append(entry::end(&self.context, status, events))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn count(&self, outcome: &'static str) {
        self.metrics.call(&self.context, outcome);
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        if !self.closed {
            // The request's future was dropped: the client went away. Nobody waits, but it happened.
            drop(self.append_end("client_gone", 0));
        }
    }
}

/// No record, no answer: whatever the chain wanted to say, the caller hears that the gateway is not available.
pub(super) fn not_recorded(error: AppendError, rejection: &Rejection) -> Rejection {
    let replacement = not_recorded_plain(error);
    match rejection.reply_to() {
        Some(reply_to) => replacement.answering(reply_to),
        None => replacement,
    }
}

pub(super) fn not_recorded_plain(error: AppendError) -> Rejection {
    tracing::error!(error = &error as &dyn std::error::Error, "a record could not be written; the call is refused");
    Reason::NotRecorded.into()
}

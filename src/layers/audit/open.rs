//! A record that is not closed yet. Dropping it closes it: a client that leaves cannot leave a gap.

use std::sync::Arc;

use super::entry::{self, Outcome};
use super::flood::Flood;
use super::receipt::{attach, strip};
use super::released::Released;
use super::stream::AuditedStream;
use crate::audit::{AppendError, Condition, Draft, Log, Receipt, Slot};
use crate::chain::{Closing, Ended, McpResponse, Reason, Rejection, RequestContext, ResponseBody, ServerMessage};
use crate::config::Durability;
use crate::protocol::Method;
use crate::telemetry::Metrics;

/// A client that goes away before the end.
const GONE: &str = "client_gone";

/// The record of one call, from its arrival to its end.
pub(super) struct OpenRecord {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    flood: Arc<Flood>,
    durability: Durability,
    /// Room for both records, given back when this is dropped.
    slot: Option<Slot>,
    context: RequestContext,
    closed: bool,
}

impl OpenRecord {
    pub(super) fn new(
        log: Arc<Log>,
        metrics: Arc<Metrics>,
        flood: Arc<Flood>,
        durability: Durability,
        slot: Slot,
        context: RequestContext,
    ) -> Self {
        Self { log, metrics, flood, durability, slot: Some(slot), context, closed: false }
    }

    /// Closes with a refusal: durable before it is answered, or counted with others (`flood.rs`).
    pub(super) async fn refuse(mut self, rejection: Rejection) -> Rejection {
        if self.may_count() && self.flood.counts(&self.context, rejection.reason()) {
            self.counted(rejection.reason().word());
            return rejection;
        }
        let rejection = self.answering(rejection);
        match self.append_refusal(rejection.reason(), None).settled().await {
            Ok(_) => rejection,
            Err(error) => not_recorded(error, &rejection),
        }
    }

    /// Closes without a record of its own.
    fn counted(&mut self, word: &'static str) {
        self.closed = true;
        self.count(word);
    }

    /// Counts stay in memory while the volume is full, so there each refusal has its record, or none.
    fn may_count(&self) -> bool {
        *self.log.condition().borrow() == Condition::Writing
    }

    /// Closes with an answer, durable before it is released; a stream takes the record along.
    pub(super) async fn complete(mut self, response: McpResponse) -> Result<McpResponse, Rejection> {
        let McpResponse { body, session, polling } = response;
        let body = match body {
            ResponseBody::Accepted | ResponseBody::Ended => {
                // The decision is all there is to say, and write-ahead has waited for it.
                self.closed = true;
                self.count("accepted");
                body
            }
            ResponseBody::Json(status, mut message) => {
                strip(&mut message.message);
                let settled = self.append_outcome(&message, None).settled().await;
                let index = settled.map_err(|error| self.answering(not_recorded_plain(error)))?;
                ResponseBody::Json(status, self.with_receipt(message, index))
            }
            ResponseBody::Opened(channel) => {
                // What is told on it stands in the records of the calls of the session; its own says how it has ended.
                if self.is_unwritten() {
                    self.append_segment(&Released::default()).durable().await.map_err(not_recorded_plain)?;
                }
                self.slot = None;
                ResponseBody::Opened(Box::new(channel.watched(self.end(), move |closing| self.close(closing))))
            }
            ResponseBody::Resumed(_) => {
                // What is told on it stands in the records of the call that it answers.
                self.append_end("resumed", &Released::default()).settled().await.map_err(not_recorded_plain)?;
                body
            }
            ResponseBody::Stream(inner) => {
                // Such a stream stays for days, and its server bounds how many there are (`upstream/admission.rs`): the one record it
                // has still to write is not worth a place that calls need.
                if self.method().is_some_and(Method::is_subscription) {
                    self.slot = None;
                }
                ResponseBody::Stream(Box::pin(AuditedStream::new(inner, self)))
            }
        };
        Ok(McpResponse { body, session, polling })
    }

    /// Appends the outcome of a response that came after what was `released`.
    pub(super) fn append_outcome(&mut self, message: &ServerMessage, released: Option<&Released>) -> Handed {
        self.closed = true;
        let outcome = Outcome::of(message);
        self.count(outcome.status());
        self.hand_over(entry::outcome(&self.context, &outcome, released))
    }

    /// A response whose outcome is record `index`, with that number in it where the server's results carry one.
    pub(super) fn with_receipt(&self, mut response: ServerMessage, index: Option<u64>) -> ServerMessage {
        if let (Some(index), Some(true)) = (index, self.context.route.server.as_ref().map(|server| server.receipts)) {
            attach(&mut response.message, self.log.name(), index);
        }
        response
    }

    /// Appends a refusal: a decision, or, once one was written, the outcome.
    pub(super) fn append_refusal(&mut self, reason: &Reason, released: Option<&Released>) -> Handed {
        self.closed = true;
        self.count(reason.word());
        self.hand_over(entry::refusal(&self.context, reason, released))
    }

    /// Appends how a stream ended without a response.
    pub(super) fn append_end(&mut self, status: &'static str, released: &Released) -> Handed {
        self.closed = true;
        self.count(status);
        self.hand_over(entry::end(&self.context, status, Some(released)))
    }

    /// Appends how the stream of a session has ended.
    fn close(mut self, closing: Closing) {
        drop(match closing {
            Closing::Because(reason) => self.append_refusal(&reason, None),
            Closing::Over => self.append_end("ended", &Released::default()),
            Closing::Lost => self.append_end(GONE, &Released::default()),
        });
    }

    /// Appends what a stream has released since the last such record. Its events have left already, so this never holds any up;
    /// whoever appends the next one has waited for this.
    pub(super) fn append_segment(&self, released: &Released) -> Receipt {
        let sum = self.context.trail.with(|decision| {
            let committer = decision.who.as_ref().and_then(|who| who.committer.as_ref())?;
            Some(committer.commit(self.context.call.as_bytes(), "seg", &released.digest()))
        });
        self.log.append(entry::segment(&self.context, released, sum))
    }

    /// Whether what space is left is for the ends of calls.
    pub(super) fn volume_is_full(&self) -> bool {
        *self.log.condition().borrow() == Condition::Full
    }

    /// Whether nothing about this call is known to be on the disk when its first event comes: its decision waits for its outcome.
    pub(super) fn is_unwritten(&self) -> bool {
        self.durability == Durability::Response
    }

    fn hand_over(&self, draft: Draft) -> Handed {
        match self.durability {
            Durability::Async => {
                self.log.append_unhurried(draft);
                Handed(None)
            }
            Durability::Strict | Durability::Response => Handed(Some(self.log.append(draft))),
        }
    }

    /// Gives a refusal the request it answers, if one was read: a panic comes past whoever knows it.
    pub(super) fn answering(&self, rejection: Rejection) -> Rejection {
        self.context.trail.with(|decision| match &decision.reply_to {
            Some(reply_to) => rejection.answering(reply_to),
            None => rejection,
        })
    }

    /// Whether its stream is one of pushes, which ends without a response.
    pub(super) fn is_push(&self) -> bool {
        self.method() == Some(Method::Push)
    }

    /// Comes when the reply is to end, whatever it is at.
    pub(super) fn end(&self) -> Ended {
        self.context.trail.end().wait()
    }

    fn method(&self) -> Option<Method> {
        self.context.trail.with(|decision| decision.what.as_ref().map(|what| what.method))
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
        if self.closed {
            return;
        }
        // The request's future was dropped: the client went away. Nobody waits, but it happened.
        if self.may_count() && self.flood.counts_end(&self.context, GONE) {
            self.counted(GONE);
        } else {
            drop(self.append_end(GONE, &Released::default()));
        }
    }
}

/// A record in the hands of the log, and what an answer has to wait for: nothing in `async` mode.
#[must_use = "an answer waits for it; drop it explicitly where there is none"]
pub(super) struct Handed(Option<Receipt>);

impl Handed {
    /// Waits until the answer may go, and gives the number of its record.
    pub(super) async fn settled(self) -> Result<Option<u64>, AppendError> {
        match self.0 {
            Some(receipt) => receipt.durable().await.map(|position| Some(position.index)),
            None => Ok(None),
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

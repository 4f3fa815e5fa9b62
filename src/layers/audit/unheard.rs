//! Questions of servers that belong to no call: refused, for there is nobody who could be asked, and recorded here.
//!
//! A question that rides on a call, or on the stream of a session, is judged by the layers of that call and stands in its records. One that
//! a process says which callers share, or while nobody waits for anything, passes no layer. Each is a `call.decision` of its own, durable
//! before the server is told; what comes too fast, or finds no room, is counted with others of its kind (`flood.rs`), and is refused at
//! once. Whatever becomes of the record, nobody hears the question.

use std::sync::Arc;

use super::flood::{Flood, What};
use crate::audit::{Draft, Kind, Log, Receipt, Slot};
use crate::chain::{Action, CallId, Category, Direction, Reason};
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// Records them.
#[derive(Clone, Debug)]
pub struct Unheard {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    flood: Arc<Flood>,
    clock: Arc<dyn Clock>,
}

/// A record that is on its way.
#[derive(Debug)]
#[must_use = "the server is told when it is durable"]
pub struct Recording {
    receipt: Receipt,
    _slot: Slot,
}

impl Unheard {
    /// Records to `log` and counts in `metrics`; what comes too fast is counted in `flood`.
    pub fn new(log: Arc<Log>, metrics: Arc<Metrics>, flood: Arc<Flood>, clock: Arc<dyn Clock>) -> Self {
        Self { log, metrics, flood, clock }
    }

    /// Records that `server` has asked for `method`, a word of ours, and why nobody hears it. Never blocks. The record to wait for, unless it
    /// was counted only.
    pub fn refused(&self, server: &str, method: &'static str, why: &'static str) -> Option<Recording> {
        self.metrics.question_unheard(server, why);
        let reason = Reason::Blocked(Category::ServerRequest).word();
        let (what, now) = (What::question(server, method, reason, why), self.clock.now());
        // What nobody waits for may not take the room of calls.
        let Ok(slot) = self.log.try_reserve() else {
            if !self.flood.counts_question_without_room(what, now) {
                tracing::error!(server, method, "a server's question was refused, and could not be recorded");
            }
            return None;
        };
        if self.flood.counts_question(what, now) {
            return None;
        }
        let receipt = self.log.append(draft(server, method, reason, why));
        Some(Recording { receipt, _slot: slot })
    }
}

impl Recording {
    /// Waits until it is durable, or known not to be.
    pub async fn settled(self) {
        if let Err(error) = self.receipt.durable().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a server's question was refused, and could not be recorded"
            );
        }
    }
}

/// In the words of what the layers say of a question that they refuse.
fn draft(server: &str, method: &str, reason: &str, why: &str) -> Draft {
    let mut draft = Draft::new(Kind::CallDecision);
    draft.text("call", &CallId::new().to_string());
    draft.object("dec", |dec| {
        dec.text("detail", why).text("effect", "deny");
        dec.list("findings", |list| {
            list.object(|out| {
                out.text("action", Action::Blocked.as_str()).integer("count", 1).text("kind", method).text("layer", "upstream");
                out.text("rule", "server-request").text("side", Direction::Response.as_str());
            });
        });
        dec.text("reason", reason);
    });
    draft.object("what", |what| {
        what.text("method", method).text("server", server);
    });
    draft
}

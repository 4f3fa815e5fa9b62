//! How the gateway knows its servers, what it shows them, and that nothing of a caller's credential is among it.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod credentials;
mod echoes;
mod granted;
mod identity;
mod tls;

use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::http::Answer;

/// How a call ended that its server has failed: what the caller reads, and the word in the record.
async fn failure(gateway: &Gateway, answer: &Answer) -> (Value, Value) {
    let records = gateway.ended(&answer.call()).await;
    let out = &records[1]["out"];
    assert_eq!(out["status"], "upstream_failed", "{records:#?}");
    (answer.json()["error"]["code"].clone(), out["detail"].clone())
}

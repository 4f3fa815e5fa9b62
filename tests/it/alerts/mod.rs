//! The log speaks up by itself: what rules of `alerts:` tell, whom they stop, and what a restart leaves of it.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod backtest;
mod lasting;
mod misuse;
mod quarantine;

use std::time::Duration;

use serde_json::Value;
use yett::audit::Filter;

use crate::support::client::Client;
use crate::support::gateway::{Builder, Gateway, POLICY};
use crate::support::server::{Upstream, tool};
use crate::support::within;

/// A gateway before one server whose tool `delete_customer` is refused to everybody, with these rules.
fn watched(crm: &Upstream, alerts: &str) -> Builder {
    crm.set_tools(["search", "delete_customer"].map(tool));
    let policy = format!(
        "{POLICY}rules: [{{ name: no-deletion, deny: {{ servers: [crm], tools: [delete_customer] }} }}]\nalerts:\n{alerts}"
    );
    Gateway::start().policy(&policy).servers([("crm", crm)])
}

/// So many refusals.
async fn denied(client: &Client, times: usize) {
    for _ in 0..times {
        client.call("delete_customer", serde_json::json!({})).await;
    }
}

/// What alerts stand in the log: each one's `what`.
fn told(gateway: &Gateway) -> Vec<Value> {
    let records = gateway.records(&Filter::default());
    records.iter().filter(|record| record["kind"] == "alert").map(|record| record["what"].clone()).collect()
}

/// Waits for so many of one rule.
async fn alerted(gateway: &Gateway, rule: &str, times: usize) -> Vec<Value> {
    let of_rule = || told(gateway).into_iter().filter(|what| what["rule"] == rule).collect::<Vec<_>>();
    let found = async {
        while of_rule().len() < times {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(&format!("{times} alerts of {rule}"), found).await;
    of_rule()
}

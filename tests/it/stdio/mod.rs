//! Servers that are processes of the gateway's: what their clients see, what they cannot do, and how they end.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod binary;
mod lifecycle;
mod output;
mod owners;
mod questions;
mod real;
mod sessions;
mod start;

use serde_json::{Value, json};

use crate::peers::parts;
use crate::support::client::Client;
use crate::support::gateway::{Gateway, POLICY};
use crate::support::http::{Answer, Post};
use crate::support::within;

/// The same, and servers may ask.
const ASKING: &str = r#"version: 1
roles:
  all:
    allow:
      - { servers: ["*"], tools: ["*"], server_requests: [sampling] }
bindings:
  - { role: all, groups: [staff] }
"#;

/// A gateway in front of `tests/peers/stdio.py`, and two callers.
struct Stage {
    gateway: Gateway,
    ada: String,
    bob: String,
}

impl Stage {
    /// With more keys of `stdio`, in flow style.
    async fn with(stdio: &str) -> Self {
        Self::of(&[], stdio, "", POLICY).await
    }

    /// With arguments of the server, more keys of `stdio` and of the server, and a policy.
    async fn of(arguments: &[&str], stdio: &str, server: &str, policy: &str) -> Self {
        Self::at(&written(arguments, stdio, server), policy).await
    }

    async fn at(yaml: &str, policy: &str) -> Self {
        Self::before(Gateway::start().policy(policy).server_written("tool", yaml).await).await
    }

    async fn before(gateway: Gateway) -> Self {
        let (ada, bob) = (gateway.key("ada", &["staff"]).await, gateway.key("bob", &["staff"]).await);
        Self { gateway, ada, bob }
    }

    async fn legacy(&self, key: &str) -> Client {
        self.gateway.legacy("tool", key).await
    }

    fn modern(&self, key: &str) -> Client {
        self.gateway.modern("tool", key)
    }

    /// Sends `initialize` of that id, and nothing else.
    async fn shake(&self, id: &str) -> Answer {
        let info = json!({ "name": "test", "version": "1.0.0" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": params });
        Post::to(self.gateway.address, "/mcp/tool").bearer(&self.ada).body(message.to_string()).send().await
    }

    /// Waits for the records of a call, and gives its outcome.
    async fn outcome(&self, answer: &Answer) -> Value {
        let records = self.gateway.ended(&answer.call()).await;
        records.iter().find(|record| record["kind"] == "call.outcome").expect("an outcome")["out"].clone()
    }
}

/// `tests/peers/stdio.py` as it stands in the configuration.
fn written(arguments: &[&str], stdio: &str, server: &str) -> String {
    let program = parts::interpreter();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/stdio.py");
    let arguments: Vec<String> = arguments.iter().map(|argument| format!(", {argument}")).collect();
    format!("{{ stdio: {{ command: [{}, -B, {script}{}]{stdio} }}{server} }}", program.display(), arguments.concat())
}

/// What a tool has told as JSON. The answer is a stream where something else was to be told first: a question of the process's, refused by
/// then, is taken for one of the newest call.
fn told(answer: &Answer) -> Value {
    let body = String::from_utf8_lossy(&answer.body);
    let message = body.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&body);
    let message: Value = serde_json::from_str(message).unwrap_or_else(|_| panic_with(answer));
    let text = message.pointer("/result/content/0/text").and_then(Value::as_str).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_else(|_| panic_with(answer))
}

#[expect(clippy::panic, reason = "a test stops at the first surprise")]
fn panic_with(answer: &Answer) -> ! {
    panic!("no JSON was told: {answer:?}")
}

/// Waits until the server has heard this word, and gives all that it has heard.
pub(crate) async fn heard(client: &Client, word: &str) -> String {
    let poll = async {
        loop {
            let all = told(&client.call("heard", json!({})).await).to_string();
            if all.contains(word) {
                return all;
            }
        }
    };
    within(&format!("`{word}` at the server"), poll).await
}

/// Whether the process is there.
fn is_alive(process: &Value) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // One that has ended and was not waited for yet is none.
    !status.is_empty() && !status.contains(") Z ")
}

/// Waits until it is not.
async fn is_gone(process: &Value) {
    let gone = || (!is_alive(process)).then_some(());
    crate::support::eventually(&format!("the end of process {process}"), gone).await;
}

fn with_token(token: &str) -> Value {
    json!({ "name": "progress", "arguments": {}, "_meta": { "progressToken": token } })
}

//! `yett connect`, as a program that a client starts, in front of a gateway in front of a server; and in front of one that is no good.
//! What official clients make of it is shown in `peers/connected.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod credential;
mod documented;
mod encryption;
mod lines;
mod session;
mod stateless;
mod trouble;
pub(crate) mod wire;

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::server::Upstream;
use wire::Wire;

/// `staff` may use everything, and be asked.
const POLICY: &str = r"version: 1
roles:
  all:
    allow:
      - { servers: [crm], tools: ['*'], prompts: ['*'], resources: ['file:///**'], server_requests: [elicitation] }
bindings:
  - { role: all, groups: [staff] }
";

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    key: String,
}

impl Stage {
    async fn set() -> Self {
        let crm = Upstream::start().await;
        let gateway = Gateway::start().servers([("crm", &crm)]).policy(POLICY).await;
        let key = gateway.key("ada", &["staff"]).await;
        Self { gateway, crm, key }
    }

    fn open(&self) -> Wire {
        Wire::open(&self.gateway.url("crm"), &self.key)
    }

    /// A session that has begun.
    async fn session(&self) -> Wire {
        let mut wire = self.open();
        let hello = wire.shake_hands(json!({ "elicitation": {} })).await;
        assert_eq!(hello["result"]["serverInfo"]["name"], "fake", "{hello:#}");
        wire
    }

    async fn end(self, wire: Wire) {
        let exit = wire.close().await;
        assert_eq!(exit.code, Some(0), "{}", exit.complaints);
        assert!(!exit.complaints.contains(&self.key), "the token is told on standard error");
        self.gateway.stop_and_verify().await;
    }
}

/// The text of a tool's result.
fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {response:#}"))
}

//! HTTP+SSE, the transport of 2024-11-05, on the side of clients: a session is its stream, and what answers a POST leaves on it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

pub(crate) mod client;
mod ending;
mod limits;
mod order;
mod refusals;
pub(crate) mod server;
mod speaking;
mod tasks;
mod upstream;

use crate::support::gateway::Gateway;
use crate::support::server::Upstream;
use client::SseClient;

/// `staff` may be asked by forms and may not call `delete`; numbers are masked, secrets stay here.
const POLICY: &str = r"version: 1
roles:
  asked:
    allow:
      - { servers: [crm], tools: [echo, ask, slow], resources: ['file:///public/**'], server_requests: [elicitation] }
bindings:
  - { role: asked, groups: [staff] }
dlp:
  rules:
    - { name: numbers, detect: [us_ssn], action: mask }
    - { name: credentials, detect: [secrets], direction: [request], action: block }
";

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    key: String,
}

impl Stage {
    async fn set() -> Self {
        Self::with("legacy_sse: true").await
    }

    async fn with(listener: &str) -> Self {
        let (crm, mail) = (Upstream::start().await, Upstream::start().await);
        // Nobody is granted anything of `mail`; it is there to have another route.
        let gateway = Gateway::start().servers([("crm", &crm), ("mail", &mail)]).policy(POLICY).listener_extra(listener).await;
        let key = gateway.key("ada", &["staff"]).await;
        Self { gateway, crm, key }
    }

    async fn client(&self) -> SseClient {
        SseClient::begin(&self.gateway, "crm", &self.key).await
    }

    /// A client whose server has heard all that there is to hear without a call.
    async fn settled(&self) -> SseClient {
        let client = self.client().await;
        self.crm.wait_for("GET").await;
        client
    }

    async fn end(self) {
        self.gateway.stop_and_verify().await;
    }
}

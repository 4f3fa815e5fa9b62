//! A gateway whose every layer has something to do.

use crate::support::gateway::Gateway;
use crate::support::server::Upstream;

/// `staff` sees a part of what there is, and may be asked. Nobody else sees anything.
const POLICY: &str = "version: 1
roles:
  staff:
    allow:
      - servers: [crm]
        tools: [ask, broken, cut_off, echo, failed, labelled, masked, plain, poisoned, says, withheld]
        prompts: [hello]
        resources: ['file:///**']
        server_requests: [elicitation, sampling]
bindings:
  - { role: staff, groups: [staff] }
dlp:
  rules:
    - { name: numbers, detect: [us_ssn, card], action: mask }
    - { name: credentials, detect: [secrets], direction: [request, response], action: block }
";

pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) crm: Upstream,
    pub(super) key: String,
}

impl Stage {
    pub(super) async fn set() -> Self {
        Self::with(POLICY).await
    }

    /// The same for a caller who has one call a day.
    pub(super) async fn with_one_call() -> Self {
        Self::with(&format!("{POLICY}limits:\n  - {{ name: once, per: [subject], rate: 1/day, burst: 1 }}\n")).await
    }

    /// The same for clients of HTTP+SSE too.
    pub(super) async fn offering_sse() -> Self {
        Self::listening(POLICY, "legacy_sse: true").await
    }

    async fn with(policy: &str) -> Self {
        Self::listening(policy, "legacy_sse: false").await
    }

    async fn listening(policy: &str, listener: &str) -> Self {
        let crm = Upstream::start().await;
        let gateway = Gateway::start().servers([("crm", &crm)]).policy(policy).listener_extra(listener).await;
        let key = gateway.key("ada", &["staff"]).await;
        Self { gateway, crm, key }
    }

    pub(super) async fn ends(self) {
        self.gateway.stop_and_verify().await;
    }
}

//! A gateway with one server and two witnesses: what reached the server, and which refusals stand in the log.

use std::cell::Cell;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::client::{Client, meta};
use super::gateway::{Builder, Gateway};
use super::http::{Answer, Post, find};
use super::server::{Upstream, tool};
use super::token::Issuer;

/// Group `staff` may call three tools of `crm`; the server has a fourth, `danger`, and a second route leads to it, `hr`.
const POLICY: &str = "version: 1
roles:
  staff:
    allow:
      - { servers: [crm, hr], tools: [echo, safe, search], prompts: [hello], resources: [\"file:///**\"] }
bindings:
  - { role: staff, groups: [staff], issuers: [ISSUERS] }
";

/// The stage of an attack.
pub(crate) struct Stage {
    pub(crate) upstream: Upstream,
    pub(crate) gateway: Gateway,
    /// An API key of group `staff`.
    pub(crate) key: String,
    legacy: OnceCell<Client>,
    arrived: Cell<usize>,
    denials: Cell<usize>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// With more of a configuration.
    pub(crate) async fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::build(&[], configure).await
    }

    /// With issuers whose tokens are good for whoever is in group `staff`.
    pub(crate) async fn trusting(issuers: &[&Issuer]) -> Self {
        Self::build(issuers, |builder| issuers.iter().fold(builder, |builder, issuer| builder.issuer(issuer))).await
    }

    /// The same with more of a configuration, the issuers' own part of it included.
    pub(crate) async fn trusting_with(issuers: &[&Issuer], configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::build(issuers, configure).await
    }

    async fn build(issuers: &[&Issuer], configure: impl FnOnce(Builder) -> Builder) -> Self {
        let upstream = Upstream::start().await;
        upstream.set_tools(["danger", "echo", "safe", "search"].map(tool));
        let names: Vec<_> = issuers.iter().map(|issuer| issuer.name.as_str()).chain(["api-key"]).collect();
        let policy = POLICY.replace("ISSUERS", &names.join(", "));
        let builder = Gateway::start().policy(&policy).servers([("crm", &upstream), ("hr", &upstream)]);
        let gateway = configure(builder).await;
        let key = gateway.key("mallory", &["staff"]).await;
        Self { upstream, gateway, key, legacy: OnceCell::new(), arrived: Cell::new(0), denials: Cell::new(0) }
    }

    pub(crate) fn modern(&self) -> Client {
        self.gateway.modern("crm", &self.key)
    }

    /// A modern client, and a legacy one after its handshake: the same one every time.
    pub(crate) async fn clients(&self) -> [Client; 2] {
        let handshake = async {
            let legacy = self.gateway.legacy("crm", &self.key).await;
            self.arrived.set(self.upstream.count());
            legacy
        };
        [self.modern(), self.legacy.get_or_init(|| handshake).await.clone()]
    }

    /// A good call with this credential passes, so the process is alive and nothing else is in the way.
    pub(crate) async fn assert_works_with(&self, token: &str) {
        self.assert_passes("a good call", &self.gateway.modern("crm", token).call("echo", json!({ "text": "hi" })).await);
    }

    /// The answer is the server's, and the server was asked once.
    pub(crate) fn assert_passes(&self, what: &str, answer: &Answer) {
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert!(answer.json().get("result").is_some(), "{what}: {answer:?}");
        assert_eq!(self.upstream.count(), self.arrived.get() + 1, "{what}: requests at the server");
        self.arrived.set(self.upstream.count());
    }

    /// The gateway said no, the server heard nothing, and exactly one record of it was durable before the answer. Gives the record.
    pub(crate) fn assert_refused(&self, what: &str, answer: &Answer, status: u16) -> Value {
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(self.upstream.count(), self.arrived.get(), "{what}: the server was reached");
        let denials = self.gateway.denials();
        let fresh = &denials[self.denials.replace(denials.len())..];
        assert_eq!(fresh.len(), 1, "{what}: refusals recorded: {fresh:#?}");
        assert_eq!(fresh[0]["kind"], "call.decision", "{what}: {fresh:#?}");
        assert_eq!(fresh[0]["call"], answer.call(), "{what}: the record is of another call: {fresh:#?}, {answer:?}");
        fresh[0].clone()
    }

    /// Refused as something that is no message: 400, one of these codes, `id: null`, and nothing but the call's id beside it.
    pub(crate) fn assert_malformed(&self, what: &str, answer: &Answer, codes: &[i64]) {
        let record = self.assert_refused(what, answer, 400);
        assert_eq!(record["dec"]["reason"], "malformed", "{what}: {record}");
        let body = answer.json();
        assert_eq!(body.get("id"), Some(&Value::Null), "{what}: {body}");
        let code = answer.code();
        assert!(code.is_some_and(|code| codes.contains(&code)), "{what}: code {code:?}, expected one of {codes:?}");
        assert_eq!(body["error"]["data"], json!({ "call": answer.call() }), "{what}: {body}");
    }

    /// Sends a body under the head of a good `tools/call` of `echo`, in both eras; both times it is no message.
    pub(crate) async fn assert_no_message(&self, what: &str, body: &[u8], codes: &[i64]) {
        for client in self.clients().await {
            let answer = good_head(&client, body).send().await;
            let era = if client.session.is_some() { "legacy" } else { "modern" };
            self.assert_malformed(&format!("{what}, {era}"), &answer, codes);
        }
    }

    /// Sends bytes that are no HTTP request: refused with that status, and the connection is closed at once and without another word.
    pub(crate) async fn assert_no_request(&self, what: &str, bytes: &[u8], status: u16) -> Value {
        let mut connection = self.gateway.connect().await;
        connection.send(bytes).await;
        let answer = connection.answer().await.unwrap_or_else(|| panic!("{what}: no answer"));
        let rest = connection.rest().await;
        assert!(rest.is_empty(), "{what}: a second answer: {}", String::from_utf8_lossy(&rest));
        assert_eq!(answer.header("connection"), Some("close"), "{what}: {answer:?}");
        self.assert_refused(what, &answer, status)
    }

    /// The gateway still works, its log is whole, and nothing but what was seen before stands in it as refused.
    pub(crate) async fn end(self) {
        let key = self.key.clone();
        self.assert_works_with(&key).await;
        assert_eq!(self.gateway.denials().len(), self.denials.get(), "refusals nobody has looked at");
        self.gateway.stop_and_verify().await;
    }
}

/// A `tools/call` of `echo` by its head, with any body. The `_meta` of a modern request is emptied for a legacy client.
pub(crate) fn good_head(client: &Client, body: &[u8]) -> Post {
    let modern = meta().to_string();
    let body = match find(body, modern.as_bytes()).filter(|_| client.session.is_some()) {
        Some(at) => [&body[..at], b"{}", &body[at + modern.len()..]].concat(),
        None => body.to_vec(),
    };
    let call = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    client.post_bytes(&call, body)
}

//! What ends a stream that lies open, and its session with it: as on the other transport, what it was opened with has to hold, and a record
//! says why it ended.

use serde_json::{Value, json};
use yett::state::Switch;

use super::POLICY;
use super::client::SseClient;
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;
use crate::support::token::Issuer;
use crate::support::{eventually, within};

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    corp: Issuer,
}

/// A session with a call that streams, and with what its server pushes.
struct Open {
    client: SseClient,
    /// The call that streams, and the GET for pushes.
    calls: [String; 2],
    /// What the server has lost once all of it has ended.
    lost: usize,
}

impl Stage {
    async fn set() -> Self {
        let (crm, corp) = (Upstream::start().await, Issuer::new("corp"));
        let policy = POLICY.replace("groups: [staff]", "groups: [staff], issuers: [corp, api-key]");
        let gateway =
            Gateway::start().servers([("crm", &crm)]).issuer(&corp).policy(&policy).listener_extra("legacy_sse: true").await;
        gateway.clock.freeze();
        crm.on_method("GET", Reply::stream([Step::message(&note("pushed")), Step::Wait(Gate::default())]));
        crm.on_tool("slow", Reply::stream([Step::message(&note("slow")), Step::Wait(Gate::default())]));
        Self { gateway, crm, corp }
    }

    /// A token of ten minutes.
    fn token(&self) -> String {
        self.corp.token(&self.gateway, "crm", "ada", &["staff"]).signed()
    }

    async fn open(&self, credential: &str) -> Open {
        let mut client = SseClient::begin(&self.gateway, "crm", credential).await;
        assert_eq!(client.next().await["params"]["data"], "pushed");
        let push = self.crm.wait_for("GET").await.header("yett-call").unwrap().to_owned();
        let slow = client.ask("tools/call", json!({ "name": "slow", "arguments": {} })).await;
        assert_eq!(client.next().await["params"]["data"], "slow");
        Open { client, calls: [slow.call(), push], lost: 2 }
    }

    /// The call is told why, the stream ends, and so does the session; the server loses both, and the records say why.
    async fn assert_ends(&self, open: Open, status: &str, code: i64) {
        let Open { client, calls, lost } = open;
        let (post, opened) = (client.post(&json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })), client.events.head.call());
        let last = within(&format!("the end of the stream: {status}"), client.events.rest()).await;
        assert_eq!((last.len(), &last[0]["id"], &last[0]["error"]["code"]), (1, &json!(1), &json!(code)), "{status}: {last:#?}");
        for call in calls.iter().chain([&opened]) {
            let records = self.gateway.ended(call).await;
            assert_eq!(records.last().unwrap()["out"]["status"], status, "{records:#?}");
        }
        eventually("the server's connections are closed", || (self.crm.cancelled() == lost).then_some(())).await;
        self.gateway.metric_is("yett_sessions", 0.0).await;
        let late = post.bearer(&self.gateway.key("ada", &["staff"]).await).send().await;
        assert!(matches!(late.status, 400 | 404 | 503), "its session goes on: {late:?}");
    }
}

fn note(text: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } })
}

#[tokio::test]
async fn mcp_061_a_stream_ends_when_the_key_is_revoked_that_opened_it() {
    let stage = Stage::set().await;
    let open = stage.open(&stage.gateway.key("ada", &["staff"]).await).await;
    let keys = stage.gateway.running.operations().keys();
    let id = keys.iter().find(|key| &*key.subject == "ada").unwrap().id.to_string();
    stage.gateway.running.operations().revoke_key(&id, "admin").await.unwrap();
    stage.assert_ends(open, "credential_revoked", -31401).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_061_a_stream_ends_when_the_last_token_runs_out_that_its_client_has_shown() {
    let stage = Stage::set().await;
    let mut open = stage.open(&stage.token()).await;
    stage.gateway.clock.advance(400);
    let older = std::mem::replace(&mut open.client.token, stage.token());
    assert_eq!(open.client.request("ping", json!({})).await["id"], 1);
    // What was opened with the first token alone ends with it.
    stage.gateway.clock.advance(231);
    let told = open.client.next().await;
    assert_eq!((&told["id"], &told["error"]["code"]), (&json!(1), &json!(-31401)), "{told:#}");
    assert_eq!(stage.gateway.ended(&open.calls[0]).await.last().unwrap()["out"]["status"], "credential_expired");
    let slow = open.client.ask("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    assert_eq!(open.client.next().await["params"]["data"], "slow", "the newer one is good");
    assert_eq!(open.client.post(&note("x")).bearer(&older).send().await.status, 401);
    (open.calls[0], open.lost) = (slow.call(), 3);
    stage.gateway.clock.advance(400);
    stage.assert_ends(open, "credential_expired", -31401).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_operator_stops_its_server() {
    let stage = Stage::set().await;
    let open = stage.open(&stage.token()).await;
    stage.gateway.running.operations().set_switch(&Switch::Server("crm".to_owned()), true, "admin").await.unwrap();
    stage.assert_ends(open, "killed", -31503).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_that_has_lost_its_ground_still_brings_the_answer_of_a_call_that_was_let_through() {
    let stage = Stage::set().await;
    stage.crm.on_method("GET", Reply::empty(405));
    let gate = Gate::default();
    stage.crm.on_tool("slow", Reply::text("done").after(&gate));
    let client = SseClient::begin(&stage.gateway, "crm", &stage.token()).await;
    client.ask("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    stage.crm.wait_for("tools/call").await;
    stage.gateway.running.operations().set_switch(&Switch::All, true, "admin").await.unwrap();
    stage.gateway.metric_is("yett_sessions", 0.0).await;
    gate.open();
    let last = within("the end of the stream", client.events.rest()).await;
    assert_eq!(
        (last.len(), &last[0]["result"]["content"][0]["text"]),
        (1, &json!("done")),
        "it is done, and its caller must know"
    );
    stage.gateway.stop_and_verify().await;
}

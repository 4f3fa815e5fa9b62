//! Streams that lie open: they end when what they were opened with is over, and with their session; their server is told, and a record
//! says why.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use yett::state::Switch;

use crate::support::client::{Client, Events};
use crate::support::eventually;
use crate::support::gateway::{Builder, Gateway};
use crate::support::idp::Idp;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;
use crate::support::token::{Issuer, Key};

const POLICY: &str = r#"version: 1
roles:
  all:
    allow: [{ servers: ["*"], tools: ["*"], resources: ["file:///**"] }]
bindings:
  - { role: all, groups: [staff], issuers: [corp, api-key] }
"#;

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    corp: Issuer,
}

/// One stream of each kind, each with something on it, and nothing more to come.
struct Open {
    legacy: Client,
    push: Events,
    post: Events,
    listen: Events,
}

impl Stage {
    async fn set() -> Self {
        let corp = Issuer::new("corp");
        Self::with(corp.clone(), |builder| builder.issuer(&corp)).await
    }

    async fn with(corp: Issuer, trust: impl FnOnce(Builder) -> Builder) -> Self {
        let crm = Upstream::start().await;
        let gateway = trust(Gateway::start().policy(POLICY).servers([("crm", &crm)])).await;
        crm.on_method("GET", Reply::stream([Step::message(&note()), Step::Wait(Gate::default())]));
        crm.on_tool("slow", Reply::stream([Step::message(&note()), Step::Wait(Gate::default()), Step::text("never")]));
        let acknowledged = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {} });
        crm.on_method("subscriptions/listen", Reply::stream([Step::message(&acknowledged), Step::Wait(Gate::default())]));
        Self { gateway, crm, corp }
    }

    /// A token of ten minutes.
    fn token(&self) -> String {
        self.corp.token(&self.gateway, "crm", "ada", &["staff"]).signed()
    }

    async fn open(&self, credential: &str) -> Open {
        let legacy = self.gateway.legacy("crm", credential).await;
        let modern = self.gateway.modern("crm", credential);
        let slow = json!({ "name": "slow", "arguments": {} });
        let mut open = Open {
            push: legacy.listen().await,
            post: legacy.stream("tools/call", slow).await,
            listen: modern.stream("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await,
            legacy,
        };
        for events in [&mut open.push, &mut open.post, &mut open.listen] {
            assert!(events.next().await.is_some(), "{:?}", events.head);
        }
        open
    }

    /// All three end: those that answer a request with an error for it, the one of pushes, which answers none, without a word. The server
    /// loses all three, and the records say why.
    async fn assert_end(&self, open: Open, status: &str, code: i64) {
        let before = self.crm.cancelled();
        let calls = [open.push.head.call(), open.post.head.call(), open.listen.head.call()];
        assert_eq!(open.push.rest().await, [Value::Null; 0], "{status}");
        for events in [open.post, open.listen] {
            let last = events.rest().await;
            assert_eq!(
                (last.len(), &last[0]["id"], &last[0]["error"]["code"]),
                (1, &json!(1), &json!(code)),
                "{status}: {last:#?}"
            );
        }
        for call in calls {
            let records = self.gateway.ended(&call).await;
            assert_eq!(records.last().unwrap()["out"]["status"], status, "{records:#?}");
        }
        eventually("the server's connections are closed", || (self.crm.cancelled() >= before + 3).then_some(())).await;
    }

    async fn refused(&self, client: &Client) {
        let (seen, answer) = (self.crm.count(), client.request("ping", json!({})).await);
        assert_eq!((answer.status, answer.code()), (401, Some(-31401)), "{answer:?}");
        assert_eq!(self.crm.count(), seen, "it reached the server");
    }
}

fn note() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "there" } })
}

#[tokio::test]
async fn mcp_061_open_streams_end_when_the_token_runs_out_that_they_were_opened_with() {
    let stage = Stage::set().await;
    let open = stage.open(&stage.token()).await;
    let legacy = open.legacy.clone();
    // Ten minutes, and the leeway that a request has as well.
    stage.gateway.clock.advance(631);
    stage.refused(&legacy).await;
    stage.assert_end(open, "credential_expired", -31401).await;
    // The session is the caller's and not the token's: with a new one they go on.
    let mut renewed = stage.gateway.legacy("crm", &stage.token()).await;
    renewed.session.clone_from(&legacy.session);
    assert_eq!(renewed.request("ping", json!({})).await.status, 200);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_061_open_streams_end_when_the_api_key_is_revoked_that_they_were_opened_with() {
    let stage = Stage::set().await;
    let open = stage.open(&stage.gateway.key("ada", &["staff"]).await).await;
    let legacy = open.legacy.clone();
    let bob = stage.gateway.legacy("crm", &stage.gateway.key("bob", &["staff"]).await).await;
    let mut others = bob.listen().await;
    assert!(others.next().await.is_some());
    let id = stage.gateway.running.operations().keys().iter().find(|key| &*key.subject == "ada").unwrap().id.to_string();
    stage.gateway.running.operations().revoke_key(&id, "admin").await.unwrap();
    stage.refused(&legacy).await;
    stage.assert_end(open, "credential_revoked", -31401).await;
    assert_eq!(stage.crm.cancelled(), 3, "another caller's stream has ended as well");
    drop(others);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_061_open_streams_end_when_the_issuer_withdraws_the_key_of_their_token() {
    let mut corp = Issuer::with_keys("corp", [Key::ec("old"), Key::ec("staying")]);
    let idp = Idp::start(&corp.key_set()).await;
    let (url, often) = (format!("jwks_url: \"{}\"", idp.url()), "jwks: { refresh: 1s, cooldown: 1s }");
    let stage = Stage::with(corp.clone(), |builder| builder.issuer_at(&corp, &url, often)).await;
    let open = stage.open(&stage.token()).await;
    let staying = stage.corp.token(&stage.gateway, "crm", "bob", &["staff"]).by(&stage.corp.keys[1]).signed();
    let mut others = stage.gateway.legacy("crm", &staying).await.listen().await;
    assert!(others.next().await.is_some());
    corp.keys.remove(0);
    idp.publish(&corp.key_set());
    stage.assert_end(open, "credential_revoked", -31401).await;
    assert_eq!(stage.crm.cancelled(), 3, "a stream with another key's token has ended as well");
    drop(others);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn open_streams_end_with_the_session_when_its_client_ends_it() {
    let stage = Stage::set().await;
    let Open { legacy, push, post, mut listen } = stage.open(&stage.token()).await;
    let calls = [push.head.call(), post.head.call()];
    assert_eq!(legacy.end().await.status, 200);
    assert_eq!(push.rest().await, [Value::Null; 0]);
    let last = post.rest().await;
    assert_eq!((&last[0]["id"], &last[0]["error"]["code"]), (&json!(1), &json!(-31404)), "{last:#?}");
    assert_eq!(last.len(), 1, "{last:#?}");
    for call in calls {
        let records = stage.gateway.ended(&call).await;
        assert_eq!(records.last().unwrap()["out"]["status"], "session_ended", "{records:#?}");
    }
    eventually("the session's streams are closed at the server", || (stage.crm.cancelled() == 2).then_some(())).await;
    assert_eq!(stage.crm.wait_for("DELETE").await.header("mcp-session-id"), Some("upstream-session-1"));
    assert_eq!(legacy.request("ping", json!({})).await.status, 404);
    // What belongs to no session goes on.
    stage.gateway.running.operations().set_switch(&Switch::All, true, "admin").await.unwrap();
    assert_eq!(listen.next().await.unwrap()["error"]["code"], -31503);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn open_streams_end_when_the_operator_stops_their_server() {
    let stage = Stage::set().await;
    let open = stage.open(&stage.token()).await;
    stage.gateway.running.operations().set_switch(&Switch::Server("crm".to_owned()), true, "admin").await.unwrap();
    stage.assert_end(open, "killed", -31503).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_077_open_streams_end_when_the_operator_stops_their_caller_or_their_tenant_and_go_on_for_others() {
    let stage = Stage::set().await;
    let others = stage.gateway.tenant_key("bob", "other").await;
    let mut others = stage.gateway.legacy("crm", &others).await.listen().await;
    assert!(others.next().await.is_some());
    let key = stage.gateway.tenant_key("ada", "acme").await;
    for name in ["principal:api-key/ada", "tenant:api-key/acme"] {
        let open = stage.open(&key).await;
        let cancelled = stage.crm.cancelled();
        let switch = Switch::from_name(name);
        stage.gateway.running.operations().set_switch(&switch, true, "admin").await.unwrap();
        stage.assert_end(open, "killed", -31503).await;
        assert_eq!(stage.crm.cancelled(), cancelled + 3, "{name}: another caller's stream has ended as well");
        stage.gateway.running.operations().set_switch(&switch, false, "admin").await.unwrap();
    }
    drop(others);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_077_streams_of_a_stopped_tool_end_in_both_eras_and_new_calls_of_it_are_refused() {
    let stage = Stage::set().await;
    let token = stage.token();
    let (legacy, modern) = (stage.gateway.legacy("crm", &token).await, stage.gateway.modern("crm", &token));
    let slow = json!({ "name": "slow", "arguments": {} });
    let mut open = [legacy.stream("tools/call", slow.clone()).await, modern.stream("tools/call", slow).await];
    let mut push = legacy.listen().await;
    for events in open.iter_mut().chain([&mut push]) {
        assert!(events.next().await.is_some());
    }
    let switch = Switch::from_name("tool:crm/slow");
    stage.gateway.running.operations().switch_for(&switch, true, "it leaks", "admin").await.unwrap();
    for events in open {
        let call = events.head.call();
        let last = events.rest().await;
        assert_eq!((last.len(), &last[0]["error"]["code"]), (1, &json!(-31503)), "{last:#?}");
        assert!(!last[0].to_string().contains("leaks"), "{last:#?}");
        assert_eq!(stage.gateway.ended(&call).await.last().unwrap()["out"]["status"], "killed");
    }
    for client in [&legacy, &modern] {
        // Another spelling may be the same tool to its server.
        for name in ["slow", "SLOW"] {
            let refused = client.call(name, json!({})).await;
            assert_eq!((refused.status, refused.code()), (503, Some(-31503)), "{refused:?}");
        }
        assert_eq!(client.call("echo", json!({})).await.status, 200);
    }
    assert_eq!(stage.crm.cancelled(), 2, "a stream of no tool has ended as well");
    drop(push);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_that_waits_for_its_client_ends_too_and_says_why() {
    let stage = Stage::set().await;
    let primed = [Step::Raw(b"id: e1\nretry: 60000\ndata:\n\n".to_vec()), Step::message(&note()), Step::Wait(Gate::default())];
    stage.crm.on_tool("slow", Reply::stream(primed));
    let open = stage.open(&stage.token()).await;
    let (client, call) = (open.legacy.clone(), open.post.head.call());
    drop(open.post);
    stage.gateway.clock.advance(631);
    let records = stage.gateway.ended(&call).await;
    assert_eq!(records.last().unwrap()["out"]["status"], "credential_expired", "{records:#?}");
    eventually("the server's connection is closed", || (stage.crm.cancelled() >= 1).then_some(())).await;
    let mut renewed = stage.gateway.legacy("crm", &stage.token()).await;
    renewed.session.clone_from(&client.session);
    assert_eq!(renewed.resume("2.0").await.head.status, 400, "there is nothing to come back for");
    stage.gateway.stop_and_verify().await;
}

fn changed(meta: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": { "_meta": meta } })
}

/// What the streams of a server that fails bring.
fn broken() -> [Vec<Step>; 5] {
    let large = "x".repeat(60_000);
    let large = changed(&json!({ "data": large }));
    let never = || Step::Wait(Gate::default());
    [
        // The end of the connection, what is no message, half an event, silence, and more than its client takes.
        vec![Step::Cut],
        vec![Step::Raw(b"data: {]\n\n".to_vec())],
        vec![Step::Raw(b"data: {\"jsonrpc\":".to_vec()), never()],
        vec![never()],
        vec![Step::message(&large); 100],
    ]
}

#[tokio::test]
async fn a_broken_or_slow_peer_on_one_stream_changes_no_other() {
    let stage = Stage::set().await;
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    // Of what streams of both eras carry: log messages belong to requests in 2026-07-28.
    let (first, more) = (changed(&json!({ "step": 1 })), changed(&json!({ "step": 2 })));
    let gate = Gate::default();
    let well = [Step::message(&first), Step::Wait(gate.clone()), Step::message(&more), Step::Wait(Gate::default())];
    let play = |steps: &[Step]| {
        stage.crm.on_method("GET", Reply::stream(steps.to_vec()));
        stage.crm.on_method("subscriptions/listen", Reply::stream(steps.to_vec()));
    };
    let ada = stage.token();
    let modern = stage.gateway.modern("crm", &ada);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    // Of the same caller, at the same server, and in the same session too.
    let shared = stage.gateway.legacy("crm", &ada).await;
    for steps in broken() {
        play(&well);
        good.extend([shared.listen().await, modern.stream("subscriptions/listen", listen.clone()).await]);
        play(&[&[Step::message(&first)], &*steps].concat());
        // None of these is read any further.
        let other = stage.gateway.legacy("crm", &ada).await;
        bad.extend([shared.listen().await, other.listen().await, modern.stream("subscriptions/listen", listen.clone()).await]);
    }
    // One client is gone, the others take nothing any more.
    drop(bad.swap_remove(0));
    for events in &mut good {
        assert_eq!(events.next().await.unwrap(), first, "{:?}", events.head);
    }
    gate.open();
    for events in &mut good {
        assert_eq!(events.next().await.unwrap(), more, "it suffers from others: {:?}", events.head);
    }
    assert_eq!(modern.call("echo", json!({})).await.text(), "echo was called");
    assert_eq!(shared.call("echo", json!({})).await.text(), "echo was called");
    drop((good, bad));
    stage.gateway.stop_and_verify().await;
}

//! What lies open when the policy becomes another one: it is judged again. What is no longer allowed ends within five seconds, with a
//! record that says by what; what is allowed goes on.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http_sse::client::SseClient;
use crate::support::client::{Client, Events};
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

/// Grants, then rules, each in flow style.
fn policy(grants: &str, rules: &str) -> String {
    let rules = if rules.is_empty() { String::new() } else { format!("rules: [{rules}]") };
    format!(
        "version: 1
roles: {{ user: {{ allow: [{{ servers: [crm], {grants} }}] }}, idle: {{ allow: [{{ servers: [other], tools: [x] }}] }} }}
bindings: [{{ role: user, groups: [users] }}]
{rules}
"
    )
}

const ALL: &str = r#"tools: ["*"], resources: ["file:///**"]"#;

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    key: String,
    /// Lets the streams go on: each says something once it is open.
    on: Gate,
}

impl Stage {
    async fn set(first: &str) -> Self {
        let (crm, other, on) = (Upstream::start().await, Upstream::start().await, Gate::default());
        let more = || {
            [Step::message(&said("before")), Step::Wait(on.clone()), Step::message(&said("after")), Step::Wait(Gate::default())]
        };
        crm.on_method("GET", Reply::stream(more()));
        crm.on_tool("slow", Reply::stream(more()));
        crm.on_tool("other", Reply::stream(more()));
        let agreed = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {} });
        let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
        let listening = [Step::message(&agreed), Step::Wait(on.clone()), Step::message(&changed), Step::Wait(Gate::default())];
        crm.on_method("subscriptions/listen", Reply::stream(listening));
        let servers = [("crm", &crm), ("other", &other)];
        let gateway = Gateway::start().policy(first).servers(servers).listener_extra("legacy_sse: true").await;
        let key = gateway.key("ada", &["users"]).await;
        Self { gateway, crm, key, on }
    }

    async fn reload(&self, policy: &str) -> String {
        reload(&self.gateway, policy).await
    }

    async fn call(&self, client: &Client, tool: &str) -> Events {
        opened(client.stream("tools/call", json!({ "name": tool, "arguments": { "id": "7" } })).await).await
    }

    async fn listen(&self, wanted: Value) -> Events {
        let client = self.gateway.modern("crm", &self.key);
        opened(client.stream("subscriptions/listen", json!({ "notifications": wanted })).await).await
    }

    /// It ends with a refusal that names its request, and its record says by which policy and rule.
    async fn assert_withdrawn(&self, events: Events, policy: &str, rule: Option<&str>) {
        let call = events.head.call();
        let last = within_five_seconds(events).await;
        assert_eq!(last.len(), 1, "{last:#?}");
        assert_eq!((&last[0]["id"], &last[0]["error"]["code"]), (&json!(1), &json!(-31403)), "{last:#?}");
        self.assert_recorded(&call, policy, rule).await;
    }

    async fn assert_recorded(&self, call: &str, policy: &str, rule: Option<&str>) {
        let records = self.gateway.ended(call).await;
        let out = &records.last().unwrap()["out"];
        assert_eq!((&out["status"], &out["policy"]), (&json!("no_longer_allowed"), &json!(policy)), "{records:#?}");
        assert_eq!(out["rule"].as_str(), rule, "{records:#?}");
    }
}

fn said(what: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": what } })
}

pub(super) async fn reload(gateway: &Gateway, policy: &str) -> String {
    fs::write(gateway.data().parent().unwrap().join("policies/0.yaml"), policy).unwrap();
    gateway.running.reload("signal").await.unwrap().policy
}

/// With its first message read.
async fn opened(mut events: Events) -> Events {
    assert!(events.next().await.is_some(), "{:?}", events.head);
    events
}

async fn within_five_seconds(events: Events) -> Vec<Value> {
    tokio::time::timeout(Duration::from_secs(5), events.rest()).await.unwrap()
}

#[tokio::test]
async fn avl_017_streams_of_calls_end_that_a_new_rule_denies_and_all_others_go_on() {
    let stage = Stage::set(&policy(ALL, "")).await;
    let (legacy, modern) = (stage.gateway.legacy("crm", &stage.key).await, stage.gateway.modern("crm", &stage.key));
    let (denied, denied_too) = (stage.call(&legacy, "slow").await, stage.call(&modern, "slow").await);
    let mut going = [
        stage.call(&legacy, "other").await,
        stage.call(&modern, "other").await,
        opened(legacy.listen().await).await,
        stage.listen(json!({ "toolsListChanged": true })).await,
    ];
    let before = stage.crm.cancelled();
    let hash = stage.reload(&policy(ALL, "{ name: no-slow, deny: { servers: [crm], tools: [slow] } }")).await;
    stage.assert_withdrawn(denied, &hash, Some("rule:no-slow")).await;
    stage.assert_withdrawn(denied_too, &hash, Some("rule:no-slow")).await;
    crate::support::eventually("the server loses both", || (stage.crm.cancelled() >= before + 2).then_some(())).await;
    stage.on.open();
    for events in &mut going {
        assert!(events.next().await.is_some(), "it has ended: {:?}", events.head);
    }
    drop(going);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn avl_017_who_has_no_grant_on_the_server_any_more_has_nothing_open_there() {
    let stage = Stage::set(&policy(ALL, "")).await;
    let (legacy, modern) = (stage.gateway.legacy("crm", &stage.key).await, stage.gateway.modern("crm", &stage.key));
    let mut old = SseClient::begin(&stage.gateway, "crm", &stage.key).await;
    assert!(old.events.next().await.is_some(), "what the server pushes");
    let push = opened(legacy.listen().await).await;
    let calls = [stage.call(&modern, "slow").await, stage.listen(json!({ "toolsListChanged": true })).await];
    let hash = stage.reload(&policy(ALL, "").replace("servers: [crm]", "servers: [other]")).await;
    for events in calls {
        stage.assert_withdrawn(events, &hash, None).await;
    }
    let pushed = push.head.call();
    assert_eq!(within_five_seconds(push).await, [Value::Null; 0], "it answers no request");
    stage.assert_recorded(&pushed, &hash, None).await;
    let session = old.events.head.call();
    within_five_seconds(old.events).await;
    stage.assert_recorded(&session, &hash, None).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn avl_017_a_listener_asks_again_when_it_would_be_granted_something_else() {
    let two = r#"tools: ["*"], resources: ["file:///a", "file:///b"]"#;
    let one = r#"tools: ["*"], resources: ["file:///a"]"#;
    let stage = Stage::set(&policy(two, "")).await;
    let wants = |uris: &[&str]| json!({ "resourceSubscriptions": uris });
    let (first, second) = (stage.listen(wants(&["file:///a"])).await, stage.listen(wants(&["file:///a", "file:///b"])).await);
    let hash = stage.reload(&policy(one, "")).await;
    stage.assert_withdrawn(second, &hash, None).await;
    let narrowed = stage.listen(wants(&["file:///a", "file:///b"])).await;
    stage.reload(&policy(two, "")).await;
    let call = narrowed.head.call();
    let last = within_five_seconds(narrowed).await;
    assert_eq!(last[0]["error"]["code"], -31503, "it can have more now: {last:#?}");
    assert_eq!(stage.gateway.ended(&call).await.last().unwrap()["out"]["status"], "stream_over");
    let call = first.head.call();
    drop(first);
    let records = stage.gateway.ended(&call).await;
    assert_eq!(
        records.last().unwrap()["out"]["status"],
        "client_gone",
        "what was granted all the time has gone on: {records:#?}"
    );
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_time_has_come_that_a_rule_names_and_not_before() {
    let closed = r#"{ name: closed, deny: { servers: [crm], tools: [slow] }, when: 'now >= timestamp("TIME")' }"#;
    let stage = Stage::set(&policy(ALL, "")).await;
    stage.gateway.clock.freeze();
    let until = jiff::Timestamp::from_second(stage.gateway.clock.seconds() + 3600).unwrap();
    let hash = stage.reload(&policy(ALL, &closed.replace("TIME", &until.to_string()))).await;
    let client = stage.gateway.modern("crm", &stage.key);
    let (slow, mut other) = (stage.call(&client, "slow").await, stage.call(&client, "other").await);
    stage.gateway.clock.advance(3590);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(stage.gateway.records_of(&slow.head.call()).len(), 1, "no outcome yet");
    stage.gateway.clock.advance(20);
    stage.assert_withdrawn(slow, &hash, Some("rule:closed")).await;
    stage.on.open();
    assert!(other.next().await.is_some());
    drop(other);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_goes_on_whose_call_depends_on_arguments_that_nobody_has_any_more() {
    let stage = Stage::set(&policy(ALL, "")).await;
    let mut slow = stage.call(&stage.gateway.modern("crm", &stage.key), "slow").await;
    let by_arguments = r#"{ name: only-seven, deny: { servers: [crm], tools: [slow] }, unless: 'arguments.id == "7"' }"#;
    stage.reload(&policy(ALL, by_arguments)).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stage.on.open();
    assert_eq!(slow.next().await, Some(said("after")));
    drop(slow);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_server_asks_in_a_running_call_is_judged_by_the_policy_in_force() {
    let stage = Stage::set(&policy(&format!("{ALL}, server_requests: [elicitation]"), "")).await;
    let asks = json!({ "jsonrpc": "2.0", "id": "q", "method": "elicitation/create",
        "params": { "message": "Which?", "requestedSchema": { "type": "object", "properties": {} } } });
    let (first, second) = (Gate::default(), Gate::default());
    let steps = [
        Step::message(&said("before")),
        Step::Wait(first.clone()),
        Step::message(&asks),
        Step::Wait(second.clone()),
        Step::text("done"),
    ];
    stage.crm.on_tool("asks", Reply::stream(steps));
    let declares = json!({ "elicitation": {} });
    let client = Client::declaring(stage.gateway.address, "crm", &stage.key, "2025-11-25", declares).await;
    let mut events = stage.call(&client, "asks").await;
    stage.reload(&policy(ALL, "")).await;
    first.open();
    crate::support::eventually("the server is refused", || {
        stage.crm.arrived().iter().any(|arrived| arrived.json()["error"]["code"] == -32601).then_some(())
    })
    .await;
    second.open();
    let last = events.next().await.unwrap();
    assert_eq!(last["result"]["content"][0]["text"], "done", "the question has passed: {last}");
    stage.gateway.stop_and_verify().await;
}

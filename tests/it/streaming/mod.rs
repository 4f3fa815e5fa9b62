//! Replies that come as event streams, and servers that fail in the middle of one.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod failures;

use serde_json::{Value, json};
use yett::state::Switch;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step, tool_result};
use crate::support::server::Upstream;
use crate::support::{eventually, within};

const POLICY: &str = r#"version: 1
roles:
  all: { allow: [{ servers: ["*"], tools: ["*"] }] }
bindings:
  - { role: all, groups: [staff] }
dlp:
  rules:
    - { name: ssn, detect: [us_ssn], action: mask }
"#;

const SSN: &str = "536-22-1234";

/// A gateway with the server `crm`, and a caller who may do everything there.
struct Stage {
    gateway: Gateway,
    crm: Upstream,
    ada: Client,
}

impl Stage {
    async fn set() -> Self {
        Self::with("").await
    }

    /// With more keys of the server.
    async fn with(server: &str) -> Self {
        let crm = Upstream::start().await;
        let gateway = Gateway::start().policy(POLICY).server("crm", &crm, server).await;
        let key = gateway.key("ada", &["staff"]).await;
        let ada = gateway.modern("crm", &key);
        Self { gateway, crm, ada }
    }

    fn answers(&self, steps: impl IntoIterator<Item = Step>) {
        self.crm.on_tool("echo", Reply::stream(steps));
    }

    /// The outcome of a call that has ended.
    async fn outcome(&self, call: &str) -> Value {
        let records = self.gateway.ended(call).await;
        assert_eq!(records.len(), 2, "{records:#?}");
        assert_eq!(records[1]["kind"], "call.outcome", "{records:#?}");
        records[1]["out"].clone()
    }
}

fn call() -> Value {
    json!({ "name": "echo", "arguments": {} })
}

fn note(text: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } })
}

#[tokio::test]
async fn each_event_reaches_the_client_before_the_server_sends_the_next() {
    let stage = Stage::set().await;
    let (second, last) = (Gate::default(), Gate::default());
    stage.answers([
        Step::message(&note("one")),
        Step::Wait(second.clone()),
        Step::message(&note("two")),
        Step::Wait(last.clone()),
        Step::text("three"),
    ]);
    let mut events = stage.ada.stream("tools/call", call()).await;
    assert_eq!(events.head.status, 200);
    assert_eq!(events.head.header("content-type"), Some("text/event-stream"));
    assert_eq!(events.head.header("cache-control"), Some("no-cache"));
    assert_eq!(events.next().await.unwrap(), note("one"));
    second.open();
    assert_eq!(events.next().await.unwrap(), note("two"));
    last.open();
    let done = events.next().await.unwrap();
    assert_eq!((&done["id"], &done["result"]), (&json!(1), &tool_result("three")));
    // Durable before it is released, so no waiting here.
    let records = stage.gateway.records_of(&events.head.call());
    assert_eq!(records[1]["out"]["status"], "ok", "{records:#?}");
    assert_eq!(records[1]["out"]["events"], 2, "{records:#?}");
    assert_eq!(events.next().await, None, "the stream goes on after the response");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_must_be_masked_is_masked_in_every_event() {
    let stage = Stage::set().await;
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
        "params": { "progressToken": "{token}", "progress": 1, "message": format!("at {SSN}") } });
    let progress = Step::Message(progress.to_string().replace("\"{token}\"", "{token}"));
    stage.answers([Step::message(&note(&format!("found {SSN}"))), progress, Step::text(&format!("it is {SSN}"))]);
    let mut asked = call();
    asked["_meta"] = crate::support::client::meta();
    asked["_meta"]["progressToken"] = json!(1);
    let answer = stage.ada.request("tools/call", asked).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains(SSN), "{answer:?}");
    let messages = answer.messages();
    assert_eq!(messages[0]["params"]["data"], "found [us_ssn]");
    assert_eq!(messages[1]["params"]["message"], "at [us_ssn]");
    assert_eq!(messages[2]["result"]["content"][0]["text"], "it is [us_ssn]");
    let outcome = stage.outcome(&answer.call()).await;
    let masked: u64 = outcome["findings"].as_array().unwrap().iter().map(|found| found["count"].as_u64().unwrap()).sum();
    assert_eq!(masked, 3, "{outcome}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_question_of_the_server_never_reaches_the_client_and_is_answered_with_an_error() {
    let stage = Stage::set().await;
    let legacy = stage.gateway.legacy("crm", &stage.gateway.key("bob", &["staff"]).await).await;
    for method in ["sampling/createMessage", "elicitation/create", "roots/list"] {
        let question = json!({ "jsonrpc": "2.0", "id": "q-1", "method": method, "params": { "messages": [], "maxTokens": 9 } });
        let answered = Gate::default();
        stage.answers([Step::message(&question), Step::Wait(answered.clone()), Step::text("went on")]);
        let before = stage.crm.arrived().iter().filter(|request| request.rpc_method() == "response").count();
        let events = legacy.stream("tools/call", call()).await;
        // The server goes on once it has its answer, as real ones do.
        eventually("an answer at the server", || {
            let answers = stage.crm.arrived().into_iter().filter(|request| request.rpc_method() == "response").count();
            (answers > before).then_some(())
        })
        .await;
        let answer = stage.crm.wait_for("response").await;
        assert_eq!(answer.json()["id"], "q-1");
        assert_eq!(answer.json()["error"]["code"], -32601, "{method}: {}", answer.json());
        assert!(answer.header("mcp-session-id").is_some_and(|id| id.starts_with("upstream-session-")), "{answer:?}");
        answered.open();
        let heard = events.rest().await;
        assert_eq!(heard.len(), 1, "{method} reached the client: {heard:?}");
        assert_eq!(heard[0]["result"], tool_result("went on"));
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_question_in_the_stateless_revision_ends_the_stream() {
    let stage = Stage::set().await;
    let question = json!({ "jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage", "params": {} });
    stage.answers([Step::message(&note("first")), Step::message(&question), Step::text("never")]);
    let answer = stage.ada.call("echo", json!({})).await;
    let messages = answer.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!((&messages[1]["id"], &messages[1]["error"]["code"]), (&json!(1), &json!(-31502)), "{messages:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_call_along() {
    let stage = Stage::set().await;
    let never = Gate::default();
    stage.answers([Step::message(&note("one")), Step::Wait(never.clone()), Step::text("late")]);
    let mut events = stage.ada.stream("tools/call", call()).await;
    assert_eq!(events.next().await.unwrap(), note("one"));
    let id = events.head.call();
    drop(events);
    eventually("the server's connection is closed", || (stage.crm.cancelled() == 1).then_some(())).await;
    let outcome = stage.outcome(&id).await;
    assert_eq!((&outcome["status"], &outcome["events"]), (&json!("client_gone"), &json!(1)), "{outcome}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_does_too() {
    let stage = Stage::set().await;
    let never = Gate::default();
    stage.crm.on_tool("echo", Reply::text("late").after(&never));
    let waiting = stage.ada.post(&stage.ada.message(Some(&json!(1)), "tools/call", call())).open().await;
    let id = stage.crm.wait_for("tools/call").await.header("yett-call").unwrap().to_owned();
    drop(waiting);
    eventually("the server's connection is closed", || (stage.crm.cancelled() == 1).then_some(())).await;
    assert_eq!(stage.outcome(&id).await["status"], "client_gone");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_message_over_many_lines_stays_one_message() {
    let stage = Stage::set().await;
    let lines = ["data: {", "data:   \"jsonrpc\": \"2.0\",", "data:   \"id\": {id},", "data:   \"result\":"];
    let result = serde_json::to_string_pretty(&tool_result("a\nb")).unwrap().replace('\n', "\ndata: ");
    let written = format!(": hello\nid: 7\nretry: 10\n{}\ndata: {result}\ndata: }}\n\n", lines.join("\n"));
    for (ending, text) in [("LF", written.clone()), ("CRLF", written.replace('\n', "\r\n")), ("CR", written.replace('\n', "\r"))]
    {
        stage.answers([Step::Raw(text.into_bytes())]);
        let mut events = stage.ada.stream("tools/call", call()).await;
        let event = events.next_text().await.unwrap();
        assert!(!event.contains('\r'), "{ending}: {event:?}");
        let data = event.strip_prefix("event: message\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let message: Value = serde_json::from_str(data.filter(|data| !data.contains('\n')).unwrap()).unwrap();
        assert_eq!((&message["id"], &message["result"]), (&json!(1), &tool_result("a\nb")), "{ending}");
    }
    // A line end costs as much as it did: what comes as 64 Ki lines does not become seven times as long.
    let result = tool_result("dense");
    let dense = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{{id}},{}\"result\":{result}}}\n\n", "\ndata:".repeat(1 << 16));
    stage.answers([Step::Raw(dense.into_bytes())]);
    let event = stage.ada.stream("tools/call", call()).await.next_text().await.unwrap();
    assert!((1 << 16..(1 << 16) + 1_000).contains(&event.len()), "{} bytes", event.len());
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn events_that_carry_no_message_are_not_passed_on() {
    let stage = Stage::set().await;
    let foreign = format!("event: endpoint\ndata: {}\n\n", note("not for you"));
    stage.answers([
        Step::Raw(b"id: 1\ndata:\n\n: comment\n\n".to_vec()),
        Step::Raw(foreign.into_bytes()),
        Step::message(&note("for you")),
        Step::text("done"),
        Step::message(&note("too late")),
    ]);
    let messages = stage.ada.call("echo", json!({})).await.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0], note("for you"));
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_kill_switch_ends_a_stream_at_its_next_message() {
    let stage = Stage::set().await;
    let more = Gate::default();
    stage.answers([Step::message(&note("one")), Step::Wait(more.clone()), Step::message(&note("two")), Step::text("three")]);
    let mut events = stage.ada.stream("tools/call", call()).await;
    assert_eq!(events.next().await.unwrap(), note("one"));
    stage.gateway.running.operations().set_switch(&Switch::Server("crm".to_owned()), true, "admin").await.unwrap();
    more.open();
    let last = events.next().await.unwrap();
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-31503)), "{last}");
    assert_eq!(events.next().await, None);
    let outcome = stage.outcome(&events.head.call()).await;
    assert_eq!((&outcome["status"], &outcome["events"]), (&json!("killed"), &json!(1)), "{outcome}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_that_outlasts_a_shutdown_gets_a_final_message_and_an_outcome() {
    let crm = Upstream::start().await;
    let quick = "shutdown: { delay: 0s, drain: 100ms }\n";
    let gateway = Gateway::start().servers([("crm", &crm)]).config_extra(quick).await;
    let key = gateway.key("ada", &["staff"]).await;
    let never = Gate::default();
    crm.on_tool("echo", Reply::stream([Step::message(&note("one")), Step::Wait(never), Step::text("late")]));
    let mut events = gateway.modern("crm", &key).stream("tools/call", call()).await;
    assert_eq!(events.next().await.unwrap(), note("one"));
    let id = events.head.call();
    let data = gateway.data();
    let (last, _) = tokio::join!(events.next(), within("the end", gateway.running.stop()));
    let last = last.expect("the stream ends without a word");
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-31503)), "{last}");
    let mut seen = Vec::new();
    let filter = yett::audit::Filter { tail: Some(2), ..Default::default() };
    yett::audit::show(&data.join("audit"), &filter, &mut |shown| {
        seen.push(shown.value().clone());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((&seen[0]["call"], &seen[0]["kind"]), (&json!(id), &json!("call.outcome")), "{seen:?}");
    assert_eq!(seen[1]["kind"], "stop", "{seen:?}");
}

//! What passes.

use serde_json::{Value, json};
use yett::audit::Filter;

use super::Stage;
use super::client::SseClient;
use crate::support::eventually;
use crate::support::reply::{Gate, Reply, Step};

#[tokio::test]
async fn a_session_begins_with_its_stream_and_answers_leave_on_it() {
    let stage = Stage::set().await;
    let mut ada = SseClient::open(&stage.gateway, "crm", &stage.key).await;
    let head = &ada.events.head;
    assert_eq!((head.header("content-type"), head.header("cache-control")), (Some("text/event-stream"), Some("no-cache")));
    assert_eq!(head.header("mcp-session-id"), None, "it stands in the endpoint only");
    assert!(ada.target.starts_with("/mcp/crm/sse?sessionId="), "{}", ada.target);
    assert_eq!(ada.session().len(), 43, "256 random bits");
    assert_eq!(stage.crm.count(), 0, "a session begins with its handshake");
    let opening = ada.events.head.call();
    let opened = stage.gateway.records_of(&opening);
    assert_eq!((&opened[0]["what"]["method"], &opened[0]["dec"]["effect"]), (&json!("GET"), &json!("allow")), "{opened:#?}");
    assert_eq!(opened.len(), 1, "its outcome is its end: {opened:#?}");

    assert_eq!(ada.shake_hands(json!({})).await["result"]["serverInfo"]["name"], "fake");
    stage.crm.on_tool("echo", Reply::text("her number is 536-22-1234"));
    let asked = ada.ask("tools/call", json!({ "name": "echo", "arguments": { "text": "mine is 536-22-1234" } })).await;
    let answer = ada.next().await;
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(1), &json!("her number is [us_ssn]")));
    let arrived = stage.crm.calls().pop().unwrap();
    assert_eq!(arrived.json()["params"]["arguments"]["text"], "mine is [us_ssn]", "as judged");
    assert_eq!(arrived.header("mcp-session-id"), Some("upstream-session-1"));
    assert!(!format!("{:?}", stage.crm.arrived()).contains(ada.session()), "the server was told our id");

    let records = stage.gateway.ended(&asked.call()).await;
    assert_eq!((&records[0]["what"]["name"], &records[0]["dec"]["effect"]), (&json!("echo"), &json!("allow")), "{records:#?}");
    assert_eq!(records[1]["out"]["status"], "ok", "{records:#?}");
    assert_eq!(records[0]["sess"], opened[0]["sess"], "all that is said in the session names it");
    assert!(!format!("{:?}", stage.gateway.records(&Filter::default())).contains(ada.session()), "no record holds the id");
    drop(ada);
    let ended = stage.gateway.ended(&opening).await;
    assert_eq!((ended.len(), &ended[1]["out"]["status"]), (2, &json!("client_gone")), "{ended:#?}");
    stage.end().await;
}

#[tokio::test]
async fn a_streamed_reply_leaves_message_by_message_and_calls_do_not_wait_for_each_other() {
    let stage = Stage::set().await;
    let mut ada = stage.client().await;
    let gate = Gate::default();
    let note =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "536-22-1234" } });
    stage.crm.on_tool("slow", Reply::stream([Step::message(&note), Step::Wait(gate.clone()), Step::text("done")]));
    let slow = json!({ "jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": { "name": "slow", "arguments": {} } });
    assert_eq!(ada.send(&slow).await.status, 202);
    assert_eq!(ada.next().await["params"]["data"], "[us_ssn]");
    assert_eq!(ada.call("echo", json!({})).await["result"]["content"][0]["text"], "echo was called");
    gate.open();
    let last = ada.next().await;
    assert_eq!((&last["id"], &last["result"]["content"][0]["text"]), (&json!("slow"), &json!("done")));
    stage.end().await;
}

fn form(id: &str) -> Value {
    let params = json!({ "message": "Who?", "requestedSchema": { "type": "object", "properties": {} } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params })
}

/// What a user has typed into it.
fn filled_in(asked: &Value, name: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "accept", "content": { "n": name } } })
}

#[tokio::test]
async fn a_server_asks_on_the_stream_by_an_id_of_ours_and_is_answered_by_a_post() {
    let stage = Stage::set().await;
    let mut ada = stage.client().await;
    let gate = Gate::default();
    stage.crm.on_tool("ask", Reply::stream([Step::message(&form("q-7")), Step::Wait(gate.clone()), Step::text("done")]));
    let asked = ada.call("ask", json!({})).await;
    assert_eq!((&asked["method"], asked["id"].is_u64()), (&json!("elicitation/create"), true), "{asked:#}");
    assert_eq!(ada.send(&filled_in(&asked, "536-22-1234")).await.status, 202);
    let arrived = stage.crm.wait_for("response").await.json();
    assert_eq!((&arrived["id"], &arrived["result"]["content"]["n"]), (&json!("q-7"), &json!("[us_ssn]")));

    let seen = stage.crm.count();
    let again = ada.send(&filled_in(&asked, "Eve")).await;
    assert_eq!(again.status, 202);
    let refused = eventually("its record", || stage.gateway.records_of(&again.call()).pop()).await;
    assert_eq!(refused["dec"]["effect"], "deny", "a second answer is none: {refused:#}");
    assert_eq!(stage.crm.count(), seen);
    gate.open();
    assert_eq!(ada.next().await["result"]["content"][0]["text"], "done");
    stage.end().await;
}

#[tokio::test]
async fn a_server_whose_answer_is_withheld_is_told_so_and_need_not_wait() {
    let stage = Stage::set().await;
    let mut ada = stage.client().await;
    let gate = Gate::default();
    stage.crm.on_tool("ask", Reply::stream([Step::message(&form("q-8")), Step::Wait(gate.clone()), Step::text("done")]));
    let asked = ada.call("ask", json!({})).await;
    let withheld = ada.send(&filled_in(&asked, "AKIAIOSFODNN7EXAMPLE")).await;
    assert_eq!(withheld.status, 202, "nobody waits for what becomes of it");
    let arrived = stage.crm.wait_for("response").await.json();
    assert_eq!((&arrived["id"], &arrived["error"]["code"]), (&json!("q-8"), &json!(-31422)), "{arrived:#}");
    assert_eq!(arrived["error"]["message"], "the answer was withheld by policy");
    let refused = eventually("its record", || stage.gateway.records_of(&withheld.call()).pop()).await;
    assert_eq!((&refused["dec"]["effect"], &refused["dec"]["reason"]), (&json!("deny"), &json!("blocked")), "{refused:#}");

    // The question is over, for the server too.
    let seen = stage.crm.count();
    let again = ada.send(&filled_in(&asked, "Ada")).await;
    let refused = eventually("its record", || stage.gateway.records_of(&again.call()).pop()).await;
    assert_eq!((&refused["dec"]["effect"], stage.crm.count()), (&json!("deny"), seen), "{refused:#}");
    gate.open();
    assert_eq!(ada.next().await["result"]["content"][0]["text"], "done");
    stage.end().await;
}

#[tokio::test]
async fn what_a_server_pushes_leaves_on_the_same_stream_judged() {
    let stage = Stage::set().await;
    let gate = Gate::default();
    let updated = |uri: &str| json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } });
    let steps = [updated("file:///private/x"), updated("file:///public/x"), form("p")];
    let steps = steps.iter().map(Step::message).chain([Step::Wait(gate.clone())]);
    stage.crm.on_method("GET", Reply::stream(steps));
    let mut ada = stage.client().await;
    assert_eq!(ada.next().await["params"]["uri"], "file:///public/x", "only what the caller may read");
    let asked = ada.next().await;
    assert_eq!(asked["method"], "elicitation/create");
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "decline" } });
    assert_eq!(ada.send(&answer).await.status, 202);
    assert_eq!(stage.crm.wait_for("response").await.json()["id"], "p");
    let opened = stage.crm.wait_for("GET").await;
    assert_eq!(opened.header("mcp-session-id"), Some("upstream-session-1"));
    assert_eq!((opened.header("accept"), opened.body.len()), (Some("text/event-stream"), 0));

    // Asked for once, and recorded like a GET of the client's own.
    assert_eq!(ada.call("echo", json!({})).await["id"], 1);
    assert_eq!(stage.crm.arrived().iter().filter(|request| request.method == "GET").count(), 1);
    let call = opened.header("yett-call").unwrap().to_owned();
    gate.open();
    let records = stage.gateway.ended(&call).await;
    assert_eq!(records[0]["what"]["method"], "GET", "{records:#?}");
    assert_eq!(records.last().unwrap()["out"]["status"], "ended", "{records:#?}");
    stage.end().await;
}

#[tokio::test]
async fn a_stop_tells_what_is_under_way_and_ends_the_stream() {
    let stage = Stage::set().await;
    let mut ada = stage.client().await;
    let gate = Gate::default();
    stage.crm.on_tool("slow", Reply::text("in time").after(&gate));
    stage.crm.on_method("GET", Reply::empty(405));
    ada.ask("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    stage.crm.wait_for("tools/call").await;
    let reading = async {
        // The stop must wait for the call, and the call's answer must still find its stream.
        gate.open();
        assert_eq!(ada.next().await["result"]["content"][0]["text"], "in time");
        assert_eq!(ada.events.next_text().await, None, "the stream outlives the gateway");
    };
    tokio::join!(stage.gateway.stop_and_verify(), reading);
}

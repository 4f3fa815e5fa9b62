//! Revisions with a session: what is kept for a client that does not know that it has one.

use serde_json::{Value, json};

use super::{Stage, text};
use crate::support::eventually;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Arrived;

fn subscribe(uri: &str) -> Value {
    json!({ "uri": uri })
}

/// The requests of that method.
fn of(stage: &Stage, method: &str) -> Vec<Arrived> {
    stage.crm.arrived().into_iter().filter(|request| request.rpc_method() == method).collect()
}

#[tokio::test]
async fn every_request_of_a_session_names_it_and_its_revision() {
    let stage = Stage::set().await;
    let mut wire = stage.session().await;
    assert_eq!(text(&wire.call("echo").await), "echo was called");
    let call = stage.crm.wait_for("tools/call").await;
    assert_eq!(call.header("mcp-protocol-version"), Some("2025-11-25"), "{call:?}");
    assert_eq!(call.header("mcp-session-id"), Some("upstream-session-1"));
    assert_eq!(call.json()["params"], json!({ "name": "echo", "arguments": {} }));
    let exit = wire.close().await;
    assert_eq!(exit.code, Some(0), "{}", exit.complaints);
    let goodbye = stage.crm.wait_for("DELETE").await;
    assert_eq!(goodbye.header("mcp-session-id"), Some("upstream-session-1"));
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_signal_ends_the_session_and_the_program_in_order() {
    for signal in ["TERM", "INT"] {
        let stage = Stage::set().await;
        let wire = stage.session().await;
        stage.crm.wait_for("notifications/initialized").await;
        let exit = wire.signal(signal).await;
        assert_eq!(exit.code, Some(0), "SIG{signal}: {}", exit.complaints);
        stage.crm.wait_for("DELETE").await;
        stage.gateway.stop_and_verify().await;
    }
}

#[tokio::test]
async fn progress_comes_before_the_answer() {
    let stage = Stage::set().await;
    let progress = |step: u64| json!({ "progressToken": "p", "progress": step, "total": 2 });
    let report = |step| {
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": progress(step) });
        Step::Message(note.to_string().replace(r#""p""#, "{token}"))
    };
    let gate = Gate::default();
    stage.crm.on_tool("slow", Reply::stream([report(1), Step::Wait(gate.clone()), report(2), Step::text("done")]));
    let mut wire = stage.session().await;
    let params = json!({ "name": "slow", "arguments": {}, "_meta": { "progressToken": "p" } });
    let id = wire.begin("tools/call", params).await;
    assert_eq!(wire.next().await["params"], progress(1), "at once, not at the end");
    gate.open();
    assert_eq!(wire.next().await["params"], progress(2));
    assert_eq!(text(&wire.response(&id).await), "done");
    stage.end(wire).await;
}

#[tokio::test]
async fn a_question_reaches_the_client_and_its_answer_the_server() {
    let stage = Stage::set().await;
    let form = json!({ "message": "Who?", "requestedSchema": { "type": "object", "properties": {} } });
    let question = json!({ "jsonrpc": "2.0", "id": "q-1", "method": "elicitation/create", "params": form });
    let gate = Gate::default();
    stage.crm.on_tool("ask", Reply::stream([Step::message(&question), Step::Wait(gate.clone()), Step::text("done")]));
    let mut wire = stage.session().await;
    let id = wire.begin("tools/call", json!({ "name": "ask", "arguments": {} })).await;
    let asked = wire.next().await;
    assert_eq!((&asked["method"], &asked["params"]), (&json!("elicitation/create"), &form), "{asked:#}");
    let result = json!({ "action": "accept", "content": { "name": "Ada" } });
    wire.send(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result })).await;
    let answer = stage.crm.wait_for("response").await;
    assert_eq!(answer.json(), json!({ "jsonrpc": "2.0", "id": "q-1", "result": result }));
    wire.send(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result })).await;
    gate.open();
    assert_eq!(text(&wire.response(&id).await), "done");
    wire.request("ping", json!({})).await;
    assert_eq!(of(&stage, "response").len(), 1, "an answer that was given twice");
    stage.end(wire).await;
}

#[tokio::test]
async fn what_the_server_pushes_reaches_the_client() {
    let stage = Stage::set().await;
    let updated = |uri: &str| {
        Step::message(&json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } }))
    };
    let gate = Gate::default();
    stage.crm.on_method("resources/subscribe", Reply::result(&json!({})));
    stage.crm.on_method("GET", Reply::stream([updated("file:///a"), Step::Wait(gate.clone()), updated("file:///b")]));
    let mut wire = stage.session().await;
    wire.begin("resources/subscribe", subscribe("file:///a")).await;
    let first = wire.until(|message| message["method"] == "notifications/resources/updated").await;
    assert_eq!(first["params"]["uri"], "file:///a");
    gate.open();
    let second = wire.until(|message| message["params"]["uri"] == "file:///b").await;
    assert_eq!(second["method"], "notifications/resources/updated");
    // The server has closed it; another one is opened.
    eventually("another push stream", || (of(&stage, "GET").len() > 1).then_some(())).await;
    stage.end(wire).await;
}

#[tokio::test]
async fn a_server_that_pushes_nothing_is_not_asked_again() {
    let stage = Stage::set().await;
    let mut wire = stage.session().await;
    stage.crm.wait_for("GET").await;
    for _ in 0..3 {
        assert_eq!(text(&wire.call("echo").await), "echo was called");
    }
    assert_eq!(of(&stage, "GET").len(), 1);
    stage.end(wire).await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_ends_at_the_server_and_is_not_answered() {
    let stage = Stage::set().await;
    stage.crm.on_tool("slow", Reply::text("too late").after(&Gate::default()));
    let mut wire = stage.session().await;
    let id = wire.begin("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    stage.crm.wait_for("tools/call").await;
    wire.notify("notifications/cancelled", json!({ "requestId": id, "reason": "changed my mind" })).await;
    let told = stage.crm.wait_for("notifications/cancelled").await;
    assert_eq!(told.json()["params"]["reason"], "changed my mind");
    eventually("the server lost the caller", || (stage.crm.cancelled() == 1).then_some(())).await;
    // Its id is free, and nothing was said about it.
    wire.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).await;
    let pong = wire.next().await;
    assert_eq!((&pong["id"], &pong["result"]), (&id, &json!({})), "{pong:#}");
    stage.end(wire).await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_what_it_has_begun() {
    let stage = Stage::set().await;
    stage.crm.on_tool("slow", Reply::text("too late").after(&Gate::default()));
    let mut wire = stage.session().await;
    wire.begin("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    stage.crm.wait_for("tools/call").await;
    let exit = wire.close().await;
    assert_eq!(exit.code, Some(0), "{}", exit.complaints);
    eventually("the server lost the caller", || (stage.crm.cancelled() == 1).then_some(())).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_reply_that_the_server_interrupts_is_read_on_and_asked_for_once() {
    let stage = Stage::set().await;
    let primed = Step::Raw(b"id: e-1\nretry: 100\ndata:\n\n".to_vec());
    stage.crm.on_tool("poll", Reply::stream([primed]));
    let rest = json!({ "jsonrpc": "2.0", "id": 2, "result": crate::support::reply::tool_result("at last") });
    stage.crm.on_method("GET", Reply::stream([Step::Message(rest.to_string())]));
    let mut wire = stage.session().await;
    let id = wire.begin("tools/call", json!({ "name": "poll", "arguments": {} })).await;
    assert_eq!(id, json!(2), "what the server's answer names");
    assert_eq!(text(&wire.response(&id).await), "at last");
    assert_eq!(stage.crm.calls().len(), 1, "the call was sent again");
    stage.end(wire).await;
}

#[tokio::test]
async fn a_session_that_is_lost_is_begun_again_with_all_that_was_set_up() {
    let stage = Stage::set().await;
    for method in ["resources/subscribe", "resources/unsubscribe", "logging/setLevel"] {
        stage.crm.on_method(method, Reply::result(&json!({})));
    }
    let mut wire = stage.session().await;
    for uri in ["file:///a", "file:///b"] {
        wire.request("resources/subscribe", subscribe(uri)).await;
    }
    wire.request("resources/unsubscribe", subscribe("file:///a")).await;
    wire.request("logging/setLevel", json!({ "level": "warning" })).await;
    let before = stage.crm.count();
    stage.crm.forget_sessions();
    assert_eq!(text(&wire.call("echo").await), "echo was called", "the client notices nothing");
    let after: Vec<_> = stage.crm.arrived()[before..].iter().filter(|request| request.method == "POST").cloned().collect();
    let methods: Vec<_> = after.iter().map(Arrived::rpc_method).collect();
    let expected =
        ["tools/call", "initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe", "tools/call"];
    assert_eq!(methods, expected, "the first call found no session");
    assert_eq!(after[4].json()["params"]["uri"], "file:///b");
    assert_eq!(after[5].header("mcp-session-id"), Some("upstream-session-2"));
    stage.end(wire).await;
}

#[tokio::test]
async fn a_session_that_would_be_another_is_not_begun_again() {
    let stage = Stage::set().await;
    let mut wire = stage.session().await;
    stage.crm.forget_sessions();
    stage.crm.on_method(
        "initialize",
        Reply::result(&json!({
        "protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": { "name": "fake", "version": "2" } })),
    );
    let refused = wire.call("echo").await;
    assert_eq!(refused["error"]["code"], -31404, "{refused:#}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("start this server again"), "{refused:#}");
    stage.end(wire).await;
}

#[tokio::test]
async fn a_gateway_that_is_started_again_is_found_again() {
    let stage = Stage::set().await;
    let mut wire = stage.session().await;
    assert_eq!(text(&wire.call("echo").await), "echo was called");
    let (address, key, crm) = (stage.gateway.address, stage.key.clone(), stage.crm);
    let folder = stage.gateway.stop().await;
    let config = folder.path().join("yett.yaml");
    let text_of = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text_of.replacen("address: \"127.0.0.1:0\"", &format!("address: \"{address}\""), 1)).unwrap();
    // Asked while nobody is there: it waits, and is sent once.
    let id = wire.begin("tools/call", json!({ "name": "search", "arguments": {} })).await;
    let gateway = folder.start().await;
    assert_eq!(gateway.address, address);
    assert_eq!(text(&wire.response(&id).await), "search was called");
    let searched = crm.calls().iter().filter(|call| call.json()["params"]["name"] == "search").count();
    assert_eq!(searched, 1, "the call was sent twice");
    Stage { gateway, crm, key }.end(wire).await;
}

#[tokio::test]
async fn no_request_overtakes_the_handshake_or_a_notification_that_was_written_before_it() {
    let stage = Stage::set().await;
    let gates = [Gate::default(), Gate::default()];
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": { "name": "fake", "version": "1" } });
    stage.crm.on_method("initialize", Reply::result(&hello).header("Mcp-Session-Id", "upstream-session-1").after(&gates[0]));
    stage.crm.on_method("notifications/initialized", Reply::empty(202).after(&gates[1]));
    stage.crm.on_method("tools/call", Reply::text("done"));
    stage.crm.on_method("GET", Reply::empty(405));
    // Some clients do not wait for anything.
    let mut wire = stage.open();
    let info = json!({ "name": "test", "version": "1.0.0" });
    let id = wire.begin("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info })).await;
    wire.notify("notifications/initialized", json!({})).await;
    let call = wire.begin("tools/call", json!({ "name": "echo", "arguments": {} })).await;
    let came = || stage.crm.arrived().iter().map(Arrived::rpc_method).filter(|method| method != "GET").collect::<Vec<_>>();
    for (gate, last) in gates.iter().zip(["initialize", "notifications/initialized"]) {
        stage.crm.wait_for(last).await;
        // Whatever could overtake has had the time in which another has come and gone.
        let mut other = stage.open();
        other.request_modern("server/discover", json!({})).await;
        let own: Vec<_> = came().into_iter().filter(|method| method != "server/discover").collect();
        assert_eq!(own.last().map(String::as_str), Some(last), "{own:?}");
        assert_eq!(other.close().await.code, Some(0));
        gate.open();
    }
    assert_eq!(wire.response(&id).await["result"]["serverInfo"]["name"], "fake");
    assert_eq!(text(&wire.response(&call).await), "done");
    let own: Vec<_> = came().into_iter().filter(|method| method != "server/discover").collect();
    assert_eq!(own, ["initialize", "notifications/initialized", "tools/call"]);
    stage.end(wire).await;
}

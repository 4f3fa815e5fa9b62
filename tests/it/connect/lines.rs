//! What a client writes that is no message, and how much of anything there may be.

use serde_json::{Value, json};

use super::{Stage, Wire, text};
use crate::support::eventually;
use crate::support::reply::{Gate, Reply};
use crate::support::server::Arrived;

#[tokio::test]
async fn a_line_that_is_no_message_is_answered_and_the_next_one_is_read() {
    let stage = Stage::set().await;
    let mut wire = stage.session().await;
    let table = [
        ("garbage", -32700),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping""#, -32700),
        (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"ping"}"#, -32700),
        (r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, -32600),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
    ];
    for (line, code) in table {
        wire.write(&format!("{line}\r\n\n")).await;
        let refused = wire.next().await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(code)), "{line}: {refused:#}");
    }
    // The session's own handshake may still be on its way; a ping is not part of it.
    let sent: Vec<_> =
        stage.crm.arrived().into_iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert!(sent.iter().all(|body| !body.contains("ping") && !body.contains("garbage")), "something of it was sent: {sent:?}");
    assert_eq!(text(&wire.call("echo").await), "echo was called");
    stage.end(wire).await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_thrown_away_and_said_to_be() {
    let stage = Stage::set().await;
    let mut wire = Wire::with(&["--max-message", "64KiB", &stage.gateway.url("crm")], Some(&stage.key));
    wire.shake_hands(json!({})).await;
    let seen = stage.crm.count();
    let long = "x".repeat(1 << 20);
    wire.send(
        &json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": { "name": "echo", "arguments": { "x": long } } }),
    )
    .await;
    let refused = wire.next().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32600)), "{refused:#}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("--max-message"), "{refused:#}");
    assert!(stage.crm.arrived()[seen..].iter().all(|request| request.rpc_method() != "tools/call"));
    assert_eq!(text(&wire.call("echo").await), "echo was called");
    stage.end(wire).await;
}

#[tokio::test]
async fn what_is_written_at_once_arrives_in_order() {
    let stage = Stage::set().await;
    let mut wire = stage.open();
    let info = json!({ "name": "test", "version": "1.0.0" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let all = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "echo", "arguments": {} } }),
    ];
    let lines: Vec<_> = all.iter().map(|message| format!("{message}\n")).collect();
    wire.write(&lines.concat()).await;
    assert_eq!(text(&wire.response(&json!(2)).await), "echo was called");
    let arrived: Vec<_> =
        stage.crm.arrived().iter().filter(|request| request.method == "POST").map(Arrived::rpc_method).collect();
    assert_eq!(arrived, ["initialize", "notifications/initialized", "notifications/roots/list_changed", "tools/call"]);
    stage.end(wire).await;
}

#[tokio::test]
async fn an_id_that_is_open_cannot_be_used_again() {
    let stage = Stage::set().await;
    let gate = Gate::default();
    stage.crm.on_tool("slow", Reply::text("slow").after(&gate));
    let mut wire = stage.session().await;
    let id = wire.begin("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    stage.crm.wait_for("tools/call").await;
    wire.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).await;
    let refused = wire.response(&id).await;
    assert_eq!(refused["error"]["code"], -32600, "{refused:#}");
    gate.open();
    assert_eq!(text(&wire.response(&id).await), "slow");
    stage.end(wire).await;
}

#[tokio::test]
async fn many_requests_are_under_way_at_once() {
    let stage = Stage::set().await;
    let gate = Gate::default();
    stage.crm.on_tool("slow", Reply::text("slow").after(&gate));
    let mut wire = stage.session().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(wire.begin("tools/call", json!({ "name": "slow", "arguments": {} })).await);
    }
    eventually("all of them at the server", || (stage.crm.calls().len() == 20).then_some(())).await;
    assert_eq!(text(&wire.call("echo").await), "echo was called", "a quick one overtakes them");
    gate.open();
    for _ in 0..20 {
        let answered = wire.next().await;
        assert_eq!(text(&answered), "slow");
        let at = open.iter().position(|id| *id == answered["id"]).expect("an open id");
        open.swap_remove(at);
    }
    stage.end(wire).await;
}

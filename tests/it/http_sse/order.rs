//! What a client sends one after the other reaches the server in that order, though every POST is answered before its message goes on.

use serde_json::json;

use super::Stage;
use super::client::SseClient;
use crate::support::reply::{Gate, Reply};
use crate::support::server::Arrived;

/// What has come in a session of the server's, in order.
fn came(stage: &Stage, session: &str) -> Vec<String> {
    let own = |request: &Arrived| request.header("mcp-session-id") == Some(session) && request.method == "POST";
    stage.crm.arrived().iter().filter(|request| own(request)).map(Arrived::rpc_method).collect()
}

#[tokio::test]
async fn no_request_overtakes_what_its_client_has_said_before_it() {
    let stage = Stage::set().await;
    stage.crm.on_method("GET", Reply::empty(405));
    let gate = Gate::default();
    stage.crm.on_method("notifications/initialized", Reply::empty(202).after(&gate));
    let mut ada = SseClient::open(&stage.gateway, "crm", &stage.key).await;
    ada.shake_hands(json!({})).await;
    assert_eq!(ada.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await.status, 202);
    assert_eq!(ada.send(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" })).await.status, 202);
    ada.ask("tools/call", json!({ "name": "echo", "arguments": {} })).await;
    stage.crm.wait_for("notifications/initialized").await;
    // Whatever could overtake has had the time in which others have come and gone.
    for _ in 0..3 {
        let mut bob = SseClient::open(&stage.gateway, "crm", &stage.key).await;
        bob.shake_hands(json!({})).await;
        assert_eq!(bob.call("search", json!({})).await["id"], 1);
    }
    assert_eq!(came(&stage, "upstream-session-1"), ["notifications/initialized"], "before that was taken");
    gate.open();
    assert_eq!(ada.next().await["result"]["isError"], false);
    let order = ["notifications/initialized", "notifications/roots/list_changed", "tools/call"];
    assert_eq!(came(&stage, "upstream-session-1"), order);
    stage.end().await;
}

#[tokio::test]
async fn what_is_refused_holds_nothing_up_and_calls_do_not_wait_for_each_other() {
    let stage = Stage::set().await;
    let mut ada = stage.settled().await;
    let gate = Gate::default();
    stage.crm.on_tool("slow", Reply::text("slow").after(&gate));
    let slow = json!({ "jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": { "name": "slow", "arguments": {} } });
    assert_eq!(ada.send(&slow).await.status, 202);
    stage.crm.wait_for("tools/call").await;
    let unknown = json!({ "jsonrpc": "2.0", "method": "notifications/unheard_of" });
    assert_eq!(ada.send(&unknown).await.status, 202);
    assert_eq!(ada.call("echo", json!({})).await["result"]["content"][0]["text"], "echo was called");
    gate.open();
    assert_eq!(ada.next().await["id"], "slow");
    stage.end().await;
}

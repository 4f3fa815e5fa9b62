//! 2026-07-28: headers that repeat the body, subscriptions, and requests that end with their reply.

use serde_json::{Value, json};

use super::{Stage, text};
use crate::support::eventually;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Arrived;

/// A tool whose argument `region` is repeated in a header.
fn marked(name: &str, mark: &str) -> Value {
    let properties = json!({ "region": { "type": "string", "x-mcp-header": mark }, "text": { "type": "string" } });
    json!({ "name": name, "description": "Does what its name says.",
        "inputSchema": { "type": "object", "properties": properties } })
}

fn headers<'a>(request: &'a Arrived, names: &[&str]) -> Vec<Option<&'a str>> {
    names.iter().map(|name| request.header(name)).collect()
}

#[tokio::test]
async fn every_request_repeats_what_the_specification_wants() {
    let stage = Stage::set().await;
    stage.crm.on_method("resources/read", Reply::result(&json!({ "contents": [], "resultType": "complete" })));
    let mut wire = stage.open();
    let found = wire.request_modern("server/discover", json!({})).await;
    assert_eq!(found["result"]["supportedVersions"][0], "2026-07-28", "{found:#}");
    let uri = "file:///naïve report";
    let names = ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"];
    wire.request_modern("tools/call", json!({ "name": "echo", "arguments": {} })).await;
    let call = stage.crm.wait_for("tools/call").await;
    assert_eq!(headers(&call, &names), [Some("2026-07-28"), Some("tools/call"), Some("echo"), None]);
    let read = wire.request_modern("resources/read", json!({ "uri": uri })).await;
    assert_eq!(read["error"]["code"], -32602, "a URI that no policy compares, which the gateway says itself: {read:#}");
    let discovered = stage.crm.wait_for("server/discover").await;
    assert_eq!(headers(&discovered, &names), [Some("2026-07-28"), Some("server/discover"), None, None]);
    assert!(stage.crm.arrived().iter().all(|request| request.method == "POST"), "no push stream, no goodbye");
    stage.end(wire).await;
}

#[tokio::test]
async fn marked_arguments_are_repeated_and_flawed_tools_left_out() {
    let stage = Stage::set().await;
    stage.crm.set_tools([marked("where", "Region"), marked("flawed", "no token"), marked("plain", "Other")]);
    let mut wire = stage.open();
    let listed = wire.request_modern("tools/list", json!({})).await;
    let names: Vec<_> = listed["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["where", "plain"], "{listed:#}");
    let arguments = json!({ "region": "Zürich", "text": "x" });
    let answer = wire.request_modern("tools/call", json!({ "name": "where", "arguments": arguments })).await;
    assert_eq!(text(&answer), "where was called");
    let call = stage.crm.wait_for("tools/call").await;
    assert_eq!(call.header("mcp-param-region"), Some("=?base64?WsO8cmljaA==?="), "{call:?}");
    assert_eq!(call.header("mcp-param-other"), None);
    stage.end(wire).await;
}

#[tokio::test]
async fn a_call_whose_headers_are_missed_is_made_again_once_the_tool_is_known() {
    let stage = Stage::set().await;
    stage.crm.set_tools([marked("where", "Region")]);
    let mismatch = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32020,"message":"Header mismatch"}}"#;
    stage.crm.on_tool("where", Reply::body("application/json", mismatch).status(400));
    let mut wire = stage.open();
    let arguments = json!({ "name": "where", "arguments": { "region": "eu" } });
    // This server is never content; it has to hear the header, and nobody may ask it for ever.
    let refused = wire.request_modern("tools/call", arguments).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(1), &json!(-32020)), "{refused:#}");
    let calls: Vec<_> = stage.crm.calls().iter().map(|call| call.header("mcp-param-region").map(str::to_owned)).collect();
    assert_eq!(calls, [None, Some("eu".to_owned())]);
    stage.end(wire).await;
}

#[tokio::test]
async fn a_subscription_is_told_of_until_it_is_taken_back() {
    let stage = Stage::set().await;
    let of = |method: &str, id: u64| {
        let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
        Step::message(&json!({ "jsonrpc": "2.0", "method": method, "params": { "_meta": meta, "notifications": {} } }))
    };
    let gate = Gate::default();
    let steps = [
        of("notifications/subscriptions/acknowledged", 1),
        Step::Wait(gate.clone()),
        of("notifications/tools/list_changed", 1),
        Step::Wait(Gate::default()),
    ];
    stage.crm.on_method("subscriptions/listen", Reply::stream(steps));
    let mut wire = stage.open();
    let id = wire.begin_modern("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
    assert_eq!(wire.next().await["method"], "notifications/subscriptions/acknowledged");
    gate.open();
    assert_eq!(wire.next().await["method"], "notifications/tools/list_changed");
    wire.notify("notifications/cancelled", json!({ "requestId": id })).await;
    eventually("the server lost the subscriber", || (stage.crm.cancelled() == 1).then_some(())).await;
    assert!(
        !stage.crm.arrived().iter().any(|request| request.rpc_method() == "notifications/cancelled"),
        "there is no such message"
    );
    stage.end(wire).await;
}

#[tokio::test]
async fn a_subscription_that_breaks_is_said_to_be_over() {
    let stage = Stage::set().await;
    stage.crm.on_method("subscriptions/listen", Reply::stream([Step::Cut]));
    let mut wire = stage.open();
    let over = wire.request_modern("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
    assert!(over["error"]["code"].is_i64(), "{over:#}");
    stage.end(wire).await;
}

#[tokio::test]
async fn refusals_come_as_the_gateway_says_them() {
    let stage = Stage::set().await;
    let mut wire = stage.open();
    let unknown = json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2099-01-01",
        "io.modelcontextprotocol/clientCapabilities": {} } });
    let refused = wire.request("server/discover", unknown).await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["data"]["requested"]), (&json!(-32022), &json!("2099-01-01")));
    let refused = wire.request_modern("no/such_method", json!({})).await;
    assert_eq!(refused["error"]["code"], -32601, "{refused:#}");
    let refused = wire.request("tools/list", json!({})).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("initialize"), "outside of a session: {refused:#}");
    stage.end(wire).await;
}

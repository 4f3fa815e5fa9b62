//! The four revisions with sessions.

use serde_json::{Value, json};
use yett::state::Switch;

use super::Wire;
use super::messages::{self, SECRET, SSN, notification, question};
use super::stage::Stage;
use crate::support::client::Client;
use crate::support::reply::{Gate, Reply, Step};

pub(super) async fn all_kinds(revision: &'static str) -> Wire {
    let mut wire = Wire::of(revision);
    let stage = Stage::set().await;
    messages::script(&stage.crm, false);
    let declares = json!({ "sampling": {}, "elicitation": {} });
    let ada = Client::declaring(stage.gateway.address, "crm", &stage.key, revision, declares).await;
    results(&mut wire, &ada).await;
    refusals(&mut wire, &stage, &ada).await;
    questions(&mut wire, &stage, &ada, revision).await;
    pushes(&mut wire, &stage, &ada).await;
    breaks(&mut wire, &stage, &ada).await;
    wire.server_got(&stage.crm);
    stage.ends().await;
    wire
}

/// What is filtered, masked, labelled and withheld.
async fn results(wire: &mut Wire, ada: &Client) {
    let info = json!({ "name": "test", "version": "1.0.0" });
    let hello = json!({ "protocolVersion": wire.revision, "capabilities": {}, "clientInfo": info });
    wire.answer("a handshake", "initialize", 200, ada.request("initialize", hello).await);
    wire.answer("a sign of life", "ping", 200, ada.request("ping", json!({})).await);
    let listed = wire.answer("a filtered list", "tools/list", 200, ada.list_tools().await);
    assert_eq!(listed.tools(), ["echo"]);
    for list in ["prompts/list", "resources/list", "resources/templates/list"] {
        wire.answer("a filtered list", list, 200, ada.request(list, json!({})).await);
    }
    for name in ["plain", "masked", "labelled", "withheld", "failed", "broken"] {
        wire.answer(name, "tools/call", 200, ada.call(name, json!({ "text": SSN })).await);
    }
    let read = ada.request("resources/read", json!({ "uri": "file:///a" })).await;
    wire.answer("a masked resource", "resources/read", 200, read);
    wire.answer("a masked prompt", "prompts/get", 200, ada.request("prompts/get", json!({ "name": "hello" })).await);
    let completes = json!({ "ref": { "type": "ref/prompt", "name": "hello" }, "argument": { "name": "a", "value": SSN } });
    wire.answer("a masked completion", "completion/complete", 200, ada.request("completion/complete", completes).await);
}

async fn refusals(wire: &mut Wire, stage: &Stage, ada: &Client) {
    wire.refused("blocked", "tools/call", (200, -31422), ada.call("echo", json!({ "text": SECRET })).await);
    wire.refused("an unknown tool", "tools/call", (200, -32602), ada.call("danger", json!({})).await);
    let prompt = ada.request("prompts/get", json!({ "name": "hidden" })).await;
    wire.refused("an unknown prompt", "prompts/get", (200, -32602), prompt);
    let resource = ada.request("resources/read", json!({ "uri": "https://b.example/" })).await;
    wire.refused("an unknown resource", "resources/read", (200, -32602), resource);
    wire.refused("an unknown method", "x/y", (200, -32601), ada.request("x/y", json!({})).await);
    wire.refused("no target", "tools/call", (400, -32600), ada.request("tools/call", json!({})).await);

    let call = ada.message(Some(&json!("a string")), "tools/call", json!({ "name": "echo" }));
    let lost = ada.post(&call).header("Mcp-Session-Id", "gone").send().await;
    wire.refused("a foreign session", "tools/call", (404, -31404), lost);
    let none = ada.post(&call).without("Mcp-Session-Id").send().await;
    wire.refused("no session", "tools/call", (400, -32600), none);
    let unknown = ada.post(&call).without("Authorization").send().await;
    wire.refused("no credential", "tools/call", (401, -31401), unknown);
    wire.refused("no JSON", "tools/call", (400, -32700), ada.post_bytes(&call, "{").send().await);
    wire.refused("a batch", "tools/call", (400, -32600), ada.post_bytes(&call, format!("[{call}]")).send().await);

    let narrow = Stage::with_one_call().await;
    let bob = Client::modern(narrow.gateway.address, "crm", &narrow.key);
    let hello = json!({ "protocolVersion": wire.revision, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello });
    let first = bob.post(&message).without("Mcp-Method").send().await;
    assert_eq!(first.status, 200, "{first:?}");
    wire.refused("one too many", "initialize", (429, -31429), bob.post(&message).without("Mcp-Method").send().await);
    narrow.ends().await;

    let stop = Switch::Server("crm".to_owned());
    stage.gateway.running.operations().set_switch(&stop, true, "admin").await.unwrap();
    wire.refused("a stopped server", "tools/call", (503, -31503), ada.call("echo", json!({})).await);
    stage.gateway.running.operations().set_switch(&stop, false, "admin").await.unwrap();
}

/// What a server asks, and gives up asking, while a call is at work; and the answers to it, of the client and of the gateway.
async fn questions(wire: &mut Wire, stage: &Stage, ada: &Client, revision: &str) {
    let (asks, answer) = if revision < "2025-06-18" {
        (question("sampling/createMessage", &messages::sampling()), messages::sampled())
    } else {
        (question("elicitation/create", &messages::form()), messages::filled())
    };
    let gate = Gate::default();
    let mut given_up = question("sampling/createMessage", &messages::sampling());
    given_up["id"] = json!("given up");
    let withdrawn = notification("notifications/cancelled", &json!({ "requestId": "given up", "reason": SSN }));
    stage.crm.on_tool(
        "ask",
        Reply::stream([
            Step::message(&asks),
            Step::message(&question("ping", &json!({}))),
            Step::message(&question("roots/list", &json!({}))),
            Step::message(&given_up),
            Step::message(&withdrawn),
            Step::Wait(gate.clone()),
            Step::text("done"),
        ]),
    );
    let mut events = ada.stream("tools/call", json!({ "name": "ask", "_meta": { "progressToken": "t" } })).await;
    let asked = events.next().await.unwrap();
    wire.client_got("a question", "tools/call", [asked.clone()]);
    assert_eq!(ada.answer(&asked["id"], answer).await.status, 202);
    let mut rest = Vec::new();
    while !rest.iter().any(|message: &Value| message["method"] == "notifications/cancelled") {
        rest.push(events.next().await.unwrap());
    }
    for id in [asks["id"].clone(), json!("ping"), json!("roots/list")] {
        let heard =
            || stage.crm.arrived().into_iter().any(|arrived| arrived.rpc_method() == "response" && arrived.json()["id"] == id);
        crate::support::eventually(&format!("an answer to {id}"), || heard().then_some(())).await;
    }
    assert_eq!(ada.notify("notifications/cancelled", json!({ "requestId": 99, "reason": SSN })).await.status, 202);
    gate.open();
    rest.extend(events.rest().await);
    assert_eq!(rest.len(), 3, "{rest:#?}");
    wire.client_got("a stream with questions", "tools/call", rest);

    stage.crm.on_tool("cut_off", messages::stream_that_is_cut_off());
    let cut = ada.request("tools/call", json!({ "name": "cut_off", "_meta": { "progressToken": "t" } })).await;
    assert_eq!(cut.messages().len(), 3, "{cut:?}");
    wire.answer("a stream that is cut off", "tools/call", 200, cut);
}

/// What a server says without being asked.
async fn pushes(wire: &mut Wire, stage: &Stage, ada: &Client) {
    let said = [
        notification("notifications/tools/list_changed", &json!({})),
        notification("notifications/prompts/list_changed", &json!({})),
        notification("notifications/resources/list_changed", &json!({})),
        notification("notifications/resources/updated", &json!({ "uri": "file:///a" })),
        notification("notifications/message", &json!({ "level": "info", "data": { "ssn": SSN } })),
        question("sampling/createMessage", &messages::sampling()),
    ];
    stage.crm.on_method("GET", Reply::stream(said.iter().map(Step::message).collect::<Vec<_>>()));
    let heard = ada.listen().await.rest().await;
    assert_eq!(heard.len(), said.len(), "{heard:#?}");
    wire.client_got("a push", "GET", heard);
}

/// What is said when a stream ends without its response.
async fn breaks(wire: &mut Wire, stage: &Stage, ada: &Client) {
    stage.crm.on_tool("says", Reply::stream([messages::progress(1, 2), Step::Cut]));
    let broken = ada.request("tools/call", json!({ "name": "says", "_meta": { "progressToken": "t" } })).await;
    wire.answer("a stream that breaks", "tools/call", 200, broken);
}

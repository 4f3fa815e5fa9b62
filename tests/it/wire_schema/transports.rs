//! The same messages over the older transports: HTTP+SSE on both edges, and standard streams on both.

use serde_json::{Value, json};
use yett::state::Switch;

use super::Wire;
use super::messages::{self, SECRET, SSN, notification, question};
use super::stage::Stage;
use crate::connect::wire::Wire as Lines;
use crate::http_sse::client::SseClient;
use crate::http_sse::server::SseServer;
use crate::peers::parts;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};

/// What a client asks for, and what of it is refused or changed on its way.
fn requests() -> Vec<(&'static str, Value)> {
    let call = |name: &str, text: &str| ("tools/call", json!({ "name": name, "arguments": { "text": text } }));
    vec![
        ("ping", json!({})),
        ("tools/list", json!({})),
        ("prompts/list", json!({})),
        ("resources/list", json!({})),
        call("masked", SSN),
        call("labelled", "x"),
        call("withheld", "x"),
        call("failed", "x"),
        call("broken", "x"),
        call("echo", SECRET),
        call("danger", "x"),
        ("resources/read", json!({ "uri": "https://b.example/" })),
        ("prompts/get", json!({ "name": "hidden" })),
        ("x/y", json!({})),
        ("tools/call", json!({})),
        ("tools/call", json!({ "name": "cut_off", "_meta": { "progressToken": "t" } })),
        ("tools/call", json!({ "name": "says", "_meta": { "progressToken": "t" } })),
    ]
}

/// A question, one that is given up, and one that nobody has granted; and then a result.
fn asks(gate: &Gate) -> Reply {
    let mut given_up = question("sampling/createMessage", &messages::sampling());
    given_up["id"] = json!("given up");
    let withdrawn = notification("notifications/cancelled", &json!({ "requestId": "given up", "reason": SSN }));
    let said =
        [question("sampling/createMessage", &messages::sampling()), question("roots/list", &json!({})), given_up, withdrawn];
    Reply::stream(said.iter().map(Step::message).chain([Step::Wait(gate.clone()), Step::text("done")]))
}

fn scripted(stage: &Stage, gate: &Gate) {
    messages::script(&stage.crm, false);
    stage.crm.on_tool("cut_off", messages::stream_that_is_cut_off());
    stage.crm.on_tool("says", Reply::stream([messages::progress(1, 2), Step::Cut]));
    stage.crm.on_tool("ask", asks(gate));
    let said = [
        notification("notifications/tools/list_changed", &json!({})),
        notification("notifications/resources/updated", &json!({ "uri": "file:///a" })),
        notification("notifications/message", &json!({ "level": "info", "data": { "ssn": SSN } })),
    ];
    stage.crm.on_method("GET", Reply::stream(said.iter().map(Step::message).chain([Step::Wait(Gate::default())])));
}

fn hello(revision: &str) -> Value {
    let info = json!({ "name": "test", "version": "1.0.0" });
    json!({ "protocolVersion": revision, "capabilities": { "sampling": {} }, "clientInfo": info })
}

/// Whether it is what answers a request of ours.
fn is_answer(message: &Value) -> bool {
    message["method"].is_null()
}

pub(super) async fn over_http_sse(revision: &'static str) -> Wire {
    let (mut wire, gate) = (Wire::of(revision), Gate::default());
    let stage = Stage::offering_sse().await;
    scripted(&stage, &gate);
    let mut ada = SseClient::open(&stage.gateway, "crm", &stage.key).await;
    let greeting = ada.request("initialize", hello(revision)).await;
    assert_eq!(greeting["result"]["protocolVersion"], revision);
    wire.client_got("a handshake", "initialize", [greeting]);
    ada.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    for _ in 0..3 {
        wire.client_got("a push", "GET", [ada.next().await]);
    }
    for (method, params) in requests() {
        ada.ask(method, params).await;
        loop {
            let message = ada.next().await;
            wire.client_got("an answer", method, [message.clone()]);
            if is_answer(&message) {
                break;
            }
        }
    }
    ada.ask("tools/call", json!({ "name": "ask", "arguments": {} })).await;
    loop {
        let message = ada.next().await;
        wire.client_got("a question", "tools/call", [message.clone()]);
        match message["method"].as_str() {
            Some("sampling/createMessage") if message["id"].is_u64() => {
                ada.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": messages::sampled() })).await;
            }
            Some("notifications/cancelled") => gate.open(),
            Some(_) => {}
            None => break,
        }
    }
    set(&stage, true).await;
    let rest = ada.events.rest().await;
    assert!(rest.is_empty(), "{rest:#?}");
    wire.server_got(&stage.crm);
    stage.ends().await;
    server_of_http_sse(&mut wire).await;
    wire
}

async fn set(stage: &Stage, stopped: bool) {
    stage.gateway.running.operations().set_switch(&Switch::All, stopped, "admin").await.unwrap();
}

/// What a server of that transport is sent: also that nobody waits, and that nobody answers.
async fn server_of_http_sse(wire: &mut Wire) {
    let crm = SseServer::start().await;
    let gateway = Gateway::start().server_at("crm", crm.address, "transport: sse").await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = Client::legacy(gateway.address, "crm", &key, wire.revision).await;
    crm.holds("slow");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "slow", "_meta": { "progressToken": "t" } } });
    let left = ada.post(&call).open().await;
    crm.wait_for("tools/call").await;
    crm.says(1, &question("ping", &json!({})));
    crm.says(1, &question("roots/list", &json!({})));
    eventually("both answers", || {
        (crm.posted().iter().filter(|posted| posted.method() == "response").count() == 2).then_some(())
    })
    .await;
    drop(left);
    crm.wait_for("notifications/cancelled").await;
    for posted in crm.posted() {
        wire.server_heard(&posted.message);
    }
    gateway.stop_and_verify().await;
}

pub(super) async fn over_standard_streams(revision: &'static str) -> Wire {
    let (mut wire, gate) = (Wire::of(revision), Gate::default());
    let stage = Stage::set().await;
    scripted(&stage, &gate);
    let mut ada = Lines::open(&stage.gateway.url("crm"), &stage.key);
    let greeting = ada.request("initialize", hello(revision)).await;
    assert_eq!(greeting["result"]["protocolVersion"], revision);
    wire.client_got("a handshake", "initialize", [greeting]);
    ada.notify("notifications/initialized", json!({})).await;
    for _ in 0..3 {
        wire.client_got("a push", "GET", [ada.next().await]);
    }
    for (method, params) in requests() {
        ada.begin(method, params).await;
        loop {
            let message = ada.next().await;
            wire.client_got("an answer", method, [message.clone()]);
            if is_answer(&message) {
                break;
            }
        }
    }
    ada.begin("tools/call", json!({ "name": "ask", "arguments": {} })).await;
    loop {
        let message = ada.next().await;
        wire.client_got("a question", "tools/call", [message.clone()]);
        match message["method"].as_str() {
            Some("sampling/createMessage") if message["id"].is_u64() => {
                ada.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": messages::sampled() })).await;
            }
            Some("notifications/cancelled") => gate.open(),
            Some(_) => {}
            None => break,
        }
    }
    set(&stage, true).await;
    wire.client_got("a stopped server", "tools/call", [ada.call("plain").await]);
    set(&stage, false).await;
    // What `connect` itself says: to a line that is no message, and once there is nobody it could reach.
    ada.write("no message\n").await;
    wire.client_got("no message", "tools/call", [ada.until(|message| message["error"]["code"] == -32700).await]);
    wire.server_got(&stage.crm);
    stage.ends().await;
    wire.client_got("nobody there", "tools/call", [ada.call("plain").await]);
    drop(ada);
    server_that_is_a_process(&mut wire).await;
    wire
}

/// What a process is sent, as it has heard it.
async fn server_that_is_a_process(wire: &mut Wire) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/stdio.py");
    for per in ["server", "principal"] {
        let yaml = format!("{{ stdio: {{ command: [{}, -B, {script}], per: {per} }} }}", parts::interpreter().display());
        let gateway = Gateway::start().server_written("tool", &yaml).await;
        let key = gateway.key("ada", &["staff"]).await;
        let ada = Client::legacy(gateway.address, "tool", &key, wire.revision).await;
        assert_eq!(ada.request("ping", json!({})).await.status, 200);
        let call = |name: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name, "arguments": {}, "_meta": { "progressToken": "t" } } });
        // Nobody has granted that it may ask; that a caller has left is told.
        let asking = ada.post(&call("ask")).open().await;
        let heard = crate::stdio::heard(&ada, "-32601").await;
        drop(asking);
        let holding = ada.post(&call("hold")).open().await;
        crate::stdio::heard(&ada, "hold").await;
        drop(holding);
        let later = crate::stdio::heard(&ada, "notifications/cancelled").await;
        assert!(later.len() > heard.len());
        let lines: Vec<String> = serde_json::from_str(&later).unwrap();
        for line in lines {
            wire.server_heard(&serde_json::from_str(&line).unwrap());
        }
        gateway.stop_and_verify().await;
    }
}

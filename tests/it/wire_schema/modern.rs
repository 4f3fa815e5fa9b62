//! The revision without sessions.

use serde_json::{Value, json};
use yett::state::Switch;

use super::Wire;
use super::messages::{self, SECRET, SSN, notification, result};
use super::stage::Stage;
use crate::support::client::{Client, meta};
use crate::support::reply::{Reply, Step};

pub(super) async fn all_kinds() -> Wire {
    let mut wire = Wire::of("2026-07-28");
    let stage = Stage::set().await;
    messages::script(&stage.crm, true);
    let ada = stage.gateway.modern("crm", &stage.key);
    results(&mut wire, &ada).await;
    refusals(&mut wire, &stage, &ada).await;
    questions(&mut wire, &stage, &ada).await;
    streams(&mut wire, &stage, &ada).await;
    wire.server_got(&stage.crm);
    stage.ends().await;
    wire
}

/// What is filtered, masked, labelled and withheld.
async fn results(wire: &mut Wire, ada: &Client) {
    wire.answer("what a server can do", "server/discover", 200, ada.request("server/discover", json!({})).await);
    let listed = wire.answer("a filtered list", "tools/list", 200, ada.list_tools().await);
    assert_eq!((listed.tools(), &listed.result()["cacheScope"]), (vec!["echo".to_owned()], &json!("private")));
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
    let resource = ada.request("resources/read", json!({ "uri": "https://b.example/" })).await;
    wire.refused("an unknown resource", "resources/read", (200, -32602), resource);
    wire.refused("an unknown method", "x/y", (404, -32601), ada.request("x/y", json!({})).await);
    wire.refused("a removed method", "ping", (404, -32601), ada.request("ping", json!({})).await);

    let call = ada.message(Some(&json!("a string")), "tools/call", json!({ "name": "echo" }));
    let other = ada.post(&call).header("Mcp-Name", "safe").send().await;
    wire.refused("another name", "tools/call", (400, -32020), other);
    let mut bare = call.clone();
    bare["params"]["_meta"] = json!({});
    wire.refused("no revision", "tools/call", (400, -32602), ada.post(&bare).send().await);
    let mut unknown = call.clone();
    unknown["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
    let unknown = ada.post(&unknown).header("MCP-Protocol-Version", "2031-01-01").send().await;
    wire.refused("an unknown revision", "tools/call", (400, -32022), unknown);
    let mut answers = call.clone();
    answers["params"]["requestState"] = json!("made up");
    wire.refused("a made-up state", "tools/call", (400, -32602), ada.post(&answers).send().await);
    let unknown = ada.post(&call).without("Authorization").send().await;
    wire.refused("no credential", "tools/call", (401, -31401), unknown);
    wire.refused("no JSON", "tools/call", (400, -32700), ada.post_bytes(&call, "{").send().await);
    wire.refused("a batch", "tools/call", (400, -32600), ada.post_bytes(&call, format!("[{call}]")).send().await);

    let narrow = Stage::with_one_call().await;
    let bob = narrow.gateway.modern("crm", &narrow.key);
    assert_eq!(bob.list_tools().await.status, 200);
    wire.refused("one too many", "tools/list", (429, -31429), bob.list_tools().await);
    narrow.ends().await;

    let stop = Switch::Server("crm".to_owned());
    stage.gateway.running.operations().set_switch(&stop, true, "admin").await.unwrap();
    wire.refused("a stopped server", "tools/call", (503, -31503), ada.call("echo", json!({})).await);
    stage.gateway.running.operations().set_switch(&stop, false, "admin").await.unwrap();
}

/// A result that asks, with a state under our seal, and the request that answers.
async fn questions(wire: &mut Wire, stage: &Stage, ada: &Client) {
    let form = json!({ "method": "elicitation/create", "params": messages::form() });
    let sampling = json!({ "method": "sampling/createMessage", "params": messages::sampling() });
    let asks = json!({ "resultType": "input_required", "inputRequests": { "a": form, "b": sampling }, "requestState": "theirs" });
    stage.crm.on_tool("ask", Reply::result(&asks));
    let mut can = meta();
    can["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {}, "sampling": {} });
    let mut call = json!({ "name": "ask", "_meta": can });
    let asked = wire.answer("a question", "tools/call", 200, ada.request("tools/call", call.clone()).await);
    let sealed = asked.result()["requestState"].clone();
    assert!(sealed.is_string() && sealed != "theirs", "{asked:?}");
    stage.crm.on_tool("ask", Reply::result(&result(messages::text("thanks"), true, false)));
    call["requestState"] = sealed;
    call["inputResponses"] = json!({ "a": messages::filled(), "b": messages::sampled() });
    wire.answer("what an answer brings", "tools/call", 200, ada.request("tools/call", call).await);

    let roots = json!({ "resultType": "input_required", "inputRequests": { "a": { "method": "roots/list" } } });
    stage.crm.on_tool("ask", Reply::result(&roots));
    let withheld = wire.answer("a question nobody has granted", "tools/call", 200, ada.call("ask", json!({})).await);
    assert_eq!(withheld.result()["isError"], true);
}

/// Notifications of a call, and of a subscription until its server ends it.
async fn streams(wire: &mut Wire, stage: &Stage, ada: &Client) {
    stage.crm.on_tool("cut_off", messages::stream_that_is_cut_off());
    let mut meta = meta();
    meta["progressToken"] = json!("t");
    let cut = ada.request("tools/call", json!({ "name": "cut_off", "_meta": meta })).await;
    assert_eq!(cut.messages().len(), 3, "{cut:?}");
    wire.answer("a stream that is cut off", "tools/call", 200, cut);

    let id = json!({ "io.modelcontextprotocol/subscriptionId": 1 });
    let granted = json!({ "toolsListChanged": true, "resourceSubscriptions": ["file:///a"] });
    let told = |method: &str, mut params: Value| {
        params["_meta"] = id.clone();
        Step::message(&notification(method, &params))
    };
    let said = [
        told("notifications/subscriptions/acknowledged", json!({ "notifications": granted })),
        told("notifications/tools/list_changed", json!({})),
        told("notifications/resources/updated", json!({ "uri": "file:///a" })),
        Step::Message(format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"resultType":"complete","_meta":{id}}}}}"#)),
    ];
    stage.crm.on_method("subscriptions/listen", Reply::stream(said));
    let listens = json!({ "notifications": granted });
    let heard = ada.request("subscriptions/listen", listens).await;
    assert_eq!(heard.messages().len(), 4, "{heard:?}");
    wire.answer("a subscription", "subscriptions/listen", 200, heard);
}

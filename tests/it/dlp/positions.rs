//! Every place where a server may put text, whatever its shape: nothing that is masked reaches the caller, in one message or in a stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CARD, SECRET, SSN, policy};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::reply::{Reply, Step, tool_result};
use crate::support::server::Upstream;

const RULES: &str = "dlp:\n  rules:\n    - { name: all, detect: [us_ssn, card, secrets], action: ";

/// A text with everything in it that is looked for.
fn said() -> String {
    format!("{SSN}, {CARD}, {SECRET}")
}

/// What nobody must be told, in any form that the tests use.
fn leaks(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let encoded = STANDARD.encode(said());
    [SSN, CARD, SECRET, encoded.trim_end_matches('=')].iter().any(|part| text.contains(part))
}

/// Results of a call with the text in each place that MCP has for one.
fn results() -> Vec<(&'static str, Value)> {
    let text = said();
    let block = |block: Value| json!({ "content": [block], "isError": false, "resultType": "complete" });
    let annotated = json!({ "type": "text", "text": "x", "annotations": { "audience": ["user"] }, "_meta": { "note": text } });
    let mut structured = tool_result("x");
    structured["structuredContent"] = json!({ "a": { "b": [text, { text.as_str(): 1 }] } });
    let mut failed = tool_result(&text);
    failed["isError"] = json!(true);
    let mut meta = tool_result("x");
    meta["_meta"] = json!({ "trace": { "deep": [text] } });
    vec![
        ("text", block(json!({ "type": "text", "text": text }))),
        ("_meta of a block", block(annotated)),
        (
            "resource text",
            block(json!({ "type": "resource", "resource": { "uri": "file:///a", "mimeType": "text/plain", "text": text } })),
        ),
        (
            "resource blob",
            block(json!({ "type": "resource", "resource": { "uri": "file:///a", "blob": STANDARD.encode(&text) } })),
        ),
        ("resource uri", block(json!({ "type": "resource", "resource": { "uri": format!("file:///{SSN}"), "text": "x" } }))),
        ("link", block(json!({ "type": "resource_link", "uri": "file:///a", "name": text, "title": text, "description": text }))),
        ("image that is text", block(json!({ "type": "image", "mimeType": "image/svg+xml", "data": STANDARD.encode(&text) }))),
        ("structured", structured),
        ("error result", failed),
        ("_meta", meta),
        ("a member that MCP does not know", json!({ "content": [], "more": [{ "x": text }], "resultType": "complete" })),
    ]
}

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    clients: [Client; 2],
}

async fn stage(action: &str) -> Stage {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().policy(&policy(&format!("{RULES}{action} }}\n"))).servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let clients = [gateway.modern("crm", &key), gateway.legacy("crm", &key).await];
    Stage { gateway, crm, clients }
}

#[tokio::test]
async fn no_place_of_a_result_is_left_out_in_json_or_in_a_stream() {
    for action in ["mask", "block", "partial"] {
        let stage = stage(action).await;
        for (place, result) in results() {
            for in_stream in [false, true] {
                stage
                    .crm
                    .on_tool("echo", if in_stream { Reply::stream([Step::result(&result)]) } else { Reply::result(&result) });
                for client in &stage.clients {
                    let answer = client.call("echo", json!({})).await;
                    assert_eq!(answer.status, 200, "{action}, {place}: {answer:?}");
                    assert!(
                        !leaks(&answer.body),
                        "{action}, {place}, stream {in_stream}: {}",
                        String::from_utf8_lossy(&answer.body)
                    );
                    let outcome = stage.gateway.ended(&answer.call()).await.pop().unwrap_or_default();
                    assert!(outcome["out"]["findings"].is_array(), "{action}, {place}: {outcome:#}");
                }
            }
        }
        stage.gateway.stop_and_verify().await;
    }
}

#[tokio::test]
async fn no_place_of_what_comes_before_a_result_or_instead_of_it_is_left_out() {
    let stage = stage("mask").await;
    let text = said();
    let note = |method: &str, params: Value| Step::message(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    let steps = [
        note("notifications/message", json!({ "level": "info", "logger": text, "data": { "deep": [text] } })),
        note("notifications/message", json!({ "level": "info", "data": text })),
        note("notifications/x-vendor", json!({ "any": { "thing": text } })),
        Step::text("done"),
    ];
    stage.crm.on_tool("echo", Reply::stream(steps));
    let error = json!({ "code": -32000, "message": text, "data": { "why": [text, { text.as_str(): true }] } });
    for client in &stage.clients {
        let answer = client.call("echo", json!({})).await;
        assert!(!leaks(&answer.body), "{}", String::from_utf8_lossy(&answer.body));
    }
    stage.crm.on_tool("echo", Reply::body("application/json", format!(r#"{{"jsonrpc":"2.0","id":{{id}},"error":{error}}}"#)));
    for client in &stage.clients {
        let answer = client.call("echo", json!({})).await;
        assert!(!leaks(&answer.body) && answer.code() == Some(-32000), "{}", String::from_utf8_lossy(&answer.body));
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn no_place_of_what_a_server_has_is_left_out() {
    let stage = stage("mask").await;
    let text = said();
    let complete = |mut result: Value| {
        result["resultType"] = "complete".into();
        (result["ttlMs"], result["cacheScope"]) = (json!(0), json!("public"));
        Reply::result(&result)
    };
    let schema = json!({ "type": "object", "description": text, "properties": { "a": { "default": text, "enum": [text], "examples": [text] } } });
    let tool = json!({ "name": "echo", "title": text, "description": text, "inputSchema": schema,
        "outputSchema": { "type": "object", "title": text }, "annotations": { "title": text }, "_meta": { "x": text } });
    let contents = json!([{ "uri": "file:///a", "text": text }, { "uri": "file:///b", "blob": STANDARD.encode(&text) }]);
    let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
    stage.crm.on_method("tools/list", complete(json!({ "tools": [tool] })));
    stage.crm.on_method(
        "resources/list",
        complete(json!({ "resources": [{ "uri": "file:///a", "name": text, "description": text }] })),
    );
    stage.crm.on_method(
        "resources/templates/list",
        complete(json!({ "resourceTemplates": [{ "uriTemplate": "file:///{a}", "name": text, "title": text }] })),
    );
    stage.crm.on_method(
        "prompts/list",
        complete(
            json!({ "prompts": [{ "name": "p", "description": text, "arguments": [{ "name": "a", "description": text }] }] }),
        ),
    );
    stage.crm.on_method("prompts/get", complete(json!({ "description": text, "messages": [message] })));
    stage.crm.on_method("resources/read", complete(json!({ "contents": contents })));
    for client in &stage.clients {
        for (method, params) in [
            ("tools/list", json!({})),
            ("resources/list", json!({})),
            ("resources/templates/list", json!({})),
            ("prompts/list", json!({})),
            ("prompts/get", json!({ "name": "p" })),
            ("resources/read", json!({ "uri": "file:///a" })),
        ] {
            let answer = client.request(method, params).await;
            let told = String::from_utf8_lossy(&answer.body);
            assert!(!leaks(&answer.body), "{method}: {told}");
            assert!(answer.result().is_object() && told.contains("[secret]"), "{method}: {told}");
        }
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_result_of_four_mebibytes_is_masked_throughout() {
    let stage = stage("mask").await;
    let line = format!("{} {CARD};\n", "nothing to see here ".repeat(40));
    let count = (4 << 20) / line.len() - 10;
    let text = line.repeat(count);
    for in_stream in [false, true] {
        let result = tool_result(&text);
        stage.crm.on_tool("echo", if in_stream { Reply::stream([Step::result(&result)]) } else { Reply::result(&result) });
        let answer = stage.clients[0].call("echo", json!({})).await;
        let told =
            answer.messages().pop().unwrap_or_default()["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert_eq!(told.matches("[card]").count(), count);
        assert_eq!(told.len(), text.len() - count * (CARD.len() - "[card]".len()));
    }
    stage.gateway.stop_and_verify().await;
}

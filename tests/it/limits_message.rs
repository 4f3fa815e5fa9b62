//! Limits of a message, SECURITY.md 4.3, at the last value that passes and the first that does not.
//!
//! Depth and ids stand in `attacks_json/values.rs` (JSON-016, JSON-018), the body in `attacks_http/body.rs`, the head in
//! `attacks_http/head.rs`.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bytes::Bytes;
use serde_json::json;
use yett::protocol::json::{Document, Limits};

use crate::support::client::meta;
use crate::support::server::tool;
use crate::support::stage::{Stage, good_head};

const PARSE: &[i64] = &[-32700];
/// Values and keys of one message, and decoded bytes of one string of a request.
const NODES: usize = 100_000;
const STRING: usize = 1 << 20;

/// A call of `echo` with these arguments, as a modern client sends it.
fn call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{arguments},"_meta":{}}}}}"#,
        meta()
    )
}

async fn assert_passes(stage: &Stage, what: &str, body: &str) {
    stage.assert_passes(what, &good_head(&stage.modern(), body.as_bytes()).send().await);
    let arrived = stage.upstream.calls().pop().unwrap();
    assert_eq!(arrived.body.len(), body.len(), "{what}: other bytes arrived");
}

async fn assert_refused(stage: &Stage, what: &str, body: &str) {
    let answer = good_head(&stage.modern(), body.as_bytes()).send().await;
    stage.assert_malformed(what, &answer, PARSE);
}

#[tokio::test]
async fn a_message_has_a_hundred_thousand_values_and_keys_and_no_more() {
    let stage = Stage::new().await;
    let others = Document::parse(Bytes::from(call(r#"{"x":[]}"#)), Limits::default()).unwrap().len_nodes();
    let with = |total: usize| call(&format!(r#"{{"x":[0{}]}}"#, ",0".repeat(total - others - 1)));
    assert_passes(&stage, "100,000 values", &with(NODES)).await;
    assert_refused(&stage, "100,001 values", &with(NODES + 1)).await;
    // Keys count: each member is two.
    let members = |count: usize| (0..count).map(|key| format!(r#""{key:x}":0"#)).collect::<Vec<_>>().join(",");
    let fitting = (NODES - others) / 2;
    assert_passes(&stage, "as many members as fit", &call(&format!(r#"{{"x":[],{}}}"#, members(fitting)))).await;
    assert_refused(&stage, "one more", &call(&format!(r#"{{"x":[],{}}}"#, members(fitting + 1)))).await;
    stage.end().await;
}

#[tokio::test]
async fn json_020_a_string_of_a_request_has_a_mebibyte_and_no_more() {
    let stage = Stage::new().await;
    let plain = "a".repeat(STRING - 1);
    // Decoded bytes count: an escape of six bytes is one of them, and a character of two is two.
    for (what, last, beyond) in
        [("plain", "a", "aa"), ("with an escape", r"\u0061", r"\u0061\n"), ("with two bytes at the end", "a", "é")]
    {
        assert_passes(&stage, what, &call(&format!(r#"{{"x":"{plain}{last}"}}"#))).await;
        assert_refused(&stage, what, &call(&format!(r#"{{"x":"{plain}{beyond}"}}"#))).await;
        assert_passes(&stage, what, &call(&format!(r#"{{"{plain}{last}":1}}"#))).await;
        assert_refused(&stage, what, &call(&format!(r#"{{"{plain}{beyond}":1}}"#))).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn aud_037_a_tool_has_a_name_of_128_plain_characters_or_does_not_exist() {
    let everything = "version: 1\nroles:\n  all: { allow: [{ servers: [crm], tools: [\"**\", \"*\"] }] }\n\
                      bindings:\n  - { role: all, groups: [staff] }\n";
    let stage = Stage::with(|builder| builder.policy(everything)).await;
    let longest = "n".repeat(128);
    let good = [longest.as_str(), "a", "A-Z_a-z.0-9", "-", "...", "0"];
    let beyond = "n".repeat(129);
    let bad = [beyond.as_str(), "a b", "a/b", "caf\u{e9}", "a\u{200b}", "a:b", "a@b", "a%62", "a+b", "a,b", "d\u{435}lete", "a~"];
    stage.upstream.set_tools(good.iter().chain(&bad).map(|name| tool(name)));
    // A modern client would have to say the name in a header, where most of these cannot stand.
    let [_, client] = stage.clients().await;
    assert_eq!(client.request("tools/list", json!({})).await.tools(), good);
    let unknown = client.call("no such tool", json!({})).await.json();
    for name in good {
        let before = stage.upstream.calls().len();
        let answer = client.call(name, json!({})).await;
        assert!(answer.json().get("result").is_some(), "{name}: {answer:?}");
        assert_eq!(stage.upstream.calls().len(), before + 1, "{name}");
    }
    for name in bad {
        let before = stage.upstream.calls().len();
        let answer = client.call(name, json!({})).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "{name}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], unknown["error"]["code"], "{name}");
        assert_eq!(stage.upstream.calls().len(), before, "{name}: the server was reached");
    }
    stage.gateway.stop_and_verify().await;
}

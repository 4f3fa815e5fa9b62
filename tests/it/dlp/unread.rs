//! What no detector reads, and rules for some tools.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CARD, SSN, Stage, assert_withheld, policy};
use crate::support::reply::Reply;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00";

fn result(blocks: &Value) -> Reply {
    Reply::result(&json!({ "content": blocks, "isError": false, "resultType": "complete" }))
}

fn image(bytes: &[u8], media_type: &str) -> Value {
    json!({ "type": "image", "data": STANDARD.encode(bytes), "mimeType": media_type })
}

fn file(bytes: &[u8], media_type: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": "file:///x", "mimeType": media_type, "blob": STANDARD.encode(bytes) } })
}

/// `kind action` of what was not read.
fn unread(stage: &Stage, answer: &crate::support::http::Answer) -> Vec<String> {
    let records = stage.gateway.records_of(&answer.call());
    let found = records[1]["out"]["findings"].as_array().into_iter().flatten().filter(|found| found["rule"] == "not-read");
    found.map(|found| ["kind", "action"].map(|key| found[key].as_str().unwrap_or("-").to_owned()).join(" ")).collect()
}

#[tokio::test]
async fn what_is_not_read_passes_and_the_record_says_so() {
    let stage = Stage::of(&policy("")).await;
    let pdf = b"%PDF-1.7\n\xe2\xe3\xcf\xd3\x01\x02\x03\x04\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6";
    let blocks =
        json!([image(PNG, "image/png"), file(pdf, "application/pdf"), file(b"only text, and quite readable", "text/plain")]);
    stage.crm.on_tool("echo", result(&blocks));
    let answer = stage.says("go").await;
    assert_eq!(answer.result()["content"], blocks);
    assert_eq!(unread(&stage, &answer), ["image log", "binary log"]);
    stage.ends().await;
}

#[tokio::test]
async fn what_is_not_read_is_refused_where_the_policy_says_so_but_for_types_that_pass() {
    let rules = "dlp:\n  unread: { action: block, pass: [image/png], size: 1KiB }\n  rules: [{ name: ids, detect: [us_ssn, card], action: mask }]\n";
    let stage = Stage::of(&policy(rules)).await;
    stage.crm.on_tool("echo", result(&json!([image(PNG, "image/png")])));
    let answer = stage.says("go").await;
    assert_eq!(
        (answer.result()["content"].as_array().map(Vec::len), unread(&stage, &answer)),
        (Some(1), vec!["image log".to_owned()])
    );
    for (block, kind) in [
        (image(PNG, "image/gif"), "image"),
        (file(PNG, "application/octet-stream"), "binary"),
        (image(&PNG.repeat(60), "image/png"), "image"),
    ] {
        stage.crm.on_tool("echo", result(&json!([block])));
        let answer = stage.says("go").await;
        assert_withheld(&answer);
        assert_eq!(unread(&stage, &answer), [format!("{kind} block")]);
    }
    // What is text is read, however short, and whatever its type says.
    for (text, shown) in [
        (SSN.to_owned(), "[us_ssn]".to_owned()),
        (format!("a long line with {CARD} in it"), "a long line with [card] in it".to_owned()),
    ] {
        stage.crm.on_tool("echo", result(&json!([file(text.as_bytes(), "image/png")])));
        let answer = stage.says("go").await;
        let blob = answer.result()["content"][0]["resource"]["blob"].as_str().unwrap_or_default().to_owned();
        assert_eq!(STANDARD.decode(&blob).ok(), Some(shown.into_bytes()), "{blob}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn a_rule_for_some_tools_holds_for_their_calls_and_replies_alone() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], tools: [\"ec*\"], action: mask"]).await;
    for (tool, shown) in [("echo", "[us_ssn]"), ("other", SSN)] {
        stage.crm.on_tool(tool, Reply::text(SSN));
        let answer = stage.ada.call(tool, json!({ "text": SSN })).await;
        assert_eq!((answer.text().as_str(), stage.heard()), (shown, json!({ "text": shown })), "{tool}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_caller_sends_and_nobody_reads_is_refused_whatever_the_rules_are_about() {
    let rules =
        "dlp:\n  unread: { action: block }\n  rules: [{ name: ids, detect: [us_ssn], direction: [response], action: mask }]\n";
    let stage = Stage::of(&policy(rules)).await;
    let picture = format!("data:image/png;base64,{}", STANDARD.encode(PNG));
    let answer = stage.says(&picture).await;
    assert_eq!((answer.code(), &answer.json()["error"]["data"]["category"]), (Some(-31422), &json!("not_scanned")), "{answer:?}");
    let decision = &stage.gateway.records_of(&answer.call())[0]["dec"];
    let found = &decision["findings"][0];
    assert_eq!(
        (&found["rule"], &found["kind"], &decision["detail"]),
        (&json!("not-read"), &json!("image"), &json!("unread")),
        "{decision:#}"
    );
    assert_eq!(stage.crm.count(), 0);
    assert_eq!(stage.says("data:text/plain;base64,b25seSB0ZXh0LCBhbmQgcmVhZGFibGU=").await.status, 200);
    assert_eq!(stage.crm.count(), 1, "a text is read");
    stage.crm.on_tool("echo", Reply::text(&picture));
    assert_withheld(&stage.says("go").await);
    stage.ends().await;
}

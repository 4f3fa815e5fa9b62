//! What becomes of what is found, and what can be looked for, beyond the first kinds and actions.

use serde_json::{Value, json};

use super::{CARD, SSN, Stage, assert_blocked, ruled};
use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::server::Upstream;

#[tokio::test]
async fn partial_leaves_the_last_four() {
    let stage = Stage::with(&["name: ids, detect: [card, us_ssn, email], action: partial"]).await;
    stage.crm.on_tool("echo", Reply::text(&format!("{CARD}, {SSN}; ada@corp.example")));
    let answer = stage.says(CARD).await;
    assert_eq!(stage.heard(), json!({ "text": "[card *1111]" }));
    assert_eq!(answer.text(), "[card *1111], [us_ssn *1234]; [email *@corp.example]");
    assert!(stage.findings(&answer).contains(&"ids partial response".to_owned()));
    stage.ends().await;
}

#[tokio::test]
async fn hash_is_the_same_for_the_same_value_within_a_purpose() {
    let stage = Stage::with(&[
        "name: care, detect: [card], action: hash, purpose: care",
        "name: billing, detect: [us_ssn], action: hash, purpose: billing",
    ])
    .await;
    let mut said = Vec::new();
    for text in [CARD, "4111-1111-1111-1111", "5555 5555 5555 4444", SSN] {
        stage.crm.on_tool("echo", Reply::text(text));
        let answer = stage.says("go").await;
        let text = answer.text();
        let (kind, hash) = text.trim_matches(['[', ']']).split_once(" #").map_or((text.as_str(), ""), |parts| parts);
        assert!(["card", "us_ssn"].contains(&kind) && hash.len() == 16, "{text}");
        assert_eq!(stage.findings(&answer).len(), 1);
        said.push(text);
    }
    assert_eq!(said[0], said[1], "one number, written in two ways");
    assert!(said[2] != said[0] && said[3] != said[0]);
    stage.ends().await;
}

#[tokio::test]
async fn of_two_actions_the_one_that_tells_less_acts() {
    let stage = Stage::with(&[
        "name: rest, detect: [card], action: partial",
        "name: none, detect: [pii], action: mask",
        "name: hashed, detect: [payment-card], action: hash",
    ])
    .await;
    stage.crm.on_tool("echo", Reply::text(&format!("paid with {CARD}")));
    let answer = stage.says("go").await;
    assert_eq!(answer.text(), "paid with [card]");
    assert_eq!(stage.findings(&answer), ["none mask response"]);
    stage.ends().await;
}

#[tokio::test]
async fn a_class_a_kind_and_one_detector_can_be_named() {
    let stage = Stage::with(&[
        "name: class, detect: [secrets], action: mask",
        "name: kind, detect: [phone], action: mask",
        "name: one, detect: [gitlab-pat], action: block, direction: [request]",
    ])
    .await;
    let token = "glpat-Zx81kQmT4vWbY6nR2sLd";
    assert_blocked(&stage.says(&format!("use {token}")).await);
    stage.crm.on_tool("echo", Reply::text(&format!("{token}; call +49 30 23125000 today")));
    let answer = stage.says("go").await;
    assert_eq!(answer.text(), "[secret]; call [phone] today");
    let records = stage.gateway.records_of(&answer.call());
    let kinds: Vec<_> = records[1]["out"]["findings"].as_array().into_iter().flatten().map(|found| &found["kind"]).collect();
    assert_eq!(kinds, [&json!("gitlab_token"), &json!("phone")], "{records:#?}");
    stage.ends().await;
}

#[tokio::test]
async fn words_and_patterns_of_the_policy_are_found_and_the_list_is_part_of_the_policy() {
    let crm = Upstream::start().await;
    let policy = ruled(&[
        "name: projects, words: lists/projects.txt, action: mask",
        "name: contracts, pattern: 'C-\\d{6}', action: partial",
    ]);
    let builder = Gateway::start().policy(&policy).file("lists/projects.txt", "# secret names\nBlue Falcon\nGröße Null\n");
    let gateway = builder.servers([("crm", &crm)]).await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    crm.on_tool("echo", Reply::text("BLUE FALCON, größe null; bluefalcon. C-123456 and C-12"));
    let answer = ada.call("echo", json!({ "text": "blue falcon" })).await;
    let heard: Value = crm.calls().last().map(|call| call.json()["params"]["arguments"].clone()).unwrap_or_default();
    assert_eq!(heard, json!({ "text": "[redacted]" }));
    assert_eq!(answer.text(), "[redacted], [redacted]; bluefalcon. [redacted] and C-12", "of seven letters none stays");
    let records = gateway.records_of(&answer.call());
    let found = |at: usize| &records[1]["out"]["findings"][at];
    assert_eq!(
        (&found(0)["rule"], &found(0)["kind"], &found(0)["count"]),
        (&json!("projects"), &json!("words"), &json!(2)),
        "{records:#?}"
    );
    assert_eq!((&found(1)["rule"], &found(1)["kind"]), (&json!("contracts"), &json!("pattern")));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_text_that_is_made_to_be_slow_does_not_pass() {
    let stage = Stage::with(&["name: addresses, detect: [mac_address], action: mask"]).await;
    // Addresses without end: at each colon one could begin.
    let text = "00:1B:63:84:45:E6".repeat(30_000);
    stage.crm.on_tool("echo", Reply::text(&text));
    let answer = stage.says("go").await;
    let result = answer.messages().pop().unwrap_or_default()["result"].clone();
    assert_eq!(result["isError"], json!(true), "{} bytes were passed on unread", answer.body.len());
    let records = stage.gateway.records_of(&answer.call());
    assert_eq!(records[1]["out"]["detail"], json!("too_many_values"), "{:#?}", records[1]["out"]);
    stage.ends().await;
}

#[tokio::test]
async fn many_short_texts_have_no_more_work_done_for_them_than_one_long_one() {
    let stage = Stage::with(&["name: addresses, detect: [mac_address], action: mask"]).await;
    let texts = vec!["00:1B:63:84:45:E6".repeat(40); 700];
    stage.crm.on_tool(
        "echo",
        Reply::result(&json!({ "content": [], "structuredContent": { "texts": texts }, "resultType": "complete" })),
    );
    let answer = stage.says("go").await;
    let result = answer.messages().pop().unwrap_or_default()["result"].clone();
    assert_eq!(result["isError"], json!(true), "{} bytes were passed on unread", answer.body.len());
    assert_eq!(stage.gateway.records_of(&answer.call())[1]["out"]["detail"], json!("too_many_values"));
    stage.ends().await;
}

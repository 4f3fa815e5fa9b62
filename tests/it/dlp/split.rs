//! Values that are written in another way, or in pieces.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{CARD, SECRET, SSN, Stage, assert_blocked, assert_withheld};
use crate::support::client::{Events, meta};
use crate::support::reply::{Gate, Reply, Step};

const MASKS: &str = "name: all, detect: [card, us_ssn, secrets, email], action: mask";

#[tokio::test]
async fn what_is_escaped_is_masked_where_it_stands() {
    let stage = Stage::with(&[MASKS]).await;
    for (said, heard) in [
        ("mail ada%40corp.example today", "mail [email] today"),
        ("pay 4111&#32;1111&#32;1111&#32;1111 now", "pay [card] now"),
        ("a \\u0034111 1111 1111 1111 b", "a [card] b"),
        ("zero\u{200b}: 4111\u{200b}1111\u{200b}1111\u{200b}1111.", "zero\u{200b}: [card]."),
        ("wide \u{ff14}\u{ff11}\u{ff11}\u{ff11}111111111111 end", "wide [card] end"),
        ("{\"inner\": \"{\\\"card\\\": \\\"4111 1111 1111 1111\\\"}\"}", "{\"inner\": \"{\\\"card\\\": \\\"[card]\\\"}\"}"),
    ] {
        stage.crm.on_tool("echo", Reply::text(said));
        let answer = stage.says(said).await;
        assert_eq!(stage.heard(), json!({ "text": heard }), "{said}");
        assert_eq!(answer.text(), heard);
        assert_eq!(stage.findings(&answer), ["all mask request", "all mask response"], "{said}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn what_is_encoded_is_masked_inside_and_encoded_again() {
    let stage = Stage::with(&[MASKS]).await;
    let (plain, masked) = (format!("Name;Card\nAda;{CARD}\nBob;{SSN}\n"), "Name;Card\nAda;[card]\nBob;[us_ssn]\n");
    for (whole, shown) in [
        (STANDARD.encode(&plain), STANDARD.encode(masked)),
        (URL_SAFE_NO_PAD.encode(&plain), URL_SAFE_NO_PAD.encode(masked)),
        (
            format!("data:text/csv;base64,{}", STANDARD.encode(&plain)),
            format!("data:text/csv;base64,{}", STANDARD.encode(masked)),
        ),
    ] {
        let resource = json!({ "uri": "file:///list.csv", "mimeType": "text/csv", "blob": whole });
        let result =
            json!({ "content": [{ "type": "resource", "resource": resource }], "isError": false, "resultType": "complete" });
        stage.crm.on_tool("echo", Reply::result(&result));
        let answer = stage.says(&whole).await;
        assert_eq!(stage.heard(), json!({ "text": shown }));
        assert_eq!(answer.result()["content"][0]["resource"]["blob"], json!(shown));
        let records = stage.gateway.records_of(&answer.call());
        assert_eq!((&records[0]["dec"]["edits"], &records[1]["out"]["edits"]), (&json!(1), &json!(1)), "one text each");
    }
    stage.ends().await;
}

#[tokio::test]
async fn what_is_encoded_so_that_it_cannot_be_written_again_is_masked_as_a_whole() {
    let stage = Stage::with(&[MASKS]).await;
    let hexadecimal: String = yett::master_key::hex(format!("card {CARD}").as_bytes());
    let twice = STANDARD.encode(STANDARD.encode(format!("the key is {SECRET}")));
    for said in [&hexadecimal, &twice] {
        stage.crm.on_tool("echo", Reply::text(&format!("see {said} there")));
        let answer = stage.says(said).await;
        assert!(["see [card] there", "see [secret] there"].contains(&answer.text().as_str()), "{}", answer.text());
    }
    stage.ends().await;
}

#[tokio::test]
async fn block_sees_what_is_encoded_in_bodies_and_in_keys() {
    let stage = Stage::with(&["name: all, detect: [card], action: block"]).await;
    let whole = STANDARD.encode(format!("my card is {CARD}"));
    assert_blocked(&stage.says(&whole).await);
    assert_blocked(&stage.ada.call("echo", json!({ whole.as_str(): "x" })).await);
    assert_eq!(stage.crm.calls().len(), 0);
    stage.crm.on_tool("echo", Reply::text(&format!("see {whole}")));
    assert_withheld(&stage.says("go").await);
    stage.ends().await;
}

#[tokio::test]
async fn a_value_over_the_seam_of_two_blocks_is_masked_in_both() {
    let stage = Stage::with(&[MASKS]).await;
    let block = |text: &str| json!({ "type": "text", "text": text });
    let result = json!({ "content": [block("card: 4111 11"), block("11 1111 1111, thanks"), block("AKIAIOSF"), block("ODNN7"), block("EXAMPLE"), block("that is all")],
        "isError": false, "resultType": "complete" });
    stage.crm.on_tool("echo", Reply::result(&result));
    let answer = stage.says("go").await;
    let texts: Vec<_> = answer.result()["content"].as_array().into_iter().flatten().map(|block| block["text"].clone()).collect();
    assert_eq!(texts, [json!("card: [card]"), json!(", thanks"), json!("[secret]"), json!(""), json!(""), json!("that is all")]);
    assert_eq!(stage.findings(&answer), ["all mask response", "all mask response"]);
    stage.ends().await;
}

fn progress(at: u64, text: &str) -> Step {
    let params = json!({ "progressToken": "{token}", "progress": at, "message": text });
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
    Step::Message(message.to_string().replace("\"{token}\"", "{token}"))
}

fn log(text: &str) -> Step {
    Step::message(&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } }))
}

async fn streamed(stage: &Stage, steps: impl IntoIterator<Item = Step>) -> Events {
    stage.crm.on_tool("echo", Reply::stream(steps));
    let mut meta = meta();
    meta["progressToken"] = json!(7);
    stage.ada.stream("tools/call", json!({ "name": "echo", "arguments": { "text": "go" }, "_meta": meta })).await
}

/// What the notifications of an answer say, in order.
fn told(messages: &[Value]) -> Vec<String> {
    let text = |message: &Value| {
        let params = &message["params"];
        params["message"].as_str().or(params["data"].as_str()).map(str::to_owned)
    };
    messages.iter().filter_map(text).collect()
}

#[tokio::test]
async fn mcp_083_a_card_split_over_two_events_is_masked_in_both() {
    let stage = Stage::with(&[MASKS]).await;
    for (steps, expected) in [
        (vec![progress(1, "card 4111 1111 "), progress(2, "1111 1111 done.")], vec!["card [card]", " done."]),
        (
            vec![progress(1, "card 4111"), log("between"), progress(2, " 1111 1111"), progress(3, " 1111.")],
            vec!["between", "card [card]", "", "."],
        ),
        (vec![log("key AKIAIOSFO"), log("DNN7EXAMPLE used")], vec!["key [secret]", " used"]),
        (vec![log("a 4111 1111"), log("b 4111 1111")], vec!["a 4111 1111", "b 4111 1111"]),
    ] {
        let messages = streamed(&stage, steps.into_iter().chain([Step::text("ready.")])).await.rest().await;
        assert_eq!(told(&messages), expected);
        assert_eq!(messages.last().map(|last| &last["result"]["content"][0]["text"]), Some(&json!("ready.")));
    }
    stage.ends().await;
}

#[tokio::test]
async fn nothing_of_a_value_leaves_before_its_rest_is_there_and_what_begins_none_leaves_at_once() {
    let stage = Stage::with(&[MASKS]).await;
    let (first, second) = (Gate::default(), Gate::default());
    let steps = [
        log("starting"),
        progress(1, "card 4111 1111 "),
        Step::Wait(first.clone()),
        log("on the way"),
        progress(2, "1111 1111"),
        Step::Wait(second.clone()),
        Step::text("ready."),
    ];
    let mut events = streamed(&stage, steps).await;
    assert_eq!(told(&[events.next().await.unwrap_or_default()]), ["starting"]);
    first.open();
    let three = [events.next().await, events.next().await, events.next().await].map(Option::unwrap_or_default);
    assert_eq!(told(&three), ["on the way", "card [card]", ""]);
    second.open();
    assert_eq!(events.rest().await.len(), 1);
    stage.ends().await;
}

#[tokio::test]
async fn what_a_silent_server_began_leaves_after_a_while_and_its_rest_is_masked() {
    let stage = Stage::with(&[MASKS]).await;
    let gate = Gate::default();
    let steps = [progress(1, "batch 4111 1111 "), Step::Wait(gate.clone()), progress(2, "1111 1111 end"), Step::text("ready.")];
    let mut events = streamed(&stage, steps).await;
    assert_eq!(told(&[events.next().await.unwrap_or_default()]), ["batch 4111 1111 "], "progress is a sign of life");
    gate.open();
    assert_eq!(told(&events.rest().await), ["[card] end"]);
    stage.ends().await;
}

#[tokio::test]
async fn a_blocked_value_over_two_events_ends_the_stream_and_neither_part_leaves() {
    let stage = Stage::with(&["name: all, detect: [card], action: block"]).await;
    let messages = streamed(&stage, [progress(1, "4111 1111"), progress(2, " 1111 1111"), Step::text("x")]).await.rest().await;
    assert_eq!((messages.len(), &messages[0]["result"]["isError"]), (1, &json!(true)), "{messages:#?}");
    stage.ends().await;
}

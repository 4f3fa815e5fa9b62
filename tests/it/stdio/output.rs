//! What a server says that is no message, or too much of it: it harms its own calls at most.

use serde_json::json;

use super::{Stage, heard};
use crate::support::gateway::POLICY;
use crate::support::within;

fn faults(reason: &str) -> String {
    format!("yett_upstream_process_faults_total{{server=\"tool\",reason=\"{reason}\"}}")
}

#[tokio::test]
async fn what_is_no_message_is_dropped_and_counted() {
    let stage = Stage::with("").await;
    let client = stage.modern(&stage.ada);
    assert_eq!(client.call("banner", json!({ "lines": 3 })).await.text(), "said");
    stage.gateway.metric_is(&faults("not_a_message"), 3.0).await;
    assert_eq!(client.call("echo", json!({ "text": "still here" })).await.text(), "still here");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_else_is_given_up() {
    let stage = Stage::with("").await;
    let answer = stage.modern(&stage.ada).call("banner", json!({ "lines": 500 })).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{answer:?}");
    assert_eq!(stage.outcome(&answer).await["detail"], "too_many_faults");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_reply_that_two_readers_could_read_in_two_ways_fails_its_call_alone() {
    let stage = Stage::with("").await;
    let (ada, bob) = (stage.modern(&stage.ada), stage.modern(&stage.bob));
    let held = ada.call("hold", json!({ "name": "ada" }));
    let others = async {
        heard(&bob, "hold").await;
        let broken = bob.call("twice", json!({})).await;
        bob.call("release", json!({ "name": "ada" })).await;
        broken
    };
    let (held, broken) = within("both answers", async { tokio::join!(held, others) }).await;
    assert_eq!(broken.code(), Some(-31502), "{broken:?}");
    assert_eq!(stage.outcome(&broken).await["detail"], "not_a_message");
    assert_eq!(held.text(), "released");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_line_that_is_too_long_fails_its_call_alone() {
    let stage = Stage::of(&[], "", ", limits: { message: 64KiB }", POLICY).await;
    let client = stage.modern(&stage.ada);
    let fits = client.call("long", json!({ "size": 60_000 })).await;
    assert_eq!(fits.text().len(), 60_000);
    let answer = client.call("long", json!({ "size": 5_000_000 })).await;
    assert_eq!(answer.code(), Some(-31502), "{answer:?}");
    assert_eq!(stage.outcome(&answer).await["detail"], "too_large");
    stage.gateway.metric_is(&faults("too_large"), 1.0).await;
    assert_eq!(client.call("echo", json!({ "text": "still here" })).await.text(), "still here");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_flood_of_messages_that_concern_nobody_is_read_past() {
    let stage = Stage::with("").await;
    let client = stage.modern(&stage.ada);
    let answer = within("the answer behind the flood", client.call("flood", json!({ "messages": 2_000 }))).await;
    assert_eq!(answer.text(), "flooded", "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_is_said_on_standard_error_is_no_message_and_stops_nothing() {
    let stage = Stage::with("").await;
    let client = stage.modern(&stage.ada);
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let answer = within("the answer", client.call("grumble", json!({ "lines": 1_000, "text": text }))).await;
    assert_eq!(answer.text(), "grumbled", "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_reads_nothing_is_a_time_out_to_its_own_callers() {
    // The first call waits for the process to start as well.
    let deaf = Stage::of(&[], ", stop_timeout: 200ms", ", timeout: 4s", POLICY).await;
    let client = deaf.modern(&deaf.ada);
    assert_eq!(client.call("deaf", json!({})).await.text(), "deaf");
    // More than a pipe holds, so that the last of it is never written.
    let large = "x".repeat(200_000);
    for _ in 0..3 {
        let answer = within("a time-out", client.call("echo", json!({ "text": large }))).await;
        assert_eq!(answer.code(), Some(-31504), "{answer:?}");
    }
    deaf.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_038_a_reply_without_end_is_cut_off_and_the_process_serves_on() {
    let stage = Stage::of(&[], ", per: principal", ", limits: { stream_bytes: 64KiB }", POLICY).await;
    let client = stage.legacy(&stage.ada).await;
    let flood = json!({ "name": "flood", "arguments": { "messages": 7, "size": 10_000 } });
    let events = client.stream("tools/call", flood).await;
    let call = events.head.call();
    let told = within("the end of the reply", events.rest()).await;
    let last = told.last().unwrap();
    assert_eq!((told.len(), &last["error"]["code"]), (7, &json!(-31502)), "{last:#}");
    let records = stage.gateway.ended(&call).await;
    assert_eq!(records.last().unwrap()["out"]["status"], "stream_limit", "{records:#?}");
    assert_eq!(client.call("echo", json!({ "text": "still here" })).await.text(), "still here");
    stage.gateway.stop_and_verify().await;
}

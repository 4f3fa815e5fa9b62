//! How processes end, and what becomes of the calls that wait for them.

use serde_json::{Value, json};

use super::{Stage, heard, is_alive, is_gone, told};
use crate::support::gateway::POLICY;
use crate::support::{eventually, within};

#[tokio::test]
async fn http_041_a_crash_is_an_error_to_whoever_waits_recorded_as_cut_and_the_end_of_the_sessions() {
    let stage = Stage::with("").await;
    let (ada, bob) = (stage.legacy(&stage.ada).await, stage.legacy(&stage.bob).await);
    let held = ada.call("hold", json!({}));
    let others = async {
        heard(&bob, "hold").await;
        bob.call("crash", json!({})).await
    };
    let (held, crashed) = within("both ends", async { tokio::join!(held, others) }).await;
    for answer in [&held, &crashed] {
        assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{answer:?}");
        let outcome = stage.outcome(answer).await;
        assert_eq!(
            (&outcome["status"], &outcome["detail"]),
            (&json!("upstream_truncated"), &json!("process_ended")),
            "{outcome}"
        );
    }
    let gone = ada.call("echo", json!({})).await;
    assert_eq!((gone.status, gone.code()), (404, Some(-31404)), "{gone:?}");
    stage.gateway.metric_is("yett_upstream_process_ends_total{server=\"tool\",reason=\"process_ended\"}", 1.0).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_041_a_stream_that_a_crash_cuts_ends_with_an_error_and_is_recorded_as_cut() {
    let stage = Stage::with(", per: principal").await;
    let client = stage.legacy(&stage.ada).await;
    let events = client.stream("tools/call", json!({ "name": "crash", "arguments": { "note": "before" } })).await;
    let call = events.head.call();
    let events = events.rest().await;
    assert_eq!(events[0]["params"]["data"], "before", "{events:?}");
    assert_eq!(events.last().unwrap()["error"]["code"], -31502, "{events:?}");
    let records = eventually("the outcome", || {
        Some(stage.gateway.records_of(&call)).filter(|records| records.iter().any(|record| record["kind"] == "call.outcome"))
    })
    .await;
    let outcome = &records.iter().find(|record| record["kind"] == "call.outcome").unwrap()["out"];
    assert_eq!((&outcome["status"], &outcome["events"]), (&json!("upstream_truncated"), &json!(1)), "{outcome}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_answer_that_is_a_servers_last_word_is_given() {
    let stage = Stage::with("").await;
    let answer = stage.modern(&stage.ada).call("last_words", json!({})).await;
    assert_eq!(answer.text(), "goodbye", "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_fails_is_started_again_and_each_time_later() {
    let stage = Stage::with("").await;
    let client = stage.modern(&stage.ada);
    let first = told(&client.call("facts", json!({})).await)["pid"].clone();
    client.call("crash", json!({})).await;
    let answer = client.call("echo", json!({ "text": "x" })).await;
    assert_eq!(stage.outcome(&answer).await["detail"], "restarting", "not at once: {answer:?}");
    let again = within("another process", async {
        loop {
            let answer = client.call("facts", json!({})).await;
            if !answer.text().is_empty() {
                return told(&answer)["pid"].clone();
            }
        }
    })
    .await;
    assert_ne!(first, again);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_never_works_is_left_alone_for_longer_and_longer() {
    let stage = Stage::of(&["dies"], "", "", POLICY).await;
    let client = stage.modern(&stage.ada);
    let ends = "yett_upstream_process_ends_total{server=\"tool\",reason=\"process_ended\"}";
    within("four failures", async {
        while stage.gateway.metric(ends).await < 4.0 {
            assert!(client.call("echo", json!({})).await.code().is_some(), "an error each time");
        }
    })
    .await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_the_handshake_fails_it_in_time() {
    let stage = Stage::of(&["silent"], "", ", timeout: 300ms", POLICY).await;
    let answer = within("an error", stage.shake("i")).await;
    assert!(matches!(answer.code(), Some(-31504 | -31502)), "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn the_end_of_the_gateway_ends_its_servers_and_whatever_they_have_started() {
    let stage = Stage::with("").await;
    let client = stage.modern(&stage.ada);
    let grandchild: Value = told(&client.call("child", json!({})).await);
    let process = told(&client.call("facts", json!({})).await)["pid"].clone();
    assert!(is_alive(&process) && is_alive(&grandchild));
    stage.gateway.stop_and_verify().await;
    assert!(!is_alive(&process), "the server outlives the gateway");
    is_gone(&grandchild).await;
}

#[tokio::test]
async fn what_does_not_end_when_asked_is_ended_by_force() {
    let stage = Stage::with(", stop_timeout: 200ms").await;
    let stubborn = told(&stage.modern(&stage.ada).call("stubborn", json!({})).await);
    stage.gateway.stop_and_verify().await;
    for process in stubborn.as_array().unwrap() {
        is_gone(process).await;
    }
}

#[tokio::test]
async fn a_crash_ends_what_the_server_has_started() {
    let stage = Stage::with("").await;
    let client = stage.modern(&stage.ada);
    let grandchild = told(&client.call("child", json!({})).await);
    client.call("crash", json!({})).await;
    is_gone(&grandchild).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn calls_in_flight_are_answered_before_the_server_ends() {
    let stage = Stage::of(&[], "", "", POLICY).await;
    let (ada, bob) = (stage.modern(&stage.ada), stage.modern(&stage.bob));
    let held = ada.call("hold", json!({ "name": "ada" }));
    let others = async {
        heard(&bob, "hold").await;
        bob.call("release", json!({ "name": "ada", "text": "in time" })).await
    };
    let (held, _) = within("the answer", async { tokio::join!(held, others) }).await;
    assert_eq!(held.text(), "in time");
    stage.gateway.stop_and_verify().await;
}

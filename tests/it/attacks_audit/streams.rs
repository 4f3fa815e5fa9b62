//! What flows inside a stream is in records of its own, and `async` mode waits for nothing.

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

fn note(number: usize) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": format!("n{number}") } })
}

fn kinds(records: &[Value]) -> Vec<&str> {
    records.iter().filter_map(|record| record["kind"].as_str()).collect()
}

#[tokio::test]
async fn every_64_events_of_a_stream_are_committed_to_before_the_outcome_is() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let rest = Gate::default();
    let mut steps: Vec<Step> = (0..128).map(|number| Step::message(&note(number))).collect();
    steps.push(Step::Wait(rest.clone()));
    steps.extend([Step::message(&note(128)), Step::text("done")]);
    crm.on_tool("echo", Reply::stream(steps));

    let mut events = gateway.modern("crm", &key).stream("tools/call", json!({ "name": "echo", "arguments": {} })).await;
    let call = events.head.call();
    for number in 0..128 {
        assert_eq!(events.next().await, Some(note(number)));
    }
    rest.open();
    assert_eq!(events.next().await, Some(note(128)));
    assert!(events.next().await.unwrap()["result"].is_object());
    let records = gateway.records_of(&call);
    // `stream.segment` has the call's id too, so it is selected as well.
    assert_eq!(kinds(&records), ["call.decision", "stream.segment", "stream.segment", "call.outcome"], "{records:#?}");
    let (first, second, out) = (&records[1]["seg"], &records[2]["seg"], &records[3]["out"]);
    assert_eq!((&first["n"], &first["first"], &first["events"]), (&json!(0), &json!(0), &json!(64)));
    assert_eq!((&second["n"], &second["first"], &second["events"]), (&json!(1), &json!(64), &json!(64)));
    assert_eq!(out["events"], 129, "{out}");
    let sums: Vec<_> = [&first["sum"], &second["sum"], &out["seg"]].into_iter().map(|sum| sum.as_str().unwrap()).collect();
    assert!(sums[0] != sums[1] && sums[1] != sums[2] && sums.iter().all(|sum| sum.len() == 64), "{sums:?}");
    assert!(!records[1].to_string().contains("n63"), "a record repeats content");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_mebibyte_of_events_is_committed_to_whatever_their_number() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let large = |number: usize| {
        let text = format!("{number} {}", "lorem ipsum ".repeat(30_000));
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } })
    };
    let mut steps: Vec<Step> = (0..4).map(|number| Step::message(&large(number))).collect();
    steps.push(Step::text("done"));
    crm.on_tool("echo", Reply::stream(steps));
    let events = gateway.modern("crm", &key).stream("tools/call", json!({ "name": "echo", "arguments": {} })).await;
    let call = events.head.call();
    assert_eq!(events.rest().await.len(), 5);
    let records = gateway.records_of(&call);
    assert_eq!(kinds(&records), ["call.decision", "stream.segment", "call.outcome"], "{records:#?}");
    assert_eq!(records[1]["seg"]["events"], 3, "the third one passes the mebibyte");
    assert!(records[1]["seg"]["bytes"].as_u64() >= Some(1 << 20), "{records:#?}");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn events_of_a_stream_that_falls_silent_are_committed_to_before_it_ends() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let end = Gate::default();
    crm.on_tool("echo", Reply::stream([Step::message(&note(0)), Step::Wait(end.clone()), Step::text("done")]));
    let mut events = gateway.modern("crm", &key).stream("tools/call", json!({ "name": "echo", "arguments": {} })).await;
    let call = events.head.call();
    assert_eq!(events.next().await, Some(note(0)));
    // Nothing else moves: the record comes by itself, after 5 s.
    crate::support::eventually("a record about the one event", || {
        (kinds(&gateway.records_of(&call)) == ["call.decision", "stream.segment"]).then_some(())
    })
    .await;
    end.open();
    assert_eq!(events.rest().await.len(), 1);
    assert_eq!(kinds(&gateway.records_of(&call)), ["call.decision", "stream.segment", "call.outcome"]);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn in_response_mode_the_first_event_of_a_stream_waits_for_the_decision() {
    let crm = Upstream::start().await;
    let gateway =
        Gateway::start().servers([("crm", &crm)]).config_extra("audit: { origin: test.localhost, durability: response }\n").await;
    let key = gateway.key("ada", &["staff"]).await;
    let end = Gate::default();
    crm.on_tool(
        "echo",
        Reply::stream([Step::message(&note(0)), Step::message(&note(1)), Step::Wait(end.clone()), Step::text("x")]),
    );
    let mut events = gateway.modern("crm", &key).stream("tools/call", json!({ "name": "echo", "arguments": {} })).await;
    assert_eq!(events.next().await, Some(note(0)));
    // Durable before it is released, so no waiting here.
    let records = gateway.records_of(&events.head.call());
    assert_eq!(kinds(&records), ["call.decision", "stream.segment"], "{records:#?}");
    assert_eq!((&records[1]["seg"]["first"], &records[1]["seg"]["events"]), (&json!(0), &json!(1)), "{records:#?}");
    assert_eq!(events.next().await, Some(note(1)), "only the first one waits");
    let call = events.head.call();
    end.open();
    assert_eq!(events.rest().await.len(), 1);
    let records = gateway.records_of(&call);
    assert_eq!(kinds(&records), ["call.decision", "stream.segment", "call.outcome"], "{records:#?}");
    assert_eq!(records[2]["out"]["events"], 2, "{records:#?}");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn in_async_mode_answers_do_not_wait_and_their_records_follow() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start()
        .servers([("crm", &crm)])
        .config_extra("audit: { origin: test.localhost, durability: async, loss_window: 10s }\naccept_risks: [async_audit]\n")
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    let answer = gateway.modern("crm", &key).call("echo", json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(gateway.records_of(&answer.call()).len(), 0, "the answer waited for its records");
    let call = answer.call();
    // A record that somebody waits for takes all before it along.
    gateway.key("bob", &["staff"]).await;
    assert_eq!(kinds(&gateway.records_of(&call)), ["call.decision", "call.outcome"]);
    let start = gateway.records(&yett::audit::Filter { kinds: vec!["start".to_owned()], ..Default::default() });
    assert_eq!(start[0]["mode"], "async", "the mode stands in the log itself");
    gateway.stop_and_verify().await;
}

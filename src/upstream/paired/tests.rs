//! What is open on one connection, without one.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::*;
use crate::chain::{Rejection, ResponseBody, ServerMessage};
use crate::places::Share;
use crate::protocol::ProtocolVersion;
use crate::telemetry::Metrics;
use crate::upstream::cut::{Cuts, Ends};
use crate::upstream::memory::ReplyMemory;

const LARGEST: usize = 64 << 10;

struct Stage {
    paired: Arc<Paired>,
    answers: Arc<Mutex<Vec<Json>>>,
    unheard: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
    abandoned: Arc<Mutex<Vec<i64>>>,
}

fn stage(audience: Audience) -> Stage {
    let (answers, abandoned) = (Arc::<Mutex<Vec<Json>>>::default(), Arc::<Mutex<Vec<i64>>>::default());
    let (told, left) = (Arc::clone(&answers), Arc::clone(&abandoned));
    let questions = Questions::new(move |bytes| told.lock().push(serde_json::from_slice(&bytes).unwrap()));
    let unheard = Arc::<Mutex<Vec<_>>>::default();
    let records = Arc::clone(&unheard);
    let record = move |method, why, then: Then| {
        records.lock().push((method, why));
        then();
    };
    let paired = Paired::new(audience, LARGEST, questions, record, move |wire| left.lock().push(wire));
    Stage { paired, answers, unheard, abandoned }
}

impl Stage {
    fn open(&self, text: &Json, session: Option<u64>) -> (Json, OpenCall) {
        let mut message = Message::parse(text.to_string().into(), Limits::default(), Side::Client).unwrap();
        let version = if session.is_some() { ProtocolVersion::V2025_11_25 } else { ProtocolVersion::V2026_07_28 };
        let access = Access::of(&message, version, |_| None).unwrap();
        let (line, call) = self.paired.open(&mut message, &access, session).unwrap();
        (serde_json::from_slice(&line).unwrap(), call)
    }

    fn ping(&self, id: &Json, session: u64) -> (i64, OpenCall) {
        let (sent, call) = self.open(&json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }), Some(session));
        (sent["id"].as_i64().unwrap(), call)
    }

    fn receive(&self, text: &Json) -> Result<(), Fault> {
        self.paired.receive(&text.to_string().into())
    }
}

fn next(call: &mut OpenCall) -> Option<Result<Json, Rejection>> {
    let next = call.response_or_more().now_or_never()?;
    Some(next.map(|message: ServerMessage| serde_json::from_slice(&message.message.encode()).unwrap()))
}

fn message(call: &mut OpenCall) -> Json {
    next(call).expect("nothing has come").unwrap()
}

fn word(call: &mut OpenCall) -> String {
    let rejection = next(call).expect("nothing has come").unwrap_err();
    if let Reason::UpstreamFailed(word) = rejection.reason() { (*word).to_owned() } else { rejection.reason().word().to_owned() }
}

#[test]
fn two_clients_with_one_id_get_their_own_answers() {
    let stage = stage(Audience::Many);
    let ((one, mut ada), (two, mut bob)) = (stage.ping(&json!(7), 1), stage.ping(&json!(7), 2));
    assert_ne!(one, two);
    stage.receive(&json!({ "jsonrpc": "2.0", "id": two, "result": { "of": "bob" } })).unwrap();
    stage.receive(&json!({ "jsonrpc": "2.0", "id": one, "result": { "of": "ada" } })).unwrap();
    assert_eq!(message(&mut ada), json!({ "jsonrpc": "2.0", "id": 7, "result": { "of": "ada" } }));
    assert_eq!(message(&mut bob), json!({ "jsonrpc": "2.0", "id": 7, "result": { "of": "bob" } }));
    assert_eq!(stage.paired.len(), 0);
}

#[test]
fn progress_is_told_to_whoever_asked_for_it_by_their_own_token() {
    let stage = stage(Audience::Many);
    let call =
        |id: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "ping", "params": { "_meta": { "progressToken": "t" } } });
    let ((sent, mut ada), (_, mut bob)) = (stage.open(&call("a"), Some(1)), stage.open(&call("b"), Some(2)));
    let token = &sent["params"]["_meta"]["progressToken"];
    assert_eq!(token, &sent["id"], "ours");
    let progress = |token: &Json| json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": token, "progress": 1 } });
    stage.receive(&progress(token)).unwrap();
    stage.receive(&progress(&json!("t"))).unwrap();
    assert_eq!(message(&mut ada)["params"]["progressToken"], "t");
    assert!(next(&mut ada).is_none() && next(&mut bob).is_none(), "a client's token names nothing");
}

#[test]
fn what_names_no_call_reaches_nobody_where_the_connection_is_shared() {
    let stage = stage(Audience::Many);
    let ((_, mut call), mut push) = (stage.ping(&json!(1), 1), stage.paired.open_push(2).unwrap());
    stage.receive(&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": "of somebody" } })).unwrap();
    stage.receive(&json!({ "jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {} })).unwrap();
    stage.receive(&json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" })).unwrap();
    stage
        .receive(&json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": { "_meta": { "x": 1 } } }))
        .unwrap();
    assert!(next(&mut call).is_none());
    assert_eq!(message(&mut push), json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }));
    assert!(next(&mut push).is_none());
    let answers = stage.answers.lock();
    assert_eq!((answers[0]["error"]["code"].as_i64(), &answers[1]["result"]), (Some(-32601), &json!({})));
    assert_eq!(*stage.unheard.lock(), [("sampling/createMessage", "shared_process")], "on record, but for the sign of life");
}

#[test]
fn mcp_030_a_question_that_finds_no_room_or_nobody_is_refused_and_on_record() {
    let stage = stage(Audience::One);
    let ask = |id: i64, method: &str| {
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": { "x": "x".repeat(10_000) } });
        stage.receive(&text).unwrap();
    };
    ask(1, "roots/list");
    let (_, mut call) = stage.ping(&json!(1), 1);
    (0..100).for_each(|id| ask(id, "elicitation/create"));
    ask(2, "x/y");
    let heard = std::iter::from_fn(|| next(&mut call)?.ok()).count();
    let refused = stage.unheard.lock().clone();
    assert_eq!((refused[0], refused[1]), (("roots/list", "nobody_waits"), ("elicitation/create", "backlog")), "{refused:?}");
    assert_eq!(refused.last(), Some(&("other", "nobody_waits")));
    assert_eq!((heard + refused.len(), stage.answers.lock().len()), (102, refused.len()), "each is heard or refused");
}

#[test]
fn a_list_that_changes_without_end_is_told_once_to_whoever_does_not_read() {
    let stage = stage(Audience::Many);
    let (mut push, mut other) = (stage.paired.open_push(1).unwrap(), stage.paired.open_push(2).unwrap());
    let change = |list: &str| {
        stage.receive(&json!({ "jsonrpc": "2.0", "method": format!("notifications/{list}/list_changed") })).unwrap();
    };
    for _ in 0..10_000 {
        ["tools", "prompts"].into_iter().for_each(change);
    }
    let told = |push: &mut OpenCall| message(push)["method"].as_str().unwrap().to_owned();
    assert_eq!(told(&mut push), "notifications/tools/list_changed");
    // What comes when the message is read is news again.
    change("tools");
    assert_eq!(
        (told(&mut push), told(&mut push)),
        ("notifications/prompts/list_changed".into(), "notifications/tools/list_changed".into())
    );
    assert!(next(&mut push).is_none());
    assert_eq!(
        (told(&mut other), told(&mut other)),
        ("notifications/tools/list_changed".into(), "notifications/prompts/list_changed".into())
    );
    assert!(next(&mut other).is_none());
}

#[test]
fn what_names_no_call_goes_to_the_newest_call_of_the_only_caller() {
    let stage = stage(Audience::One);
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": "x" } });
    let mut push = stage.paired.open_push(1).unwrap();
    stage.receive(&note).unwrap();
    assert_eq!(message(&mut push), note);
    let ((_, mut old), (_, mut new)) = (stage.ping(&json!(1), 1), stage.ping(&json!(2), 1));
    stage.receive(&note).unwrap();
    stage.receive(&json!({ "jsonrpc": "2.0", "id": "q", "method": "roots/list" })).unwrap();
    assert_eq!(message(&mut new), note);
    assert_eq!(message(&mut new)["id"], "q");
    assert!(next(&mut old).is_none() && next(&mut push).is_none());
    // What is taken back goes where it was asked, whoever is the newest now.
    let (_, mut newest) = stage.ping(&json!(3), 1);
    stage.receive(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "q" } })).unwrap();
    assert_eq!(message(&mut new)["method"], "notifications/cancelled");
    assert!(next(&mut newest).is_none());
}

#[test]
fn a_subscription_has_its_own_messages_under_its_own_id() {
    let stage = stage(Audience::Many);
    let listen = |id: &Json| json!({ "jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": { "notifications": { "toolsListChanged": true } } });
    let ((sent, mut ada), (_, mut bob)) = (stage.open(&listen(&json!("s")), None), stage.open(&listen(&json!(1)), None));
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": sent["id"] });
    stage
        .receive(&json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": { "_meta": meta } }))
        .unwrap();
    assert_eq!(message(&mut ada)["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
    stage.receive(&json!({ "jsonrpc": "2.0", "id": sent["id"], "result": { "_meta": meta } })).unwrap();
    let last = message(&mut ada);
    assert_eq!((&last["id"], &last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"]), (&json!("s"), &json!("s")));
    assert!(next(&mut bob).is_none());
}

#[test]
fn whoever_goes_away_is_forgotten_and_the_server_told() {
    let stage = stage(Audience::Many);
    let (wire, call) = stage.ping(&json!(1), 1);
    drop(call);
    assert_eq!((stage.paired.len(), stage.abandoned.lock().clone()), (0, vec![wire]));
    stage.receive(&json!({ "jsonrpc": "2.0", "id": wire, "result": {} })).unwrap();
    drop(stage.paired.open_push(1).unwrap());
    assert_eq!(stage.abandoned.lock().len(), 1, "no request of the connection");
}

#[test]
fn a_client_cancels_its_own_calls_only() {
    let stage = stage(Audience::Many);
    let ((wire, mut ada), (_, mut bob)) = (stage.ping(&json!(7), 1), stage.ping(&json!(7), 2));
    let id = RequestId::read(
        Message::parse(Bytes::from_static(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#), Limits::default(), Side::Client)
            .unwrap()
            .value(ada_id()),
    )
    .unwrap();
    assert_eq!(stage.paired.cancel(Some(3), &id), None);
    assert_eq!(stage.paired.cancel(Some(1), &id), Some(wire));
    assert_eq!(word(&mut ada), "stream_over");
    assert!(next(&mut bob).is_none());
    drop(ada);
    assert!(stage.abandoned.lock().is_empty(), "it has been told by the client");
}

fn ada_id() -> crate::protocol::json::NodeId {
    Message::parse(Bytes::from_static(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#), Limits::default(), Side::Client)
        .unwrap()
        .id_place()
        .unwrap()
}

#[test]
fn an_answer_nobody_has_asked_for_is_a_fault_and_reaches_nobody() {
    let stage = stage(Audience::One);
    let (wire, mut call) = stage.ping(&json!(1), 1);
    for id in [json!(1), json!(wire + 1), json!("x"), json!(wire.to_string())] {
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": {} });
        assert_eq!(stage.receive(&answer), Err(Fault("foreign_id")), "{id}");
    }
    assert!(next(&mut call).is_none());
    let other = stage.ping(&json!(2), 1);
    let unnamed = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "what?" } });
    assert_eq!(stage.receive(&unnamed), Err(Fault("no_id")), "two could be meant");
    drop(other);
    stage.receive(&unnamed).unwrap();
    assert_eq!(message(&mut call)["id"], 1);
}

#[test]
fn a_broken_reply_fails_its_own_call_and_no_other() {
    let stage = stage(Audience::Many);
    let ((one, mut ada), (two, mut bob)) = (stage.ping(&json!(1), 1), stage.ping(&json!(2), 2));
    let broken = format!(r#"{{"jsonrpc":"2.0","result":{{"a":1,"a":2}},"id":{one}}}"#);
    assert_eq!(stage.paired.receive(&broken.into()), Err(Fault("not_a_message")));
    assert_eq!(word(&mut ada), "not_a_message");
    assert_eq!(stage.paired.receive(&"Listening on stdio".into()), Err(Fault("not_a_message")));
    assert!(next(&mut bob).is_none());
    stage.paired.broken(format!(r#"{{"id":{two},"result":"#).as_bytes(), "too_large");
    assert_eq!(word(&mut bob), "too_large");
}

#[test]
fn a_call_that_is_flooded_ends_and_others_go_on() {
    let stage = stage(Audience::One);
    let call = |id: i64| json!({ "jsonrpc": "2.0", "id": id, "method": "ping", "params": { "_meta": { "progressToken": id } } });
    let ((sent, mut flooded), (other, mut quiet)) = (stage.open(&call(1), Some(1)), stage.open(&call(2), Some(1)));
    let text = "x".repeat(10_000);
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
        "params": { "progressToken": sent["id"], "progress": 1, "message": text } });
    for _ in 0..100 {
        stage.receive(&progress).unwrap();
    }
    let mut read = 0;
    let ended = loop {
        match next(&mut flooded).expect("an end") {
            Ok(_) => read += 1,
            Err(rejection) => break rejection.reason().clone(),
        }
    };
    assert_eq!(ended, Reason::UpstreamFailed("backlog"));
    assert!(read * 10_000 <= 256 << 10, "{read}");
    assert_eq!(stage.abandoned.lock().len(), 1, "the server is told");
    stage.receive(&json!({ "jsonrpc": "2.0", "id": other["id"], "result": {} })).unwrap();
    assert_eq!(message(&mut quiet)["id"], 2);
}

#[test]
fn answers_that_nobody_reads_are_bounded_in_all() {
    let stage = stage(Audience::Many);
    let mut calls: Vec<_> = (0..20).map(|id| stage.ping(&json!(id), 1)).collect();
    for (wire, _) in &calls {
        stage.receive(&json!({ "jsonrpc": "2.0", "id": wire, "result": { "text": "x".repeat(60_000) } })).unwrap();
    }
    let lost = calls.iter_mut().map(|(_, call)| next(call).expect("an end")).filter(Result::is_err).count();
    assert_eq!(lost, 20 - 16 * LARGEST / 60_000);
    let (wire, mut call) = stage.ping(&json!(1), 1);
    stage.receive(&json!({ "jsonrpc": "2.0", "id": wire, "result": {} })).unwrap();
    assert_eq!(message(&mut call)["id"], 1, "what is read makes room");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_room_is_not_the_silence_of_its_server() {
    let stage = stage(Audience::One);
    let memory = ReplyMemory::new(64 << 10, Duration::from_secs(20), &Metrics::new());
    let growing = |name: &str| memory.growing(Share::Caller(name.into()));
    let mut others = growing("bob");
    std::future::poll_fn(|cx| others.poll_for(cx, 64 << 10, 64 << 10)).await.unwrap();
    let (at, because) = (Instant::now() + Duration::from_hours(1), Reason::UpstreamTimeout);
    let reading = Reading {
        pushes: true,
        ends: Ends { at, because },
        most: usize::MAX,
        idle: Duration::from_secs(1),
        cut: Cuts::new().of_calls(),
        memory: growing("ada"),
        status: |_| http::StatusCode::OK,
    };
    let push = stage.paired.open_push(1).unwrap();
    let ResponseBody::Stream(mut messages) = push.reply(reading).await.unwrap().body else { panic!("no stream") };
    let text = "x".repeat(40_000);
    stage
        .receive(&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } }))
        .unwrap();
    tokio::time::timeout(Duration::from_secs(5), messages.next()).await.expect_err("there is no room");
    drop(others);
    assert!(messages.next().await.unwrap().is_ok_and(|message| message.memory.is_some()));
    let ended = messages.next().await.unwrap().unwrap_err();
    assert_eq!(ended.reason(), &Reason::UpstreamTimeout, "silence is one still");
}

#[test]
fn the_end_of_a_connection_ends_what_is_open_and_lets_nothing_begin() {
    let stage = stage(Audience::Many);
    let ((_, mut call), mut push) = (stage.ping(&json!(1), 1), stage.paired.open_push(1).unwrap());
    stage.paired.end(&Reason::UpstreamFailed("process_ended"));
    assert_eq!(word(&mut call), "process_ended");
    assert_eq!(word(&mut push), "no_response");
    assert!(stage.paired.open_push(1).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_idle_once_everybody_has_left() {
    let stage = stage(Audience::One);
    let (_, call) = stage.ping(&json!(1), 1);
    let idle = stage.paired.idle_for(Duration::from_secs(10));
    let mut idle = std::pin::pin!(idle);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert!((&mut idle).now_or_never().is_none());
    drop(call);
    tokio::time::timeout(Duration::from_secs(9), &mut idle).await.unwrap_err();
    tokio::time::timeout(Duration::from_secs(2), idle).await.unwrap();
}

//! No byte to a server before the decision is on the disk, none to the client before the outcome is: by the system calls
//! themselves, not by what the code says.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Uuid;
use yett::master_key::MasterKey;
use yett::vault::Vault;

use super::trace::{self, SysCall, synced_after};
use crate::cli::http::call;
use crate::cli::process::Home;
use crate::cli::upstream::Upstream;
use crate::support::client::Client;
use crate::support::reply::{Reply, Step};
use crate::support::server;

fn first<'a>(calls: &'a [SysCall], what: &str, found: impl Fn(&&SysCall) -> bool) -> &'a SysCall {
    calls.iter().find(found).unwrap_or_else(|| panic!("the trace has no {what}"))
}

#[test]
fn no_byte_goes_to_the_server_before_the_decisions_sync_and_none_to_the_client_before_the_outcomes() {
    let upstream = Upstream::start();
    let home = Home::new(upstream.address);
    let (_, secret) = home.key_offline("ada");
    let serving = trace::serve(&home, &[]);
    let ids: Vec<String> = (0..5)
        .map(|_| {
            let reply = call(serving.listener, "crm", &secret, "get_customer");
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.header("yett-call").unwrap().to_owned()
        })
        .collect();
    let refused = call(serving.listener, "crm", &secret, "delete_customer");
    assert_eq!(refused.error_code(), Some(-32602), "{refused:?}");
    let refused = refused.header("yett-call").unwrap().to_owned();
    let listener = serving.listener.port();
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");

    let calls = trace::read(&home);
    for id in &ids {
        let records: Vec<_> = calls.iter().filter(|call| call.writes_records() && call.arguments.contains(id.as_str())).collect();
        assert_eq!(records.len(), 2, "a decision and an outcome, written apart");
        let header = format!("yett-call: {id}");
        let dispatched = first(&calls, "request to the server", |call| call.sends(upstream.address.port(), &header));
        let released = first(&calls, "answer to the client", |call| call.sends(listener, &header));
        let decided = synced_after(&calls, records[0].ended).expect("the decision was never synced");
        assert!(decided < dispatched.began, "{id}: sent at line {}, durable at line {decided}", dispatched.began);
        assert!(records[1].began > dispatched.began, "{id}: the outcome was known before the call");
        let ended = synced_after(&calls, records[1].ended).expect("the outcome was never synced");
        assert!(ended < released.began, "{id}: released at line {}, durable at line {ended}", released.began);
    }
    let record = first(&calls, "refusal", |call| call.writes_records() && call.arguments.contains(refused.as_str()));
    let released = first(&calls, "refusal sent", |call| call.sends(listener, &format!("yett-call: {refused}")));
    assert!(synced_after(&calls, record.ended).unwrap() < released.began, "a refusal was answered before it was durable");
    assert!(!calls.iter().any(|call| call.sends(upstream.address.port(), &refused)), "a refused call was sent");
}

#[test]
fn aud_064_the_name_of_a_new_segment_is_durable_before_anything_in_it_is_acknowledged() {
    let upstream = Upstream::start();
    let home = Home::new(upstream.address);
    let serving = trace::serve(&home, &[]);
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    let calls = trace::read(&home);
    let created = first(&calls, "new segment", |call| {
        call.name == "openat" && call.arguments.contains("/seg/0000000000000.jsonl") && call.arguments.contains("O_CREAT")
    });
    let named = first(&calls, "sync of the directory", |call| {
        call.name == "fsync" && call.arguments.contains("/seg>") && call.began > created.ended && call.succeeded
    });
    let written = first(&calls, "first record", |call| call.writes_records());
    let acknowledged = synced_after(&calls, written.ended).expect("the first record was never synced");
    assert!(named.ended < acknowledged, "directory at line {}, first record at line {acknowledged}", named.ended);
}

/// A mark that is in the final event alone, and so tells where it went.
const FINAL: &str = "the-final-event";

fn note(number: u32) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": format!("note-{number}") } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aud_065_of_a_streamed_result_notes_go_out_behind_the_decision_and_the_final_event_behind_the_outcome() {
    let crm = server::Upstream::start().await;
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "complete", "content": [{ "type": "text", "text": FINAL }] } });
    crm.on_tool("get_customer", Reply::stream([Step::message(&note(1)), Step::message(&note(2)), Step::message(&answer)]));
    let home = Home::new(crm.address);
    let (home, secret, serving) = tokio::task::spawn_blocking(move || {
        let (_, secret) = home.key_offline("ada");
        let serving = trace::serve(&home, &[]);
        (home, secret, serving)
    })
    .await
    .unwrap();
    let client = Client::modern(serving.listener, "crm", &secret);
    let mut events = client.stream("tools/call", json!({ "name": "get_customer", "arguments": {} })).await;
    let sent = [events.next_data().await, events.next_data().await, events.next_data().await].map(Option::unwrap);
    let read = |data: &str| serde_json::from_str::<Value>(data).unwrap();
    assert_eq!(sent.each_ref().map(|data| read(data))[..2], [note(1), note(2)], "{:?}", events.head);
    assert_eq!(read(&sent[2])["result"]["content"][0]["text"], FINAL);
    let (id, listener) = (events.head.call(), serving.listener.port());
    drop(events);
    let (home, code) = tokio::task::spawn_blocking(move || (home, serving.terminate().0)).await.unwrap();
    assert_eq!(code, Some(0));

    let calls = trace::read(&home);
    let records: Vec<_> = calls.iter().filter(|call| call.writes_records() && call.arguments.contains(id.as_str())).collect();
    let (decision, outcome) = (records.first().unwrap(), records.last().unwrap());
    assert!(outcome.arguments.contains("call.outcome") && !decision.arguments.contains("call.outcome"), "{records:?}");
    let decided = synced_after(&calls, decision.ended).expect("the decision was never synced");
    let noted = first(&calls, "note to the client", |call| call.sends(listener, "note-1"));
    assert!(decided < noted.began, "a note at line {}, the decision durable at line {decided}", noted.began);
    let ended = synced_after(&calls, outcome.ended).expect("the outcome was never synced");
    let released = first(&calls, "final event to the client", |call| call.sends(listener, FINAL));
    assert!(ended < released.began, "released at line {}, durable at line {ended}", released.began);

    // What the outcome commits to is what the client was sent, byte by byte: its caller's key tests that.
    let about: Vec<_> = home.records().into_iter().filter(|record| record["call"] == *id).collect();
    let [decision, outcome] = about.as_slice() else { panic!("{about:?}") };
    let data = home.path("data");
    let vault = Vault::open(&data, &MasterKey::open(None, &data).unwrap()).await.unwrap();
    let at = outcome["t"].as_str().unwrap().parse().unwrap();
    let committer = vault.committer(decision["who"]["sub"].as_str().unwrap(), at).await.unwrap().unwrap();
    let call: Uuid = id.parse().unwrap();
    let before_the_end = digest(&SHA256, [sent[0].as_bytes(), sent[1].as_bytes()].concat().as_slice());
    let out = &outcome["out"];
    assert_eq!(out["events"], 2);
    assert_eq!(out["seg"], committer.commit(call.as_bytes(), "seg", before_the_end.as_ref()), "{out}");
    assert_eq!(out["res"], committer.commit(call.as_bytes(), "res", sent[2].as_bytes()), "{out}");
}

//! The end of a busy gateway: the real binary under SIGTERM.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::cli::http::try_send;
use crate::cli::process::{Home, Serving};
use crate::support::client::{Client, Events};
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;
use crate::support::{eventually, within};

const STREAMS: usize = 200;
const CALLS: usize = 50;

fn note() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" })
}

fn call() -> Value {
    json!({ "name": "get_customer", "arguments": {} })
}

/// A busy gateway: subscriptions that are open, and calls that their server has received and does not answer yet.
struct Scene {
    home: Home,
    crm: Upstream,
    ada: Client,
    gate: Gate,
    serving: Serving,
}

impl Scene {
    async fn new(drain: &str) -> Self {
        let crm = Upstream::start().await;
        let gate = Gate::default();
        crm.on_tool("get_customer", Reply::text("done").after(&gate));
        crm.on_method("subscriptions/listen", Reply::stream([Step::message(&note()), Step::Wait(Gate::default())]));
        let home = Home::new(crm.address);
        home.edit("drain: 20s", drain);
        home.edit("address: \"127.0.0.1:0\" }]", "address: \"127.0.0.1:0\", limits: { connections_per_peer: 1000 } }]");
        let (home, serving, secret) = blocking(move || {
            let (_, secret) = home.key_offline("ada");
            let serving = home.serve();
            (home, serving, secret)
        })
        .await;
        let ada = Client::modern(serving.listener, "crm", &secret);
        Self { home, crm, ada, gate, serving }
    }

    async fn subscribe(&self) -> Events {
        let mut events = self.ada.stream("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
        assert_eq!(events.next().await, Some(note()), "{:?}", events.head);
        events
    }
}

/// Work that waits for a process, off the runtime that serves its peers.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The gateway's last words on a stream: the answer to its request, and then nothing.
async fn assert_told(events: &mut Events) {
    let last = events.next().await.expect("a stream ends without a word");
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-31503)), "{last}");
    assert_eq!(last["error"]["data"]["call"], events.head.call(), "{last}");
    assert_eq!(events.next().await, None);
}

/// How often each status stands among the outcomes.
fn statuses(records: &[Value]) -> HashMap<String, usize> {
    let mut counted = HashMap::new();
    for status in records.iter().filter_map(|record| record["out"]["status"].as_str()) {
        *counted.entry(status.to_owned()).or_default() += 1;
    }
    counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn avl_012_a_stop_under_load_finishes_calls_tells_streams_and_records_everything() {
    let scene = Scene::new("drain: 20s").await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(scene.subscribe().await);
    }
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push(scene.ada.post(&scene.ada.message(Some(&json!(1)), "tools/call", call())).open().await);
    }
    eventually("all calls at the server", || (scene.crm.calls().len() == CALLS).then_some(())).await;

    scene.serving.signal("TERM");
    let health = scene.serving.health;
    let ready = blocking(move || {
        loop {
            match try_send(health, "GET /readyz", &[], "") {
                Some(reply) if reply.status == 200 => {}
                other => return other.map(|reply| reply.status),
            }
        }
    });
    assert_eq!(within("not ready", ready).await, Some(503), "no answer is no answer to a balancer");
    // Subscriptions end now, and not when the drain is over: they would never end by themselves.
    for events in &mut streams {
        assert_told(events).await;
    }
    assert_eq!(scene.crm.calls().len(), CALLS);
    scene.gate.open();
    for connection in &mut calls {
        let answer = connection.answer().await.expect("a call in flight was cut off");
        assert_eq!((answer.status, &*answer.text()), (200, "done"), "{answer:?}");
    }

    let Scene { home, serving, .. } = scene;
    let (home, (code, log)) = blocking(move || (home, serving.wait())).await;
    assert_eq!(code, Some(0), "{log}");
    let records = home.records();
    let allowed = records.iter().filter(|record| record["dec"]["effect"] == "allow").count();
    assert_eq!(allowed, STREAMS + CALLS);
    let expected = [("ok".to_owned(), CALLS), ("shutdown".to_owned(), STREAMS)];
    assert_eq!(statuses(&records), HashMap::from(expected), "an outcome is missing, or another than it should be");
    assert_eq!(records.last().unwrap()["kind"], "stop");
    blocking(move || home.done(&["audit", "verify", "data", "--accept-unanchored"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn avl_012_what_outlasts_the_drain_time_is_told_and_recorded_as_well() {
    let scene = Scene::new("drain: 300ms").await;
    let mut stream = scene.subscribe().await;
    scene.crm.on_tool("get_stream", Reply::stream([Step::message(&note()), Step::Wait(scene.gate.clone())]));
    let mut slow = scene.ada.stream("tools/call", json!({ "name": "get_stream", "arguments": {} })).await;
    assert_eq!(slow.next().await, Some(note()));
    let mut call = scene.ada.post(&scene.ada.message(Some(&json!(1)), "tools/call", call())).open().await;
    eventually("the calls at the server", || (scene.crm.calls().len() == 2).then_some(())).await;
    scene.serving.signal("TERM");
    assert_told(&mut stream).await;
    assert_told(&mut slow).await;
    let answer = call.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code()), (503, Some(-31503)), "{answer:?}");
    let Scene { home, serving, .. } = scene;
    let (home, (code, log)) = blocking(move || (home, serving.wait())).await;
    assert_eq!(code, Some(0), "{log}");
    let records = home.records();
    assert_eq!(statuses(&records), HashMap::from([("shutdown".to_owned(), 3)]), "{records:#?}");
    assert_eq!(records.last().unwrap()["kind"], "stop");
    blocking(move || home.done(&["audit", "verify", "data", "--accept-unanchored"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn avl_012_a_second_signal_ends_at_once_and_the_next_start_closes_what_was_open() {
    let scene = Scene::new("drain: 1h").await;
    let mut call = scene.ada.post(&scene.ada.message(Some(&json!(1)), "tools/call", call())).open().await;
    eventually("the call at the server", || (scene.crm.calls().len() == 1).then_some(())).await;
    scene.serving.signal("TERM");
    let health = scene.serving.health;
    eventually("not ready", || try_send(health, "GET /readyz", &[], "").filter(|reply| reply.status == 503)).await;
    scene.serving.signal("TERM");
    let Scene { home, serving, .. } = scene;
    let (home, (code, log)) = blocking(move || (home, serving.wait())).await;
    assert_eq!(code, Some(2), "{log}");
    assert!(call.answer().await.is_none(), "somebody answered for a dead process");
    let home = blocking(move || {
        assert_eq!(home.serve().terminate().0, Some(0));
        home
    })
    .await;
    assert_eq!(statuses(&home.records()), HashMap::from([("unknown".to_owned(), 1)]));
}

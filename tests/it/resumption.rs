//! Replies of sessions whose connection ends before they do: the server closes it and has its client poll, or the client is lost.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::client::{Client, Events};
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

/// Says from where to go on, and when.
const PRIMING: &[u8] = b"id: e1\nretry: 300\ndata:\n\n";

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    ada: Client,
}

impl Stage {
    /// A client of that revision. From 2025-11-25 on it comes back itself; for one of an earlier revision we do.
    async fn set(version: &str) -> Self {
        let crm = Upstream::start().await;
        let gateway = Gateway::start().servers([("crm", &crm)]).try_start().await.unwrap();
        let ada = Client::legacy(gateway.address, "crm", &gateway.key("ada", &["staff"]).await, version).await;
        Self { gateway, crm, ada }
    }

    async fn poll(&self) -> Events {
        self.ada.stream("tools/call", json!({ "name": "poll", "arguments": {} })).await
    }

    async fn end(self) {
        self.gateway.stop_and_verify().await;
    }
}

fn log(text: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } })
}

fn done() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [{ "type": "text", "text": "done" }] } })
}

/// An event of the gateway: its id and its message.
async fn event(events: &mut Events) -> (String, Value) {
    let text = events.next_text().await.unwrap();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    (field("id:"), serde_json::from_str(&field("data:")).unwrap_or_default())
}

#[tokio::test]
async fn a_client_that_can_come_back_does_so_by_ids_of_ours() {
    let stage = Stage::set("2025-11-25").await;
    let log_half = [PRIMING, format!("id: e2\ndata: {}\n\n", log("half")).as_bytes()].concat();
    stage.crm.on_tool("poll", Reply::stream([Step::Raw(log_half)]));
    stage.crm.on_method("GET", Reply::stream([Step::message(&done())]));
    let mut events = stage.poll().await;
    assert_eq!(events.next_text().await.unwrap(), "id: 1.0\nretry: 300\ndata: \n\n", "first of all, from where to go on");
    let (last, half) = event(&mut events).await;
    assert_eq!((&*last, &half["params"]["data"]), ("1.1", &json!("half")));
    assert_eq!(events.next_text().await, None, "the server has left, and so have we");

    let mut rest = stage.ada.resume(&last).await;
    assert_eq!((rest.head.status, rest.head.header("content-type")), (200, Some("text/event-stream")));
    let resumed = rest.head.call();
    assert_eq!(event(&mut rest).await, ("1.2".to_owned(), done()));
    assert_eq!(rest.next_text().await, None);
    assert_eq!(stage.crm.wait_for("GET").await.header("last-event-id"), Some("e2"), "the server's own id");
    assert_eq!(stage.crm.calls().len(), 1, "the call was sent again");
    let records = stage.gateway.ended(&resumed).await;
    assert_eq!((&records[0]["what"]["method"], &records[1]["out"]["status"]), (&json!("GET"), &json!("resumed")), "{records:#?}");
    let records = stage.gateway.ended(&events.head.call()).await;
    assert_eq!(records.last().unwrap()["out"]["status"], "ok", "the call has its own: {records:#?}");
    assert_eq!(stage.ada.resume(&last).await.head.status, 400, "what was told to its end is not kept");
    stage.end().await;
}

#[tokio::test]
async fn what_a_lost_client_has_missed_is_told_again_as_it_was_judged() {
    let stage = Stage::set("2025-11-25").await;
    let gate = Gate::default();
    let said = [PRIMING, format!("data: {}\n\n", log("AKIAIOSFODNN7EXAMPLE")).as_bytes()].concat();
    stage.crm.on_tool("poll", Reply::stream([Step::Raw(said), Step::Wait(gate.clone()), Step::message(&done())]));
    let mut events = stage.poll().await;
    let (priming, _) = event(&mut events).await;
    let (_, first) = event(&mut events).await;
    assert_eq!(first["params"]["data"], "[secret]");
    drop(events);

    let mut rest = loop {
        // Until the gateway has noticed.
        let rest = stage.ada.resume(&priming).await;
        if rest.head.status == 200 {
            break rest;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(event(&mut rest).await.1["params"]["data"], "[secret]", "and not looked at once more");
    gate.open();
    assert_eq!(event(&mut rest).await.1, done());
    assert_eq!(stage.crm.cancelled(), 0, "the server's connection was not lost");
    stage.end().await;
}

#[tokio::test]
async fn a_stream_is_resumed_in_its_session_from_an_event_of_its_own_once() {
    let stage = Stage::set("2025-11-25").await;
    stage.crm.on_tool("poll", Reply::stream([Step::Raw(PRIMING.to_vec())]));
    stage.crm.on_method("GET", Reply::stream([Step::message(&done())]));
    let mut events = stage.poll().await;
    let (last, _) = event(&mut events).await;
    assert_eq!(events.next_text().await, None);
    let bob = stage.gateway.legacy("crm", &stage.gateway.key("bob", &["staff"]).await).await;
    assert_eq!(bob.resume(&last).await.head.status, 400, "another session");
    let mut thief = bob.clone();
    thief.session.clone_from(&stage.ada.session);
    assert_eq!(thief.resume(&last).await.head.status, 404, "another caller with the session's id");
    for unknown in ["1.1", "2.0", "e1", "1", "", "1.-1", "99999999999999999999.0"] {
        assert_eq!(stage.ada.resume(unknown).await.head.status, 400, "{unknown}");
    }
    let seen = stage.crm.arrived().iter().filter(|request| request.method == "GET").count();
    assert_eq!(seen, 0, "the server was asked for what is not there");
    let (one, two) = tokio::join!(stage.ada.resume(&last), stage.ada.resume(&last));
    let mut got = [one.head.status, two.head.status];
    got.sort_unstable();
    assert_eq!(got, [200, 400], "one of two");
    stage.end().await;
}

#[tokio::test]
async fn a_stream_that_nobody_comes_back_for_does_not_hold_up_the_stop() {
    let stage = Stage::set("2025-11-25").await;
    stage.crm.on_tool("poll", Reply::stream([Step::Raw(PRIMING.to_vec())]));
    let mut events = stage.poll().await;
    event(&mut events).await;
    assert_eq!(events.next_text().await, None);
    let started = Instant::now();
    stage.end().await;
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn the_end_of_a_session_ends_what_is_kept_of_it() {
    let stage = Stage::set("2025-11-25").await;
    stage.crm.on_tool("poll", Reply::stream([Step::Raw(PRIMING.to_vec())]));
    let mut events = stage.poll().await;
    event(&mut events).await;
    assert_eq!(events.next_text().await, None);
    assert_eq!(stage.ada.end().await.status, 200);
    let records = stage.gateway.ended(&events.head.call()).await;
    assert_eq!(records.last().unwrap()["out"]["status"], "session_ended", "{records:#?}");
    stage.end().await;
}

#[tokio::test]
async fn a_reply_whose_connection_the_server_closes_is_read_on() {
    let stage = Stage::set("2025-06-18").await;
    stage.crm.on_tool("poll", Reply::stream([Step::Raw(b"id: e1\nretry: 300\ndata:\n\n".to_vec())]));
    let log = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "half" } });
    let half = format!("id: e2\nretry: 300\ndata: {log}\n\n");
    stage.crm.on_method("GET", Reply::stream([Step::Raw(half.into_bytes())]));
    let started = Instant::now();
    let mut events = stage.poll().await;
    assert_eq!(events.next().await.unwrap()["params"]["data"], "half");
    assert!(started.elapsed() >= Duration::from_millis(300), "the server's pause was not kept");
    let came = stage.crm.wait_for("GET").await;
    assert_eq!((came.header("last-event-id"), came.header("mcp-session-id")), (Some("e1"), Some("upstream-session-1")));

    let done = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [{ "type": "text", "text": "done" }] } });
    stage.crm.on_method("GET", Reply::stream([Step::message(&done)]));
    assert_eq!(events.next().await.unwrap()["result"]["content"][0]["text"], "done");
    assert_eq!(stage.crm.wait_for("GET").await.header("last-event-id"), Some("e2"), "from where it was left");
    assert_eq!(stage.crm.calls().len(), 1, "the call was sent again");
    stage.end().await;
}

#[tokio::test]
async fn the_time_to_come_back_that_a_server_names_is_told_within_bounds() {
    let stage = Stage::set("2025-11-25").await;
    for (named, told) in [("18446744073709551615", 60_000), ("60001", 60_000), ("5000", 5_000), ("1", 100), ("0", 100)] {
        let half = format!("id: e1\nretry: {named}\ndata: {}\n\n", log("half"));
        let steps = [Step::Raw(format!("id: e0\nretry: {named}\ndata:\n\n{half}").into_bytes()), Step::message(&done())];
        stage.crm.on_tool("poll", Reply::stream(steps));
        let mut events = stage.poll().await;
        let first = events.next_text().await.unwrap();
        assert!(first.ends_with(&format!("\nretry: {told}\ndata: \n\n")), "{named}: {first}");
        assert_eq!(events.rest().await.last(), Some(&done()));
    }
    stage.end().await;
}

#[tokio::test]
async fn a_reply_is_read_on_as_strictly_as_it_began() {
    let stage = Stage::set("2025-06-18").await;
    let primed = || Reply::stream([Step::Raw(b"id: e1\nretry: 1\ndata:\n\n".to_vec())]);
    let foreign = json!({ "jsonrpc": "2.0", "id": 99, "result": { "content": [] } });
    for (what, reply) in [
        ("an answer to another request", Reply::stream([Step::message(&foreign)])),
        ("no stream", Reply::result(&json!({ "content": [] }))),
        ("a refusal", Reply::empty(500)),
        ("an end without an id", Reply::stream([Step::Raw(b"id\ndata:\n\n".to_vec())])),
    ] {
        stage.crm.on_tool("poll", primed());
        stage.crm.on_method("GET", reply);
        let answer = stage.ada.call("poll", json!({})).await;
        assert_eq!(answer.messages().last().unwrap()["error"]["code"], -31502, "{what}: {answer:?}");
    }
    stage.end().await;
}

/// The stream on which the server pushes `messages`, and then nothing more.
fn pushes(stage: &Stage, messages: &[Value]) {
    let steps = messages.iter().map(Step::message).chain([Step::Wait(Gate::default())]);
    stage.crm.on_method("GET", Reply::stream(steps));
}

fn opened(stage: &Stage) -> usize {
    stage.crm.arrived().iter().filter(|request| request.method == "GET").count()
}

/// Waits until the gateway has noticed that the client is gone, and goes on after that event.
async fn come_back(client: &Client, event: &str) -> Events {
    loop {
        let rest = client.resume(event).await;
        // One that goes on begins with what was missed, and a new one with where to come back to.
        if rest.head.status == 200 {
            return rest;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_stream_of_pushes_goes_on_by_ids_of_ours_with_what_was_missed_as_it_was_judged() {
    let stage = Stage::set("2025-11-25").await;
    pushes(&stage, &[log("one"), log("AKIAIOSFODNN7EXAMPLE"), log("three")]);
    let mut events = stage.ada.listen().await;
    let call = events.head.call();
    assert_eq!(events.next_text().await.unwrap(), "id: p1.0\ndata: \n\n", "first of all, from where to go on");
    assert_eq!(event(&mut events).await.0, "p1.1");
    drop(events);
    let before = opened(&stage);
    let mut rest = come_back(&stage.ada, "p1.1").await;
    let (missed, last) = (event(&mut rest).await, event(&mut rest).await);
    assert_eq!((&*missed.0, &missed.1["params"]["data"]), ("p1.2", &json!("[secret]")), "not as it came from the server");
    assert_eq!((&*last.0, &last.1["params"]["data"]), ("p1.3", &json!("three")));
    assert_eq!(opened(&stage), before, "the server was asked again");
    assert_eq!(stage.crm.cancelled(), 0, "the server's connection was not lost");
    assert_eq!(stage.ada.end().await.status, 200);
    assert_eq!(rest.next_text().await, None);
    let records = stage.gateway.ended(&call).await;
    assert_eq!(records.last().unwrap()["out"]["status"], "session_ended", "{records:#?}");
    stage.end().await;
}

#[tokio::test]
async fn the_event_of_another_sessions_pushes_resumes_nothing_of_it() {
    let stage = Stage::set("2025-11-25").await;
    pushes(&stage, &[log("for ada")]);
    let mut events = stage.ada.listen().await;
    event(&mut events).await;
    let (last, _) = event(&mut events).await;
    drop(events);
    let mut waiting = come_back(&stage.ada, &last).await;
    assert_eq!(stage.crm.cancelled(), 0);

    // Bob has no stream of that name: he gets one of his own, from its beginning.
    pushes(&stage, &[log("for bob")]);
    let bob = stage.gateway.legacy("crm", &stage.gateway.key("bob", &["staff"]).await).await;
    let mut own = bob.resume(&last).await;
    assert_eq!(
        (event(&mut own).await.0, event(&mut own).await.1["params"]["data"].clone()),
        ("p1.0".to_owned(), json!("for bob"))
    );
    assert_eq!(stage.crm.wait_for("GET").await.header("last-event-id"), None, "our ids are not for the server");
    let mut thief = bob.clone();
    thief.session.clone_from(&stage.ada.session);
    assert_eq!(thief.resume(&last).await.head.status, 404, "another caller with the session's id");
    for unknown in ["p1", "p.1", "p1.x", "q1.1", "pp1.1"] {
        assert_eq!(bob.resume(unknown).await.head.status, 400, "{unknown}");
    }
    assert_eq!(stage.ada.end().await.status, 200);
    assert_eq!(waiting.next_text().await, None);
    drop(own);
    stage.end().await;
}

#[tokio::test]
async fn who_comes_too_late_for_a_stream_of_pushes_gets_a_new_one_and_the_server_has_one_only() {
    let stage = Stage::set("2025-11-25").await;
    pushes(&stage, &[log("one")]);
    let mut events = stage.ada.listen().await;
    event(&mut events).await;
    event(&mut events).await;
    drop(events);
    // Without saying from where: what waits is not wanted.
    let mut again = stage.ada.listen().await;
    assert_eq!(event(&mut again).await.0, "p2.0");
    crate::support::eventually("the first is closed at the server", || (stage.crm.cancelled() == 1).then_some(())).await;
    let mut late = stage.ada.resume("p1.1").await;
    assert_eq!((event(&mut late).await.0, event(&mut late).await.1), ("p3.0".to_owned(), log("one")));
    drop((again, late));
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_closes_the_connection_of_its_pushes_is_asked_for_the_rest() {
    let stage = Stage::set("2025-11-25").await;
    let closing = format!("id: s1\nretry: 100\ndata: {}\n\n", log("one"));
    stage.crm.on_method("GET", Reply::stream([Step::Raw(closing.into_bytes())]));
    let mut events = stage.ada.listen().await;
    event(&mut events).await;
    assert_eq!(event(&mut events).await, ("p1.1".to_owned(), log("one")));
    pushes(&stage, &[log("two")]);
    let came = crate::support::eventually("the server is asked again", || {
        stage.crm.arrived().into_iter().find(|request| request.header("last-event-id").is_some())
    });
    assert_eq!(came.await.header("last-event-id"), Some("s1"), "from where it was left");
    while event(&mut events).await.1 != log("two") {}
    drop(events);
    stage.end().await;
}

#[tokio::test]
async fn avl_008_one_caller_who_comes_back_for_nothing_leaves_others_room_to_come_back() {
    const SESSIONS: usize = 64;
    let crm = Upstream::start().await;
    let limits = "limits: { concurrency: 2000 }";
    let gateway = Gateway::start().config_extra("accept_risks: [open_metrics]").server("crm", &crm, limits).await;
    let gate = Gate::default();
    crm.on_tool("poll", Reply::stream([Step::Raw(PRIMING.to_vec()), Step::Wait(gate.clone()), Step::message(&done())]));
    let poll = async |client: &Client| {
        let mut events = client.stream("tools/call", json!({ "name": "poll", "arguments": {} })).await;
        (event(&mut events).await.0, events)
    };
    let (greedy, other) = (gateway.key("ada", &["staff"]).await, gateway.key("bob", &["staff"]).await);
    let bob = Client::legacy(gateway.address, "crm", &other, "2025-11-25").await;
    for _ in 0..SESSIONS {
        let ada = Client::legacy(gateway.address, "crm", &greedy, "2025-11-25").await;
        for _ in 0..8 {
            poll(&ada).await;
        }
    }
    gateway.metric_is("yett_connections", 0.0).await;
    let (priming, events) = poll(&bob).await;
    drop(events);
    gateway.metric_is("yett_connections", 0.0).await;
    gate.open();
    let mut rest = bob.resume(&priming).await;
    assert_eq!(rest.head.status, 200, "his reply is lost with his connection");
    assert_eq!(event(&mut rest).await.1, done());
    gateway.stop_and_verify().await;
}

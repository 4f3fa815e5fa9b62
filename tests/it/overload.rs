//! More calls than a server takes: who waits, who is refused and how, and that no caller shuts out another.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Connection};
use crate::support::raw::{RawServer, good_reply};
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;
use crate::support::{eventually, within};

const WAITING: &str = r#"yett_upstream_waiting{server="crm",lane="calls"}"#;
const IN_FLIGHT: &str = r#"yett_upstream_in_flight{server="crm",lane="calls"}"#;
const STREAMS: &str = r#"yett_upstream_in_flight{server="crm",lane="streams"}"#;

/// A server whose tool `slow` answers once its gate is open, behind limits.
struct Stage {
    gateway: Gateway,
    crm: Upstream,
    gate: Gate,
}

impl Stage {
    async fn with(limits: &str) -> Self {
        let crm = Upstream::start().await;
        let gate = Gate::default();
        crm.on_tool("slow", Reply::text("at last").after(&gate));
        let gateway = Gateway::start().config_extra("accept_risks: [open_metrics]").server("crm", &crm, limits).await;
        Self { gateway, crm, gate }
    }

    async fn client(&self, name: &str) -> Client {
        self.gateway.modern("crm", &self.gateway.key(name, &["staff"]).await)
    }

    /// Sends a slow call, and reads nothing.
    async fn send(&self, client: &Client) -> Connection {
        send(client).await
    }

    /// Sends a slow call that its server gets.
    async fn occupy(&self, client: &Client) -> Connection {
        let before = self.crm.calls().len();
        let connection = self.send(client).await;
        eventually("the call at the server", || (self.crm.calls().len() > before).then_some(())).await;
        connection
    }

    /// Refused for want of a place: 503, when to come back, one record, nothing at the server.
    fn assert_refused(&self, answer: &Answer, detail: &str, at_server: usize) {
        assert_eq!(answer.json()["id"], 1, "{answer:?}");
        self.assert_refused_for(answer, detail);
        assert_eq!(self.crm.calls().len(), at_server, "the server was reached");
    }

    fn assert_refused_for(&self, answer: &Answer, detail: &str) {
        assert_eq!((answer.status, answer.code()), (503, Some(-31503)), "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
        assert_eq!(answer.json()["error"]["data"], json!({ "call": answer.call() }), "the caller learns more than its call");
        let records = self.gateway.records_of(&answer.call());
        assert_eq!(records.len(), 1, "{records:#?}");
        let decision = &records[0]["dec"];
        assert_eq!(
            (&decision["effect"], &decision["reason"], &decision["detail"]),
            (&json!("deny"), &json!("overloaded"), &json!(detail)),
            "{records:#?}"
        );
    }
}

async fn send(client: &Client) -> Connection {
    client.post(&client.message(Some(&json!(1)), "tools/call", json!({ "name": "slow", "arguments": {} }))).open().await
}

async fn answer(mut connection: Connection) -> Answer {
    connection.answer().await.expect("an answer")
}

fn listen() -> Value {
    json!({ "notifications": { "toolsListChanged": true } })
}

#[tokio::test]
async fn a_call_waits_for_its_place_and_the_one_too_many_is_refused_before_its_server_hears_of_it() {
    let stage = Stage::with("limits: { concurrency: 1, queue: 1, queue_timeout: 10s }").await;
    let ada = stage.client("ada").await;
    let first = stage.occupy(&ada).await;
    let second = stage.send(&ada).await;
    stage.gateway.metric_is(WAITING, 1.0).await;
    stage.assert_refused(&answer(stage.send(&ada).await).await, "queue_full", 1);
    let refused = r#"yett_upstream_refused_total{server="crm",reason="queue_full"}"#;
    stage.gateway.metric_is(refused, 1.0).await;
    assert_eq!(stage.crm.calls().len(), 1, "the one that waits is with its server");

    stage.gate.open();
    for connection in [first, second] {
        assert_eq!(answer(connection).await.text(), "at last");
    }
    assert_eq!(stage.crm.calls().len(), 2);
    stage.gateway.metric_is(WAITING, 0.0).await;
    stage.gateway.metric_is(IN_FLIGHT, 0.0).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn who_waits_too_long_is_refused() {
    let stage = Stage::with("limits: { concurrency: 1, queue_timeout: 50ms }").await;
    let ada = stage.client("ada").await;
    let first = stage.occupy(&ada).await;
    stage.assert_refused(&answer(stage.send(&ada).await).await, "queue_timeout", 1);
    stage.gate.open();
    assert_eq!(answer(first).await.text(), "at last");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn one_caller_never_takes_the_last_place_nor_all_the_room_to_wait() {
    let stage = Stage::with("limits: { concurrency: 4, queue: 3, queue_timeout: 10s }").await;
    let (hog, bob, eve) = (stage.client("hog").await, stage.client("bob").await, stage.client("eve").await);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(stage.occupy(&hog).await);
    }
    for waiting in [1.0, 2.0, 3.0] {
        held.push(stage.send(&hog).await);
        stage.gateway.metric_is(WAITING, waiting).await;
    }
    stage.assert_refused(&answer(stage.send(&hog).await).await, "queue_full", 3);
    // The fourth place was kept for somebody else.
    held.push(stage.occupy(&bob).await);
    assert_eq!(stage.crm.calls().len(), 4);
    // And room to wait is taken from whoever has the most of it: the hog's newest.
    let newest = held.remove(5);
    held.push(stage.send(&eve).await);
    stage.assert_refused(&answer(newest).await, "queue_full", 4);

    stage.gate.open();
    assert_eq!(held.len(), 7);
    for connection in held {
        assert_eq!(answer(connection).await.text(), "at last");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn the_callers_of_one_tenant_share_one_share() {
    let stage = Stage::with("limits: { concurrency: 4, queue: 0 }").await;
    let tenant = |key: &str| stage.gateway.modern("crm", key);
    let one = tenant(&stage.gateway.tenant_key("one", "acme").await);
    let two = tenant(&stage.gateway.tenant_key("two", "acme").await);
    let other = tenant(&stage.gateway.tenant_key("three", "globex").await);
    let held = [stage.occupy(&one).await, stage.occupy(&two).await, stage.occupy(&one).await];
    stage.assert_refused(&answer(stage.send(&two).await).await, "queue_full", 3);
    let last = stage.occupy(&other).await;
    stage.gate.open();
    for connection in held.into_iter().chain([last]) {
        assert_eq!(answer(connection).await.text(), "at last");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_caller_who_leaves_gives_the_place_back() {
    let stage = Stage::with("limits: { concurrency: 1, queue: 1, queue_timeout: 10s }").await;
    let (ada, bob) = (stage.client("ada").await, stage.client("bob").await);
    // At the server, and while waiting for it.
    let first = stage.occupy(&ada).await;
    let second = stage.send(&ada).await;
    stage.gateway.metric_is(WAITING, 1.0).await;
    drop(second);
    stage.gateway.metric_is(WAITING, 0.0).await;
    drop(first);
    assert_eq!(bob.call("echo", json!({})).await.status, 200);
    eventually("the server sees that its caller has gone", || (stage.crm.cancelled() == 1).then_some(())).await;
    stage.gateway.metric_is(IN_FLIGHT, 0.0).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_streamed_reply_holds_its_place_to_its_end() {
    let stage = Stage::with("limits: { concurrency: 1, queue: 1, queue_timeout: 10s }").await;
    let ada = stage.client("ada").await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "one" } });
    let reply = [Step::message(&note), Step::Wait(stage.gate.clone()), Step::text("done")];
    stage.crm.on_tool("stream", Reply::stream(reply));
    let mut events = ada.stream("tools/call", json!({ "name": "stream", "arguments": {} })).await;
    assert_eq!(events.next().await, Some(note));
    let waits = stage.send(&ada).await;
    stage.gateway.metric_is(WAITING, 1.0).await;
    assert_eq!(stage.crm.calls().len(), 1);
    stage.gate.open();
    let last = events.next().await.expect("the response");
    assert_eq!(last["result"]["content"][0]["text"], "done", "{last}");
    // Before the connection of the stream is closed: its last message is its end.
    assert_eq!(answer(waits).await.text(), "at last");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_word_that_may_free_a_place_does_not_wait_for_one() {
    let stage = Stage::with("limits: { concurrency: 1, queue: 0 }").await;
    let legacy = stage.gateway.legacy("crm", &stage.gateway.key("ada", &["staff"]).await).await;
    let open = stage.occupy(&legacy).await;
    stage.assert_refused(&answer(stage.send(&legacy).await).await, "queue_full", 1);
    let told = legacy.notify("notifications/cancelled", json!({ "requestId": 1 })).await;
    assert_eq!(told.status, 202, "{told:?}");
    stage.crm.wait_for("notifications/cancelled").await;
    assert_eq!(legacy.end().await.status, 200, "a session cannot be ended");
    stage.gate.open();
    drop(open);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn streams_that_stay_have_places_of_their_own() {
    let stage = Stage::with("limits: { concurrency: 1, queue: 0, streams: 4 }").await;
    let (ada, bob) = (stage.client("ada").await, stage.client("bob").await);
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    let never = Gate::default();
    stage.crm.on_method("subscriptions/listen", Reply::stream([Step::message(&note), Step::Wait(never)]));
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut events = ada.stream("subscriptions/listen", listen()).await;
        assert_eq!(events.next().await.as_ref(), Some(&note));
        streams.push(events);
    }
    let refused = ada.request("subscriptions/listen", listen()).await;
    stage.assert_refused(&refused, "streams_full", 0);
    assert_eq!(ada.call("echo", json!({})).await.status, 200, "calls suffer from streams");
    let mut others = bob.stream("subscriptions/listen", listen()).await;
    assert_eq!(others.next().await.as_ref(), Some(&note), "one caller's streams shut out another's");

    streams.pop();
    stage.gateway.metric_is(STREAMS, 3.0).await;
    let mut again = stage.client("eve").await.stream("subscriptions/listen", listen()).await;
    assert_eq!(again.next().await, Some(note), "a place that was given back is not given again");
    drop((streams, others, again));
    stage.gateway.metric_is(STREAMS, 0.0).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_046_a_server_that_never_answers_costs_its_deadline_and_no_more() {
    let stage = Stage::with("timeout: 1s, limits: { concurrency: 1, queue: 0 }").await;
    let ada = stage.client("ada").await;
    let answer = ada.call("slow", json!({})).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-31504)), "{answer:?}");
    let records = stage.gateway.records_of(&answer.call());
    assert_eq!(records[1]["out"]["status"], "upstream_timeout", "{records:#?}");
    eventually("the server's connection is closed", || (stage.crm.cancelled() == 1).then_some(())).await;
    // The only place is free again.
    assert_eq!(ada.call("echo", json!({})).await.status, 200);
    stage.gateway.metric_is(r#"yett_upstream_connections{server="crm"}"#, 1.0).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_046_a_subscription_that_is_never_answered_is_given_up_as_well() {
    let stage = Stage::with("timeout: 200ms").await;
    let ada = stage.client("ada").await;
    stage.crm.on_method("subscriptions/listen", Reply::stream([]).after(&Gate::default()));
    let answer = within("a refusal", ada.request("subscriptions/listen", listen())).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-31504)), "{answer:?}");
    stage.gateway.metric_is(STREAMS, 0.0).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn large_bodies_share_a_bounded_memory_and_small_ones_never_wait_for_it() {
    let stage = Stage::with("limits: { concurrency: 64 }").await;
    let (hog, bob) = (stage.client("hog").await, stage.client("bob").await);
    // Half of 8 MiB, declared and begun, and no more of it.
    let large = |client: &Client| {
        let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
        client.post_bytes(&message, vec![b' '; 4_000_000])
    };
    let begin = async |client: &Client| {
        let mut connection = stage.gateway.connect().await;
        connection.send(&large(client).bytes()[..100_000]).await;
        connection
    };
    // 245 units of 16 KiB each; there are 512.
    let held = begin(&hog).await;
    stage.gateway.metric_is("yett_large_bodies", 245.0).await;
    stage.assert_refused_for(&answer(begin(&hog).await).await, "body_memory");
    assert_eq!(hog.call("echo", json!({ "text": "small" })).await.status, 200, "a small body waits for the memory of large ones");
    assert_eq!(large(&bob).send().await.status, 400, "spaces are no message, but another caller's are read");
    drop(held);
    assert_eq!(large(&hog).send().await.status, 400, "memory that was given back is not given again");
    // What has been sent to its server is held no more, however long that takes to answer.
    let slow = json!({ "name": "slow", "arguments": { "text": "x".repeat(500_000) } });
    let open = hog.post(&hog.message(Some(&json!(1)), "tools/call", slow)).open().await;
    eventually("the call at the server", || (stage.crm.calls().len() == 2).then_some(())).await;
    stage.gateway.metric_is("yett_large_bodies", 0.0).await;
    stage.gate.open();
    assert_eq!(answer(open).await.text(), "at last");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn large_bodies_that_do_not_come_give_way_to_another_callers() {
    let stage = Stage::with("limits: { concurrency: 64 }").await;
    let large = |client: &Client| {
        let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
        client.post_bytes(&message, vec![b' '; 4 << 20])
    };
    let begin = async |name: &str| {
        let mut connection = stage.gateway.connect().await;
        connection.send(&large(&stage.client(name).await).bytes()[..100_000]).await;
        connection
    };
    // All of the memory, announced by two callers who send no more. They have 30 s by the listener's limits.
    let (one, two) = (begin("one").await, begin("two").await);
    stage.gateway.metric_is("yett_large_bodies", 512.0).await;
    let bob = stage.client("bob").await;
    assert_eq!(large(&bob).send().await.status, 400, "spaces are no message, but they are not read while others hold all memory");
    let cut = tokio::select! { cut = answer(one) => cut, cut = answer(two) => cut };
    assert_eq!((cut.status, cut.header("connection")), (408, Some("close")), "{cut:?}");
    let decision = &stage.gateway.records_of(&cut.call())[0]["dec"];
    assert_eq!((&decision["reason"], &decision["detail"]), (&json!("body_too_slow"), &json!("body_memory")), "{decision}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn large_replies_wait_for_each_other_and_small_ones_and_other_callers_do_not() {
    let server = RawServer::start();
    let gateway = Gateway::start().config_extra("accept_risks: [open_metrics]").server_at("crm", server.address, "").await;
    let client = async |name: &str| gateway.modern("crm", &gateway.key(name, &["staff"]).await);
    let (ada, bob) = (client("ada").await, client("bob").await);
    let large = (3 << 20) - 4096;
    let begun = good_reply(&"x".repeat(large)).into_bytes();
    server.answers(&begun[..1_000]);
    // Four replies of 192 units of 16 KiB that do not come; there are 1,024 units, and ada may have no more of them.
    let held = [send(&ada).await, send(&ada).await, send(&ada).await, send(&ada).await];
    gateway.metric_is("yett_large_replies", 768.0).await;
    server.answers(good_reply(&"x".repeat(15_000)));
    assert_eq!(ada.call("get", json!({})).await.status, 200, "a small reply waits for the memory of large ones");
    server.answers(good_reply(&"x".repeat(1 << 20)));
    let other = within("another caller's reply, for which there is memory", bob.call("get", json!({}))).await;
    assert_eq!(other.text().len(), 1 << 20);
    gateway.metric_is("yett_large_replies", 768.0).await;
    // The call has been made: its reply waits at the server until there is room.
    server.answers(begun.clone());
    let waits = send(&ada).await;
    gateway.metric_is("yett_large_replies_waiting", 1.0).await;
    drop(held);
    let late = answer(waits).await;
    assert_eq!((late.status, late.text().len()), (200, large));
    gateway.metric_is("yett_large_replies", 0.0).await;
    gateway.stop_and_verify().await;
}

/// What a caller of a slow server heard.
#[derive(Debug, Default)]
struct Heard {
    answered: AtomicUsize,
    refused: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn avl_008_ten_thousand_calls_of_a_slow_server_keep_its_bounds_and_change_nothing_for_another() {
    const CALLS: usize = 10_000;
    let (crm, hr) = (Upstream::start().await, Upstream::start().await);
    let gate = Gate::default();
    crm.on_tool("slow", Reply::text("at last").after(&gate));
    let limits = "timeout: 1h, limits: { concurrency: 24, queue: 8, queue_timeout: 1s }";
    let gateway = Gateway::start().server("crm", &crm, limits).server("hr", &hr, "").await;
    let (tasks, begun, heard) = (TaskTracker::new(), Arc::new(AtomicUsize::new(0)), Arc::new(Heard::default()));
    let mut work = Vec::new();
    for number in 0..60 {
        let caller = gateway.modern("crm", &gateway.key(&format!("caller-{}", number % 6), &["staff"]).await);
        let (begun, heard, address) = (Arc::clone(&begun), Arc::clone(&heard), gateway.address);
        work.push(tasks.spawn(async move {
            let mut wire = Connection::open(address).await;
            let message = caller.message(Some(&json!(1)), "tools/call", json!({ "name": "slow", "arguments": {} }));
            while begun.fetch_add(1, Ordering::SeqCst) < CALLS {
                wire.send(&caller.post(&message).bytes()).await;
                let answer = wire.answer().await.expect("an answer");
                if answer.status == 200 {
                    assert_eq!(answer.text(), "at last");
                    heard.answered.fetch_add(1, Ordering::SeqCst);
                } else {
                    assert_eq!((answer.status, answer.code()), (503, Some(-31503)), "{answer:?}");
                    heard.refused.fetch_add(1, Ordering::SeqCst);
                }
            }
        }));
    }
    // Refusals come while the server holds whatever it has: nobody has waited for it.
    let other = gateway.modern("hr", &gateway.key("bob", &["staff"]).await);
    let load = async {
        while begun.load(Ordering::SeqCst) < CALLS {
            assert_eq!(other.call("echo", json!({})).await.text(), "echo was called", "another server suffers");
        }
    };
    within("ten thousand calls", load).await;
    // The last places are nobody's who has some.
    let held = crm.calls().len();
    assert!((18..=24).contains(&held), "more than the server takes, or few: {held}");
    assert_eq!(heard.answered.load(Ordering::SeqCst), 0);
    gate.open();
    for caller in work {
        within("a caller's end", caller).await.expect("a caller");
    }
    let (answered, refused) = (heard.answered.load(Ordering::SeqCst), heard.refused.load(Ordering::SeqCst));
    assert_eq!(answered + refused, CALLS, "a call without an answer");
    assert_eq!(crm.calls().len(), answered, "a refused call has reached the server");
    assert_eq!(gateway.denials().len(), refused, "each refusal has its record");
    gateway.stop_and_verify().await;
}

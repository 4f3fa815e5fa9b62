//! Servers that fail: what counts as their fault, when they are left alone, what is never tried twice, and how they come back.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;
use crate::support::{eventually, within};

const METRICS: &str = "accept_risks: [open_metrics]";
const STATE: &str = r#"yett_upstream_breaker_state{server="crm"}"#;
const CONNECTIONS: &str = r#"yett_upstream_connections{server="crm"}"#;
const CLOSED: f64 = 0.0;
const OPEN: f64 = 2.0;

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    ada: Client,
}

impl Stage {
    async fn with(server: &str) -> Self {
        let crm = Upstream::start().await;
        let gateway = Gateway::start().config_extra(METRICS).server("crm", &crm, server).await;
        let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
        Self { gateway, crm, ada }
    }

    async fn answers(&self, reply: Reply) -> Answer {
        self.crm.on_tool("echo", reply);
        self.ada.call("echo", json!({})).await
    }
}

/// Takes connections and closes each as soon as something was sent on it; counts them.
async fn resetting_server() -> (SocketAddr, DropGuard) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (socket.local_addr().unwrap(), CancellationToken::new());
    let guard = stop.clone().drop_guard();
    TaskTracker::new().spawn(stop.run_until_cancelled_owned(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let _ = stream.readable().await;
            // Unread bytes make the close a reset.
            drop(stream);
        }
    }));
    (address, guard)
}

#[tokio::test]
async fn avl_010_a_server_that_fails_again_and_again_is_left_alone() {
    let crm = Upstream::start().await;
    let hr = Upstream::start().await;
    let breaker = "breaker: { failures: 3, cooldown: 1h, max_cooldown: 1h }";
    let gateway = Gateway::start().config_extra(METRICS).server("crm", &crm, breaker).server("hr", &hr, breaker).await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);
    crm.on_tool("echo", Reply::empty(500));
    for _ in 0..3 {
        let answer = ada.call("echo", json!({})).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{answer:?}");
    }
    gateway.metric_is(STATE, OPEN).await;
    let answer = ada.call("echo", json!({})).await;
    assert_eq!((answer.status, answer.code()), (503, Some(-31503)), "{answer:?}");
    let wait: u64 = answer.header("retry-after").expect("when to come back").parse().unwrap();
    assert!((3_590..=5_400).contains(&wait), "one hour, stretched by up to a half: {wait}");
    assert!(!answer.message().contains("breaker"), "the caller is told how we work: {answer:?}");
    assert_eq!(crm.calls().len(), 3, "the server is called all the same");
    let records = gateway.records_of(&answer.call());
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!((&records[0]["dec"]["effect"], &records[0]["dec"]["reason"]), (&json!("deny"), &json!("breaker_open")));
    assert_eq!(gateway.modern("hr", &key).call("echo", json!({})).await.status, 200, "another server suffers");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn one_callers_failing_tool_closes_a_server_to_nobody_else() {
    // Longer than three calls take on a slow machine: else it is over whenever the caller comes back.
    let stage = Stage::with("breaker: { failures: 3, cooldown: 300ms, max_cooldown: 300ms }").await;
    // The same tenant, and none: neither makes two callers one.
    let eve = stage.gateway.modern("crm", &stage.gateway.tenant_key("eve", "acme").await);
    let colleague = stage.gateway.modern("crm", &stage.gateway.tenant_key("bob", "acme").await);
    stage.crm.on_tool("broken", Reply::empty(500));
    let (mut faults, mut refused) = (0, 0);
    while refused < 3 {
        let answer = eve.call("broken", json!({})).await;
        match (answer.status, answer.code()) {
            (200, Some(-31502)) => faults += 1,
            (503, Some(-31503)) => refused += 1,
            _ => panic!("{answer:?}"),
        }
        assert!(faults < 100, "whoever fails again and again is never refused");
        for other in [&stage.ada, &colleague] {
            assert_eq!(other.call("echo", json!({})).await.text(), "echo was called", "after {faults} faults of somebody else");
        }
    }
    assert!((stage.gateway.metric(STATE).await - CLOSED).abs() < f64::EPSILON, "others are answered");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn two_who_fail_together_close_a_server_to_themselves_until_anybody_is_answered() {
    let stage = Stage::with("breaker: { failures: 4, cooldown: 1h, max_cooldown: 1h }").await;
    let bob = stage.gateway.modern("crm", &stage.gateway.key("bob", &["staff"]).await);
    let eve = stage.gateway.modern("crm", &stage.gateway.key("eve", &["staff"]).await);
    stage.crm.on_tool("echo", Reply::empty(500));
    for client in [&stage.ada, &bob, &stage.ada, &bob] {
        assert_eq!(client.call("echo", json!({})).await.code(), Some(-31502));
    }
    stage.gateway.metric_is(STATE, OPEN).await;
    let before = stage.crm.calls().len();
    for client in [&stage.ada, &bob] {
        assert_eq!(client.call("echo", json!({})).await.status, 503);
    }
    // From now on one fault is enough for whoever comes.
    assert_eq!(eve.call("echo", json!({})).await.code(), Some(-31502));
    assert_eq!(eve.call("echo", json!({})).await.status, 503);
    assert_eq!(stage.crm.calls().len(), before + 1);
    stage.crm.on_tool("echo", Reply::text("back"));
    let new = stage.gateway.modern("crm", &stage.gateway.key("new", &["staff"]).await);
    for client in [&new, &stage.ada, &bob, &eve] {
        assert_eq!(client.call("echo", json!({})).await.text(), "back", "an answer to one shows that the server is back");
    }
    stage.gateway.metric_is(STATE, CLOSED).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_silent_subscription_on_trial_counts_with_its_head() {
    let stage = Stage::with("breaker: { failures: 1, cooldown: 10ms, max_cooldown: 10ms }").await;
    assert_eq!(stage.answers(Reply::empty(500)).await.code(), Some(-31502));
    let never = Gate::default();
    stage.crm.on_method("subscriptions/listen", Reply::stream([Step::Wait(never.clone())]));
    let through = async {
        loop {
            let listen = json!({ "notifications": { "toolsListChanged": true } });
            let events = stage.ada.stream("subscriptions/listen", listen).await;
            if events.head.status == 200 {
                break events;
            }
        }
    };
    let _events = within("a stream that goes through", through).await;
    stage.gateway.metric_is(STATE, CLOSED).await;
    assert_eq!(stage.answers(Reply::text("well")).await.text(), "well", "calls wait for a stream that says nothing");
    never.open();
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn every_fault_of_a_server_counts() {
    let gone: SocketAddr = {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap()
    };
    let (resetting, _running) = resetting_server().await;
    let never = Gate::default();
    let scripted = [
        ("late", Reply::text("late").after(&never)),
        ("malformed", Reply::body("application/json", "{")),
        ("no-http", Reply::wire("SSH-2.0\r\n")),
        ("cut", Reply::stream([Step::Cut])),
        ("s500", Reply::empty(500)),
        ("s503", Reply::body("text/plain", "down").status(503)),
    ];
    let breaker = "breaker: { failures: 1, cooldown: 1h, max_cooldown: 1h }";
    let mut builder = Gateway::start().server_at("refused", gone, breaker).server_at("reset", resetting, breaker);
    let mut servers = Vec::new();
    for (name, reply) in scripted {
        let server = Upstream::start().await;
        server.on_tool("echo", reply);
        let patience = if name == "late" { ", timeout: 100ms" } else { "" };
        builder = builder.server(name, &server, &format!("{breaker}{patience}"));
        servers.push((name, server));
    }
    let gateway = builder.await;
    let key = gateway.key("ada", &["staff"]).await;
    for name in ["refused", "reset"].into_iter().chain(servers.iter().map(|(name, _)| *name)) {
        let client = gateway.modern(name, &key);
        let answer = client.call("echo", json!({})).await;
        let last = answer.messages().pop().unwrap_or_default();
        let code = last["error"]["code"].as_i64();
        assert_eq!(code, Some(if name == "late" { -31504 } else { -31502 }), "{name}: {answer:?}");
        let answer = client.call("echo", json!({})).await;
        assert_eq!((answer.status, answer.code()), (503, Some(-31503)), "{name} does not count: {answer:?}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn avl_011_what_is_not_the_servers_fault_does_not_count() {
    const TOO_LARGE: &str = "a result that is too large";
    let stage = Stage::with(
        "breaker: { failures: 1, cooldown: 1h, max_cooldown: 1h }, limits: { concurrency: 1, queue: 0, message: 64KiB }",
    )
    .await;
    let json = |body: &str| Reply::body("application/json", body);
    let answers = [
        ("an error of the server", Reply::error(-32603, "no such customer")),
        ("a tool that fails", Reply::result(&json!({ "content": [], "isError": true, "resultType": "complete" }))),
        ("400", json("{}").status(400)),
        ("401", Reply::empty(401)),
        ("403", Reply::empty(403)),
        ("404", Reply::empty(404)),
        ("429", Reply::empty(429)),
        (TOO_LARGE, Reply::text(&"x".repeat(128 << 10))),
    ];
    for (what, reply) in answers {
        let answer = stage.answers(reply).await;
        assert!(what != TOO_LARGE || answer.code() == Some(-31502), "{answer:?}");
        let well = stage.answers(Reply::text("well")).await;
        assert_eq!(well.text(), "well", "{what} counts: {well:?}");
    }
    // Refused by the policy, by us for want of a place, and given up by its caller.
    let eve = stage.gateway.modern("crm", &stage.gateway.key("eve", &[]).await);
    assert_eq!(eve.call("echo", json!({})).await.status, 404);
    let gate = Gate::default();
    stage.crm.on_tool("slow", Reply::text("late").after(&gate));
    let slow = stage.ada.post(&stage.ada.message(Some(&json!(1)), "tools/call", json!({ "name": "slow", "arguments": {} })));
    let connection = slow.open().await;
    eventually("the call at the server", || {
        stage.crm.calls().iter().any(|call| call.json()["params"]["name"] == "slow").then_some(())
    })
    .await;
    assert_eq!(stage.ada.call("echo", json!({})).await.status, 503);
    drop(connection);
    eventually("the server sees that its caller has gone", || (stage.crm.cancelled() == 1).then_some(())).await;
    stage.gateway.metric_is(r#"yett_upstream_in_flight{server="crm",lane="calls"}"#, 0.0).await;
    assert_eq!(stage.answers(Reply::text("well")).await.text(), "well");
    assert!((stage.gateway.metric(STATE).await - CLOSED).abs() < f64::EPSILON);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_is_not_sent_to_a_server_says_nothing_for_it() {
    let stage = Stage::with("breaker: { failures: 2, cooldown: 1h, max_cooldown: 1h }").await;
    let legacy = stage.gateway.legacy("crm", &stage.gateway.key("ada", &["staff"]).await).await;
    stage.crm.on_tool("echo", Reply::empty(500));
    assert_eq!(legacy.call("echo", json!({})).await.code(), Some(-31502));
    let moot = legacy.notify("notifications/cancelled", json!({ "requestId": 99 })).await;
    assert_eq!(moot.status, 202, "{moot:?}");
    assert_eq!(legacy.call("echo", json!({})).await.code(), Some(-31502));
    assert_eq!(legacy.call("echo", json!({})).await.status, 503, "a word that nobody was told counts as an answer");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn avl_010_a_server_that_is_back_is_found_by_one_call() {
    let stage = Stage::with("breaker: { failures: 1, cooldown: 10ms, max_cooldown: 10ms }").await;
    assert_eq!(stage.answers(Reply::empty(500)).await.code(), Some(-31502));
    let gate = Gate::default();
    stage.crm.on_tool("echo", Reply::text("back").after(&gate));
    // Until the time is over calls are refused; the first one after it goes through, and the others are refused beside it.
    let mut probe = None;
    let found = async {
        while probe.is_none() {
            let before = stage.crm.calls().len();
            let message = stage.ada.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
            let mut connection = stage.ada.post(&message).open().await;
            tokio::select! {
                refused = connection.answer() => assert_eq!(refused.expect("an answer").status, 503),
                () = at_server(&stage.crm, before) => probe = Some(connection),
            }
        }
    };
    within("a call that goes through", found).await;
    for _ in 0..3 {
        let beside = stage.ada.call("echo", json!({})).await;
        assert_eq!((beside.status, beside.header("retry-after")), (503, Some("1")), "{beside:?}");
    }
    gate.open();
    let mut probe = probe.expect("the probe");
    assert_eq!(probe.answer().await.expect("an answer").text(), "back");
    stage.gateway.metric_is(STATE, CLOSED).await;
    assert_eq!(stage.ada.call("echo", json!({})).await.text(), "back");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_subscription_on_trial_counts_with_its_first_message_and_fails_with_its_stream() {
    let stage = Stage::with("breaker: { failures: 1, cooldown: 10ms, max_cooldown: 10ms }").await;
    assert_eq!(stage.answers(Reply::empty(500)).await.code(), Some(-31502));
    let (gate, note) = (Gate::default(), json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }));
    let steps = [Step::message(&note), Step::Wait(gate.clone()), Step::Cut];
    stage.crm.on_method("subscriptions/listen", Reply::stream(steps));
    let through = async {
        loop {
            let listen = json!({ "notifications": { "toolsListChanged": true } });
            let events = stage.ada.stream("subscriptions/listen", listen).await;
            if events.head.status == 200 {
                break events;
            }
        }
    };
    let mut events = within("a stream that goes through", through).await;
    assert_eq!(events.next().await, Some(note));
    stage.gateway.metric_is(STATE, CLOSED).await;
    assert_eq!(stage.answers(Reply::text("well")).await.text(), "well");
    gate.open();
    assert_eq!(events.next().await.expect("a last message")["error"]["code"], -31502);
    stage.gateway.metric_is(STATE, OPEN).await;
    stage.gateway.stop_and_verify().await;
}

async fn at_server(crm: &Upstream, before: usize) {
    while crm.calls().len() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn avl_011_a_call_is_never_sent_twice() {
    let stage = Stage::with("timeout: 1s").await;
    let never = Gate::default();
    let failures = [
        ("closed after the request", Reply::wire("")),
        ("closed in the head", Reply::wire("HTTP/1.1 200 OK\r\nContent-")),
        ("closed in the body", Reply::wire("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")),
        ("closed in a stream", Reply::stream([Step::Cut])),
        ("500", Reply::empty(500)),
        ("502", Reply::empty(502)),
        ("503 with Retry-After", Reply::empty(503).header("Retry-After", "0")),
        ("429 with Retry-After", Reply::empty(429).header("Retry-After", "0")),
        ("408", Reply::empty(408)),
        ("425", Reply::empty(425)),
        ("no answer", Reply::text("late").after(&never)),
    ];
    for (what, reply) in failures {
        // On a connection that has served already, and on a fresh one.
        for warm in [true, false] {
            if warm {
                assert_eq!(stage.answers(Reply::text("well")).await.text(), "well", "{what}");
            }
            let before = stage.crm.calls().len();
            let answer = stage.answers(reply.clone()).await;
            let code = answer.messages().pop().unwrap_or_default()["error"]["code"].as_i64();
            assert!(matches!(code, Some(-31502 | -31504)), "{what}: {answer:?}");
            let outcome = &stage.gateway.ended(&answer.call()).await[1]["out"]["status"];
            let failed = ["upstream_failed", "upstream_timeout", "upstream_truncated"];
            assert!(failed.iter().any(|word| outcome == word), "{what}: {outcome}");
            assert_eq!(stage.crm.calls().len(), before + 1, "{what}: sent again");
        }
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn after_a_restart_of_the_server_the_next_calls_succeed() {
    let Stage { gateway, crm, ada } = Stage::with("").await;
    let gate = Gate::default();
    crm.on_tool("echo", Reply::text("well").after(&gate));
    // Several connections at once, so that several are idle.
    let message = ada.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(ada.post(&message).open().await);
    }
    eventually("five calls at the server", || (crm.calls().len() == 5).then_some(())).await;
    gate.open();
    for mut connection in open {
        assert_eq!(connection.answer().await.expect("an answer").text(), "well");
    }
    gateway.metric_is(CONNECTIONS, 5.0).await;
    let address = crm.address;
    drop(crm);
    // The dead connections are seen as such while nobody uses them.
    gateway.metric_is(CONNECTIONS, 0.0).await;
    let crm = Upstream::start_at(address).await;
    for _ in 0..5 {
        assert_eq!(ada.call("echo", json!({})).await.text(), "echo was called");
    }
    assert_eq!(crm.calls().len(), 5);
    gateway.metric_is(CONNECTIONS, 1.0).await;
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_does_not_take_the_connection_is_given_up_before_the_call_is() {
    // A listener that nobody accepts from, with its backlog full: the system answers no further handshake.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut backlog = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        backlog.push(stream);
        assert!(backlog.len() < 64, "the backlog never fills");
    }
    let gateway = Gateway::start().server_at("crm", address, "timeout: 1h, limits: { connect_timeout: 50ms }").await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let answer = ada.call("echo", json!({})).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{answer:?}");
    let records = gateway.records_of(&answer.call());
    assert_eq!((&records[1]["out"]["status"], &records[1]["out"]["detail"]), (&json!("upstream_failed"), &json!("connect")));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_reply_that_does_not_begin_in_time_is_given_up_before_the_call_is() {
    let stage = Stage::with("timeout: 1h, limits: { first_byte_timeout: 50ms }").await;
    let answer = stage.answers(Reply::text("late").after(&Gate::default())).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-31504)), "{answer:?}");
    eventually("the server's connection is closed", || (stage.crm.cancelled() == 1).then_some(())).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_on_which_nothing_comes_any_more_is_ended() {
    let stage = Stage::with("timeout: 1h, limits: { idle_timeout: 1s }").await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    let steps = [Step::message(&note), Step::Wait(Gate::default())];
    stage.crm.on_method("subscriptions/listen", Reply::stream(steps.clone()));
    stage.crm.on_tool("echo", Reply::stream(steps));
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    for (number, (method, params)) in
        [("subscriptions/listen", listen), ("tools/call", json!({ "name": "echo", "arguments": {} }))].into_iter().enumerate()
    {
        let mut events = stage.ada.stream(method, params).await;
        assert_eq!(events.next().await.as_ref(), Some(&note), "{method}");
        let last = events.next().await.unwrap_or_else(|| panic!("{method}: the stream ends without a word"));
        assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-31504)), "{method}: {last}");
        assert_eq!(events.next().await, None, "{method}");
        let outcome = stage.gateway.ended(&events.head.call()).await[1]["out"].clone();
        assert_eq!(outcome["status"], "upstream_timeout", "{method}: {outcome}");
        eventually("the server's connection is closed", || (stage.crm.cancelled() == number + 1).then_some(())).await;
    }
    stage.gateway.stop_and_verify().await;
}

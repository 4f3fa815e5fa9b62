//! The limits of SECURITY.md 4.3 that belong to connections, heads, bodies and replies: each at its edge, and one beyond.
//!
//! Limits of time are set short by configuration; what is waited for is the event, never a moment. (Limits of messages, such as
//! depth, are the parser's tests; those of HTTP/2 are in `http2/`.)

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{call, unframed};
use crate::support::gateway::Gateway;
use crate::support::http::Connection;
use crate::support::raw::{RawServer, Script, good_body, good_reply};
use crate::support::stage::Stage;
use crate::support::token::Issuer;
use crate::support::{eventually, within};

/// Pads a head to exactly `length` bytes by a header of its own.
fn padded(bytes: Vec<u8>, length: usize) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let fill = length - head.len() - "\r\nX: \r\n\r\n".len();
    let padded = format!("{head}\r\nX: {}\r\n\r\n", "a".repeat(fill));
    assert_eq!(padded.len(), length);
    (padded + body).into_bytes()
}

#[tokio::test]
async fn a_head_may_have_16_kib_64_lines_and_a_target_of_8_kib_and_no_more() {
    let stage = Stage::new().await;
    let good = || unframed(&stage);
    let lines = good().bytes().windows(2).filter(|window| window == b"\r\n").count() - 2;
    let with_lines = |count: usize| (0..count - lines).fold(good(), |post, _| post.also("X", "y")).bytes();
    let with_target = |length: usize| good().target(&format!("/mcp/crm?{}", "a".repeat(length - 9))).bytes();
    let limit = 16 << 10;
    for (what, edge, beyond, status) in [
        ("head", padded(good().bytes(), limit), padded(good().bytes(), limit + 1), 431),
        ("headers", with_lines(64), with_lines(65), 431),
        ("target", with_target(8 << 10), with_target((8 << 10) + 1), 414),
    ] {
        stage.assert_passes(&format!("{what} at the edge"), &stage.gateway.raw_answer(&edge).await);
        stage.assert_no_request(&format!("{what}, one more"), &beyond, status).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn a_larger_head_can_be_allowed() {
    let limits = "limits: { head: 1MiB, headers: 300, uri: 32KiB }";
    let stage = Stage::with(|builder| builder.listener_extra(limits)).await;
    let good = || unframed(&stage);
    stage.assert_passes("1 MiB", &stage.gateway.raw_answer(&padded(good().bytes(), 1 << 20)).await);
    stage.assert_no_request("a byte more", &padded(good().bytes(), (1 << 20) + 1), 431).await;
    let many = (0..250).fold(good(), |post, _| post.also("X", "y"));
    stage.assert_passes("250 headers", &many.send().await);
    stage.end().await;
}

#[tokio::test]
async fn a_body_may_have_4_mib_and_no_more() {
    let stage = Stage::new().await;
    let body = |length: usize| format!("{}{}", call(), " ".repeat(length - call().len()));
    stage.assert_passes("4 MiB", &unframed(&stage).body(body(4 << 20)).send().await);
    stage.assert_no_request("a byte more", &unframed(&stage).body(body((4 << 20) + 1)).bytes(), 413).await;
    stage.end().await;
}

#[tokio::test]
async fn a_token_may_have_8_kib_and_no_more() {
    let issuer = Issuer::new("corp");
    let stage = Stage::trusting(&[&issuer]).await;
    let token = |length: usize| {
        let with = |outer: usize, inner: usize| {
            let token = issuer.token(&stage.gateway, "crm", "ada", &["staff"]).header("pad", "x".repeat(outer));
            token.claim("pad", "x".repeat(inner)).signed()
        };
        // Base64 has no text of every length: the first part makes up for what the second cannot.
        let long = (0..3).flat_map(|outer| (5_000_usize..6_144).map(move |inner| (outer, inner)));
        let near = with(0, 5_000).len();
        let around = 5_000 + (length - near) * 3 / 4;
        let mut fits = long.filter(|(_, inner)| inner.abs_diff(around) < 8).map(|(outer, inner)| with(outer, inner));
        fits.find(|token| token.len() == length).expect("a token of that length")
    };
    let good = |token: &str| unframed(&stage).bearer(token);
    stage.assert_passes("8 KiB", &good(&token(8 << 10)).send().await);
    stage.assert_refused("a byte more", &good(&token((8 << 10) + 1)).send().await, 401);
    stage.end().await;
}

#[tokio::test]
async fn a_connection_serves_so_many_requests_and_is_closed() {
    let stage = Stage::with(|builder| builder.listener_extra("limits: { requests_per_connection: 3 }")).await;
    let mut connection = stage.gateway.connect().await;
    for number in 1..=3 {
        connection.send(&unframed(&stage).bytes()).await;
        stage.assert_passes(&format!("request {number}"), &connection.answer().await.unwrap());
    }
    connection.send(&unframed(&stage).bytes()).await;
    assert!(connection.answer().await.is_none(), "a fourth request was answered");
    stage.end().await;
}

/// A connection from another address of this host.
async fn from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    within("a connection", socket.connect(to)).await.unwrap()
}

/// Whether a request on the connection is answered; `false` when it was closed without a word.
async fn is_served(stream: &mut TcpStream) -> bool {
    let host = stream.peer_addr().unwrap();
    let _ = stream.write_all(format!("GET /nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
    let mut answer = [0; 8];
    within("an answer or the end", stream.read_exact(&mut answer)).await.is_ok()
}

#[tokio::test]
async fn a_peer_and_all_peers_may_have_so_many_connections() {
    let limits = "limits: { connections: 3, connections_per_peer: 2 }";
    let server = RawServer::start();
    let gateway = Gateway::start().server_at("crm", server.address, "").listener_extra(limits).await;
    let to = gateway.address;
    let (here, there) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let mut first = from(here, to).await;
    let mut second = from(here, to).await;
    assert!(is_served(&mut first).await && is_served(&mut second).await, "two of one peer");
    assert!(!is_served(&mut from(here, to).await).await, "a third of one peer");
    let mut other = from(there, to).await;
    assert!(is_served(&mut other).await, "another peer has its own share");
    assert!(!is_served(&mut from(there, to).await).await, "a fourth of all");
    let idle = gateway.running.open_tasks();
    drop(first);
    eventually("the place is free", || (gateway.running.open_tasks() < idle).then_some(())).await;
    assert!(is_served(&mut from(there, to).await).await, "a place that was given back");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_033_slow_heads_and_silent_clients_are_cut_off() {
    let stage = Stage::with(|builder| builder.listener_extra("limits: { header_timeout: 700ms, idle_timeout: 700ms }")).await;
    let good = unframed(&stage).bytes();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(stage.gateway.connect().await);
    }
    // Half a head, and then a byte now and then: what arrives does not buy time.
    let mut slow = stage.gateway.connect().await;
    slow.send(&good[..40]).await;
    let drip = async {
        for byte in good[40..].chunks(1).cycle() {
            slow.send(byte).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = drip => {}
        () = async { eventually("the slow head is refused", || (!stage.gateway.denials().is_empty()).then_some(())).await } => {}
    }
    let answer = slow.answer().await.expect("a slow client is told why");
    let record = stage.assert_refused("a slow head", &answer, 408);
    assert_eq!(record["dec"]["reason"], "slow_head", "{record}");
    assert!(slow.rest().await.is_empty());
    for mut connection in silent {
        assert!(connection.rest().await.is_empty(), "a silent client needs no words");
    }
    let mut idle = stage.gateway.connect().await;
    idle.send(&good).await;
    stage.assert_passes("a call", &idle.answer().await.unwrap());
    assert!(idle.rest().await.is_empty(), "an idle connection is closed without a word");
    stage.end().await;
}

#[tokio::test]
async fn http_034_a_body_that_does_not_end_or_keeps_no_pace_is_cut_off() {
    let stage = Stage::with(|builder| builder.listener_extra("limits: { body_timeout: 500ms }")).await;
    let mut connection = unframed(&stage).body("{").header("Content-Length", "100").open().await;
    let record = stage.assert_refused("a body that does not end", &connection.answer().await.unwrap(), 408);
    assert_eq!(record["dec"]["reason"], "body_too_slow", "{record}");
    assert!(connection.rest().await.is_empty(), "the connection is closed");
    let mut connection = unframed(&stage).body("5\r\n{").header("Transfer-Encoding", "chunked").open().await;
    stage.assert_refused("a chunk that does not end", &connection.answer().await.unwrap(), 408);
    stage.end().await;

    let limits = "limits: { body_timeout: 10m, body_window: 200ms, body_rate: 1000 }";
    let stage = Stage::with(|builder| builder.listener_extra(limits)).await;
    let mut connection = unframed(&stage).body("").header("Content-Length", "100000").open().await;
    let drip = async {
        loop {
            connection.send(b" ").await;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = drip => {}
        () = async { eventually("the slow body is refused", || (!stage.gateway.denials().is_empty()).then_some(())).await } => {}
    }
    stage.assert_refused("a body below its rate", &connection.answer().await.unwrap(), 408);
    stage.end().await;
}

/// A gateway before a raw server, and the good bytes of a call of id 1.
async fn before_raw(extra: &str) -> (RawServer, Gateway, crate::support::client::Client) {
    let server = RawServer::start();
    let gateway = Gateway::start().server_at("crm", server.address, extra).await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);
    (server, gateway, ada)
}

#[tokio::test]
async fn a_reply_head_may_have_16_kib_and_64_lines_unless_the_server_may_send_others() {
    for (extra, bytes, lines) in [("", 16 << 10, 64), ("limits: { head: 4KiB, headers: 16 }", 4 << 10, 16)] {
        let (server, gateway, ada) = before_raw(extra).await;
        let with_lines =
            |count: usize| good_reply("hi").replacen("OK\r\n", &format!("OK\r\n{}", "X: y\r\n".repeat(count - 2)), 1);
        for (what, edge, beyond) in [
            ("head", padded(good_reply("hi").into_bytes(), bytes), padded(good_reply("hi").into_bytes(), bytes + 1)),
            ("headers", with_lines(lines).into_bytes(), with_lines(lines + 1).into_bytes()),
        ] {
            server.answers(edge);
            assert_eq!(ada.call("echo", json!({})).await.text(), "hi", "{extra}: {what} at the edge");
            server.answers(beyond);
            assert_eq!(ada.call("echo", json!({})).await.code(), Some(-31502), "{extra}: {what}, one more");
        }
        gateway.stop_and_verify().await;
    }
}

#[tokio::test]
async fn a_message_of_a_server_may_have_4_mib_unless_the_server_may_send_others() {
    for (extra, limit) in [("", 4 << 20), ("limits: { message: 4KiB }", 4 << 10)] {
        let (server, gateway, ada) = before_raw(extra).await;
        let body = |length: usize| good_body(&"x".repeat(length - good_body("").len()));
        assert_eq!(body(limit).len(), limit);
        let as_json = |body: &str| {
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        let as_event = |body: &str| {
            let event = format!("data: {body}\n\n");
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            format!("{head}{:x}\r\n{event}\r\n0\r\n\r\n", event.len())
        };
        for (what, edge, beyond) in [
            ("JSON", as_json(&body(limit)), as_json(&body(limit + 1))),
            ("event", as_event(&body(limit)), as_event(&body(limit + 1))),
        ] {
            server.answers(edge);
            let answer = ada.call("echo", json!({})).await;
            let text = answer.messages().pop().unwrap()["result"]["content"][0]["text"].as_str().unwrap_or_default().len();
            assert_eq!(text, limit - good_body("").len(), "{extra}: {what} at the edge");
            server.answers(beyond);
            let answer = ada.call("echo", json!({})).await;
            assert_eq!(answer.messages().pop().unwrap()["error"]["code"], -31502, "{extra}: {what}, one byte more");
        }
        gateway.stop_and_verify().await;
    }
}

#[tokio::test]
async fn http_038_the_stream_of_a_subscription_ends_with_its_life() {
    let (server, gateway, ada) = before_raw("limits: { stream_life: 300ms }, timeout: 10s").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\",\"params\":{}}\n\n";
    server.answers(format!("{head}{:x}\r\n{event}\r\n", event.len()));
    let mut events = ada.stream("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
    assert_eq!(events.head.status, 200, "{:?}", events.head);
    let mut last = None;
    while let Some(message) = events.next().await {
        last = Some(message);
    }
    let last = last.expect("a last word");
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-31503)), "{last}");
    let outcome = gateway.ended(&events.head.call()).await.pop().unwrap();
    assert_eq!(outcome["out"]["status"], "stream_limit", "{outcome}");
    eventually("the server's connection is closed", || (server.closed() == 1).then_some(())).await;
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_038_a_stream_without_end_is_cut_off_with_a_last_message_that_says_so() {
    let (server, gateway, ada) = before_raw("limits: { stream_bytes: 64KiB }").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"on and on"}}"#;
    let event = format!("data: {note}\n\n");
    // Comments are no messages, and count.
    for (what, event) in [("events", event.as_str()), ("comments", ": nothing to say, and no end of it\n\n")] {
        let closed = server.closed();
        server.plays(Script::Endless(head.into(), format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()));
        let mut events = ada.stream("tools/call", json!({ "name": "echo", "arguments": {} })).await;
        let (mut last, mut bytes) = (None, 0);
        while let Some(message) = events.next().await {
            bytes += message.to_string().len();
            last = Some(message);
        }
        let last = last.expect("a last word");
        assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-31502)), "{what}: {last}");
        assert!(bytes <= 64 << 10, "{what}: {bytes} bytes were passed on");
        let outcome = gateway.ended(&events.head.call()).await.pop().unwrap();
        assert_eq!(outcome["out"]["status"], "stream_limit", "{what}: {outcome}");
        eventually("the server's connection is closed", || (server.closed() > closed).then_some(())).await;
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_connection_to_an_operators_port_is_counted_filtered_and_timed() {
    let server = RawServer::start();
    let gateway = Gateway::start().server_at("crm", server.address, "").await;
    for (what, address, path, status) in
        [("health", gateway.running.health, "/healthz", 200), ("admin", gateway.running.admin, "/v1/keys", 401)]
    {
        let good = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        for (bent, expected) in [
            (good.clone(), status),
            (good.replace("\r\n", "\n"), 400),
            (good.replacen("\r\n", "\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 1), 400),
            (good.replacen("\r\n", &format!("\r\nX: {}\r\n", "a".repeat(16 << 10)), 1), 431),
            (good.replacen("\r\n", &format!("\r\n{}", "X: y\r\n".repeat(64)), 1), 431),
            (good.replacen("Host", "Ho_st", 1), 400),
        ] {
            let mut connection = Connection::open(address).await;
            connection.send(bent.as_bytes()).await;
            assert_eq!(connection.answer().await.expect("an answer").status, expected, "{what}: {bent:.80}");
        }
        let mut held = Vec::new();
        for number in 0..40 {
            let mut connection = Connection::open(address).await;
            connection.send(good.as_bytes()).await;
            assert_eq!(connection.answer().await.expect("an answer").status, status, "{what}: connection {number}");
            held.push(connection);
        }
        // Those that were idle for the longest had to go, and the newest are kept.
        for connection in held.iter_mut().rev().take(16) {
            connection.send(good.as_bytes()).await;
            assert_eq!(connection.answer().await.expect("an answer").status, status, "{what}: a connection that is kept");
        }
        assert!(held[0].rest().await.is_empty(), "{what}: the oldest is closed without a word");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_an_operators_port() {
    let server = RawServer::start();
    let gateway = Gateway::start().server_at("crm", server.address, "").await;
    for (what, address) in [("health", gateway.running.health), ("admin", gateway.running.admin)] {
        // Silent, in the middle of a head, and answered once: each more than there are places.
        for begin in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            let mut held = Vec::new();
            for _ in 0..40 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let _ = stream.write_all(begin.as_bytes()).await;
                held.push(stream);
            }
            let somebody = async {
                while !is_served(&mut TcpStream::connect(address).await.unwrap()).await {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            };
            // Less than the time after which idle connections and heads are given up anyway.
            let answered = tokio::time::timeout(std::time::Duration::from_secs(4), somebody).await;
            assert!(answered.is_ok(), "{what}: connections that sent {begin:?} hold the port");
        }
    }
    gateway.stop_and_verify().await;
}

//! What a server may do to the gateway with its replies, and what becomes of the connection.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::json;

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::raw::{RawServer, Script, good_body, good_reply};
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;

/// Stands in everything that must not reach a client.
const MARKER: &str = "told-by-the-server";

struct Stage {
    server: RawServer,
    gateway: Gateway,
    ada: Client,
}

impl Stage {
    async fn set(extra: &str) -> Self {
        let server = RawServer::start();
        let gateway = Gateway::start().server_at("crm", server.address, extra).await;
        let key = gateway.key("ada", &["staff"]).await;
        let ada = gateway.modern("crm", &key);
        Self { server, gateway, ada }
    }

    async fn call(&self) -> Answer {
        self.ada.call("echo", json!({})).await
    }

    /// A good reply passes. Says how many connections that took.
    async fn works(&self, what: &str) -> usize {
        let before = self.server.connections();
        self.server.answers(good_reply("well again"));
        let answer = self.call().await;
        assert_eq!(answer.text(), "well again", "{what}: {answer:?}");
        self.server.connections() - before
    }

    /// The reply has failed: -31502 or -31504, recorded, nothing of it relayed, asked once, its connection closed and never used again.
    async fn assert_fails(&self, what: &str, code: i64) {
        let (requests, closed) = (self.server.requests(), self.server.closed());
        let answer = self.call().await;
        let last = answer.messages().pop().unwrap_or_default();
        assert_eq!((answer.status, &last["error"]["code"]), (200, &json!(code)), "{what}: {answer:?}");
        assert!(!format!("{answer:?}").contains(MARKER), "{what}: relayed: {answer:?}");
        let outcome = self.gateway.ended(&answer.call()).await.pop().unwrap();
        let expected: &[&str] =
            if code == -31504 { &["upstream_timeout"] } else { &["upstream_failed", "upstream_invalid", "upstream_truncated"] };
        let status = outcome["out"]["status"].as_str().unwrap();
        assert!(expected.contains(&status), "{what}: {outcome}");
        eventually(&format!("{what}: the connection is closed"), || (self.server.closed() > closed).then_some(())).await;
        assert_eq!(self.server.requests(), requests + 1, "{what}: asked again");
        assert_eq!(self.works(what).await, 1, "{what}: the doubtful connection was used again");
    }
}

fn chunked(head: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n{head}\r\n{body}")
}

#[tokio::test]
async fn a_reply_that_two_readers_frame_differently_fails_and_its_connection_is_never_used_again() {
    let stage = Stage::set("").await;
    assert_eq!(stage.works("first").await, 1);
    assert_eq!(stage.works("second").await, 0, "a good connection is used again");
    let good = good_reply(MARKER);
    let body = good_body(MARKER);
    let length = body.len();
    let with = |line: &str| good.replacen("Content-Type", &format!("{line}\r\nContent-Type"), 1);
    let chunk = format!("{length:x}\r\n{body}\r\n");
    let table = [
        ("a length beside chunks", chunked(&format!("Content-Length: {length}\r\n"), &format!("{chunk}0\r\n\r\n"))),
        ("two lengths", with(&format!("Content-Length: {length}"))),
        ("two different lengths", with("Content-Length: 5")),
        ("a list of lengths", good.replacen(&format!(": {length}"), &format!(": {length}, {length}"), 1)),
        ("a length with a sign", good.replacen(&format!(": {length}"), &format!(": +{length}"), 1)),
        ("a length with an underscore", good.replacen("Content-Length", "Content_Length", 1)),
        ("a space before the colon", good.replacen("Content-Length:", "Content-Length :", 1)),
        ("another coding", with("Transfer-Encoding: gzip, chunked").replacen("Content-Length", "X", 1)),
        ("chunks in HTTP/1.0", chunked("", &format!("{chunk}0\r\n\r\n")).replacen("HTTP/1.1", "HTTP/1.0", 1)),
        ("a chunk with a sign", chunked("", &format!("+{chunk}0\r\n\r\n"))),
        ("a chunk that is longer than it says", chunked("", &format!("5\r\n{body}\r\n0\r\n\r\n"))),
        ("a chunk with a bare line feed", chunked("", &format!("{length:x}\n{body}\r\n0\r\n\r\n"))),
        ("a chunk of 17 digits", chunked("", &format!("{length:017x}\r\n{body}\r\n0\r\n\r\n"))),
        ("trailers", chunked("", &format!("{chunk}0\r\nContent-Length: 0\r\n\r\n"))),
        ("chunk extensions", chunked("", &format!("{length:x};{}\r\n{body}\r\n0\r\n\r\n", "x".repeat(300)))),
        ("bare line feeds", good.replace("\r\n", "\n")),
        ("one bare line feed", good.replacen("OK\r\n", "OK\n", 1)),
        ("a bare carriage return", with("X: a\rb")),
        ("a folded header", with("X: a\r\n b")),
        ("a NUL", with("X: a\0b")),
        ("a byte that is not ASCII", with("X: a\u{e9}b")),
        ("no colon", with("X")),
        ("a header name with a space", with("X Y: a")),
        ("an empty line first", format!("\r\n{good}")),
        ("another version", good.replacen("HTTP/1.1", "HTTP/1.2", 1)),
        ("HTTP/2", good.replacen("HTTP/1.1", "HTTP/2.0", 1)),
        ("HTTP/0.9", body.clone() + "\r\n\r\n"),
        ("no status", good.replacen(" 200 OK", "", 1)),
        ("a status of two digits", good.replacen(" 200 ", " 20 ", 1)),
        ("a status of four digits", good.replacen(" 200 ", " 2000 ", 1)),
        ("a body where there is none", good.replacen(" 200 OK", " 204 No Content", 1)),
        ("another protocol", format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: mcp\r\nConnection: Upgrade\r\n\r\n{good}")),
        ("65 headers", with("X: y\r\n".repeat(63).trim_end())),
    ];
    for (what, reply) in table {
        stage.server.answers(reply);
        stage.assert_fails(what, -31502).await;
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_well_framed_reply_that_is_not_the_answer_costs_its_connection_too() {
    let stage = Stage::set("").await;
    stage.works("first").await;
    let good = good_reply(MARKER);
    let as_json =
        |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let table = [
        ("another request's answer", as_json(&good_body(MARKER).replacen("\"id\":1", "\"id\":2", 1))),
        ("no message", as_json(MARKER)),
        ("a batch", as_json(&format!("[{}]", good_body(MARKER)))),
        ("a page", good.replacen("application/json", "text/html", 1)),
        ("two media types", good.replacen("Content-Type", "Content-Type: text/plain\r\nContent-Type", 1)),
        ("no media type", good.replacen("Content-Type", "X", 1)),
        ("a coded body", good.replacen("Content-Type", "Content-Encoding: gzip\r\nContent-Type", 1)),
        ("500", good.replacen("200 OK", "500 No", 1)),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        ("304", good.replacen("200 OK", "304 Not Modified", 1)),
    ];
    for (what, reply) in table {
        stage.server.answers(reply);
        stage.assert_fails(what, -31502).await;
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_server_says_unasked_is_nobodys_answer() {
    let stage = Stage::set("").await;
    stage.works("first").await;
    for (what, more) in [("a byte", "x".to_owned()), ("a whole reply to the next request", good_reply(MARKER))] {
        let closed = stage.server.closed();
        stage.server.answers(good_reply("mine") + &more);
        assert_eq!(stage.call().await.text(), "mine", "{what} behind a reply");
        assert_eq!(stage.works(what).await, 1, "{what}: the connection was used again");
        eventually("the connection is closed", || (stage.server.closed() > closed).then_some(())).await;
    }
    for (what, reply) in [
        ("a reply that ends with the connection", good_reply("mine").replacen("200 OK", "200 OK\r\nConnection: close", 1)),
        ("a reply of HTTP/1.0", good_reply("mine").replacen("HTTP/1.1", "HTTP/1.0", 1)),
    ] {
        stage.server.answers(reply);
        assert_eq!(stage.call().await.text(), "mine", "{what}");
        assert_eq!(stage.works(what).await, 1, "{what}: the connection was used again");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_043_nothing_of_a_servers_head_reaches_the_client() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);
    let hostile = [
        ("Set-Cookie", MARKER),
        ("Server", MARKER),
        ("X-Powered-By", MARKER),
        ("Strict-Transport-Security", "max-age=1"),
        ("Content-Security-Policy", MARKER),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "*"),
        ("Location", MARKER),
        ("Link", MARKER),
        ("Via", MARKER),
        ("WWW-Authenticate", MARKER),
        ("Mcp-Session-Id", MARKER),
        ("Yett-Call", MARKER),
        ("Cache-Control", "public, max-age=999"),
        ("Retry-After", "99"),
        ("Trailer", "Set-Cookie"),
        ("Alt-Svc", MARKER),
        ("Clear-Site-Data", "\"*\""),
        ("X-Anything", MARKER),
    ];
    let bent = |reply: Reply| hostile.iter().fold(reply, |reply, (name, value)| reply.header(name, value));
    let replies = [
        ("as JSON", bent(Reply::text("hi")), &["content-length", "content-type", "date", "yett-call"][..]),
        (
            "as a stream",
            bent(Reply::stream([Step::text("hi")])),
            &["cache-control", "content-type", "date", "transfer-encoding", "x-accel-buffering", "yett-call"][..],
        ),
    ];
    for (what, reply, expected) in replies {
        crm.on_tool("echo", reply);
        let answer = ada.call("echo", json!({})).await;
        let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        assert_eq!(names, expected, "{what}: {answer:?}");
        assert!(!format!("{:?}", answer.headers).contains(MARKER), "{what}: {answer:?}");
        assert_ne!(answer.header("cache-control"), Some("public, max-age=999"), "{what}");
        assert_eq!(answer.messages().last().unwrap()["result"]["content"][0]["text"], "hi", "{what}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_045_interim_replies_and_heads_without_end_are_given_up() {
    let stage = Stage::set("").await;
    stage.works("first").await;
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    stage.server.answers(hint.repeat(4) + &good_reply("hinted"));
    assert_eq!(stage.call().await.text(), "hinted", "a few hints are borne, and end here");
    let header = format!("X: {}\r\n", "a".repeat(1024));
    let floods = [
        ("103 without end", String::new(), hint.to_owned()),
        ("100 without end", String::new(), "HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
        ("headers without end", "HTTP/1.1 200 OK\r\n".to_owned(), header),
        ("one header without end", "HTTP/1.1 200 OK\r\nX: ".to_owned(), "a".repeat(1024)),
        ("a status line without end", "HTTP/1.1 200 ".to_owned(), "a".repeat(1024)),
    ];
    for (what, first, again) in floods {
        let written = stage.server.written();
        stage.server.plays(Script::Endless(first.into_bytes(), again.into_bytes()));
        stage.assert_fails(what, -31502).await;
        // The kernels in between take some; the gateway itself stops at one head.
        assert!(stage.server.written() - written < 4 << 20, "{what}: {} bytes were taken", stage.server.written() - written);
    }
    let megabyte = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", format!("X: {}\r\n", "a".repeat(1000)).repeat(1000));
    stage.server.answers(megabyte);
    stage.assert_fails("a megabyte of headers", -31502).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_046_a_server_that_never_answers_is_given_up_at_the_deadline() {
    let stage = Stage::set("timeout: 150ms").await;
    let idle = stage.gateway.running.open_tasks();
    let partial = good_reply(MARKER);
    let begun = [
        ("nothing", Script::Silence),
        ("half a head", Script::Bytes(partial.as_bytes()[..20].to_vec())),
        ("half a body", Script::Bytes(partial.as_bytes()[..partial.len() - 5].to_vec())),
        (
            "half an event",
            Script::Bytes(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata: \r\n"
                    .to_vec(),
            ),
        ),
    ];
    for (what, script) in begun {
        stage.server.plays(script);
        // `works` asks with the same short deadline, on a new connection: what the call held is free again.
        stage.assert_fails(what, -31504).await;
    }
    // The one connection that is kept for the next call.
    eventually("nothing is left of the calls", || (stage.gateway.running.open_tasks() <= idle + 1).then_some(())).await;
    stage.gateway.stop_and_verify().await;
}

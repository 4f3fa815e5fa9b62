//! Heads that no honest client sends.

use serde_json::{Value, json};

use super::Honest;
use super::raw::{
    CONTINUATION, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PROTOCOL_ERROR, RST_STREAM, Raw, block, frame, head, with_body,
};
use crate::support::eventually;
use crate::tls::{Secure, Setting};

/// A good call, to be spoilt.
struct Call {
    authority: String,
    token: String,
    body: Vec<u8>,
}

impl Call {
    fn to(secure: &Secure) -> Self {
        let client = secure.stage.modern();
        let body = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} })).to_string();
        Self { authority: secure.address.to_string(), token: format!("Bearer {}", secure.stage.key), body: body.into_bytes() }
    }

    fn fields(&self) -> Vec<(&str, &str)> {
        vec![
            (":method", "POST"),
            (":scheme", "https"),
            (":path", "/mcp/crm"),
            (":authority", &self.authority),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("authorization", &self.token),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
        ]
    }
}

/// How a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Status(u16, &'static str),
    /// By the HTTP library.
    Reset(&'static str),
}

/// What became of stream 1.
async fn outcome(raw: &mut Raw) -> Result<u16, u32> {
    let frame = raw.next_on(1).await;
    if frame.kind == RST_STREAM { Err(frame.code()) } else { Ok(frame.status()) }
}

async fn fresh(secure: &Secure, before: usize) -> Vec<Value> {
    eventually("a record", || Some(secure.denials().split_off(before)).filter(|fresh| !fresh.is_empty())).await
}

async fn assert_refused(secure: &Secure, what: &str, bytes: &[u8], expected: Refused) {
    let before = secure.denials().len();
    let mut raw = Raw::open(secure).await;
    raw.send(bytes).await;
    let outcome = outcome(&mut raw).await;
    // Durable before the reply: nothing is waited for.
    let records = secure.denials().split_off(before);
    assert_eq!(records.len(), 1, "{what}: {outcome:?}: {records:#?}");
    let (reason, right) = match expected {
        Refused::Status(status, reason) => (reason, outcome == Ok(status)),
        Refused::Reset(reason) => (reason, outcome == Err(PROTOCOL_ERROR)),
    };
    assert!(right, "{what}: {outcome:?} instead of {expected:?}");
    assert_eq!(records[0]["dec"]["reason"], reason, "{what}: {records:#?}");
    assert_eq!(secure.stage.upstream.count(), 0, "{what}: the server was reached");
}

#[tokio::test]
async fn http_017_heads_that_two_hops_may_read_differently_are_refused_with_one_record() {
    use Refused::{Reset, Status};
    let secure = Secure::new(Setting::default()).await;
    let call = Call::to(&secure);
    let with = |name: &'static str, value: &'static str| {
        let mut fields = call.fields();
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
        with_body(1, &fields, &call.body)
    };
    let also = |name: &'static str, value: &'static str| {
        let mut fields = call.fields();
        let place = if name.starts_with(':') { 0 } else { fields.len() };
        fields.insert(place, (name, value));
        with_body(1, &fields, &call.body)
    };
    let without = |name: &str| {
        let mut fields = call.fields();
        fields.retain(|(known, _)| *known != name);
        with_body(1, &fields, &call.body)
    };
    for (what, bytes, expected) in [
        ("another Host", also("host", "evil.example"), Status(400, "host_differs")),
        ("another authority", with(":authority", "evil.example"), Status(403, "host_not_allowed")),
        ("an authority with a user", with(":authority", "user@evil.example"), Status(400, "host_invalid")),
        ("no authority and no Host", without(":authority"), Status(400, "host_missing")),
        ("a path with a space", with(":path", "/mcp/crm x"), Reset("http2_malformed")),
        ("a path with a bracket", with(":path", "/mcp/crm[1]"), Status(400, "target")),
        ("a path that is a URL", with(":path", "https://evil.example/mcp/crm"), Reset("http2_malformed")),
        ("an empty path", with(":path", ""), Reset("http2_malformed")),
        ("no path", without(":path"), Reset("http2_malformed")),
        ("two methods", also(":method", "GET"), Reset("http2_malformed")),
        ("two paths", also(":path", "/mcp/mail"), Reset("http2_malformed")),
        ("two authorities", also(":authority", "evil.example"), Reset("http2_malformed")),
        ("a lower-case method", with(":method", "post"), Status(400, "method")),
        ("CONNECT", with(":method", "CONNECT"), Reset("http2_malformed")),
        ("no scheme", without(":scheme"), Reset("http2_malformed")),
        ("another scheme", with(":scheme", "http"), Status(400, "scheme")),
        ("a status", also(":status", "200"), Reset("http2_malformed")),
        ("a protocol", also(":protocol", "websocket"), Reset("http2_malformed")),
        ("Connection", with("connection", "close"), Reset("http2_malformed")),
        ("Transfer-Encoding", with("transfer-encoding", "chunked"), Reset("http2_malformed")),
        ("Upgrade", with("upgrade", "h2c"), Reset("http2_malformed")),
        ("TE", with("te", "gzip"), Reset("http2_malformed")),
        ("an underscore", with("content_length", "3"), Status(400, "header_underscore")),
        ("a byte that is not ASCII", with("x-name", "é"), Status(400, "non_ascii")),
        ("white space before a value", with("x-name", " a"), Status(400, "value_space")),
        ("white space behind a token", with("authorization", "Bearer x "), Status(400, "value_space")),
        ("a length that is none", with("content-length", "x"), Reset("http2_malformed")),
        ("a length with a sign", with("content-length", "+5"), Reset("http2_malformed")),
        ("Expect", with("expect", "miracles"), Status(400, "expect")),
        ("a GET with a body", with(":method", "GET"), Status(400, "body_not_allowed")),
    ] {
        assert_refused(&secure, what, &bytes, expected).await;
    }
    let mut fields = call.fields();
    fields.insert(0, ("x-name", "before the pseudo-headers"));
    assert_refused(&secure, "a header first", &with_body(1, &fields, &call.body), Reset("http2_malformed")).await;
    for (what, length) in [("two lengths", "7"), ("two equal lengths", "5")] {
        let mut fields = call.fields();
        fields.extend([("content-length", "5"), ("content-length", length)]);
        let expected = if length == "5" { Status(400, "content_length_repeated") } else { Reset("http2_malformed") };
        assert_refused(&secure, what, &with_body(1, &fields, b"{ 1 }"), expected).await;
    }
    let mut long = call.fields();
    let path = format!("/mcp/crm?{}", "x".repeat(8 << 10));
    long[2].1 = &path;
    assert_refused(&secure, "a long path", &with_body(1, &long, &call.body), Status(414, "uri_too_long")).await;
    let names: Vec<String> = (0..60).map(|number| format!("x-name-{number}")).collect();
    let mut many = call.fields();
    many.extend(names.iter().map(|name| (name.as_str(), "x")));
    assert_refused(&secure, "many headers", &with_body(1, &many, &call.body), Status(431, "too_many_headers")).await;

    let mut raw = Raw::open(&secure).await;
    raw.send(&with_body(1, &call.fields(), &call.body)).await;
    assert_eq!(outcome(&mut raw).await, Ok(200), "as it should be");
    let mut fields = call.fields();
    fields.push(("host", &call.authority));
    raw.send(&with_body(3, &fields, &call.body)).await;
    assert_eq!(raw.next_on(3).await.kind, HEADERS, "a Host that says the same");
    assert_eq!(secure.stage.upstream.calls().len(), 2);
    secure.end().await;
}

#[tokio::test]
async fn http_017_a_path_with_a_fragment_ends_the_connection_with_one_record() {
    let secure = Secure::new(Setting::default()).await;
    let call = Call::to(&secure);
    let plain = {
        let mut fields = call.fields();
        fields[2].1 = "/mcp/crm#x";
        block(&fields)
    };
    // `/a#b` by the code of HPACK, behind the number of the name.
    let coded = [&[0x83, 0x87, 0x44, 0x84, 0x60, 0x7f, 0xf5, 0x1f][..], &block(&call.fields()[3..])].concat();
    for (what, block) in [("plain", plain), ("coded", coded)] {
        let before = secure.denials().len();
        let mut raw = Raw::open(&secure).await;
        // In two frames: nothing is judged by halves.
        let (first, rest) = block.split_at(5);
        raw.send(&[frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest)].concat()).await;
        let ended = raw.rest().await;
        assert_eq!(ended.iter().find(|frame| frame.kind == GOAWAY).map(Frame::code), Some(PROTOCOL_ERROR), "{what}: {ended:?}");
        let records = secure.denials().split_off(before);
        assert_eq!(records.iter().map(|record| &record["dec"]["reason"]).collect::<Vec<_>>(), ["target"], "{what}");
    }
    assert_eq!(secure.stage.upstream.count(), 0);
    secure.end().await;
}

#[tokio::test]
async fn http_017_a_refused_head_costs_its_stream_and_no_other() {
    let secure = Secure::new(Setting::default()).await;
    let call = Call::to(&secure);
    let mut raw = Raw::open(&secure).await;
    let mut bytes = with_body(1, &call.fields(), &call.body);
    let mut twice = call.fields();
    twice.insert(0, (":method", "POST"));
    bytes.extend(with_body(3, &twice, &call.body));
    let mut differs = call.fields();
    differs.push(("host", "evil.example"));
    bytes.extend(with_body(5, &differs, &call.body));
    bytes.extend(with_body(7, &call.fields(), &call.body));
    // All at once: the library answers stream 3 by itself, and nobody takes it for another.
    raw.send(&bytes).await;
    let mut outcomes = std::collections::BTreeMap::new();
    while outcomes.len() < 4 {
        let frame = raw.next().await.expect("all answers");
        match frame.kind {
            HEADERS if frame.stream == 5 => outcomes.insert(5, 400),
            HEADERS => outcomes.insert(frame.stream, 200),
            RST_STREAM if frame.stream == 3 => outcomes.insert(3, frame.code()),
            _ => None,
        };
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [(1, 200), (3, PROTOCOL_ERROR), (5, 400), (7, 200)]);
    assert_eq!(secure.stage.upstream.calls().len(), 2);
    let mut reasons: Vec<_> = secure.denials().iter().map(|record| record["dec"]["reason"].clone()).collect();
    reasons.sort_by_key(ToString::to_string);
    assert_eq!(reasons, ["host_differs", "http2_malformed"]);
    secure.end().await;
}

#[tokio::test]
async fn http_017_a_body_that_is_not_as_long_as_it_was_said_to_be_is_never_sent_on() {
    let secure = Secure::new(Setting::default()).await;
    // A caller's first call is written to the vault before its body is read, and a stream that was reset meanwhile is one that was left.
    assert_eq!(secure.stage.modern().call("echo", json!({})).await.status, 200);
    let call = Call::to(&secure);
    for length in [call.body.len() - 1, call.body.len() + 1] {
        let (before, length) = (secure.denials().len(), length.to_string());
        let mut fields = call.fields();
        fields.push(("content-length", &length));
        let mut raw = Raw::open(&secure).await;
        raw.send(&with_body(1, &fields, &call.body)).await;
        assert_eq!(outcome(&mut raw).await, Err(PROTOCOL_ERROR), "{length}");
        let records = fresh(&secure, before).await;
        assert_eq!(records.len(), 1, "{records:#?}");
        assert_eq!(records[0]["dec"]["reason"], "body_incomplete", "{records:#?}");
    }
    let before = secure.denials().len();
    let mut raw = Raw::open(&secure).await;
    let fields = block(&call.fields());
    let trailer = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x-late", "1")]));
    raw.send(&[frame(HEADERS, END_HEADERS, 1, &fields), frame(0, 0, 1, &call.body), trailer].concat()).await;
    assert_eq!(outcome(&mut raw).await, Ok(400), "trailers");
    assert_eq!(secure.denials().split_off(before)[0]["dec"]["reason"], "trailers");
    assert_eq!(secure.stage.upstream.count(), 1, "the good one alone");
    secure.end().await;
}

#[tokio::test]
async fn http_054_a_head_beyond_the_limit_is_recorded_and_answered_and_the_connection_ends() {
    let secure = Secure::new(Setting::default()).await;
    let call = Call::to(&secure);
    // What is counted is the list as it was before compression; 32 bytes are added to each line.
    let size: usize = call.fields().iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    for (beyond, allowed) in [(0, true), (1, false)] {
        let filler = "x".repeat((16 << 10) - size - 32 - "x-fill".len() - 1 + beyond);
        let mut fields = call.fields();
        fields.push(("x-fill", &filler));
        let whole = block(&fields);
        let (first, rest) = whole.split_at(10_000);
        let before = secure.denials().len();
        let mut raw = Raw::open(&secure).await;
        let bytes = [frame(HEADERS, 0, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest), frame(0, END_STREAM, 1, &call.body)];
        raw.send(&bytes.concat()).await;
        let outcome = outcome(&mut raw).await;
        let records = secure.denials().split_off(before);
        if allowed {
            assert_eq!((outcome, records.len()), (Ok(200), 0), "{records:#?}");
        } else {
            assert_eq!(outcome, Ok(431));
            assert_eq!(records.len(), 1, "{records:#?}");
            assert_eq!(records[0]["dec"]["reason"], "head_too_large", "{records:#?}");
            assert!(raw.rest().await.iter().any(|frame| frame.kind == GOAWAY), "it may not go on");
        }
    }
    secure.end().await;
}

#[tokio::test]
async fn upper_case_names_end_the_stream_and_are_recorded() {
    let secure = Secure::new(Setting::default()).await;
    let call = Call::to(&secure);
    let mut fields = call.fields();
    fields.push(("X-Name", "x"));
    let mut raw = Raw::open(&secure).await;
    raw.send(&head(1, &fields)).await;
    let ended = raw.rest().await.pop().expect("a last word");
    assert!(ended.kind == RST_STREAM || ended.kind == GOAWAY, "{ended:?}");
    let records = secure.denials();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert!(records[0]["dec"]["reason"].as_str().is_some_and(|reason| reason.starts_with("http2_")), "{records:#?}");
    assert_eq!(Honest::connect(&secure).await.send(&secure.keyed()).await.status, 200);
    secure.end().await;
}

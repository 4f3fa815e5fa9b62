//! Frames without end.

use std::fs;

use serde_json::json;

use super::Honest;
use super::limits::fields;
use super::raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, Raw, SETTINGS,
    WINDOW_UPDATE, block, frame, head, reset, setting,
};
use crate::cli::process::Home;
use crate::support::certs::{Authority, Leaf};
use crate::support::client::Client;
use crate::support::raw::{RawServer, Script, good_reply};
use crate::support::reply::{Gate, Reply};
use crate::support::tls::TlsClient;
use crate::tls::{Secure, Setting};

/// Ends by `ENHANCE_YOUR_CALM`, with one record that says why.
async fn assert_calmed(secure: &Secure, what: &str, raw: &mut Raw, reason: &str) {
    let goodbye = raw.next_of(GOAWAY).await.unwrap_or_else(|| panic!("{what}: no goodbye"));
    assert_eq!(goodbye.code(), ENHANCE_YOUR_CALM, "{what}");
    // Durable before it was said: nothing is waited for.
    let records = secure.denials();
    assert!(records.iter().any(|record| record["dec"]["reason"] == reason), "{what}: {records:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_052_a_rapid_reset_is_told_to_calm_down_and_starts_no_more_calls_than_there_are_streams() {
    let secure = Secure::new(Setting::default()).await;
    secure.stage.upstream.on_tool("echo", Reply::text("late").after(&Gate::default()));
    let honest = Honest::connect(&secure).await;
    let (head, body) = fields(&secure, &secure.keyed());
    let mut raw = Raw::open(&secure).await;
    for batch in 0..20 {
        let each = |number: u32| {
            let stream = (batch * 50 + number) * 2 + 1;
            let data = frame(DATA, END_STREAM, stream, &body);
            [frame(HEADERS, END_HEADERS, stream, &head), data, reset(stream)].concat()
        };
        raw.send(&(0..50).flat_map(each).collect::<Vec<_>>()).await;
    }
    assert_calmed(&secure, "rapid reset", &mut raw, "http2_flood").await;
    let started = secure.stage.upstream.calls().len();
    assert!(started <= 100, "{started} calls");
    // The next connection of the same peer begins with little credit.
    let mut again = Raw::open(&secure).await;
    let pair = |number: u32| {
        let stream = number * 2 + 1;
        [frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, &body), reset(stream)].concat()
    };
    again.send(&(0..50).flat_map(pair).collect::<Vec<_>>()).await;
    assert_calmed(&secure, "once more", &mut again, "http2_flood").await;
    let more = secure.stage.upstream.calls().len() - started;
    assert!(more <= 11, "{more} calls");
    secure.stage.upstream.on_tool("echo", Reply::text("well"));
    assert_eq!(honest.send(&secure.keyed()).await.status, 200, "another connection");
    assert!(secure.gateway().metric("yett_http2_connections_calmed_total").await >= 1.0);
    let floods = secure.denials().into_iter().filter(|record| record["dec"]["reason"] == "http2_flood");
    assert_eq!(floods.count(), 2, "{:?}", secure.denials());
    secure.end().await;
}

#[tokio::test]
async fn http_052_resets_that_the_client_makes_the_server_send_count_as_well() {
    let secure = Secure::new(Setting::default()).await;
    secure.stage.upstream.on_tool("echo", Reply::text("late").after(&Gate::default()));
    let (head, body) = fields(&secure, &secure.keyed());
    let mut raw = Raw::open(&secure).await;
    for number in 0..300 {
        let stream = number * 2 + 1;
        let data = frame(DATA, END_STREAM, stream, &body);
        // A window beyond all bounds is an error of the stream's.
        let spoil = frame(WINDOW_UPDATE, 0, stream, &(u32::MAX >> 1).to_be_bytes());
        raw.send(&[frame(HEADERS, END_HEADERS, stream, &head), data, spoil].concat()).await;
    }
    assert_calmed(&secure, "made resets", &mut raw, "http2_flood").await;
    assert!(secure.stage.upstream.calls().len() <= 101, "{} calls", secure.stage.upstream.calls().len());
    secure.end().await;
}

#[tokio::test]
async fn http_054_heads_without_end_are_cut_off_at_the_limit() {
    let secure = Secure::new(Setting::default()).await;
    let authority = secure.address.to_string();
    let start = block(&[(":method", "POST"), (":scheme", "https"), (":path", "/mcp/crm"), (":authority", &authority)]);
    let piece = block(&[("x-fill", "x".repeat(4000).as_str())]);
    for (what, piece) in [("large pieces", &piece[..]), ("small pieces", &piece[..0])] {
        let mut raw = Raw::open(&secure).await;
        let mut flood = frame(HEADERS, 0, 1, &start);
        for _ in 0..500 {
            flood.extend(frame(CONTINUATION, 0, 1, piece));
        }
        raw.send(&flood).await;
        assert_calmed(&secure, what, &mut raw, "head_too_large").await;
    }
    // One header of four thousand bytes, and then many times the same by its number: 65 is one byte and 4,000.
    let mut bomb = start.clone();
    bomb.push(0x40);
    bomb.extend(&block(&[("x-fill", "x".repeat(3900).as_str())])[1..]);
    bomb.extend(vec![0xbe; 8000]);
    let mut raw = Raw::open(&secure).await;
    raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb)).await;
    assert_calmed(&secure, "an expansion", &mut raw, "http2_flood").await;
    assert_eq!(secure.stage.upstream.count(), 0);
    assert_eq!(secure.denials().len(), 3);
    secure.end().await;
}

#[tokio::test]
async fn frames_that_serve_no_purpose_are_not_taken_for_ever() {
    let secure = Secure::new(Setting::default()).await;
    secure.stage.upstream.on_tool("echo", Reply::text("late").after(&Gate::default()));
    let (call, _) = fields(&secure, &secure.keyed());
    let opened = frame(HEADERS, END_HEADERS, 1, &call);
    for (what, each) in [
        ("SETTINGS", frame(SETTINGS, 0, 0, &setting(4, 65_535))),
        ("empty SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("PING that answers nothing", frame(PING, 1, 0, b"12345678")),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])),
        ("empty DATA", frame(DATA, 0, 1, &[])),
        ("crumbs of DATA", frame(DATA, 0, 1, b"x")),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())),
        ("frames of no kind", frame(99, 0, 0, b"hello")),
    ] {
        let before = secure.denials().len();
        let mut raw = Raw::open(&secure).await;
        raw.send(&opened).await;
        raw.send(&each.repeat(5000)).await;
        assert_calmed(&secure, what, &mut raw, "http2_flood").await;
        // What the calls that it began have come to has records of its own.
        let fresh = secure.denials().split_off(before);
        assert_eq!(fresh.iter().filter(|record| record["dec"]["reason"] == "http2_flood").count(), 1, "{what}: {fresh:#?}");
    }
    secure.end().await;
}

#[tokio::test]
async fn frames_that_break_the_rules_end_the_connection_and_are_recorded() {
    let secure = Secure::new(Setting::default()).await;
    for (what, bytes) in [
        ("DATA on no stream", frame(DATA, 0, 0, b"x")),
        ("a frame beyond the largest", frame(DATA, 0, 1, &vec![0; 20_000])),
        ("a stream of the server's", head(2, &[(":method", "POST"), (":scheme", "https"), (":path", "/")])),
        ("a bad index", frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff])),
        ("no preface", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
    ] {
        let before = secure.denials().len();
        let mut raw = Raw::silent(&secure).await;
        if what != "no preface" {
            raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        }
        raw.send(&bytes).await;
        let ended = raw.rest().await;
        let code = ended.iter().find(|frame| frame.kind == GOAWAY).map(super::raw::Frame::code);
        assert!(code.is_some_and(|code| code != 0), "{what}: {ended:?}");
        let fresh = secure.denials().split_off(before);
        assert_eq!(fresh.len(), 1, "{what}: {fresh:#?}");
        assert_eq!(fresh[0]["dec"]["reason"], "http2_frames", "{what}");
    }
    secure.end().await;
}

/// KiB of memory that the process holds.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_052_http_054_a_hundred_thousand_resets_and_floods_of_heads_cost_less_than_32_mib() {
    let server = RawServer::start();
    server.answers(good_reply("warm"));
    let home = Home::new(server.address);
    let public = Authority::new("public");
    public.issue(&Leaf::server("127.0.0.1")).write(&home.path(""), "server");
    home.edit("address: \"127.0.0.1:0\" }]", "address: \"127.0.0.1:0\", tls: { cert: server.pem, key: server.key } }]");
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve_quietly();
    let client = TlsClient::trusting(&public).offering(&["h2"]);
    let connect = async || {
        let mut raw = Raw::on(client.shake(serving.listener).await.expect("a handshake"));
        raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        raw
    };
    let caller = Client::modern(serving.listener, "crm", &secret);
    let post = caller.post(&caller.message(Some(&json!(1)), "tools/call", json!({ "name": "get_customer", "arguments": {} })));
    let request = post.over_http2();
    let authority = serving.listener.to_string();
    let mut all = vec![(":method", "POST"), (":scheme", "https"), (":path", "/mcp/crm"), (":authority", authority.as_str())];
    all.extend(request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())));
    let call = block(&all);
    let whole =
        |stream| [frame(HEADERS, END_HEADERS, stream, &call), frame(DATA, END_STREAM, stream, post.body_bytes())].concat();
    let mut warm = connect().await;
    warm.send(&whole(1)).await;
    assert_eq!(warm.next_on(1).await.status(), 200);
    let before = resident(serving.pid());
    server.plays(Script::Silence);
    let (mut sent, mut most) = (0, before);
    while sent < 100_000 {
        let mut raw = connect().await;
        let mut flood = Vec::new();
        for number in 0..1000 {
            flood.extend(whole(number * 2 + 1));
            flood.extend(reset(number * 2 + 1));
        }
        sent += 1000;
        raw.send(&flood).await;
        let goodbye = raw.next_of(GOAWAY).await.expect("a goodbye");
        assert_eq!(goodbye.code(), ENHANCE_YOUR_CALM);
        most = most.max(resident(serving.pid()));
    }
    for _ in 0..100 {
        let mut raw = connect().await;
        let mut flood = frame(HEADERS, 0, 1, &call);
        flood.extend(frame(CONTINUATION, 0, 1, &block(&[("x-fill", "x".repeat(1000).as_str())])).repeat(1000));
        raw.send(&flood).await;
        assert_eq!(raw.next_of(GOAWAY).await.expect("a goodbye").code(), ENHANCE_YOUR_CALM);
        most = most.max(resident(serving.pid()));
    }
    let grown = most - before;
    println!("{sent} resets: {before} KiB before, at most {most} KiB, {grown} KiB more");
    assert!(grown < 32 << 10, "{grown} KiB");
    server.answers(good_reply("well"));
    warm.send(&whole(3)).await;
    assert_eq!(warm.next_on(3).await.status(), 200);
    drop(warm);
    assert_eq!(serving.terminate().0, Some(0));
}

//! Clients that do not take their answer: what is kept for them is bounded, their server waits, and they are cut off.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "the figures, for whoever asks with --nocapture")]

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use yett::config::Replies;

use crate::cli::http as plain;
use crate::cli::process::{Home, METRICS_TOKEN};
use crate::support::client::Client;
use crate::support::gateway::{Gateway, POLICY};
use crate::support::raw::{RawServer, Script, good_body, good_reply};
use crate::support::{eventually, within};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A notification of some 16 KiB as one chunk of an event stream.
fn event() -> Vec<u8> {
    let note =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "x".repeat(16_000) } });
    let event = format!("data: {note}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

/// A connection whose own kernel takes next to nothing.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    within("a connection", socket.connect(address)).await.unwrap()
}

/// Calls `echo`, and reads no more than the head of the answer.
async fn unread_call(client: &Client, address: SocketAddr) -> (TcpStream, String) {
    let call = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    let mut stream = narrow(address).await;
    stream.write_all(&client.post(&call).bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("the head", stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let call = head.lines().find_map(|line| line.strip_prefix("yett-call: ")).expect("a call").to_owned();
    (stream, call)
}

#[tokio::test]
async fn http_035_a_stream_whose_client_stops_reading_pauses_its_server_and_is_cut() {
    let server = RawServer::start();
    let limits = "limits: { stall_timeout: 700ms }";
    let gateway = Gateway::start().server_at("crm", server.address, "").listener_extra(limits).await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);
    let idle = gateway.running.open_tasks();
    server.plays(Script::Endless(STREAM.into(), event()));
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(unread_call(&ada, gateway.address).await);
    }
    // The clients stay. The streams end all the same, with their servers' connections.
    eventually("all streams are cut", || (server.closed() == 8).then_some(())).await;
    // What lies between a server and a client that takes nothing: its own kernel's buffer (the kernel doubles what is asked for), our
    // receive buffer, our queues, our send buffer, the client's.
    let taken = server.written() / 8;
    println!("{taken} bytes of each stream were taken");
    assert!(taken < 2 << 20, "{taken} bytes of each stream were taken for nobody");
    for (_, call) in &readers {
        let records = gateway.ended(call).await;
        assert_eq!(records[1]["out"]["status"], "client_gone", "{records:#?}");
        assert!(records[1]["out"]["events"].as_u64().is_some_and(|events| events > 0), "{records:#?}");
    }
    eventually("nothing is left of them", || (gateway.running.open_tasks() <= idle).then_some(())).await;
    for (mut stream, _) in readers {
        // A reset, or an end: never the rest.
        let mut rest = Vec::new();
        let _ = within("the end", stream.read_to_end(&mut rest)).await;
        assert!(rest.len() < 2 << 20, "{} bytes after the cut", rest.len());
    }
    server.answers(good_reply("well again"));
    assert_eq!(ada.call("echo", json!({})).await.text(), "well again");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_035_a_reader_that_goes_on_in_time_gets_everything() {
    let server = RawServer::start();
    let limits = "limits: { stall_timeout: 2s }";
    let gateway = Gateway::start().server_at("crm", server.address, "").listener_extra(limits).await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);
    let text = "x".repeat(2 << 20);
    server.answers(good_reply(&text));
    let (mut stream, _) = unread_call(&ada, gateway.address).await;
    let mut body = Vec::new();
    // Slowly, but steadily: hundreds of small reads, each far sooner than the limit.
    while body.len() < text.len() {
        let mut piece = vec![0; 16 << 10];
        let count = within("more", stream.read(&mut piece)).await.unwrap();
        assert!(count > 0, "it ends after {} bytes", body.len());
        body.extend_from_slice(&piece[..count]);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_035_a_plain_answer_that_nobody_takes_is_cut_too() {
    let server = RawServer::start();
    let limits = "limits: { stall_timeout: 700ms }";
    let gateway = Gateway::start().server_at("crm", server.address, "").listener_extra(limits).await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);
    let idle = gateway.running.open_tasks();
    let text = "x".repeat(3 << 20);
    server.answers(good_reply(&text));
    let (mut stream, call) = unread_call(&ada, gateway.address).await;
    assert_eq!(gateway.ended(&call).await[1]["out"]["status"], "ok", "the call itself is over before its answer is taken");
    // One task stays: the server's connection, which is as good as it was.
    eventually("the connection is gone", || (gateway.running.open_tasks() <= idle + 1).then_some(())).await;
    let mut rest = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut rest)).await;
    assert!(rest.len() < text.len(), "the whole answer came after the cut");
    gateway.stop_and_verify().await;
}

/// KiB of memory that the process holds.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_035_two_hundred_readers_that_stop_cost_less_than_64_mib() {
    const READERS: usize = 200;
    let server = RawServer::start();
    let home = Home::new(server.address);
    home.edit(
        "address: \"127.0.0.1:0\" }]",
        "address: \"127.0.0.1:0\", limits: { stall_timeout: 5s, connections_per_peer: 300 } }]",
    );
    // All of one caller: 200 are less than three quarters of these places.
    home.edit("/mcp\" }\n  mail", "/mcp\", limits: { concurrency: 400 } }\n  mail");
    // What is kept is measured here; scanning a hundred megabytes in a build for tests would only take its time.
    let policy = fs::read_to_string(home.path("policies/access.yaml")).unwrap();
    home.write("policies/access.yaml", &(policy + "injection: { requests: off, results: off, definitions: off }\n"));
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve_quietly();
    server.answers(good_reply("warm"));
    assert_eq!(plain::call(serving.listener, "crm", &secret, "get_customer").status, 200);
    let before = resident(serving.pid());
    server.plays(Script::Endless(STREAM.into(), event()));
    let client = Client::modern(serving.listener, "crm", &secret);
    let call = client.message(Some(&json!(1)), "tools/call", json!({ "name": "get_customer", "arguments": {} }));
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut stream = narrow(serving.listener).await;
        stream.write_all(&client.post(&call).bytes()).await.unwrap();
        readers.push(stream);
    }
    let mut most = 0;
    let watch = async {
        while server.closed() < READERS {
            most = most.max(resident(serving.pid()));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(3), watch).await.expect("all are cut");
    let grown = most.saturating_sub(before);
    println!("{READERS} stalled streams: {before} KiB before, at most {most} KiB, {grown} KiB more");
    assert!(grown < 64 << 10, "{grown} KiB for {READERS} readers");
    let authorization = format!("Bearer {METRICS_TOKEN}");
    let metrics = plain::send(serving.health, "GET /metrics", &[("Authorization", &authorization)], "");
    assert!(metrics.body.contains(&format!("yett_connections_stalled_total {READERS}")), "{}", metrics.body);
    drop(readers);
    assert_eq!(serving.terminate().0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn req_16_replies_that_slow_clients_have_not_taken_are_bounded_in_all() {
    unread_replies_are_bounded(good_reply(&"x".repeat(3 << 20))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn req_16_messages_of_streams_that_slow_clients_have_not_taken_are_bounded_in_all() {
    let event = format!("data: {}\n\n", good_body(&"x".repeat(3 << 20)));
    unread_replies_are_bounded(format!("{STREAM}{:x}\r\n{event}\r\n0\r\n\r\n", event.len())).await;
}

/// Sixty clients get this reply of 3 MiB, and do not read it.
async fn unread_replies_are_bounded(reply: String) {
    const READERS: usize = 60;
    let server = RawServer::start();
    let home = Home::new(server.address);
    home.edit("address: \"127.0.0.1:0\" }]", "address: \"127.0.0.1:0\", limits: { stall_timeout: 700ms } }]");
    let policy = fs::read_to_string(home.path("policies/access.yaml")).unwrap();
    home.write("policies/access.yaml", &(policy + "injection: { requests: off, results: off, definitions: off }\n"));
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve_quietly();
    server.answers(good_reply("warm"));
    assert_eq!(plain::call(serving.listener, "crm", &secret, "get_customer").status, 200);
    let before = resident(serving.pid());
    server.answers(reply);
    let client = Client::modern(serving.listener, "crm", &secret);
    let call = client.message(Some(&json!(1)), "tools/call", json!({ "name": "get_customer", "arguments": {} }));
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut stream = narrow(serving.listener).await;
        stream.write_all(&client.post(&call).bytes()).await.unwrap();
        readers.push(stream);
    }
    let authorization = format!("Bearer {METRICS_TOKEN}");
    let mut most = 0;
    let watch = async {
        // Until every call is over: its reply was handed to its client, or it was refused.
        loop {
            most = most.max(resident(serving.pid()));
            let metrics = plain::send(serving.health, "GET /metrics", &[("Authorization", &authorization)], "").body;
            let under_way =
                |line: &&str| line.starts_with("yett_upstream_in_flight") && line.contains("crm") && !line.ends_with(" 0");
            if metrics.lines().find(under_way).is_none() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(3), watch).await.expect("all calls end");
    let grown = most.saturating_sub(before);
    println!("{READERS} unread replies of 3 MiB: {before} KiB before, at most {most} KiB, {grown} KiB more");
    assert!(grown < 64 << 10, "{grown} KiB for {READERS} readers");
    drop(readers);
    assert_eq!(serving.terminate().0, Some(0));
}

/// A gateway whose memory holds four replies of the server's, and three of one caller.
async fn with_room_for_four(server: &RawServer, patience: Duration) -> Gateway {
    server.answers(good_reply(&"x".repeat(1_000_000)));
    let policy = format!("{POLICY}injection: {{ requests: off, results: off, definitions: off }}\n");
    let replies = Replies { bytes: 4 << 20, patience };
    Gateway::start().server_at("crm", server.address, "").policy(&policy).replies(replies).await
}

#[tokio::test]
async fn req_16_a_reply_for_which_there_is_no_memory_waits_is_lost_and_recorded_and_a_neighbours_is_read() {
    let (server, patience) = (RawServer::start(), Duration::from_millis(1500));
    let gateway = with_room_for_four(&server, patience).await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let bob = gateway.modern("crm", &gateway.key("bob", &["staff"]).await);
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(unread_call(&ada, gateway.address).await);
    }
    let begin = Instant::now();
    let (lost, neighbours) = tokio::join!(async { (ada.call("echo", json!({})).await, begin.elapsed()) }, async {
        (bob.call("echo", json!({})).await, begin.elapsed())
    });
    assert_eq!((lost.0.status, lost.0.code()), (503, Some(-31503)), "{:?}", lost.0);
    assert!(lost.1 >= patience, "it did not wait: {:?}", lost.1);
    assert_eq!((neighbours.0.status, neighbours.0.text().len()), (200, 1_000_000));
    assert!(neighbours.1 < patience, "it waited: {:?}", neighbours.1);
    // The call was made, and its record says what became of its answer.
    let records = gateway.ended(&lost.0.call()).await;
    assert_eq!(records[0]["dec"]["effect"], "allow", "{records:#?}");
    assert_eq!(records[1]["out"]["status"], "overloaded", "{records:#?}");
    for (stream, _) in &mut readers {
        let mut rest = vec![0; 900_000];
        within("the rest", stream.read_exact(&mut rest)).await.unwrap();
    }
    assert_eq!(ada.call("echo", json!({})).await.status, 200, "there is room again");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn req_16_a_client_that_takes_a_byte_now_and_then_makes_room_for_others_of_its_caller() {
    let server = RawServer::start();
    let gateway = with_room_for_four(&server, Replies::default().patience).await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(unread_call(&ada, gateway.address).await.0);
    }
    let trickles = readers.iter_mut().map(async |stream| {
        while let Ok(1..) = stream.read(&mut [0; 256]).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    });
    let begin = Instant::now();
    let answer = tokio::select! {
        answer = ada.call("echo", json!({})) => answer,
        _never = futures_util::future::join_all(trickles) => unreachable!("they wait for ever"),
    };
    let after = begin.elapsed();
    assert_eq!((answer.status, answer.text().len()), (200, 1_000_000));
    // What the kernel takes at first counts as taken, so it may be seen in the second five seconds only.
    assert!(after < Duration::from_secs(12), "it waited for {after:?}");
    assert!(gateway.metric("yett_connections_stalled_total").await >= 1.0);
    drop(readers);
    gateway.stop_and_verify().await;
}

//! How long a stream lasts, and what it may cost.

use serde_json::json;
use tokio::net::TcpSocket;

use super::Stage;
use super::client::SseClient;
use crate::support::eventually;
use crate::support::http::Connection;
use crate::support::reply::{Gate, Reply};

#[tokio::test]
async fn a_client_that_closes_its_stream_ends_its_session_and_what_is_under_way() {
    let stage = Stage::set().await;
    let ada = stage.client().await;
    let gate = Gate::default();
    stage.crm.on_tool("slow", Reply::text("too late").after(&gate));
    let asked = ada.ask("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    stage.crm.wait_for("tools/call").await;
    let post = ada.post(&json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }));
    drop(ada);
    eventually("the server sees the call cancelled", || (stage.crm.cancelled() == 1).then_some(())).await;
    let records = stage.gateway.ended(&asked.call()).await;
    assert_eq!(records[1]["out"]["status"], "client_gone", "{records:#?}");
    assert_eq!(post.send().await.status, 404, "the session outlives its stream");
    stage.gateway.metric_is("yett_sessions", 0.0).await;
    stage.end().await;
}

#[tokio::test]
async fn http_035_a_client_that_does_not_read_its_stream_is_cut_off_and_holds_no_more_than_is_allowed() {
    let stage = Stage::with("legacy_sse: true, limits: { stall_timeout: 700ms, stream_buffer: 32KiB }").await;
    stage.crm.on_tool("echo", Reply::text(&"x".repeat(1 << 20)));
    let address = stage.gateway.address;
    let mut ada = SseClient::begin(&stage.gateway, "crm", &stage.key).await;
    ada.ask("ping", json!({})).await;
    ada.next().await;
    // Another one, whose own kernel takes next to nothing, and who reads the head and no more.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let lazy = socket.connect(address).await.unwrap();
    let lazy = SseClient::open_on(Connection::on(lazy), &stage.gateway, "crm", &stage.key).await;
    let info = json!({ "name": "test", "version": "1.0.0" });
    lazy.ask("initialize", json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info })).await;
    eventually("the handshake", || {
        stage.crm.arrived().iter().filter(|request| request.rpc_method() == "initialize").nth(1).map(drop)
    })
    .await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo", "arguments": {} } });
    let mut answer = lazy.send(&call).await;
    while answer.status == 202 {
        answer = lazy.send(&call).await;
    }
    assert_eq!(answer.status, 404, "it was cut off, and its session with it: {answer:?}");
    let stalled = stage.gateway.metric("yett_connections_stalled_total").await;
    assert!(stalled >= 1.0, "{stalled} were cut");
    assert_eq!(ada.call("echo", json!({})).await["id"], 1, "the other one has not noticed");
    drop(lazy);
    stage.end().await;
}

#[tokio::test]
async fn req_16_a_caller_who_reads_none_of_many_streams_is_cut_off_before_its_answers_fill_the_memory() {
    const SESSIONS: usize = 8;
    const EACH: usize = 200;
    let stage = Stage::set().await;
    stage.crm.on_method("GET", Reply::empty(405));
    // Small enough to count nowhere else.
    stage.crm.on_tool("echo", Reply::text(&"x".repeat(15_000)));
    let mut lazy = Vec::new();
    for number in 1..=SESSIONS {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let connection = Connection::on(socket.connect(stage.gateway.address).await.unwrap());
        let client = SseClient::open_on(connection, &stage.gateway, "crm", &stage.key).await;
        let info = json!({ "name": "test", "version": "1.0.0" });
        client.ask("initialize", json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info })).await;
        let begun = || stage.crm.arrived().iter().filter(|request| request.rpc_method() == "initialize").count() == number;
        eventually("the handshake", || begun().then_some(())).await;
        lazy.push(client);
    }
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo", "arguments": {} } });
    let answers = futures_util::future::join_all(lazy.iter().map(|client| async {
        for taken in 0..EACH {
            match client.send(&call).await.status {
                202 => {}
                404 => return taken,
                other => panic!("{other}"),
            }
        }
        EACH
    }));
    let taken: usize = answers.await.into_iter().sum();
    assert!(taken < SESSIONS * EACH, "every one of {taken} answers is kept for a client that reads none");
    // Others have not noticed.
    let bob = stage.gateway.key("bob", &["staff"]).await;
    let mut bob = SseClient::begin(&stage.gateway, "crm", &bob).await;
    assert_eq!(bob.call("echo", json!({})).await["id"], 1);
    drop(lazy);
    drop(bob);
    stage.end().await;
}

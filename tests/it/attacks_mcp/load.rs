//! Many callers at once: whose answer is whose.

use std::net::SocketAddr;

use axum::Json;
use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::support::gateway::Gateway;
use crate::support::http::Connection;

const PRINCIPALS: usize = 50;
const CONNECTIONS: usize = 2;
const CALLS: usize = 100;

/// A server that answers with what it was asked: its replies differ by caller and call.
async fn echo_server() -> (SocketAddr, DropGuard) {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (socket.local_addr().unwrap(), CancellationToken::new());
    let echo = |Json(message): Json<Value>| async move {
        let text = message["params"]["arguments"]["marker"].clone();
        let result = json!({ "content": [{ "type": "text", "text": text }], "isError": false, "resultType": "complete" });
        Json(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }))
    };
    let guard = stop.clone().drop_guard();
    TaskTracker::new().spawn(async move {
        axum::serve(socket, Router::new().route("/mcp", post(echo))).with_graceful_shutdown(stop.cancelled_owned()).await
    });
    (address, guard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mcp_063_ten_thousand_calls_with_one_id_reach_their_own_callers() {
    let (server, _running) = echo_server().await;
    let gateway = Gateway::start().server_at("crm", server, "").await;
    let tasks = TaskTracker::new();
    let mut work = Vec::new();
    for principal in 0..PRINCIPALS {
        let client = gateway.modern("crm", &gateway.key(&format!("caller-{principal}"), &["staff"]).await);
        for connection in 0..CONNECTIONS {
            let (client, address) = (client.clone(), gateway.address);
            work.push(tasks.spawn(async move {
                let mut wire = Connection::open(address).await;
                let mut own = 0;
                for call in 0..CALLS {
                    let marker = format!("{principal}/{connection}/{call}");
                    let params = json!({ "name": "echo", "arguments": { "marker": marker } });
                    wire.send(&client.post(&client.message(Some(&json!(1)), "tools/call", params)).bytes()).await;
                    let answer = wire.answer().await.unwrap();
                    assert_eq!(answer.json()["id"], 1, "{answer:?}");
                    assert_eq!(answer.text(), marker, "somebody else's answer: {answer:?}");
                    own += 1;
                }
                own
            }));
        }
    }
    let mut answered = 0;
    for task in work {
        // Each answer is waited for by itself; how long ten thousand of them take is the machine's affair.
        answered += task.await.unwrap();
    }
    assert_eq!(answered, 10_000);
    let folder = gateway.stop_and_verify().await;
    let outcomes = yett::audit::Filter { kinds: vec!["call.outcome".to_owned()], ..Default::default() };
    assert_eq!(folder.records(&outcomes).len(), answered, "each call has its own outcome");
}

//! What a server tells of a task, on either side of this transport: to whom the task belongs, and to nobody else.

use serde_json::{Value, json};

use super::client::SseClient;
use super::server::SseServer;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

const POLICY: &str = r"version: 1
roles:
  worker:
    allow:
      - { servers: [crm], tools: [slow] }
bindings:
  - { role: worker, groups: [staff] }
";

/// How a task stands, under the server's own id.
fn standing(id: &str, status: &str) -> Value {
    json!({ "taskId": id, "status": status, "createdAt": "2026-11-28T10:30:00Z", "lastUpdatedAt": "2026-11-28T10:40:00Z",
        "ttl": 60000, "pollInterval": 10 })
}

fn news(id: &str, status: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/tasks/status", "params": standing(id, status) })
}

/// A call of `slow` as a task.
fn call() -> Value {
    json!({ "name": "slow", "arguments": {}, "task": { "ttl": 60000 } })
}

async fn shake_hands(client: &mut SseClient) {
    let info = json!({ "name": "test", "version": "1.0.0" });
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    assert_eq!(client.request("initialize", hello).await["result"]["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn a_client_of_http_sse_is_told_of_its_own_tasks_and_of_no_others() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).policy(POLICY).listener_extra("legacy_sse: true").await;
    let gate = Gate::default();
    let pushed = [news("t-eve", "working"), news("t-ada", "completed")];
    let steps = [Step::Wait(gate.clone())].into_iter().chain(pushed.iter().map(Step::message));
    crm.on_method("GET", Reply::stream(steps.chain([Step::Wait(Gate::default())])));
    let eve = gateway.legacy("crm", &gateway.key("eve", &["staff"]).await).await;
    crm.on_tool("slow", Reply::result(&json!({ "task": standing("t-eve", "working") })));
    assert!(eve.request("tools/call", call()).await.result()["task"].is_object());
    crm.on_tool("slow", Reply::result(&json!({ "task": standing("t-ada", "working") })));
    let mut ada = SseClient::open(&gateway, "crm", &gateway.key("ada", &["staff"]).await).await;
    shake_hands(&mut ada).await;
    let made = ada.request("tools/call", call()).await["result"]["task"]["taskId"].clone();
    assert_ne!(made, "t-ada", "the client knows the server's id");
    crm.wait_for("GET").await;
    gate.open();
    let told = ada.next().await;
    assert_eq!((&told["params"]["taskId"], &told["params"]["status"]), (&made, &json!("completed")), "{told:#}");
    drop(ada);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_server_of_http_sse_tells_of_a_task_reaches_its_owner_whatever_else_is_open() {
    let crm = SseServer::start().await;
    let gateway =
        Gateway::start().server_at("crm", crm.address, "transport: sse").policy(POLICY).listener_extra("legacy_sse: true").await;
    let (ada, eve) = (gateway.key("ada", &["staff"]).await, gateway.key("eve", &["staff"]).await);
    let [ada, eve] = [&ada, &eve].map(|key| Client::legacy(gateway.address, "crm", key, "2025-11-25"));
    let (ada, eve) = (ada.await, eve.await);
    crm.holds("slow");
    let mut made = Vec::new();
    for (client, stream, own) in [(&ada, 1, "t-ada"), (&eve, 2, "t-eve")] {
        let answering = async {
            let asked = || crm.posted().into_iter().find(|posted| posted.method() == "tools/call" && posted.stream == stream);
            let wire = eventually("the call", asked).await.message["id"].clone();
            crm.says(stream, &json!({ "jsonrpc": "2.0", "id": wire, "result": { "task": standing(own, "working") } }));
        };
        let (answer, ()) = tokio::join!(client.request("tools/call", call()), answering);
        made.push(answer.result()["task"]["taskId"].clone());
    }
    // Nothing is open but the stream of pushes.
    let mut pushes = ada.listen().await;
    crm.says(1, &news("t-eve", "working"));
    crm.says(1, &news("t-ada", "working"));
    let told = pushes.next().await.unwrap();
    assert_eq!((&told["params"]["taskId"], &told["params"]["status"]), (&made[0], &json!("working")), "{told:#}");
    // A call that has nothing to do with it.
    let other = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "slow", "arguments": {} } });
    let calling = async {
        let mut events = ada.open(&other).await;
        (events.next().await, events)
    };
    let telling = async {
        let plain = || {
            crm.posted()
                .into_iter()
                .find(|posted| posted.message["params"].get("task").is_none() && posted.method() == "tools/call")
        };
        let wire = eventually("the other call", plain).await.message["id"].clone();
        crm.says(1, &news("t-ada", "completed"));
        crm.says(1, &json!({ "jsonrpc": "2.0", "id": wire, "result": { "content": [] } }));
    };
    let ((first, _events), ()) = tokio::join!(calling, telling);
    // It is told where the call is, or where the server pushes.
    let told = match first.filter(|message| message["id"].is_null()) {
        Some(told) => told,
        None => pushes.next().await.unwrap(),
    };
    assert_eq!((&told["params"]["taskId"], &told["params"]["status"]), (&made[0], &json!("completed")), "{told:#}");
    drop(pushes);
    gateway.stop_and_verify().await;
}

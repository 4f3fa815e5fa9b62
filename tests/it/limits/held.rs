//! Calls at a time, and calls of one session.

use serde_json::json;

use super::{assert_limited, client, echo, limited};
use crate::support::eventually;
use crate::support::reply::{Gate, Reply, Step};

const ONE: &str = "name: narrow, per: [subject], concurrency: 1";

#[tokio::test]
async fn a_call_is_held_until_its_answer() {
    let (upstream, gateway) = limited(&[ONE]).await;
    let gate = Gate::default();
    upstream.on_tool("search", Reply::text("at last").after(&gate));
    let (ada, bob) = (client(&gateway, "ada", "staff").await, client(&gateway, "bob", "staff").await);
    let search = ada.message(Some(&json!(1)), "tools/call", json!({ "name": "search", "arguments": {} }));
    let mut slow = ada.post(&search).open().await;
    eventually("the call at the server", || (upstream.count() == 1).then_some(())).await;
    let refused = ada.call("echo", json!({})).await;
    assert_limited(&gateway, &refused, "narrow");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(ada.list_tools().await.status, 200, "a list is no call");
    assert_eq!(echo(&bob).await, 200, "somebody else's call was counted");
    gate.open();
    assert_eq!(slow.answer().await.expect("an answer").text(), "at last");
    assert_eq!(echo(&ada).await, 200);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_is_held_until_its_response_or_until_its_client_has_gone() {
    let (upstream, gateway) = limited(&[ONE]).await;
    let gate = Gate::default();
    let note =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "on the way" } });
    let steps = || [Step::message(&note), Step::Wait(gate.clone()), Step::text("done")];
    upstream.on_tool("search", Reply::stream(steps()));
    let ada = client(&gateway, "ada", "staff").await;
    let search = json!({ "name": "search", "arguments": {} });
    let mut events = ada.stream("tools/call", search.clone()).await;
    assert!(events.next().await.is_some());
    assert_limited(&gateway, &ada.call("echo", json!({})).await, "narrow");
    drop(events);
    let free = async {
        while echo(&ada).await != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    crate::support::within("the place of a client that has gone", free).await;
    let mut events = ada.stream("tools/call", search).await;
    assert!(events.next().await.is_some());
    assert_limited(&gateway, &ada.call("echo", json!({})).await, "narrow");
    gate.open();
    assert!(events.next().await.expect("a response").get("result").is_some());
    assert_eq!(echo(&ada).await, 200);
    drop(events);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_has_so_many_calls_and_another_one_has_its_own() {
    let (_upstream, gateway) = limited(&["name: talk, per: [subject], session_calls: 2"]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let (first, second) = (gateway.legacy("crm", &key).await, gateway.legacy("crm", &key).await);
    assert_eq!((echo(&first).await, echo(&first).await), (200, 200));
    assert_limited(&gateway, &first.call("echo", json!({})).await, "talk");
    assert_eq!(first.list_tools().await.status, 200, "a list is no call");
    assert_eq!(echo(&second).await, 200);
    let modern = gateway.modern("crm", &key);
    for _ in 0..3 {
        assert_eq!(echo(&modern).await, 200, "there are no sessions in this revision");
    }
    gateway.stop_and_verify().await;
}

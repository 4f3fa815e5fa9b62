//! Bytes to servers, and from them.

use serde_json::json;

use super::{assert_limited, client, limited};
use crate::support::reply::{Reply, Step};

#[tokio::test]
async fn bytes_of_requests_count_before_they_are_sent() {
    let (upstream, gateway) = limited(&["name: sends, per: [subject], request_bytes: 2KiB/day"]).await;
    let ada = client(&gateway, "ada", "staff").await;
    let text = |length: usize| json!({ "text": "x".repeat(length) });
    let refused = ada.call("echo", text(4_000)).await;
    assert_limited(&gateway, &refused, "sends");
    let left = refused.json()["error"]["data"]["remaining"].as_u64().expect("bytes");
    assert_eq!(left, 2_048);
    assert_eq!(ada.call("echo", text(1_000)).await.status, 200, "what was refused was counted");
    assert_limited(&gateway, &ada.call("echo", text(1_000)).await, "sends");
    assert_eq!(ada.call("echo", text(10)).await.status, 200, "what fits still fits");
    assert_eq!(upstream.calls().len(), 2);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_single_reply_beyond_the_limit_is_delivered_and_the_next_call_is_refused() {
    let (upstream, gateway) = limited(&["name: takes, per: [subject], result_bytes: 2KiB/day"]).await;
    upstream.on_tool("search", Reply::text(&"x".repeat(3_000)));
    let ada = client(&gateway, "ada", "staff").await;
    assert_eq!(ada.call("search", json!({})).await.text().len(), 3_000);
    assert_limited(&gateway, &ada.call("echo", json!({})).await, "takes");
    assert_limited(&gateway, &ada.list_tools().await, "takes");
    assert_eq!(upstream.count(), 1, "the server was reached");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_ends_once_nothing_is_left() {
    let (upstream, gateway) = limited(&["name: takes, per: [subject], result_bytes: 2KiB/day"]).await;
    let note = |number: u32| {
        let data = format!("{number} {}", "x".repeat(900));
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": data } })
    };
    let steps = (0..8).map(|number| Step::message(&note(number))).chain([Step::text("done")]);
    upstream.on_tool("search", Reply::stream(steps));
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.legacy("crm", &key).await;
    let mut events = client.stream("tools/call", json!({ "name": "search", "arguments": {} })).await;
    let mut messages = Vec::new();
    while let Some(message) = events.next().await {
        messages.push(message);
    }
    let last = messages.pop().expect("an end");
    assert_eq!(last["error"]["code"], -31429, "{last}");
    assert_eq!(last["id"], 1, "{last}");
    // The handshake has taken some of it; the third message went beyond, or the second.
    assert!((1..=3).contains(&messages.len()), "{} messages", messages.len());
    let outcome = gateway.ended(&events.head.call()).await.pop().expect("an outcome");
    assert_eq!(outcome["out"]["status"], "rate_limited", "{outcome}");
    gateway.stop_and_verify().await;
}

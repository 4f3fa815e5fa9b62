//! W3C Trace Context through the gateway: from the head or `_meta` of a request to its server, and into the record.

use serde_json::{Value, json};

use crate::support::client::meta;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::server::{Arrived, Upstream};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-11111111111111111111111111111111-1111111111111111-00";

struct Stage {
    upstream: Upstream,
    gateway: Gateway,
    key: String,
}

impl Stage {
    async fn new() -> Self {
        let upstream = Upstream::start().await;
        let gateway = Gateway::start().servers([("crm", &upstream)]).await;
        let key = gateway.key("ada", &["staff"]).await;
        Self { upstream, gateway, key }
    }

    /// Calls `echo` with these headers and these members in `_meta`; what arrived, and the answer.
    async fn call(&self, headers: &[(&str, &str)], members: &Value) -> (Arrived, Answer) {
        let answer = self.send(headers, members).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = self.upstream.calls().pop().expect("a call");
        (arrived, answer)
    }

    async fn send(&self, headers: &[(&str, &str)], members: &Value) -> Answer {
        let client = self.gateway.modern("crm", &self.key);
        let mut meta = meta();
        let own = members.as_object().cloned().unwrap_or_default();
        meta.as_object_mut().expect("a mapping").extend(own);
        let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {}, "_meta": meta }));
        headers.iter().fold(client.post(&message), |post, (name, value)| post.also(name, value)).send().await
    }

    fn recorded(&self, answer: &Answer) -> String {
        let records = self.gateway.records_of(&answer.call());
        let decision = records.iter().find(|record| record["kind"] == "call.decision").expect("a decision");
        decision["trace"].as_str().expect("a trace id").to_owned()
    }
}

fn in_meta(arrived: &Arrived, key: &str) -> Option<Value> {
    arrived.json().pointer(&format!("/params/_meta/{key}")).cloned()
}

/// The trace id of a `traceparent` of ours.
fn trace_of(parent: &str) -> String {
    let fields: Vec<&str> = parent.split('-').collect();
    assert_eq!(fields.iter().map(|field| field.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{parent}");
    fields[1].to_owned()
}

#[tokio::test]
async fn the_context_of_the_head_reaches_the_server_and_the_record() {
    let stage = Stage::new().await;
    let (arrived, answer) =
        stage.call(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")], &json!({})).await;
    assert_eq!(arrived.header("traceparent"), Some(PARENT));
    assert_eq!(arrived.header("tracestate"), Some("a=1,b=2"));
    assert_eq!(in_meta(&arrived, "traceparent"), None, "the client has not put it there");
    assert_eq!(stage.recorded(&answer), TRACE);
}

#[tokio::test]
async fn a_call_without_context_begins_one() {
    let stage = Stage::new().await;
    let (first, answer) = stage.call(&[], &json!({})).await;
    let parent = first.header("traceparent").expect("a context").to_owned();
    assert_eq!(stage.recorded(&answer), trace_of(&parent));
    assert!(parent.ends_with("-02"), "not sampled, and random: {parent}");
    assert_eq!(first.header("tracestate"), None);
    let (second, _) = stage.call(&[], &json!({})).await;
    assert_ne!(second.header("traceparent"), Some(parent.as_str()));
}

#[tokio::test]
async fn the_message_goes_before_the_head_and_both_places_say_the_same() {
    let stage = Stage::new().await;
    let headers = [("traceparent", OTHER), ("tracestate", "head=1")];
    let (arrived, answer) = stage.call(&headers, &json!({ "traceparent": PARENT, "tracestate": "meta=1" })).await;
    assert_eq!(arrived.header("traceparent"), Some(PARENT));
    assert_eq!(in_meta(&arrived, "traceparent"), Some(json!(PARENT)));
    assert_eq!(arrived.header("tracestate"), Some("meta=1"));
    assert_eq!(in_meta(&arrived, "tracestate"), Some(json!("meta=1")));
    assert_eq!(stage.recorded(&answer), TRACE);
}

#[tokio::test]
async fn what_is_malformed_is_begun_anew_and_never_passed_on() {
    let stage = Stage::new().await;
    let raw = "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01";
    for (headers, members) in [
        (vec![("traceparent", raw), ("tracestate", "raw=1")], json!({})),
        (vec![("traceparent", PARENT), ("traceparent", OTHER), ("tracestate", "raw=1")], json!({})),
        (vec![], json!({ "traceparent": raw, "tracestate": "raw=1" })),
        (vec![], json!({ "traceparent": { "raw": 1 }, "tracestate": ["raw=1"] })),
        (vec![("tracestate", "raw=1")], json!({ "tracestate": "raw=1" })),
        (
            vec![("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-raw"), ("tracestate", "raw=1")],
            json!({}),
        ),
    ] {
        let (arrived, answer) = stage.call(&headers, &members).await;
        let parent = arrived.header("traceparent").expect("a context").to_owned();
        assert_ne!(trace_of(&parent), TRACE, "{headers:?} {members}");
        assert_eq!(stage.recorded(&answer), trace_of(&parent));
        let sent = format!("{:?} {}", arrived.headers, String::from_utf8_lossy(&arrived.body));
        assert!(!sent.contains("raw") && !sent.contains("0AF7"), "{sent}");
        if members.get("traceparent").is_some() {
            assert_eq!(in_meta(&arrived, "traceparent"), Some(json!(parent)), "two places say two things");
        }
        assert_eq!(in_meta(&arrived, "tracestate"), None);
    }
    // A good parent keeps its tree though its state is of no use.
    let long = format!("k={}", "v".repeat(600));
    let (arrived, _) = stage.call(&[("traceparent", PARENT), ("tracestate", &long)], &json!({})).await;
    assert_eq!((arrived.header("traceparent"), arrived.header("tracestate")), (Some(PARENT), None));
}

#[tokio::test]
async fn baggage_ends_at_the_gateway() {
    let stage = Stage::new().await;
    let (arrived, _) = stage
        .call(&[("baggage", "user=ada")], &json!({ "baggage": "user=ada", "traceparent": PARENT, "com.example/kept": 1 }))
        .await;
    let sent = format!("{:?} {}", arrived.headers, String::from_utf8_lossy(&arrived.body));
    assert!(!sent.contains("baggage") && !sent.contains("user=ada"), "{sent}");
    assert_eq!(in_meta(&arrived, "com.example~1kept"), Some(json!(1)));
    assert_eq!(in_meta(&arrived, "traceparent"), Some(json!(PARENT)));
}

#[tokio::test]
async fn a_message_that_says_nothing_of_traces_arrives_byte_for_byte() {
    let stage = Stage::new().await;
    let client = stage.gateway.modern("crm", &stage.key);
    let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": { "a": 1.50 } }));
    let odd = message.to_string().replace(r#""jsonrpc":"#, "\n  \"jsonrpc\" :\t");
    assert_eq!(client.post_bytes(&message, odd.clone()).header("traceparent", PARENT).send().await.status, 200);
    assert_eq!(stage.upstream.calls().pop().expect("a call").body, odd.as_bytes());
}

#[tokio::test]
async fn a_state_is_looked_through_like_everything_that_goes_to_a_server() {
    let upstream = Upstream::start().await;
    let dlp = "version: 1\ndlp: { rules: [{ name: us-ssn, detect: [us_ssn], action: mask }] }\n";
    let gateway = Gateway::start().servers([("crm", &upstream)]).policy(crate::support::gateway::POLICY).policy(dlp).await;
    let key = gateway.key("ada", &["staff"]).await;
    let stage = Stage { upstream, gateway, key };
    // The detector wants its word near by.
    let refused = stage.send(&[("traceparent", PARENT), ("tracestate", "ssn=536-22-8726")], &json!({})).await;
    assert!(refused.code().is_some(), "{refused:?}");
    assert!(stage.upstream.calls().is_empty(), "a number left in a header");
    let (_, passed) = stage.call(&[("traceparent", PARENT), ("tracestate", "ssn=none")], &json!({})).await;
    assert_eq!(passed.status, 200);
}

#[tokio::test]
async fn legacy_sessions_have_traces_too() {
    let stage = Stage::new().await;
    let client = stage.gateway.legacy("crm", &stage.key).await;
    let params = json!({ "name": "echo", "arguments": {}, "_meta": { "traceparent": PARENT } });
    let answer = client.request("tools/call", params).await;
    assert_eq!(answer.status, 200);
    let arrived = stage.upstream.calls().pop().expect("a call");
    assert_eq!(arrived.header("traceparent"), Some(PARENT));
    assert_eq!(stage.recorded(&answer), TRACE);
    // A refusal has its place in the tree as well.
    let stranger = stage.gateway.key("eve", &["nobody"]).await;
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25" } });
    let denied = stage.gateway.post("crm").bearer(&stranger).header("traceparent", PARENT).body(message.to_string()).send().await;
    assert_eq!(stage.recorded(&denied), TRACE, "{denied:?}");
}

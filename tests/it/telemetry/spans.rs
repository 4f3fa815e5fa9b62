//! Spans as a real collector reads them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use serde_json::json;

use super::collector::{Collector, Span};
use super::metrics::{sample, scrape_text};
use crate::support::eventually;
use crate::support::gateway::{Gateway, POLICY};
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PARENT_SPAN: &str = "b7ad6b7169203331";

async fn gateway(upstream: &Upstream, collector: SocketAddr, more: &str) -> Gateway {
    let dlp = "version: 1\ndlp: { rules: [{ name: us-ssn, detect: [us_ssn], action: block }] }\n";
    Gateway::start()
        .servers([("crm", upstream)])
        .policy(POLICY)
        .policy(dlp)
        .config_extra(&format!(
            "accept_risks: [open_metrics]\ntelemetry: {{ traces: {{ endpoint: \"http://{collector}\"{more} }} }}"
        ))
        .await
}

fn one<'a>(spans: &'a [Span], kind: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.kind == format!("SPAN_KIND_{kind}"));
    let span = found.next().unwrap_or_else(|| panic!("no {kind} in {spans:#?}"));
    assert!(found.next().is_none(), "two of {kind} in {spans:#?}");
    span
}

#[tokio::test]
async fn client_gateway_and_server_are_one_tree() {
    let (collector, upstream) = (Collector::start().await, Upstream::start().await);
    let gateway =
        gateway(&upstream, collector.address, ", service: gate, attributes: { deployment.environment.name: test }").await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let message = client.message(Some(&json!(7)), "tools/call", json!({ "name": "search", "arguments": {} }));
    let answer = client.post(&message).header("traceparent", PARENT).send().await;
    assert_eq!(answer.status, 200);

    let spans = collector.spans(TRACE, 3).await;
    let (server, chain, hop) = (one(&spans, "SERVER"), one(&spans, "INTERNAL"), one(&spans, "CLIENT"));
    assert_eq!((server.parent.as_str(), &chain.parent, &hop.parent), (PARENT_SPAN, &server.id, &server.id));
    let arrived = upstream.calls().pop().expect("a call");
    assert_eq!(arrived.header("traceparent"), Some(format!("00-{TRACE}-{}-01", hop.id).as_str()), "the server hangs elsewhere");

    assert_eq!((server.name.as_str(), hop.name.as_str()), ("tools/call search", "tools/call search"));
    assert_eq!(chain.events, ["authn", "decode", "kill", "rate", "authz", "inj", "dlp"], "{}", collector.said());
    for span in &spans {
        assert!(!span.failed(), "{span:?}");
        assert!(span.start <= span.end && span.start > 1_600_000_000_000_000_000, "{span:?}");
        assert_eq!(span.attribute("error.type"), None);
    }
    assert!(server.start <= hop.start && hop.end <= server.end && chain.end == hop.start, "{spans:#?}");
    let port = upstream.address.port().to_string();
    let call = answer.call();
    for (span, key, value) in [
        (server, "mcp.method.name", "tools/call"),
        (server, "mcp.protocol.version", "2026-07-28"),
        (server, "gen_ai.operation.name", "execute_tool"),
        (server, "gen_ai.tool.name", "search"),
        (server, "jsonrpc.request.id", "7"),
        (server, "network.peer.address", "127.0.0.1"),
        (server, "network.transport", "tcp"),
        (server, "yett.server", "crm"),
        (server, "yett.call", &call),
        (chain, "yett.effect", "allow"),
        (chain, "yett.rule", "role:all"),
        (hop, "mcp.method.name", "tools/call"),
        (hop, "gen_ai.tool.name", "search"),
        (hop, "server.address", "127.0.0.1"),
        (hop, "server.port", &port),
    ] {
        assert_eq!(span.attribute(key), Some(value), "{key} of {span:#?}");
    }
    let said = collector.said();
    for resource in ["service.name: Str(gate)", "service.version: Str(", "deployment.environment.name: Str(test)"] {
        assert!(said.contains(resource), "{said}");
    }
}

fn trace(number: u8) -> String {
    format!("{number:032x}")
}

#[tokio::test]
async fn refusals_and_failures_are_errors_with_their_reason() {
    let (collector, upstream) = (Collector::start().await, Upstream::start().await);
    upstream.on_tool("broken", Reply::error(-32603, "it broke"));
    upstream.on_tool("cut", Reply::stream([Step::Cut]));
    let gateway = gateway(&upstream, collector.address, "").await;
    let key = gateway.key("ada", &["staff"]).await;
    let stranger = gateway.key("eve", &["nobody"]).await;
    let parent = |number: u8| format!("00-{}-{PARENT_SPAN}-01", trace(number));
    let call = async |number: u8, key: &str, tool: &str, text: &str| {
        let client = gateway.modern("crm", key);
        let message = client.message(Some(&json!("text id")), "tools/call", json!({ "name": tool, "arguments": { "t": text } }));
        client.post(&message).header("traceparent", &parent(number)).send().await
    };
    call(1, &stranger, "search", "").await;
    call(2, &key, "search", "ssn 536-22-8726").await;
    call(3, &key, "broken", "").await;
    call(4, &key, "cut", "").await;

    let denied = collector.spans(&trace(1), 2).await;
    let server = one(&denied, "SERVER");
    assert_eq!((server.failed(), server.name.as_str()), (true, "tools/call"));
    assert!(server.attribute("error.type").is_some() && server.attribute("gen_ai.tool.name").is_none(), "{server:#?}");
    assert_eq!(server.attribute("jsonrpc.request.id"), None, "a text that its caller chose");
    assert_eq!(one(&denied, "INTERNAL").attribute("yett.effect"), Some("deny"));
    assert!(one(&denied, "INTERNAL").failed());

    let blocked = collector.spans(&trace(2), 2).await;
    assert_eq!(one(&blocked, "SERVER").attribute("error.type"), Some("blocked"));
    assert_eq!(one(&blocked, "SERVER").attribute("yett.findings"), Some("1"));

    let broken = collector.spans(&trace(3), 3).await;
    for kind in ["SERVER", "CLIENT"] {
        assert_eq!((one(&broken, kind).failed(), one(&broken, kind).attribute("error.type")), (true, Some("error")));
    }
    assert!(!one(&broken, "INTERNAL").failed(), "the layers let it pass");

    let cut = collector.spans(&trace(4), 3).await;
    assert!(one(&cut, "CLIENT").failed(), "{cut:#?}");
    let text = collector.said();
    assert!(!text.contains("536-22") && !text.contains("it broke") && !text.contains("text id"), "{text}");
}

#[tokio::test]
async fn a_stop_sends_what_is_waiting() {
    let (collector, upstream) = (Collector::start().await, Upstream::start().await);
    let gateway = gateway(&upstream, collector.address, "").await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    client.post(&message).header("traceparent", PARENT).send().await;
    gateway.stop_and_verify().await;
    collector.spans(TRACE, 3).await;
}

#[tokio::test]
async fn only_sampled_calls_are_exported_and_callers_decide_for_theirs() {
    let (collector, upstream) = (Collector::start().await, Upstream::start().await);
    let gateway = gateway(&upstream, collector.address, ", sample: 0").await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    for _ in 0..5 {
        client.call("echo", json!({})).await;
    }
    let unsampled = upstream.calls().pop().expect("a call").header("traceparent").expect("a context").to_owned();
    assert!(unsampled.ends_with("-02"), "{unsampled}");
    // Nobody knows this one: its flag is its own affair.
    gateway.post("crm").header("traceparent", "00-22222222222222222222222222222222-1111111111111111-01").body("{}").send().await;
    let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    client.post(&message).header("traceparent", PARENT).send().await;
    collector.spans(TRACE, 3).await;
    assert_eq!(collector.all().len(), 3, "{:#?}", collector.all());
}

#[tokio::test]
async fn calls_do_not_notice_a_collector_that_is_away() {
    let upstream = Upstream::start().await;
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port");
    let gateway = gateway(&upstream, nobody, "").await;
    let key = gateway.key("ada", &["staff"]).await;
    for _ in 0..20 {
        assert_eq!(gateway.modern("crm", &key).call("echo", json!({})).await.status, 200);
    }
    let lost = async {
        loop {
            let text = scrape_text(gateway.running.health).await;
            assert_eq!(sample(&text, "yett_trace_spans_exported_total"), Some(0.0));
            if sample(&text, r#"yett_trace_spans_dropped_total{reason="unreachable"}"#) > Some(0.0) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    crate::support::within("spans that are given up", lost).await;
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_collector_refuses_is_counted() {
    let (upstream, collector) = (Upstream::start().await, Upstream::start().await);
    // It answers by HTTP method what is no JSON.
    collector.on_method("response", Reply::empty(400));
    let gateway = gateway(&upstream, collector.address, ", headers: { Authorization: Bearer collector-secret }").await;
    let key = gateway.key("ada", &["staff"]).await;
    gateway.modern("crm", &key).call("echo", json!({})).await;
    let posted = collector.wait_for("response").await;
    assert_eq!(posted.target, "/v1/traces");
    assert_eq!(posted.header("authorization"), Some("Bearer collector-secret"));
    assert_eq!(posted.header("content-type"), Some("application/x-protobuf"));
    let dropped = async {
        loop {
            let text = scrape_text(gateway.running.health).await;
            if let Some(count) = sample(&text, r#"yett_trace_spans_dropped_total{reason="refused"}"#) {
                return count;
            }
        }
    };
    assert!((crate::support::within("a dropped span", dropped).await - 3.0).abs() < f64::EPSILON);
    eventually("nothing is tried again", || (collector.count() == 1).then_some(())).await;
}

//! What of a request reaches the server: the judged message and headers that the gateway writes itself.

use super::client::{PYTHON_LEGACY, TYPESCRIPT_MODERN};
use super::gateway::Gateway;
use super::upstream::Upstream;

const ECHO: &str = r"version: 1
roles:
  echo: { allow: [{ servers: [fixture], tools: [echo] }] }
bindings:
  - { role: echo, groups: [agents] }
";

/// What a browser, a proxy or an attacker may add to a request. The gateway's own credential for the server, if any, is not the
/// client's, so `authorization` must not come through either; that one the SDK sends by itself.
const SENT_ALONG: [&str; 11] = [
    "Cookie=session=planted",
    "Proxy-Authorization=Basic planted",
    "X-Api-Key=planted",
    "X-Forwarded-For=planted",
    "Forwarded=for=planted",
    "X-Original-Url=planted",
    "Yett-Call=planted",
    "Mcp-Unknown=planted",
    // Without a good parent the state is nobody's; baggage is never passed on.
    "Traceparent=00-planted",
    "Tracestate=k=planted",
    "Baggage=k=planted",
];

/// The only headers that a server gets from the gateway.
const FORWARDED: [&str; 10] = [
    "accept",
    "content-length",
    "content-type",
    "host",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
    "yett-call",
];

#[test]
fn no_credential_and_no_header_of_the_client_reaches_the_server() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, ECHO);
    let mut arguments = vec!["--tool", "echo", "--args", r#"{"message":"hello"}"#];
    arguments.extend(SENT_ALONG.iter().flat_map(|header| ["--header", header]));
    let clients = [PYTHON_LEGACY, TYPESCRIPT_MODERN];
    for client in clients {
        let transcript = client.walk(&gateway.url, Some(&gateway.key), "call", &arguments);
        assert_eq!(transcript[1]["result"]["content"][0]["text"], "hello", "{client}: {:#}", transcript[1]);
    }

    let seen = upstream.seen();
    let calls = seen.iter().filter(|entry| entry["method"] == "tools/call").count();
    assert_eq!(calls, clients.len(), "calls that reached the server");
    for request in seen.iter().filter(|entry| entry["http"].is_string()) {
        let headers = request["headers"].as_object().unwrap();
        let others: Vec<&String> = headers.keys().filter(|name| !FORWARDED.contains(&name.as_str())).collect();
        assert!(others.is_empty(), "headers that should not have reached the server: {others:?} of {request:#}");
        assert!(headers.contains_key("yett-call"), "no Yett-Call on {request:#}");
        let text = request.to_string();
        assert!(!text.contains("planted") && !text.contains(&gateway.key), "the client's text in {request:#}");
    }
}

//! What servers are shown.

use std::net::TcpListener;

use serde_json::json;

use super::failure;
use crate::http_sse::server::SseServer;
use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::server::Upstream;

#[tokio::test]
async fn each_kind_of_credential_is_sent_as_its_standard_says() {
    let crm = Upstream::start().await;
    let kinds = [
        ("bearer", "auth: { bearer: of-the-gateway }", "authorization", "Bearer of-the-gateway"),
        // RFC 7617, section 2.1: in UTF-8.
        ("basic", "auth: { basic: { username: \"test\", password: \"123£\" } }", "authorization", "Basic dGVzdDoxMjPCow=="),
        ("header", "auth: { header: { name: X-Api-Key, value: of-the-gateway } }", "x-api-key", "of-the-gateway"),
        (
            "scheme",
            "auth: { header: { name: Authorization, value: \"ApiKey of-the-gateway\" } }",
            "authorization",
            "ApiKey of-the-gateway",
        ),
    ];
    let gateway = kinds.iter().fold(Gateway::start(), |gateway, (name, auth, ..)| gateway.server(name, &crm, auth)).await;
    let key = gateway.key("ada", &["staff"]).await;
    for (name, _, header, value) in kinds {
        let answer = gateway.modern(name, &key).call("echo", json!({})).await;
        assert!(answer.json()["result"].is_object(), "{name}: {answer:?}");
        let arrived = crm.calls().pop().unwrap();
        assert_eq!(arrived.header(header), Some(value), "{name}");
        let all = arrived.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).count();
        assert_eq!(all, usize::from(header == "authorization"), "{name}: {arrived:?}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_048_no_byte_of_a_callers_credential_reaches_a_server_by_any_transport() {
    let (crm, sse) = (Upstream::start().await, SseServer::start().await);
    let gateway = Gateway::start();
    // Whatever it is told and whatever is in its environment it writes down, and answers with an error that anybody could give.
    let script = r#"env > heard; while read -r line; do printf '%s\n' "$line" >> heard; id=${line##*\"id\":}; id=${id%%[,\}]*}; printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"no"}}\n' "$id"; done"#;
    std::fs::write(gateway.folder().join("server.sh"), script).unwrap();
    let process = format!("{{ stdio: {{ command: [sh, server.sh], directory: \"{}\" }} }}", gateway.folder().display());
    let gateway = gateway
        .server_written("process", &process)
        .server("plain", &crm, "")
        .server("shown", &crm, "auth: { header: { name: X-Api-Key, value: of-the-gateway } }")
        .server_at("sse", sse.address, "transport: sse")
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    for server in ["plain", "shown"] {
        gateway.modern(server, &key).list_tools().await;
        gateway.modern(server, &key).call("echo", json!({ "text": "hello" })).await;
        let legacy = gateway.legacy(server, &key).await;
        legacy.call("echo", json!({})).await;
        legacy.listen().await;
        legacy.end().await;
    }
    let legacy = gateway.legacy("sse", &key).await;
    assert_eq!(legacy.call("echo", json!({})).await.status, 200);
    legacy.end().await;
    // A process prints what it is sent: the call is the one line of its answer.
    let written = gateway.modern("process", &key).call("echo", json!({ "text": "hello" })).await;
    assert_eq!(written.status, 200, "{written:?}");
    let heard = std::fs::read_to_string(gateway.data().join("../heard")).unwrap();
    assert!(heard.contains("tools/call"), "{heard}");
    // In parts as well: a key is `yett_ID_SECRETCHECK`, and neither half of it is anybody's business.
    let parts: Vec<&str> = key.split('_').collect();
    let arrived = format!("{:?}\n{}\n{heard}", crm.arrived(), sse.heard());
    assert!(crm.count() >= 10 && arrived.contains("of-the-gateway") && sse.posted().len() >= 3, "{arrived}");
    for part in parts.iter().filter(|part| part.len() >= 8) {
        assert!(!arrived.contains(part), "{part} in {arrived}");
    }
    assert!(parts.iter().filter(|part| part.len() >= 8).count() >= 2, "{parts:?}");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_051_mcp_055_a_server_sends_us_nowhere() {
    let crm = Upstream::start().await;
    let sink = TcpListener::bind("127.0.0.1:0").unwrap();
    sink.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}", sink.local_addr().unwrap());
    let gateway = Gateway::start().server("crm", &crm, "auth: { bearer: of-the-gateway }").await;
    let key = gateway.key("ada", &["staff"]).await;
    let challenge = |url: &str| format!("Bearer resource_metadata=\"{url}/.well-known/oauth-protected-resource\", scope=\"x\"");
    let mut replies = vec![
        ("a challenge on this machine", Reply::empty(401).header("WWW-Authenticate", &challenge(&elsewhere))),
        ("a challenge of a cloud", Reply::empty(401).header("WWW-Authenticate", &challenge("http://169.254.169.254"))),
        ("a scope", Reply::empty(403).header("WWW-Authenticate", &challenge(&elsewhere))),
    ];
    for status in [301, 302, 303, 307, 308] {
        replies.push(("a redirect", Reply::empty(status).header("Location", &format!("{elsewhere}/mcp"))));
    }
    for (what, reply) in replies {
        crm.on_tool("echo", reply);
        let seen = crm.count();
        let answer = gateway.modern("crm", &key).call("echo", json!({})).await;
        assert_eq!(failure(&gateway, &answer).await, (json!(-31502), json!("status")), "{what}: {answer:?}");
        assert!(answer.header("www-authenticate").is_none() && answer.header("location").is_none(), "{what}: {answer:?}");
        assert_eq!(crm.count(), seen + 1, "{what}: asked twice");
    }
    assert_eq!(sink.accept().err().unwrap().kind(), std::io::ErrorKind::WouldBlock, "somebody went there");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_rotated_credential_is_used_at_once_and_neither_version_is_given_to_anybody() {
    let (crm, first, second) = (Upstream::start().await, "first-of-the-gateway", "second-of-the-gateway");
    let gateway = Gateway::start().server("crm", &crm, "auth: { bearer: \"${file:token}\" }");
    let file = gateway.folder().join("token");
    std::fs::write(&file, first).unwrap();
    let gateway = gateway.await;
    let client = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    crm.on_tool("echo", Reply::text("first-of-the-gateway, second-of-the-gateway"));
    client.call("echo", json!({})).await;
    assert_eq!(crm.calls()[0].header("authorization"), Some("Bearer first-of-the-gateway"));
    std::fs::write(&file, second).unwrap();
    gateway.running.reload("signal").await.unwrap();
    let answer = client.call("echo", json!({})).await;
    assert_eq!(crm.calls()[1].header("authorization"), Some("Bearer second-of-the-gateway"));
    assert_eq!(answer.json()["result"]["content"][0]["text"], "[redacted], [redacted]", "{answer:?}");
    gateway.stop_and_verify().await;
}

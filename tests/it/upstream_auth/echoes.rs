//! A server that gives our own credential away.

use serde_json::json;

use crate::http_sse::server::SseServer;
use crate::support::gateway::{Gateway, POLICY};
use crate::support::reply::{Reply, Step, tool_result};
use crate::support::server::Upstream;

const TOKEN: &str = "zq-4f9c/21ab8e77+d3==";
const AUTH: &str = "auth: { bearer: \"zq-4f9c/21ab8e77+d3==\" }, capture: full";

/// Everything that the gateway has written to its folder.
fn written(folder: &std::path::Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { all.extend(written(&entry.path())) } else { all.extend(std::fs::read(entry.path()).unwrap()) }
    }
    all
}

#[tokio::test]
async fn mcp_050_our_own_credential_is_redacted_wherever_a_server_gives_it_back() {
    let crm = Upstream::start().await;
    // Nothing is looked for by any rule.
    let policy =
        format!("{POLICY}dlp: {{ rules: [{{ name: none, detect: [us_ssn], action: log }}] }}\ninjection: {{ results: off }}\n");
    let gateway = Gateway::start().policy(&policy).server("crm", &crm, AUTH).await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let long = format!("{}{TOKEN}{}", "x".repeat(700_000), "y".repeat(700_000));
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": TOKEN } });
    let error = |status: u16| {
        let error = json!({ "code": -32603, "message": format!("bad token {TOKEN}"), "data": { "sent": { TOKEN: [TOKEN] } } });
        Reply::body("application/json", format!(r#"{{"jsonrpc":"2.0","id":{{id}},"error":{error}}}"#)).status(status)
    };
    let stream = |id: &str| format!("id: {id}\nevent: message\ndata: {note}\n\n");
    for (what, reply) in [
        ("a result", Reply::text(&format!("Authorization: Bearer {TOKEN}"))),
        (
            "escaped",
            Reply::body(
                "application/json",
                format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{}}}"#, tool_result("@"))
                    .replace('@', r"zq\u002d4f9c\/21ab8e77\u002bd3=="),
            ),
        ),
        ("in percent", Reply::text("token=zq-4f9c%2F21ab8e77%2Bd3%3D%3D&x")),
        ("a long one", Reply::text(&long)),
        ("an error", error(200)),
        ("an error and its status", error(400)),
        ("a header", Reply::text("redacted").header("X-Token", TOKEN).header("WWW-Authenticate", TOKEN)),
        ("a stream", Reply::stream([Step::Raw(stream(TOKEN).into_bytes()), Step::text(&format!("<{TOKEN}>"))])),
    ] {
        crm.on_tool("echo", reply);
        let mut answer = client.stream("tools/call", json!({ "name": "echo", "arguments": {} })).await;
        let head = format!("{:?}", answer.head);
        let mut text = String::from_utf8_lossy(&answer.head.body).into_owned();
        if answer.head.header("transfer-encoding").is_some() {
            while let Some(more) = answer.next_text().await {
                text.push_str(&more);
            }
        }
        for shown in [&head, &text] {
            assert!(!shown.contains("21ab8e77"), "{what}: {}", shown.get(..2_000).unwrap_or(shown));
        }
        assert!(text.contains("redacted"), "{what}: {text}");
        let call = answer.head.call();
        gateway.ended(&call).await;
    }
    let count = gateway.metric(r#"yett_upstream_credential_echoes_total{server="crm"}"#).await;
    assert!((count - 8.0).abs() < f64::EPSILON, "{count}");
    let folder = gateway.stop_and_verify().await;
    let found = memchr::memmem::find(&written(&folder.data()), b"21ab8e77");
    assert_eq!(found, None, "it stands in the data directory");
}

#[tokio::test]
async fn mcp_050_our_own_credential_is_redacted_on_streams_of_http_sse() {
    let crm = SseServer::start().await;
    let gateway = Gateway::start().server_at("crm", crm.address, &format!("transport: sse, {AUTH}")).await;
    let client = gateway.legacy("crm", &gateway.key("ada", &["staff"]).await).await;
    crm.holds("echo");
    let answering = async {
        let arrived = crm.wait_for("tools/call").await;
        let result = tool_result(&format!("<{TOKEN}>"));
        crm.says(arrived.stream, &json!({ "jsonrpc": "2.0", "id": arrived.message["id"], "result": result }));
    };
    let (answer, ()) = tokio::join!(client.call("echo", json!({})), answering);
    assert_eq!(answer.json()["result"]["content"][0]["text"], "<[redacted]>", "{answer:?}");
    let count = gateway.metric(r#"yett_upstream_credential_echoes_total{server="crm"}"#).await;
    assert!((count - 1.0).abs() < f64::EPSILON, "{count}");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_050_both_halves_of_basic_are_credentials() {
    let crm = Upstream::start().await;
    let auth = "auth: { basic: { username: yett, password: \"correct horse\" } }";
    let gateway = Gateway::start().server("crm", &crm, auth).await;
    let client = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    crm.on_tool("echo", Reply::text("Basic eWV0dDpjb3JyZWN0IGhvcnNl / yett:correct horse / correct%20horse"));
    let answer = client.call("echo", json!({})).await;
    let text = answer.json()["result"]["content"][0]["text"].clone();
    assert_eq!(text, "Basic [redacted] / yett:[redacted] / [redacted]", "{answer:?}");
    gateway.stop_and_verify().await;
}

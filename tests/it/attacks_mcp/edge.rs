//! What the headers of a request say about its body, and which revision it claims to speak.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Stage, comparable};
use crate::support::client::{MODERN, meta};

#[tokio::test]
async fn mcp_009_a_broken_sentinel_is_no_name() {
    let stage = Stage::set().await;
    let user = stage.user();
    let message = user.message(Some(&json!(7)), "tools/call", json!({ "name": "safe", "arguments": {} }));
    let good = STANDARD.encode("safe");
    let passes = user.post(&message).header("Mcp-Name", &format!("=?base64?{good}?=")).send().await;
    assert_eq!(passes.text(), "safe was called", "{passes:?}");
    for (what, name) in [
        ("bad base64", "=?base64?c2Fm*Q==?=".to_owned()),
        ("base64 without padding", format!("=?base64?{}?=", good.trim_end_matches('='))),
        ("base64 for URLs", "=?base64?_-_-?=".to_owned()),
        ("white space within", format!("=?base64? {good}?=")),
        ("no suffix", format!("=?base64?{good}")),
        ("half a suffix", format!("=?base64?{good}?")),
        ("no prefix", format!("{good}?=")),
        ("not UTF-8", format!("=?base64?{}?=", STANDARD.encode([0xff, 0xfe]))),
        ("an upper-case marker", format!("=?BASE64?{good}?=")),
        ("another encoding", "=?utf-8?Q?safe?=".to_owned()),
        ("encoded twice", format!("=?base64?{}?=", STANDARD.encode(format!("=?base64?{good}?=")))),
        ("text behind", format!("=?base64?{good}?= x")),
        ("another name", format!("=?base64?{}?=", STANDARD.encode("delete_user"))),
        ("nothing", "=?base64??=".to_owned()),
    ] {
        let answer = stage.refused(&user.post(&message).header("Mcp-Name", &name)).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{what}: {answer:?}");
        assert_eq!(answer.json()["id"], 7, "{what}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn mcp_011_an_older_revision_is_no_way_around_a_decision() {
    let stage = Stage::set().await;
    let modern = stage.refused_call(&stage.user(), "delete_user").await;
    let expected = comparable(&modern, "delete_user");
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let old = crate::support::client::Client::legacy(stage.gateway.address, "git", &stage.user, version).await;
        let answer = stage.refused_call(&old, "delete_user").await;
        assert_eq!(comparable(&answer, "delete_user"), expected, "{version}");
        let call = old.message(Some(&json!(1)), "tools/call", json!({ "name": "delete_user", "arguments": {} }));
        let silent = stage.refused(&old.post(&call).without("MCP-Protocol-Version")).await;
        assert_eq!(comparable(&silent, "delete_user"), expected, "{version}, without its header");
        // Without a session there is no older revision: nothing is decided, and nothing is let through.
        let loose = stage.refused(&old.post(&call).without("Mcp-Session-Id")).await;
        assert_eq!(loose.status, 400, "{version}, without its session: {loose:?}");
    }
    let user = stage.user();
    for version in ["2023-01-01", "2026-07-29", "2027-01-01", "draft", "1", "2026-07-28, 2025-11-25"] {
        let mut other = meta();
        other["io.modelcontextprotocol/protocolVersion"] = version.into();
        let message =
            user.message(Some(&json!(1)), "tools/call", json!({ "name": "delete_user", "arguments": {}, "_meta": other }));
        let answer = stage.refused(&user.post(&message).header("MCP-Protocol-Version", version)).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32022)), "{version}: {answer:?}");
        let supported = &answer.json()["error"]["data"]["supported"];
        assert!(supported.as_array().is_some_and(|all| all.contains(&Value::from(MODERN))), "{version}: {answer:?}");
    }
    stage.ends().await;
}

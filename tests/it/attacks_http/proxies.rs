//! What stands in headers that proxies write, what claims and arguments could put into headers, and an upgrade that nobody offers.

use serde_json::json;

use super::unframed;
use crate::support::stage::Stage;
use crate::support::token::Issuer;

/// Headers by which somebody could say who they are.
const TALES: [(&str, &str); 6] = [
    ("X-Forwarded-For", "192.0.2.1"),
    ("Forwarded", "for=192.0.2.1;proto=https;host=evil.example"),
    ("X-Real-IP", "192.0.2.1"),
    ("X-Forwarded-Host", "evil.example"),
    ("True-Client-IP", "192.0.2.1"),
    ("CF-Connecting-IP", "192.0.2.1"),
];

/// No name of a header that reached the server is one of these.
fn assert_not_sent_on(stage: &Stage, names: &[&str]) {
    let arrived = stage.upstream.arrived().pop();
    for (name, value) in arrived.iter().flat_map(|arrived| &arrived.headers) {
        assert!(!names.iter().any(|tale| tale.eq_ignore_ascii_case(name)), "{name}: {value}");
        assert!(!value.contains("192.0.2.1") && !value.contains("evil"), "{name}: {value}");
    }
}

#[tokio::test]
async fn http_025_nobody_but_a_trusted_proxy_says_where_a_request_comes_from() {
    let names = TALES.map(|(name, _)| name);
    let stage = Stage::new().await;
    let tall = TALES.iter().fold(unframed(&stage), |post, (name, value)| post.header(name, value));
    let answer = tall.send().await;
    stage.assert_passes("an untrusted peer", &answer);
    assert_not_sent_on(&stage, &names);
    let record = stage.gateway.records_of(&answer.call()).remove(0);
    assert_eq!((&record["peer"], record.get("via")), (&json!("127.0.0.1"), None), "{record}");
    stage.end().await;

    let stage = Stage::with(|builder| builder.listener_extra("trusted_proxies: [127.0.0.1, 10.0.0.0/8]")).await;
    for (headers, peer) in [
        (&[("X-Forwarded-For", "192.0.2.1")][..], "192.0.2.1"),
        (&[("Forwarded", "for=\"[2001:db8::7]:80\"")], "2001:db8::7"),
        // What the client has written itself stands further left.
        (&[("X-Forwarded-For", "127.0.0.1, 203.0.113.9, 192.0.2.1, 10.1.2.3")], "192.0.2.1"),
        (&[("X-Real-IP", "192.0.2.1")], "127.0.0.1"),
        (&[("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.2")], "127.0.0.1"),
        (&[("X-Forwarded-For", "192.0.2.1, who")], "127.0.0.1"),
    ] {
        let post = headers.iter().fold(unframed(&stage), |post, (name, value)| post.header(name, value));
        let answer = post.send().await;
        stage.assert_passes(peer, &answer);
        assert_not_sent_on(&stage, &names);
        let record = stage.gateway.records_of(&answer.call()).remove(0);
        assert_eq!(record["peer"], peer, "{headers:?}: {record}");
        assert_eq!(record.get("via").is_some(), peer != "127.0.0.1", "{headers:?}: {record}");
    }
    let refused = unframed(&stage).header("Host", "evil.example").header("X-Forwarded-For", "192.0.2.1").send().await;
    assert_eq!(stage.assert_refused("another host", &refused, 403)["peer"], "192.0.2.1");
    stage.end().await;
}

#[tokio::test]
async fn http_027_nothing_of_a_claim_becomes_a_header() {
    let issuer = Issuer::new("corp");
    let stage = Stage::trusting(&[&issuer]).await;
    let hostile = "a\r\nX-Evil: y\r\n\r\nGET /admin HTTP/1.1\r\n";
    for claim in ["sub", "client_id", "azp", "groups", "jti", "tid"] {
        let token = issuer.token(&stage.gateway, "crm", "ada", &["staff"]);
        let value = if claim == "groups" { json!(["staff", hostile]) } else { json!(hostile) };
        let token = token.without_claim("client_id").claim(claim, value).signed();
        let before = stage.upstream.count();
        let answer = stage.gateway.modern("crm", &token).call("echo", json!({})).await;
        assert!([200, 401].contains(&answer.status), "{claim}: {answer:?}");
        if answer.status == 401 {
            stage.assert_refused(claim, &answer, 401);
            continue;
        }
        assert_eq!(stage.upstream.count(), before + 1, "{claim}: one request");
        stage.assert_passes(claim, &answer);
        let arrived = stage.upstream.arrived().pop().unwrap();
        for (name, value) in &arrived.headers {
            assert!(!name.eq_ignore_ascii_case("x-evil") && !value.contains("X-Evil"), "{claim}: {name}: {value}");
        }
    }
    stage.end().await;
}

#[tokio::test]
async fn http_027_a_mirrored_argument_that_holds_a_line_end_stays_one_value() {
    let stage = Stage::new().await;
    let hostile = "a\r\nX-Evil: y";
    let schema = json!({ "type": "object", "properties": { "text": { "type": "string", "x-mcp-header": "Text" } } });
    stage.upstream.set_tools([json!({ "name": "echo", "inputSchema": schema })]);
    let client = stage.modern();
    stage.assert_passes("the list", &client.list_tools().await);
    let call = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": { "text": hostile } }));
    let encoded = yett::protocol::encode_header(hostile);
    let answer = client.post(&call).header("Mcp-Param-Text", &encoded).send().await;
    stage.assert_passes("encoded", &answer);
    let arrived = stage.upstream.arrived().pop().unwrap();
    assert_eq!(arrived.header("mcp-param-text"), Some(encoded.as_ref()));
    assert!(!arrived.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-evil")), "{arrived:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_014_an_upgrade_to_http_2_in_plain_text_is_ignored() {
    let stage = Stage::new().await;
    let settings = "AAMAAABkAAQAoAAAAAIAAAAA";
    let upgrade = |connection: &str| {
        unframed(&stage).header("Connection", connection).header("Upgrade", "h2c").header("HTTP2-Settings", settings)
    };
    for connection in ["Upgrade, HTTP2-Settings", "Upgrade", "keep-alive"] {
        let answer = upgrade(connection).send().await;
        stage.assert_passes(connection, &answer);
        assert!(answer.header("upgrade").is_none(), "{answer:?}");
        let arrived = stage.upstream.arrived().pop().unwrap();
        for (name, value) in &arrived.headers {
            let hop = ["upgrade", "http2-settings"].iter().any(|hop| hop.eq_ignore_ascii_case(name));
            assert!(!hop && !value.to_ascii_lowercase().contains("http2-settings"), "sent on: {name}: {value}");
        }
    }
    let unknown = upgrade("Upgrade, HTTP2-Settings").without("Authorization").send().await;
    stage.assert_refused("without a credential", &unknown, 401);
    // Nor with prior knowledge.
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    preface.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let answer = stage.gateway.raw(&preface).await;
    assert!(answer.starts_with("HTTP/1.1 "), "{answer:?}");
    let denied = stage.gateway.denials().pop().unwrap();
    assert_eq!(denied["dec"]["effect"], "deny");
    stage.gateway.stop_and_verify().await;
}

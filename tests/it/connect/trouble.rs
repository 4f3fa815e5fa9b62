//! A gateway that is no good: what it says is not believed, the credential goes nowhere else, and its client learns what happened.

use serde_json::json;

use super::{Wire, text};
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;

const TOKEN: &str = "yett_1_secret";

/// The fake server in the place of the gateway.
async fn before(gateway: &Upstream) -> Wire {
    let mut wire = Wire::open(&format!("http://{}/mcp/crm", gateway.address), TOKEN);
    wire.shake_hands(json!({})).await;
    wire
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (gateway, elsewhere) = (Upstream::start().await, Upstream::start().await);
    for status in [301, 302, 303, 307, 308] {
        let reply = Reply::empty(status).header("Location", &format!("http://{}/mcp", elsewhere.address));
        gateway.on_tool("echo", reply);
        let mut wire = before(&gateway).await;
        let refused = wire.call("echo").await;
        assert_eq!(refused["error"]["code"], -31502, "{refused:#}");
        assert!(refused["error"]["message"].as_str().unwrap().contains("redirect"), "{refused:#}");
        wire.close().await;
    }
    assert_eq!(elsewhere.count(), 0, "somebody else got the token");
    assert!(gateway.calls().iter().all(|call| call.header("authorization") == Some(&format!("Bearer {TOKEN}"))));
}

#[tokio::test]
async fn what_is_no_answer_becomes_an_error_of_the_request() {
    let gateway = Upstream::start().await;
    let json = "application/json";
    let foreign = r#"{"jsonrpc":"2.0","id":"another","result":{}}"#;
    let twice = r#"{"jsonrpc":"2.0","id":{id},"result":{"a":1,"a":2}}"#;
    let table = [
        (Reply::body(json, "not json"), -31502),
        (Reply::body(json, twice), -31502),
        (Reply::body(json, foreign), -31502),
        (Reply::body("text/html", "<html>"), -31502),
        (Reply::body(json, r#"{"jsonrpc":"2.0","id":{id},"result":{}}"#).header("Content-Encoding", "gzip"), -31502),
        (Reply::stream([Step::Message(foreign.to_owned())]), -31502),
        (Reply::stream([]), -31502),
        (Reply::stream([Step::Cut]), -31502),
        (Reply::empty(202), -31502),
        (Reply::empty(403), -31403),
        (Reply::empty(413), -32600),
        (Reply::empty(429).header("Retry-After", "7"), -31429),
        (Reply::empty(503).header("Retry-After", "7"), -31503),
        (Reply::empty(500), -31502),
    ];
    let mut wire = before(&gateway).await;
    for (reply, code) in table {
        let shown = format!("{reply:?}");
        gateway.on_tool("echo", reply);
        let refused = wire.call("echo").await;
        assert_eq!(refused["error"]["code"], code, "{shown}: {refused:#}");
        if shown.contains("Retry-After") {
            assert!(refused["error"]["message"].as_str().unwrap().contains("7 s"), "{refused:#}");
        }
    }
    let calls = gateway.calls().len();
    assert_eq!(calls, 14, "a call was sent again");
    gateway.on_tool("echo", Reply::text("well again"));
    assert_eq!(text(&wire.call("echo").await), "well again");
    assert_eq!(wire.close().await.code, Some(0));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_held() {
    let gateway = Upstream::start().await;
    let mut wire = Wire::with(&["--max-message", "64KiB", &format!("http://{}/mcp/crm", gateway.address)], Some(TOKEN));
    wire.shake_hands(json!({})).await;
    let large = "x".repeat(100 << 10);
    for reply in [Reply::text(&large), Reply::stream([Step::text(&large)])] {
        gateway.on_tool("echo", reply);
        let refused = wire.call("echo").await;
        assert_eq!(refused["error"]["code"], -31502, "{refused:#}");
    }
    assert_eq!(wire.close().await.code, Some(0));
}

#[tokio::test]
async fn an_answer_on_many_lines_is_handed_on_as_one() {
    let gateway = Upstream::start().await;
    let pretty = "{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": {id},\n  \"result\": {\n    \"content\": [{ \"type\": \"text\", \"text\": \"a\\nb\" }]\n  }\n}";
    gateway.on_tool("echo", Reply::body("application/json", pretty));
    let mut wire = before(&gateway).await;
    assert_eq!(text(&wire.call("echo").await), "a\nb");
    assert_eq!(wire.close().await.code, Some(0));
}

#[tokio::test]
async fn an_error_without_an_id_gets_that_of_its_request() {
    let gateway = Upstream::start().await;
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no such session"}}"#;
    gateway.on_tool("echo", Reply::body("application/json", error).status(400));
    let mut wire = before(&gateway).await;
    let refused = wire.call("echo").await;
    assert_eq!(refused["error"], json!({ "code": -32000, "message": "Bad Request: no such session" }), "{refused:#}");
    assert_eq!(wire.close().await.code, Some(0));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_said_not_to_be() {
    let address = {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        nobody.local_addr().unwrap()
    };
    let mut wire = Wire::open(&format!("http://{address}/mcp/crm"), TOKEN);
    let refused = wire
        .request(
            "initialize",
            json!({ "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1.0.0" } }),
        )
        .await;
    assert_eq!(refused["error"]["code"], -31502, "{refused:#}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("cannot be reached"), "{refused:#}");
    assert_eq!(wire.close().await.code, Some(0));
}

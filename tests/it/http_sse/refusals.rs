//! What does not pass: by HTTP status until a message is known to be of the caller's own session, on the stream from there on.

use futures_util::future::join_all;
use serde_json::json;
use yett::state::Switch;

use super::Stage;
use super::client::{SseClient, bearer, get};
use crate::support::client::Client;
use crate::support::http::{Connection, Post};
use crate::support::reply::{Gate, Reply};

#[tokio::test]
async fn without_the_setting_there_is_no_such_path() {
    let stage = Stage::with("legacy_sse: false").await;
    let address = stage.gateway.address;
    assert_eq!(get(address, "/mcp/crm/sse", "").await.head.status, 401, "as every path");
    assert_eq!(get(address, "/mcp/crm/sse", &bearer(&stage.key)).await.head.status, 405, "as every GET without a session");
    let ada = Client::modern(address, "crm", &stage.key);
    let message = ada.message(Some(&json!(1)), "server/discover", json!({}));
    assert_eq!(ada.post(&message).target("/mcp/crm/sse").send().await.status, 404);
    stage.end().await;
}

#[tokio::test]
async fn whoever_is_not_known_or_may_nothing_gets_no_stream() {
    let stage = Stage::set().await;
    let address = stage.gateway.address;
    let nobody = get(address, "/mcp/crm/sse", "").await.head;
    assert_eq!(nobody.status, 401);
    let challenge = format!(r#"Bearer resource_metadata="http://{address}/.well-known/oauth-protected-resource/mcp/crm""#);
    assert_eq!(nobody.header("www-authenticate"), Some(&*challenge), "tokens are for the server, whatever the transport");
    let stranger = stage.gateway.key("eve", &["guests"]).await;
    assert_eq!(get(address, "/mcp/crm/sse", &bearer(&stranger)).await.head.status, 404, "no grant, no server");
    assert_eq!(get(address, "/mcp/mail/sse", &bearer(&stage.key)).await.head.status, 404, "another server");
    let evil = format!("{}Origin: https://evil.example\r\n", bearer(&stage.key));
    assert_eq!(get(address, "/mcp/crm/sse", &evil).await.head.status, 403);
    let json_only =
        format!("GET /mcp/crm/sse HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n{}\r\n", bearer(&stage.key));
    assert_eq!(stage.gateway.raw_answer(json_only.as_bytes()).await.status, 406);
    assert_eq!(stage.crm.count(), 0);
    stage.end().await;
}

#[tokio::test]
async fn mcp_060_a_post_is_authenticated_and_bound_like_every_other() {
    let stage = Stage::set().await;
    let ada = stage.settled().await;
    let seen = stage.crm.count();
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let post = ada.post(&ping);
    let eve = stage.gateway.key("eve", &["staff"]).await;
    let own = ada.target.clone();
    let guess = format!("/mcp/crm/sse?sessionId={}", "A".repeat(43));
    for (what, post, status) in [
        ("no credential", post.clone().without("Authorization"), 401),
        ("another caller", post.clone().without("Authorization").bearer(&eve), 404),
        ("a guess", post.clone().target(&guess), 404),
        ("more than an id", post.clone().target(&format!("{own}&x=1")), 404),
        ("another server", post.clone().target(&own.replace("crm", "mail")), 404),
        ("the id as a header", post.clone().target("/mcp/crm/sse").header("Mcp-Session-Id", ada.session()), 405),
        ("the other transport", post.clone().target("/mcp/crm").header("Mcp-Session-Id", ada.session()), 406),
        ("a foreign origin", post.clone().header("Origin", "https://evil.example"), 403),
        ("a foreign host", post.clone().header("Host", "evil.example"), 403),
        ("a token in the URI too", post.clone().target(&format!("{own}&access_token=x")), 400),
        ("another media type", post.clone().header("Content-Type", "text/plain"), 415),
        ("no JSON", post.clone().body("{"), 400),
        ("a key twice", post.clone().body(r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#), 400),
        ("a batch", post.clone().body(format!("[{ping}]")), 400),
    ] {
        let answer = post.send().await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    let json = post.target("/mcp/crm").header("Accept", "application/json, text/event-stream");
    let other = json.header("Mcp-Session-Id", ada.session()).header("MCP-Protocol-Version", "2025-11-25").send().await;
    assert_eq!((other.status, other.code()), (404, Some(-31404)), "a session is of one transport: {other:?}");
    assert_eq!(stage.crm.count(), seen, "the server heard of it");
    assert!(stage.gateway.denials().len() >= 14, "every one is on record");
    stage.end().await;
}

#[tokio::test]
async fn a_session_of_streamable_http_is_none_here() {
    let stage = Stage::set().await;
    let ada = Client::legacy(stage.gateway.address, "crm", &stage.key, "2025-11-25").await;
    let session = ada.session.clone().unwrap();
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let post = Post::to(stage.gateway.address, &format!("/mcp/crm/sse?sessionId={session}")).bearer(&stage.key).body(ping);
    assert_eq!(post.send().await.status, 404);
    stage.end().await;
}

#[tokio::test]
async fn a_client_of_another_transport_learns_by_405_that_this_is_not_its_own() {
    let stage = Stage::set().await;
    let address = stage.gateway.address;
    let ada = Client::modern(address, "crm", &stage.key);
    let message = ada.message(Some(&json!(1)), "server/discover", json!({}));
    let probe = ada.post(&message).target("/mcp/crm/sse").send().await;
    assert_eq!((probe.status, probe.header("allow")), (405, Some("GET, POST")), "{probe:?}");
    let head = format!("DELETE /mcp/crm/sse HTTP/1.1\r\nHost: {address}\r\n{}\r\n", bearer(&stage.key));
    let mut connection = Connection::open(address).await;
    connection.send(head.as_bytes()).await;
    assert_eq!(connection.answer().await.unwrap().status, 405);
    stage.end().await;
}

#[tokio::test]
async fn what_a_policy_refuses_is_told_on_the_stream_by_its_id() {
    let stage = Stage::set().await;
    let mut ada = stage.settled().await;
    let seen = stage.crm.count();
    let secret = json!({ "text": "AKIAIOSFODNN7EXAMPLE" });
    for (what, method, params, code) in [
        ("a hidden tool", "tools/call", json!({ "name": "delete", "arguments": {} }), -32602),
        ("a secret", "tools/call", json!({ "name": "echo", "arguments": secret }), -31422),
        ("no name", "tools/call", json!({ "arguments": {} }), -32600),
        ("an unknown method", "vendor/ping", json!({}), -32601),
        ("a second handshake", "initialize", json!({ "protocolVersion": "2024-11-05", "capabilities": {} }), -32600),
    ] {
        let asked = ada.ask(method, params).await;
        let refused = ada.next().await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(1), &json!(code)), "{what}: {refused:#}");
        assert_eq!(refused["error"]["data"]["call"], asked.call(), "{what}");
        assert_eq!(stage.gateway.records_of(&asked.call())[0]["dec"]["effect"], "deny", "{what}");
    }
    assert_eq!(stage.crm.count(), seen, "the server heard of it");
    assert_eq!(ada.call("echo", json!({})).await["result"]["content"][0]["text"], "echo was called", "the session goes on");
    stage.end().await;
}

#[tokio::test]
async fn a_session_begins_with_its_handshake_of_an_era_that_has_one() {
    let stage = Stage::set().await;
    let mut ada = SseClient::open(&stage.gateway, "crm", &stage.key).await;
    let early = ada.request("tools/list", json!({})).await;
    assert_eq!(early["error"]["code"], -32600, "{early:#}");
    let probe = ada.request("server/discover", json!({ "_meta": crate::support::client::meta() })).await;
    assert_eq!((&probe["id"], &probe["error"]["code"]), (&json!(1), &json!(-32601)), "{probe:#}");
    assert_eq!(stage.crm.count(), 0);
    assert_eq!(ada.shake_hands(json!({})).await["result"]["serverInfo"]["name"], "fake");
    stage.end().await;
}

/// Whose session would the others at the server be?
#[tokio::test]
async fn of_several_handshakes_of_one_session_one_reaches_the_server_and_after_a_failed_one_another() {
    let stage = Stage::set().await;
    stage.crm.on_method("GET", Reply::empty(405));
    let (mut ada, gate) = (SseClient::open(&stage.gateway, "crm", &stage.key).await, Gate::default());
    let greeting = json!({ "protocolVersion": "2024-11-05", "capabilities": { "tools": {} }, "serverInfo": { "name": "crm", "version": "1" } });
    let taken = || Reply::result(&greeting).header("Mcp-Session-Id", "theirs");
    stage.crm.on_method("initialize", Reply::error(-32603, "not now").after(&gate));
    let hello = |id: usize| {
        let info = json!({ "name": "test", "version": "1.0.0" });
        let params = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info });
        json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": params })
    };
    let reached = || stage.crm.arrived().iter().filter(|request| request.rpc_method() == "initialize").count();
    let round = async |ada: &mut SseClient, gate: &Gate| {
        let posts: Vec<_> = (0..5).map(|id| ada.post(&hello(id))).collect();
        let posts = posts.iter().map(Post::send);
        assert!(join_all(posts).await.iter().all(|answer| answer.status == 202));
        for _ in 0..4 {
            let refused = ada.next().await;
            assert_eq!(refused["error"]["code"], -32600, "{refused:#}");
        }
        gate.open();
        ada.next().await
    };
    let failed = round(&mut ada, &gate).await;
    assert_eq!((&failed["error"]["code"], reached()), (&json!(-32603), 1), "{failed:#}");
    let gate = Gate::default();
    stage.crm.on_method("initialize", taken().after(&gate));
    let begun = round(&mut ada, &gate).await;
    assert_eq!((&begun["result"]["serverInfo"]["name"], reached()), (&json!("crm"), 2), "{begun:#}");
    let late = ada.request("initialize", hello(1)["params"].clone()).await;
    assert_eq!((&late["error"]["code"], reached()), (&json!(-32600), 2), "{late:#}");
    stage.end().await;
}

#[tokio::test]
async fn a_kill_switch_is_told_on_the_stream() {
    let stage = Stage::set().await;
    let mut ada = stage.client().await;
    let switch = Switch::Server("crm".to_owned());
    stage.gateway.running.operations().set_switch(&switch, true, "test").await.unwrap();
    assert_eq!(ada.call("echo", json!({})).await["error"]["code"], -31503);
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_session_ends_it() {
    let stage = Stage::set().await;
    let mut ada = stage.client().await;
    stage.crm.forget_sessions();
    assert_eq!(ada.call("echo", json!({})).await["error"]["code"], -31404);
    assert_eq!(ada.events.next_text().await, None, "its stream outlives it");
    let post = ada.post(&json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }));
    assert_eq!(post.send().await.status, 404);
    stage.end().await;
}

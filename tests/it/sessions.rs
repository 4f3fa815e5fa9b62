//! Sessions of the revisions up to 2025-11-25: the gateway's ids to the client, the server's own to the server.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::json;

use crate::cli;
use crate::support::client::Client;
use crate::support::gateway::{Folder, Gateway};
use crate::support::http::Answer;
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;

const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    key: String,
}

impl Stage {
    async fn set() -> Self {
        let (crm, mail) = (Upstream::start().await, Upstream::start().await);
        // Nobody asks `mail` anything; it is there to have another route.
        let gateway = Gateway::start().servers([("crm", &crm), ("mail", &mail)]).await;
        let key = gateway.key("ada", &["staff"]).await;
        Self { gateway, crm, key }
    }

    async fn client(&self, version: &str) -> Client {
        Client::legacy(self.gateway.address, "crm", &self.key, version).await
    }

    /// Sends `initialize`, and nothing else.
    async fn shake(&self, client: &Client) -> Answer {
        let info = json!({ "name": "test", "version": "1.0.0" });
        client.request("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info })).await
    }

    /// The server's session of the last request that it got.
    fn last_session(&self) -> Option<String> {
        self.crm.arrived().last().unwrap().header("mcp-session-id").map(str::to_owned)
    }
}

fn assert_gone(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (404, Some(-31404)), "{answer:?}");
    assert_eq!(answer.message(), "Session not found");
}

#[tokio::test]
async fn the_client_and_the_server_know_different_ids_of_one_session() {
    let stage = Stage::set().await;
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let client = stage.client(version).await;
        let id = client.session.clone().unwrap();
        assert_eq!(client.call("echo", json!({})).await.text(), "echo was called");
        let upstream = format!("upstream-session-{}", number + 1);
        assert_eq!(stage.last_session().as_deref(), Some(&*upstream));
        assert_ne!(id, upstream);
        let last = stage.crm.arrived().pop().unwrap();
        assert_eq!(last.header("mcp-protocol-version"), Some(version), "{last:?}");
        assert!(stage.crm.arrived().iter().all(|request| !format!("{request:?}").contains(&id)), "the server was told our id");
        let answer = client.call("echo", json!({})).await;
        assert!(!format!("{answer:?}").contains(&upstream), "the client was told the server's id: {answer:?}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn the_end_of_a_session_ends_it_on_both_sides() {
    let stage = Stage::set().await;
    for version in VERSIONS {
        let client = stage.client(version).await;
        let upstream = stage.last_session();
        let ended = client.end().await;
        assert_eq!(ended.status, 200, "{version}: {ended:?}");
        let last = stage.crm.arrived().pop().unwrap();
        assert_eq!((last.method.as_str(), stage.last_session()), ("DELETE", upstream), "{version}");
        let records = stage.gateway.records_of(&ended.call());
        assert_eq!(records[0]["dec"]["effect"], "allow", "the end is on record: {records:?}");
        let seen = stage.crm.count();
        assert_gone(&client.call("echo", json!({})).await);
        assert_gone(&client.end().await);
        assert_eq!(stage.crm.count(), seen, "{version}: the server hears of a session that is over");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_cannot_end_sessions_does_not_keep_ours_alive() {
    let stage = Stage::set().await;
    stage.crm.on_method("DELETE", Reply::empty(405));
    let client = stage.client("2025-11-25").await;
    let ended = client.end().await;
    assert_gone(&client.call("echo", json!({})).await);
    assert_eq!(ended.status, 200, "our session is over, whatever the server says: {ended:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_request_outside_a_session_is_told_to_start_one() {
    let stage = Stage::set().await;
    let mut client = stage.client("2025-06-18").await;
    client.session = None;
    let seen = stage.crm.count();
    let answer = client.call("echo", json!({})).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32600)), "{answer:?}");
    assert!(answer.message().contains("initialize"), "{answer:?}");
    // The first revision has no version header yet.
    let bare = client.post(&client.message(Some(&json!(1)), "ping", json!({}))).without("MCP-Protocol-Version").send().await;
    assert_eq!((bare.status, bare.code()), (400, Some(-32600)), "{bare:?}");
    assert_eq!(client.end().await.status, 404, "an empty id");
    assert_eq!(stage.crm.count(), seen);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_belongs_to_its_route() {
    let stage = Stage::set().await;
    let client = stage.client("2025-11-25").await;
    let elsewhere = client.post(&client.message(Some(&json!(1)), "ping", json!({}))).target("/mcp/mail");
    assert_gone(&elsewhere.send().await);
    assert_eq!(client.request("ping", json!({})).await.status, 200, "it was not ended by that");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn two_ids_are_none() {
    let stage = Stage::set().await;
    let client = stage.client("2025-11-25").await;
    let ping = client.post(&client.message(Some(&json!(1)), "ping", json!({})));
    assert_gone(&ping.clone().also("Mcp-Session-Id", client.session.as_deref().unwrap()).send().await);
    assert_eq!(ping.send().await.status, 200);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_stream_is_a_sessions_and_the_stateless_revision_has_nothing_to_end() {
    let stage = Stage::set().await;
    let client = stage.client("2025-11-25").await;
    let (address, id) = (stage.gateway.address, client.session.clone().unwrap());
    let modern = "MCP-Protocol-Version: 2026-07-28\r\n";
    let requests = [("GET", modern), ("DELETE", modern), ("PUT", "")];
    let seen = stage.crm.count();
    for (method, version) in requests {
        let head = format!(
            "{method} /mcp/crm HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nAccept: text/event-stream\r\n\
             Mcp-Session-Id: {id}\r\n{version}Content-Length: 0\r\n\r\n",
            stage.key
        );
        let answer = stage.gateway.raw_answer(head.as_bytes()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, GET, DELETE")), "{method}: {answer:?}");
    }
    assert_eq!(stage.crm.count(), seen);
    assert_eq!(client.request("ping", json!({})).await.status, 200, "the session lives on");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_that_the_server_has_lost_is_gone_for_the_client_too() {
    let stage = Stage::set().await;
    // How servers of the two large SDKs, and others, say it.
    for id in ["null", "\"server-error\"", "{id}"] {
        let client = stage.client("2025-11-25").await;
        let error = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32001,"message":"Session not found"}}}}"#);
        stage.crm.on_tool("echo", Reply::body("application/json", error).status(404));
        assert_gone(&client.call("echo", json!({})).await);
        let seen = stage.crm.count();
        assert_gone(&client.call("search", json!({})).await);
        assert_eq!(stage.crm.count(), seen, "a dead session goes to the server again");
    }
    stage.crm.on_tool("echo", Reply::text("echo was called"));
    let (client, other) = (stage.client("2025-11-25").await, stage.client("2025-11-25").await);
    stage.crm.forget_sessions();
    assert_gone(&client.call("echo", json!({})).await);
    let seen = stage.crm.count();
    assert_gone(&client.call("echo", json!({})).await);
    assert_eq!(stage.crm.count(), seen, "a dead session goes to the server again");
    assert_gone(&other.notify("notifications/roots/list_changed", json!({})).await);
    let again = stage.client("2025-11-25").await;
    assert_eq!(again.call("echo", json!({})).await.text(), "echo was called", "starting again helps");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_handshake_that_fails_makes_no_session_and_ends_none() {
    let stage = Stage::set().await;
    let client = stage.client("2025-11-25").await;
    for reply in [Reply::empty(404), Reply::empty(500), Reply::error(-32602, "no")] {
        stage.crm.on_method("initialize", reply);
        // The header names a session that is alive; on a handshake it means nothing.
        let answer = stage.shake(&client).await;
        assert_eq!(answer.header("mcp-session-id"), None, "{answer:?}");
        assert_eq!(answer.status, 200, "a client would take it for a lost session, or for no endpoint at all: {answer:?}");
        assert!(matches!(answer.code(), Some(-31502 | -32602)), "{answer:?}");
    }
    assert_eq!(client.call("echo", json!({})).await.text(), "echo was called", "a failed handshake ended another session");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_without_sessions_gets_no_id() {
    let stage = Stage::set().await;
    let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "x", "version": "1" } });
    stage.crm.on_method("initialize", Reply::result(&result));
    let client = stage.client("2025-11-25").await;
    assert!(client.session.as_ref().unwrap().len() >= 43, "the client has a session with the gateway all the same");
    assert_eq!(client.call("echo", json!({})).await.text(), "echo was called");
    assert_eq!(stage.last_session(), None);
    // So its 404 cannot mean one either, and a client that heard it would start again for ever.
    let error = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32601,"message":"Method not found"}}"#;
    stage.crm.on_method("ping", Reply::body("application/json", error).status(404));
    let answer = client.request("ping", json!({})).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-32601)), "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn the_revision_that_the_server_chose_is_spoken() {
    let stage = Stage::set().await;
    let result = json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": { "name": "x", "version": "1" } });
    stage.crm.on_method("initialize", Reply::result(&result));
    let mut client = stage.client("2025-11-25").await;
    assert_eq!(stage.crm.arrived().last().unwrap().header("mcp-protocol-version"), Some("2025-03-26"));
    let session = client.session.take();
    client = stage.client("2025-03-26").await;
    client.session = session;
    assert_eq!(client.request("ping", json!({})).await.status, 200);
    assert_eq!(stage.crm.arrived().last().unwrap().header("mcp-protocol-version"), Some("2025-03-26"));
    let odd = client.post(&client.message(Some(&json!(1)), "ping", json!({}))).header("MCP-Protocol-Version", "2019-01-01");
    let odd = odd.send().await;
    assert_eq!((odd.status, odd.code()), (400, Some(-32022)), "{odd:?}");
    // Legacy clients look at the status alone; whoever reads the list speaks the stateless revision.
    assert_eq!(odd.json()["error"]["data"]["supported"], json!(["2026-07-28"]), "{odd:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_handshake_may_be_answered_by_a_stream() {
    let stage = Stage::set().await;
    let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "x", "version": "1" } });
    let response = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#);
    stage.crm.on_method("notifications/initialized", Reply::empty(202));
    stage.crm.on_method("initialize", Reply::stream([Step::Message(response)]).header("Mcp-Session-Id", "upstream-session-1"));
    let client = stage.client("2025-11-25").await;
    stage.crm.on_method("ping", Reply::result(&json!({})));
    assert_eq!(client.request("ping", json!({})).await.status, 200);
    assert_eq!(stage.last_session().as_deref(), Some("upstream-session-1"));
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn sessions_end_with_the_gateway_and_their_callers_credential() {
    let stage = Stage::set().await;
    let client = stage.client("2025-11-25").await;
    let id = stage.gateway.running.operations().keys()[0].id.to_string();
    stage.gateway.running.operations().revoke_key(&id, "admin").await.unwrap();
    assert_eq!(client.request("ping", json!({})).await.status, 401, "a session outlives the key it was made with");
    let session = client.session.clone().unwrap();

    let folder: Folder = stage.gateway.stop_and_verify().await;
    let gateway = folder.start().await;
    let key = gateway.key("ada", &["staff"]).await;
    let mut again = Client::legacy(gateway.address, "crm", &key, "2025-11-25").await;
    again.session = Some(session);
    assert_gone(&again.request("ping", json!({})).await);
    gateway.stop_and_verify().await;
}

#[test]
fn no_session_id_stands_in_a_log_or_in_a_file() {
    let upstream = cli::upstream::Upstream::start();
    let home = cli::process::Home::new(upstream.address);
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve();
    let authorization = format!("Bearer {secret}");
    let send = |line: &str, session: Option<&str>, message: &str| {
        let mut headers = vec![
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        headers.extend(session.map(|id| ("Mcp-Session-Id", id)));
        cli::http::send(serving.listener, &format!("{line} /mcp/crm"), &headers, message)
    };
    let message = |method: &str, params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let hello =
        message("initialize", r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}"#);
    let ours = send("POST", Some("chosen-by-the-client-0123456789"), &hello).header("mcp-session-id").unwrap().to_owned();
    let stolen = "someone-elses-session-0123456789";
    assert_eq!(send("POST", Some(&ours), &message("tools/call", r#"{"name":"get_x","arguments":{}}"#)).status, 200);
    assert_eq!(send("POST", Some(stolen), &message("ping", "{}")).status, 404);
    assert_eq!(send("POST", Some(&ours), "no JSON").status, 400);
    assert_eq!(send("DELETE", Some(&ours), "").status, 200);
    assert_eq!(send("POST", Some(&ours), &message("ping", "{}")).status, 404);
    let (_, log) = serving.terminate();
    assert!(log.contains("\"serving\""), "nothing was logged: {log}");

    let files = home.data_files().into_iter().map(|(path, bytes)| (path.display().to_string(), bytes));
    let places: Vec<_> = files.chain([("the log".to_owned(), log.into_bytes())]).collect();
    for id in [&*ours, stolen, "chosen-by-the-client-0123456789", cli::upstream::SESSION] {
        for (place, bytes) in &places {
            assert!(!bytes.windows(id.len()).any(|window| window == id.as_bytes()), "{id} is in {place}");
        }
    }
}

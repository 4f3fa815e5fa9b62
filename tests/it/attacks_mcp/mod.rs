//! The attacks `MCP-*` of attack-cases.jsonl that stand today, each by its number.
//!
//! For every refusal: the server saw nothing, exactly one record says so and is on disk before the answer, and the log verifies.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod edge;
mod load;
mod tenants;

use serde_json::{Value, json};
use yett::protocol::encode_header;

use crate::support::client::{Client, MODERN, meta};
use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Post};
use crate::support::reply::Reply;
use crate::support::server::{Upstream, tool};

const POLICY: &str = r#"version: 1
roles:
  user: { allow: [{ servers: [git], tools: [safe, search_*] }] }
  admin: { allow: [{ servers: [git], tools: ["*"] }] }
bindings:
  - { role: user, groups: [users] }
  - { role: admin, groups: [admins] }
"#;

/// A gateway with one server, whose tools are `safe`, `search_code` and `delete_user`.
struct Stage {
    gateway: Gateway,
    git: Upstream,
    user: String,
    admin: String,
}

impl Stage {
    async fn set() -> Self {
        let git = Upstream::start().await;
        git.set_tools([tool("safe"), tool("delete_user"), tool("search_code")]);
        let gateway = Gateway::start().policy(POLICY).servers([("git", &git)]).await;
        let (user, admin) = (gateway.key("una", &["users"]).await, gateway.key("ada", &["admins"]).await);
        Self { gateway, git, user, admin }
    }

    fn user(&self) -> Client {
        self.gateway.modern("git", &self.user)
    }

    async fn legacy_user(&self) -> Client {
        self.gateway.legacy("git", &self.user).await
    }

    /// Sends what must be refused.
    async fn refused(&self, post: &Post) -> Answer {
        let (seen, denied) = (self.git.count(), self.gateway.denials().len());
        let answer = post.send().await;
        assert_eq!(self.git.count(), seen, "it reached the server: {answer:?}");
        let records = self.gateway.records_of(&answer.call());
        assert_eq!(records.len(), 1, "not one record: {records:#?} for {answer:?}");
        assert_eq!(records[0]["dec"]["effect"], "deny", "{records:#?}");
        assert_eq!(self.gateway.denials().len(), denied + 1, "other records came with it: {answer:?}");
        answer
    }

    async fn refused_call(&self, client: &Client, name: &str) -> Answer {
        let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": name, "arguments": {} }));
        self.refused(&client.post(&message).header("Mcp-Name", &encode_header(name))).await
    }

    async fn ends(self) {
        self.gateway.stop_and_verify().await;
    }
}

/// What a caller can compare: everything but the id of the record and the name they sent themselves.
fn comparable(answer: &Answer, name: &str) -> (u16, Vec<String>, Value) {
    let text = String::from_utf8_lossy(&answer.body).replace(&answer.call(), "CALL").replace(name, "NAME");
    let lengths = |header: &String| !matches!(header.to_ascii_lowercase().as_str(), "content-length" | "date");
    let headers = answer.headers.iter().map(|(name, _)| name.clone()).filter(lengths).collect();
    (answer.status, headers, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn mcp_001_a_hidden_tool_is_refused_like_one_that_does_not_exist() {
    let stage = Stage::set().await;
    for client in [stage.user(), stage.legacy_user().await] {
        let hidden = stage.refused_call(&client, "delete_user").await;
        let unknown = stage.refused_call(&client, "no_such_tool").await;
        assert_eq!((hidden.status, hidden.code()), (200, Some(-32602)), "{hidden:?}");
        assert_eq!(hidden.message(), "Unknown tool: delete_user");
        assert_eq!(comparable(&hidden, "delete_user"), comparable(&unknown, "no_such_tool"));
    }
    stage.ends().await;
}

#[tokio::test]
async fn mcp_002_no_spelling_of_a_denied_tool_reaches_the_server() {
    let stage = Stage::set().await;
    let spellings = [
        "Delete_user",
        "DELETE_USER",
        "delete_user ",
        " delete_user",
        "delete_user\u{0}",
        "delete\u{200b}_user",
        "\u{ff44}elete_user",
        "d\u{435}lete_user",
        "delete%5Fuser",
        "./delete_user",
        "safe/../delete_user",
        "delete_user\n",
    ];
    for client in [stage.user(), stage.legacy_user().await] {
        for name in spellings {
            let answer = stage.refused_call(&client, name).await;
            let by_grammar = (answer.status, answer.code()) == (400, Some(-32600));
            let as_unknown = (answer.status, answer.code()) == (200, Some(-32602));
            assert!(by_grammar || as_unknown, "{name:?}: {answer:?}");
        }
    }
    stage.ends().await;
}

#[tokio::test]
async fn mcp_004_a_header_that_names_another_tool_is_refused() {
    let stage = Stage::set().await;
    let user = stage.user();
    for (body, header) in
        [("delete_user", "safe"), ("safe", "delete_user"), ("safe", "search_code"), ("safe", "SAFE"), ("safe", "")]
    {
        let message = user.message(Some(&json!(7)), "tools/call", json!({ "name": body, "arguments": {} }));
        let answer = stage.refused(&user.post(&message).header("Mcp-Name", header)).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{body} under {header}: {answer:?}");
        assert_eq!(answer.json()["id"], 7);
    }
    let message = user.message(Some(&json!(7)), "tools/call", json!({ "name": "safe", "arguments": {} }));
    let twice = stage.refused(&user.post(&message).also("Mcp-Name", "delete_user")).await;
    assert_eq!((twice.status, twice.code()), (400, Some(-32020)), "two names: {twice:?}");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_005_a_header_that_names_another_method_is_refused() {
    let stage = Stage::set().await;
    let user = stage.user();
    let message = user.message(Some(&json!(1)), "tools/call", json!({ "name": "safe", "arguments": {} }));
    for method in ["tools/list", "ping", "Tools/Call", "tools/call, tools/list"] {
        let answer = stage.refused(&user.post(&message).header("Mcp-Method", method)).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{method}: {answer:?}");
    }
    let list = user.message(Some(&json!(1)), "tools/list", json!({}));
    let answer = stage.refused(&user.post(&list).header("Mcp-Method", "tools/call")).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{answer:?}");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_006_a_mirrored_header_that_is_missing_is_refused() {
    let stage = Stage::set().await;
    let user = stage.user();
    let message = user.message(Some(&json!(1)), "tools/call", json!({ "name": "safe", "arguments": {} }));
    for header in ["Mcp-Method", "Mcp-Name", "MCP-Protocol-Version"] {
        let answer = stage.refused(&user.post(&message).without(header)).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "without {header}: {answer:?}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn mcp_012_a_version_header_that_differs_from_the_body_is_refused() {
    let stage = Stage::set().await;
    let user = stage.user();
    let message = user.message(Some(&json!(1)), "tools/call", json!({ "name": "safe", "arguments": {} }));
    for version in ["2025-06-18", "2025-11-25", "2024-11-05"] {
        let answer = stage.refused(&user.post(&message).header("MCP-Protocol-Version", version)).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{version}: {answer:?}");
        let mut older = meta();
        older["io.modelcontextprotocol/protocolVersion"] = version.into();
        let params = json!({ "name": "safe", "arguments": {}, "_meta": older });
        let answer = stage.refused(&user.post(&user.message(Some(&json!(1)), "tools/call", params))).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{version} in the body: {answer:?}");
    }
    // Not even inside a session of the older revision.
    let legacy = stage.legacy_user().await;
    let answer = stage.refused(&legacy.post(&message)).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{answer:?}");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_013_an_unknown_method_ends_at_the_gateway() {
    let stage = Stage::set().await;
    let legacy = stage.legacy_user().await;
    for (client, status) in [(stage.user(), 404), (legacy, 200)] {
        for method in ["tools/call2", "debug/exec", "rpc.discover", "$/x", "Tools/call", "tools/list/"] {
            let answer = stage.refused(&client.post(&client.message(Some(&json!(1)), method, json!({})))).await;
            assert_eq!((answer.status, answer.code()), (status, Some(-32601)), "{method}: {answer:?}");
        }
    }
    // Nor does anybody's role make them pass: `*` means tools, not methods.
    let admin = stage.gateway.modern("git", &stage.admin);
    let answer = stage.refused(&admin.post(&admin.message(Some(&json!(1)), "debug/exec", json!({})))).await;
    assert_eq!((answer.status, answer.code()), (404, Some(-32601)), "{answer:?}");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_014_a_batch_of_any_form_is_refused_on_every_revision() {
    let stage = Stage::set().await;
    let mut clients = vec![stage.user()];
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        clients.push(Client::legacy(stage.gateway.address, "git", &stage.user, version).await);
    }
    for client in clients {
        let call = |name: &str| client.message(Some(&json!(1)), "tools/call", json!({ "name": name, "arguments": {} }));
        let note = client.message(None, "notifications/initialized", json!({}));
        let (safe, danger) = (call("safe"), call("delete_user"));
        let batches = [json!([safe, danger]), json!([safe]), json!([]), json!([note, note]), json!([[safe]])];
        for text in batches.iter().map(Value::to_string).chain([" \r\n\t[]".to_owned(), "[".to_owned()]) {
            let answer = stage.refused(&client.post_bytes(&safe, text.clone())).await;
            assert_eq!((answer.status, answer.code()), (400, Some(-32600)), "{text}: {answer:?}");
            assert!(answer.json()["id"].is_null(), "{text}: {answer:?}");
        }
    }
    stage.ends().await;
}

#[tokio::test]
async fn mcp_016_denied_tools_are_on_no_page_and_the_pages_still_lead_to_the_end() {
    let stage = Stage::set().await;
    let pages = [
        (None, json!(["search_a", "delete_user", "safe"]), Some("two")),
        (Some("two"), json!(["drop_table", "delete_user"]), Some("three")),
        (Some("three"), json!(["delete_repo", "search_z", "search_b"]), None),
    ];
    for client in [stage.user(), stage.legacy_user().await] {
        let mut seen = Vec::new();
        let mut cursor = Value::Null;
        for (asked, names, next) in &pages {
            let tools: Vec<_> = names.as_array().unwrap().iter().map(|name| tool(name.as_str().unwrap())).collect();
            let mut result = json!({ "tools": tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "public" });
            if let Some(next) = next {
                result["nextCursor"] = (*next).into();
            }
            stage.git.on_method("tools/list", Reply::result(&result));
            let params = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
            let answer = client.request("tools/list", params).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let asked_for = stage.git.arrived().last().unwrap().json()["params"]["cursor"].clone();
            assert_eq!(asked_for.as_str(), *asked, "the server was asked for another page");
            assert!(answer.result()["tools"].is_array(), "an empty page is an empty list: {answer:?}");
            seen.push(answer.tools());
            cursor = answer.result()["nextCursor"].clone();
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains("delete") && !text.contains("drop"), "{text}");
        }
        assert!(cursor.is_null(), "the list does not end: {cursor}");
        assert_eq!(seen, [vec!["search_a", "safe"], vec![], vec!["search_z", "search_b"]], "order or content changed");
    }
    stage.ends().await;
}

#[tokio::test]
async fn mcp_056_a_foreign_host_or_origin_is_refused_even_with_a_good_token() {
    let stage = Stage::set().await;
    let user = stage.user();
    let message = user.message(Some(&json!(1)), "tools/call", json!({ "name": "safe", "arguments": {} }));
    let good = user.post(&message);
    let address = stage.gateway.address;
    for host in ["evil.example", "127.0.0.1.evil.example", &format!("evil.example:{}", address.port()), "localhost:1"] {
        let answer = stage.refused(&good.clone().header("Host", host)).await;
        assert_eq!((answer.status, answer.body.as_slice()), (403, &b""[..]), "{host}: {answer:?}");
    }
    for origin in ["https://evil.example", "null", &format!("http://{address}.evil.example"), &format!("http://{address}")] {
        let answer = stage.refused(&good.clone().header("Origin", origin)).await;
        assert_eq!((answer.status, answer.body.as_slice()), (403, &b""[..]), "{origin}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
    }
    assert_eq!(good.send().await.text(), "safe was called");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_059_a_stolen_session_id_is_worth_nothing_with_another_token() {
    let stage = Stage::set().await;
    let victim = stage.legacy_user().await;
    let id = victim.session.clone().unwrap();
    let thief = stage.gateway.key("eve", &["users"]).await;
    let mut eve = Client::legacy(stage.gateway.address, "git", &thief, "2025-11-25").await;
    let own = eve.session.replace(id.clone());
    for (method, params) in
        [("tools/call", json!({ "name": "safe", "arguments": {} })), ("tools/list", json!({})), ("ping", json!({}))]
    {
        let stolen = stage.refused(&eve.post(&eve.message(Some(&json!(1)), method, params.clone()))).await;
        assert_eq!((stolen.status, stolen.code()), (404, Some(-31404)), "{method}: {stolen:?}");
        eve.session = Some("no-such-session".to_owned());
        let unknown = stage.refused(&eve.post(&eve.message(Some(&json!(1)), method, params))).await;
        assert_eq!(comparable(&stolen, &id), comparable(&unknown, "no-such-session"), "the two differ");
        eve.session = Some(id.clone());
    }
    let (seen, answer) = (stage.git.count(), eve.end().await);
    assert_eq!((answer.status, stage.git.count()), (404, seen), "a stolen session was ended: {answer:?}");
    eve.session = own;
    assert_eq!(eve.call("safe", json!({})).await.text(), "safe was called", "the thief's own session suffers");
    assert_eq!(victim.call("safe", json!({})).await.text(), "safe was called", "the victim's session suffers");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_060_session_ids_are_the_gateways_choice_and_cannot_be_guessed() {
    let stage = Stage::set().await;
    let chosen = "chosen-by-the-client-0123456789";
    let legacy = stage.legacy_user().await;
    let info = json!({ "name": "test", "version": "1.0.0" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let hello = legacy.message(Some(&json!(1)), "initialize", params);
    let answer = legacy.post(&hello).header("Mcp-Session-Id", chosen).send().await;
    let minted = answer.header("mcp-session-id").unwrap().to_owned();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(minted, chosen);
    assert!(stage.git.arrived().iter().all(|request| request.header("mcp-session-id") != Some(chosen)), "it went on");
    // 43 characters of base64url are 256 bits.
    assert!(minted.len() >= 43 && minted.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{minted}");
    assert_ne!(Some(&minted), legacy.session.as_ref(), "two sessions, one id");

    for guess in [chosen, "1", "2", "upstream-session-1", "upstream-session-2", ""] {
        let mut guesser = legacy.clone();
        guesser.session = Some(guess.to_owned());
        let answer = stage.refused(&guesser.post(&guesser.message(Some(&json!(1)), "ping", json!({})))).await;
        assert_eq!((answer.status, answer.code()), (404, Some(-31404)), "{guess:?}: {answer:?}");
    }
    let ping = legacy.post(&legacy.message(Some(&json!(1)), "ping", json!({}))).without("Mcp-Session-Id");
    for name in ["session_id", "sessionId", "Mcp-Session-Id"] {
        let answer = stage.refused(&ping.clone().target(&format!("/mcp/git?{name}={minted}"))).await;
        assert_eq!(answer.status, 400, "an id in the URL counts: {answer:?}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn mcp_068_a_list_made_for_one_caller_is_no_other_callers() {
    let stage = Stage::set().await;
    let admin = stage.gateway.modern("git", &stage.admin);
    for _ in 0..2 {
        let all = admin.list_tools().await;
        assert_eq!(all.tools(), ["safe", "delete_user", "search_code"], "{all:?}");
        assert_eq!(all.result()["cacheScope"], "private", "a filtered list may be shared: {all:?}");
        let own = stage.user().list_tools().await;
        assert_eq!(own.tools(), ["safe", "search_code"], "{own:?}");
        assert_eq!(own.result()["cacheScope"], "private", "{own:?}");
        assert_eq!(own.result()["ttlMs"], 60_000, "more than the scope was changed: {own:?}");
    }
    let discovered = stage.user().request("server/discover", json!({})).await;
    assert_eq!(discovered.result()["cacheScope"], "private", "{discovered:?}");
    assert_eq!(stage.git.arrived().last().unwrap().header("mcp-protocol-version"), Some(MODERN));
    stage.ends().await;
}

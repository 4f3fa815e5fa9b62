//! Clients in browsers: which pages may call, and what of an answer they may read. PROTOCOL.md 6.1; Fetch, section 3.2.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::json;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Connection, Post};
use crate::support::server::Upstream;

const PAGE: &str = "https://inspector.example";

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    key: String,
}

impl Stage {
    async fn set() -> Self {
        let crm = Upstream::start().await;
        let listener = format!("allowed_origins: [\"{PAGE}\", \"http://localhost:6274\"]");
        let gateway = Gateway::start().servers([("crm", &crm)]).listener_extra(&listener).await;
        let key = gateway.key("ada", &["staff"]).await;
        Self { gateway, crm, key }
    }

    /// A request without a body, and these header lines.
    async fn send(&self, method: &str, path: &str, lines: &str) -> Answer {
        let address = self.gateway.address;
        let mut connection = Connection::open(address).await;
        connection.send(format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{lines}\r\n").as_bytes()).await;
        connection.answer().await.unwrap()
    }

    async fn preflight(&self, path: &str, origin: &str, headers: &str) -> Answer {
        let lines =
            format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {headers}\r\n");
        self.send("OPTIONS", path, &lines).await
    }

    fn call(&self) -> Post {
        let ada = self.gateway.modern("crm", &self.key);
        ada.post(&ada.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} })))
    }

    async fn ends(self) {
        self.gateway.stop_and_verify().await;
    }
}

/// The names in a header that is a list.
fn names(answer: &Answer, header: &str) -> Vec<String> {
    let values = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(header));
    values.flat_map(|(_, value)| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// A page of that origin may read the answer and everything in it that a client needs. No page rides on a login of the browser's.
fn assert_readable(what: &str, answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{what}: {answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), None, "{what}: {answer:?}");
    let exposed = names(answer, "access-control-expose-headers");
    for name in ["mcp-session-id", "mcp-protocol-version", "www-authenticate", "retry-after", "yett-call"] {
        assert!(exposed.contains(&name.to_owned()), "{what}: {name} is hidden: {answer:?}");
    }
    assert!(names(answer, "vary").contains(&"origin".to_owned()), "{what}: a cache would mix pages up: {answer:?}");
}

#[tokio::test]
async fn a_preflight_of_a_listed_origin_is_answered_before_anybody_is_known_and_on_every_path_alike() {
    let stage = Stage::set().await;
    let sent = "authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-method,mcp-name,last-event-id,traceparent,\
                tracestate,mcp-param-region,Mcp-Param-Tenant";
    let mut answers = Vec::new();
    for path in ["/mcp/crm", "/mcp/nobody", "/mcp", "/.well-known/oauth-protected-resource/mcp/crm"] {
        let answer = stage.preflight(path, PAGE, sent).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}: {answer:?}");
        assert_readable(path, &answer, PAGE);
        let allowed = names(&answer, "access-control-allow-headers");
        for name in sent.split(',') {
            assert!(allowed.contains(&name.to_ascii_lowercase()), "{path}: {name} may not be sent: {answer:?}");
        }
        let methods = names(&answer, "access-control-allow-methods");
        assert!(["post", "get", "delete"].iter().all(|method| methods.contains(&(*method).to_owned())), "{path}: {answer:?}");
        assert!(names(&answer, "vary").contains(&"access-control-request-headers".to_owned()), "{path}: {answer:?}");
        answers.push(answer.headers.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date")).collect::<Vec<_>>());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "a preflight tells what there is: {answers:#?}");
    assert_eq!((stage.crm.count(), stage.gateway.denials().len()), (0, 0));
    stage.ends().await;
}

#[tokio::test]
async fn a_preflight_allows_nothing_that_was_not_asked_for_by_its_own_name() {
    let stage = Stage::set().await;
    let many: Vec<_> = (0..300).map(|number| format!("mcp-param-{number}")).collect();
    for asked in ["cookie, x-forwarded-for, mcp-param, xmcp-param-a", "*", "mcp-param-a:b, mcp-param-", &many.join(",")] {
        let answer = stage.preflight("/mcp/crm", PAGE, asked).await;
        assert_eq!(answer.status, 204, "{asked}: {answer:?}");
        let allowed = names(&answer, "access-control-allow-headers");
        let strange = ["*", "cookie", "x-forwarded-for", "mcp-param", "xmcp-param-a", "mcp-param-a:b"];
        assert!(!allowed.iter().any(|name| strange.contains(&name.as_str())), "{asked}: {allowed:?}");
        assert!(allowed.len() < 200, "{} names", allowed.len());
    }
    let plain = stage.send("OPTIONS", "/mcp/crm", &format!("Origin: {PAGE}\r\nAccess-Control-Request-Method: POST\r\n")).await;
    assert_eq!(plain.header("access-control-allow-private-network"), None, "nobody asked: {plain:?}");
    let asks =
        format!("Origin: {PAGE}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Private-Network: true\r\n");
    let private = stage.send("OPTIONS", "/mcp/crm", &asks).await;
    assert_eq!(private.header("access-control-allow-private-network"), Some("true"), "{private:?}");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_058_a_page_of_another_origin_is_refused_before_anything_is_read_and_cannot_read_why() {
    let stage = Stage::set().await;
    for origin in ["https://evil.example", "null", "https://inspector.example.evil.example", "https://INSPECTOR.example", "*"] {
        let answers = [
            ("preflight", stage.preflight("/mcp/crm", origin, "authorization").await),
            ("call", stage.call().header("Origin", origin).send().await),
            (
                "metadata",
                stage.send("GET", "/.well-known/oauth-protected-resource/mcp/crm", &format!("Origin: {origin}\r\n")).await,
            ),
        ];
        for (what, answer) in answers {
            assert_eq!(answer.status, 403, "{what} of {origin}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{what} of {origin}: {answer:?}");
        }
    }
    let two = stage.call().header("Origin", PAGE).also("Origin", PAGE).send().await;
    assert_eq!((two.status, two.header("access-control-allow-origin")), (403, None), "two origins: {two:?}");
    assert_eq!(stage.crm.count(), 0);
    assert_eq!(stage.gateway.denials().len(), 16, "each is on record");
    stage.ends().await;
}

#[tokio::test]
async fn a_page_reads_answers_and_refusals_of_every_kind() {
    let stage = Stage::set().await;
    for origin in [PAGE, "http://localhost:6274"] {
        let call = stage.call().header("Origin", origin);
        let refusals = [
            ("an answer", call.send().await, 200),
            ("no credential", call.clone().without("Authorization").send().await, 401),
            ("no message", call.clone().body("{").send().await, 400),
            ("another name", call.clone().header("Mcp-Name", "search").send().await, 400),
            ("no such server", call.clone().target("/mcp/nobody").send().await, 404),
            ("no such path", call.clone().target("/elsewhere").send().await, 404),
            ("a wrong media type", call.clone().header("Content-Type", "text/plain").send().await, 415),
            ("a foreign host", call.clone().header("Host", "evil.example").send().await, 403),
        ];
        for (what, answer, status) in refusals {
            assert_eq!(answer.status, status, "{what}: {answer:?}");
            assert_readable(what, &answer, origin);
        }
        let unknown = call.clone().without("Authorization").send().await;
        assert!(unknown.header("www-authenticate").is_some_and(|value| value.contains("resource_metadata")), "{unknown:?}");
    }
    let origin = format!("Origin: {PAGE}\r\n");
    for (method, path, status) in [
        ("GET", "/mcp/crm", 401),
        ("DELETE", "/mcp/crm", 401),
        ("GET", "/.well-known/oauth-protected-resource/mcp/crm", 200),
        ("PUT", "/.well-known/oauth-protected-resource/mcp/crm", 405),
    ] {
        let answer = stage.send(method, path, &origin).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_readable(&format!("{method} {path}"), &answer, PAGE);
    }
    stage.ends().await;
}

#[tokio::test]
async fn a_page_holds_a_session_and_its_stream() {
    let stage = Stage::set().await;
    let client = Client::modern(stage.gateway.address, "crm", &stage.key);
    let info = json!({ "name": "page", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello });
    let answer = client.post(&message).without("Mcp-Method").header("Origin", PAGE).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_readable("a handshake", &answer, PAGE);
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let lines = format!("Origin: {PAGE}\r\nAuthorization: Bearer {}\r\nMcp-Session-Id: {session}\r\n", stage.key);
    let address = stage.gateway.address;
    let mut connection = Connection::open(address).await;
    let head = format!("GET /mcp/crm HTTP/1.1\r\nHost: {address}\r\n{lines}Accept: text/event-stream\r\n\r\n");
    connection.send(head.as_bytes()).await;
    let stream = connection.head().await.unwrap();
    assert_eq!(stream.status, 200, "{stream:?}");
    assert_readable("a stream", &stream, PAGE);
    drop(connection);
    let ended = stage.send("DELETE", "/mcp/crm", &lines).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_readable("the end", &ended, PAGE);
    stage.ends().await;
}

#[tokio::test]
async fn where_pages_may_call_answers_to_everybody_say_that_they_depend_on_the_origin() {
    let stage = Stage::set().await;
    let answer = stage.call().send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
    assert!(names(&answer, "vary").contains(&"origin".to_owned()), "{answer:?}");
    stage.ends().await;

    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    assert_eq!(ada.list_tools().await.header("vary"), None, "where no page may call, there is nothing to say");
    gateway.stop_and_verify().await;
}

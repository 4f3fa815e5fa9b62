//! Searching the log: through the admin API of a running gateway, as operators do.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;

use serde_json::{Value, json};

use yett::audit::Filter;

use crate::support::eventually;
use crate::support::gateway::{Gateway, POLICY};
use crate::support::http::{Answer, Connection};
use crate::support::reply::Reply;
use crate::support::server::Upstream;

const DLP: &str = "version: 1
dlp:
  rules:
    - { name: us-ssn, detect: [us_ssn], direction: [request], action: mask }
";

/// A GET of the admin API with this token.
async fn get(gateway: &Gateway, token: &str, target: &str) -> Answer {
    let address = gateway.running.admin;
    let mut connection = Connection::open(address).await;
    let head = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    connection.send(head.as_bytes()).await;
    connection.answer().await.unwrap()
}

fn token(gateway: &Gateway) -> String {
    fs::read_to_string(gateway.data().join("admin.token")).unwrap().trim().to_owned()
}

/// What `GET /v1/audit/search` finds.
async fn search(gateway: &Gateway, query: &str) -> Value {
    let answer = get(gateway, &token(gateway), &format!("/v1/audit/search?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

async fn found(gateway: &Gateway, query: &str) -> Vec<Value> {
    search(gateway, query).await["records"].as_array().unwrap().clone()
}

fn kinds(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["kind"].as_str().unwrap()).collect()
}

/// Refusals are not counted together, and the gateway keeps an index.
const INDEXED: &str = "audit: { origin: test.localhost, index: true, refusals: { per_peer: 100000, total: 100000 } }";

#[tokio::test]
async fn a_call_is_found_by_everything_that_its_records_say() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start()
        .policy(POLICY)
        .policy(DLP)
        .servers([("crm", &upstream), ("mail", &upstream)])
        .config_extra(INDEXED)
        .await;
    let (ada, eve) = (gateway.key("ada", &["staff"]).await, gateway.key("eve", &[]).await);
    upstream.on_tool("echo", Reply::text("nothing"));
    let allowed = gateway.modern("crm", &ada).call("echo", json!({ "text": "my number is 536-22-1234" })).await;
    let refused = gateway.modern("mail", &eve).call("echo", json!({})).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    let (call, other) = (allowed.call(), refused.call());

    // Told at once: a search waits for the index to have what was durable when it was asked.
    let story = found(&gateway, &format!("call={call}&order=oldest")).await;
    assert_eq!(kinds(&story), ["call.decision", "call.outcome"], "{story:#?}");
    let stored = gateway.records_of(&call);
    let decision = &story[0];
    for (member, path) in [
        ("index", "/i"),
        ("time", "/t"),
        ("principal", "/who/sub"),
        ("issuer", "/who/iss"),
        ("client", "/who/client"),
        ("server", "/what/server"),
        ("method", "/what/method"),
        ("name", "/what/name"),
        ("effect", "/dec/effect"),
        ("rule", "/dec/rule"),
        ("trace", "/trace"),
        ("peer", "/peer"),
    ] {
        let expected = stored[0].pointer(path).unwrap_or_else(|| panic!("no {path}: {}", stored[0]));
        assert_eq!(&decision[member], expected, "{member}: {decision}");
    }
    assert_eq!((&story[1]["status"], &story[1]["us"]), (&json!("ok"), &stored[1]["out"]["us"]));
    assert_eq!(decision["findings"][0]["rule"], "us-ssn", "{decision}");

    let text = |member: &str| decision[member].as_str().unwrap().to_owned();
    for query in [
        format!("principal={}&kind=call.decision", text("principal")),
        format!("trace={}&kind=call.decision", text("trace")),
        format!("rule={}", text("rule").replace(':', "%3A")),
        "server=crm".to_owned(),
        "finding=us-ssn&kind=call".to_owned(),
        "finding=dlp&since=1h".to_owned(),
        "tool=echo&effect=allow".to_owned(),
    ] {
        let records = found(&gateway, &query).await;
        let calls: Vec<_> = records.iter().map(|record| record["call"].as_str().unwrap()).collect();
        assert_eq!(calls, [call.as_str()], "{query}");
    }
    let denied = found(&gateway, "effect=deny").await;
    assert_eq!(denied.iter().map(|record| &record["call"]).collect::<Vec<_>>(), [&json!(other)]);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_legacy_session_is_found_with_its_handshake_and_its_end() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra(INDEXED).await;
    let key = gateway.key("ada", &["staff"]).await;
    let (client, other) = (gateway.legacy("crm", &key).await, gateway.legacy("crm", &key).await);
    let calls = [client.call("echo", json!({})).await.call(), client.call("echo", json!({})).await.call()];
    other.call("echo", json!({})).await;
    client.end().await;
    let stored = gateway.records_of(&calls[0]);
    let session = stored[0]["sess"].as_str().unwrap();
    assert_eq!(session.len(), 16, "{}", stored[0]);
    assert!(!client.session.as_deref().unwrap().contains(session), "a record gives the session away");
    let story = found(&gateway, &format!("session={session}&order=oldest")).await;
    let methods: Vec<_> = story.iter().filter_map(|record| record["method"].as_str()).collect();
    assert_eq!(methods[..4], ["initialize", "notifications/initialized", "tools/call", "tools/call"], "{story:#?}");
    assert_eq!(methods.len(), 5, "the end of the session is part of it: {methods:?}");
    for call in &calls {
        assert_eq!(story.iter().filter(|record| record["call"] == **call).count(), 2, "decision and outcome of {call}");
    }
    let all = gateway.records(&Filter::default());
    assert!(all.iter().any(|record| record["sess"].as_str().is_some_and(|other| other != session)), "the other session");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn aud_054_each_search_is_a_record_that_says_by_what_and_not_for_whom() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra(INDEXED).await;
    gateway.key("ada", &["staff"]).await;
    let before = gateway.records(&Filter::default()).len();
    let answer = search(&gateway, "principal=ada%40bank.example&kind=admin&limit=5").await;
    assert_eq!(answer["records"], json!([]));
    search(&gateway, "kind=admin").await;
    let records = gateway.records(&Filter::default()).split_off(before);
    let searches: Vec<_> = records.iter().filter(|record| record["what"]["act"] == "audit.search").collect();
    assert_eq!(searches.len(), 2, "{records:#?}");
    let what = json!({ "act": "audit.search", "by": "kind,limit,principal", "found": 0, "requester": "admin", "target": "test.localhost/audit/r1" });
    assert_eq!((&searches[0]["kind"], &searches[0]["what"]), (&json!("admin"), &what));
    assert_eq!(searches[1]["what"]["found"], 2, "the key, and the search before");
    assert!(!records.iter().any(|record| record.to_string().contains("bank.example")), "what an operator typed is on record");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_search_needs_the_token_and_a_question_that_can_be_asked() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra(INDEXED).await;
    assert_eq!(get(&gateway, "wrong", "/v1/audit/search").await.status, 401);
    let token = token(&gateway);
    let too_long = format!("call={}", "x".repeat(2_000));
    for query in
        ["who=x", "since=yesterday", "limit=0", "limit=1001", "after=x", "server=a&server=b", "order=best", "tool=", &too_long]
    {
        let answer = get(&gateway, &token, &format!("/v1/audit/search?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert!(answer.json()["error"].is_string(), "{query}: {answer:?}");
    }
    let acts = gateway.records(&Filter { kinds: vec!["admin".to_owned()], ..Filter::default() });
    let acts: Vec<_> = acts.iter().map(|record| record["what"]["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["login.refuse"], "what was not read is no search, and who had no token is on record");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn pages_of_a_running_gateway_do_not_shift() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra(INDEXED).await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let mut calls = Vec::new();
    for _ in 0..12 {
        calls.push(client.call("echo", json!({})).await.call());
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = search(&gateway, &format!("kind=call.decision&limit=5{after}")).await;
        seen.extend(page["records"].as_array().unwrap().iter().map(|record| record["call"].as_str().unwrap().to_owned()));
        // Each search is a record, and here is a call more: neither moves the next page.
        client.call("echo", json!({})).await;
        let Some(next) = page["next"].as_u64() else { break };
        after = format!("&after={next}");
    }
    calls.reverse();
    assert_eq!(seen, calls);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_index_that_is_deleted_at_work_is_made_again() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra(INDEXED).await;
    let key = gateway.key("ada", &["staff"]).await;
    gateway.modern("crm", &key).call("echo", json!({})).await;
    let before = found(&gateway, "kind=call").await;
    assert_eq!(before.len(), 2);
    let log = gateway.data().join("audit/test.localhost/r1");
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        fs::remove_file(log.join(name)).unwrap();
    }
    assert_eq!(found(&gateway, "kind=call").await, before);
    assert!(log.join("index.db").is_file());
    // By itself as well, without anybody asking.
    fs::remove_file(log.join("index.db")).unwrap();
    eventually("the index is made again", || log.join("index.db").is_file().then_some(())).await;
    let folder = gateway.stop_and_verify().await;
    let gateway = folder.start().await;
    assert_eq!(found(&gateway, "kind=call").await, before, "after a restart");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn without_an_index_calls_are_served_and_nothing_is_written() {
    let upstream = Upstream::start().await;
    let gateway =
        Gateway::start().servers([("crm", &upstream)]).config_extra("audit: { origin: test.localhost, index: false }").await;
    let key = gateway.key("ada", &["staff"]).await;
    assert_eq!(gateway.modern("crm", &key).call("echo", json!({})).await.status, 200);
    let answer = get(&gateway, &token(&gateway), "/v1/audit/search?kind=call").await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let folder = gateway.stop_and_verify().await;
    assert!(!folder.data().join("audit/test.localhost/r1/index.db").exists());
}

#[tokio::test]
async fn calls_go_on_when_the_index_cannot_be_kept() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra(INDEXED).await;
    let key = gateway.key("ada", &["staff"]).await;
    assert_eq!(found(&gateway, "kind=call").await.len(), 0);
    let file = gateway.data().join("audit/test.localhost/r1/index.db");
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        fs::remove_file(file.with_file_name(name)).unwrap();
    }
    fs::create_dir(&file).unwrap();
    let answer = get(&gateway, &token(&gateway), "/v1/audit/search?kind=call").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(gateway.modern("crm", &key).call("echo", json!({})).await.status, 200);
    fs::remove_dir(&file).unwrap();
    assert_eq!(found(&gateway, "kind=call").await.len(), 2, "the next search tries again");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn aud_053_a_search_sums_a_flood_of_bad_tokens_exactly() {
    const SENT: usize = 1_000;
    let upstream = Upstream::start().await;
    let audit = "audit: { origin: test.localhost, index: true, refusals: { per_peer: 10, total: 50 } }";
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra(audit).await;
    let mut connection = Connection::open(gateway.address).await;
    for number in 0..SENT {
        let address = gateway.address;
        let request = format!(
            "POST /mcp/crm HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer secret.{number}.token\r\nContent-Length: 0\r\n\r\n"
        );
        connection.send(request.as_bytes()).await;
        assert_eq!(connection.answer().await.unwrap().status, 401);
    }
    let counted = loop {
        let answer = search(&gateway, "effect=deny&count=true&limit=1000").await;
        if answer["count"]["stand_for"].as_u64() >= Some(SENT as u64) {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(counted["count"]["stand_for"], SENT, "{}", counted["count"]);
    assert!(counted["count"]["records"].as_u64() < Some(SENT as u64), "nothing was counted together");
    assert!(!counted.to_string().contains("secret."), "a token is in the index");
    let failures = found(&gateway, "kind=auth.failure&limit=1000").await;
    assert!(failures.iter().all(|record| record["n"].as_u64() > Some(0)), "{failures:#?}");
    let index = fs::read(gateway.data().join("audit/test.localhost/r1/index.db")).unwrap();
    assert!(!index.windows(7).any(|window| window == b"secret."), "a token is in the file");
    gateway.stop_and_verify().await;
}

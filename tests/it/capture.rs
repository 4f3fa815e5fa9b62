//! What is kept of arguments, as the operator chose for server and tool.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use uuid::Uuid;
use yett::admin::Order;
use yett::audit::Filter;
use yett::vault::Identity;

use crate::support::gateway::{Gateway, POLICY};
use crate::support::server::Upstream;

const SECRET: &str = "the merger with Initech";

async fn gateway(upstream: &Upstream, capture: &str) -> Gateway {
    Gateway::start().server("crm", upstream, capture).await
}

/// The decision of a call of `tool` with `arguments`.
async fn decision(gateway: &Gateway, key: &str, tool: &str, arguments: Value) -> Value {
    let answer = gateway.modern("crm", key).call(tool, arguments).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    gateway.ended(&answer.call()).await.remove(0)
}

/// What the vault gives back of a call.
async fn contents(gateway: &Gateway, decision: &Value) -> Vec<(String, String, String)> {
    let call: Uuid = decision["call"].as_str().unwrap().parse().unwrap();
    let contents = gateway.running.operations().privacy().content(call, "auditor").await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    contents.into_iter().map(|content| (content.kind, content.sha256, text(content.text.expose()))).collect()
}

fn file_with(gateway: &Gateway, wanted: &str) -> Option<String> {
    let (mut open, mut found) = (vec![gateway.data()], None);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if std::fs::read(&path).unwrap().windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
            found = Some(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn prv_003_without_a_word_of_the_operator_a_record_holds_a_commitment_that_no_guess_can_test() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    let key = gateway.key("ada", &["staff"]).await;
    let decision = decision(&gateway, &key, "echo", json!({ "text": SECRET })).await;
    assert!(decision["what"]["args"].is_string());
    for member in ["capture", "content", "keys"] {
        assert!(decision["what"].get(member).is_none(), "{member}: {decision}");
    }
    assert_eq!(contents(&gateway, &decision).await, []);
    let body = upstream.calls().last().unwrap().body.clone();
    let mut guesses = vec![SECRET.to_owned(), format!("\"{SECRET}\""), json!({ "text": SECRET }).to_string()];
    guesses.push(String::from_utf8(body.to_vec()).unwrap());
    for guess in guesses {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, guess.as_bytes());
        let hex = yett::master_key::hex(hash.as_ref());
        assert_eq!(file_with(&gateway, &hex), None, "the plain hash of {guess}");
    }
    assert_eq!(file_with(&gateway, SECRET), None);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn names_alone_stand_in_the_record_where_the_operator_wants_names() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "capture: keys").await;
    let key = gateway.key("ada", &["staff"]).await;
    let arguments = json!({ "text": SECRET, "to": 1, "ada@example.com": 2 });
    let what = decision(&gateway, &key, "echo", arguments).await["what"].clone();
    assert_eq!([&what["capture"], &what["keys"], &what["keys_cut"]], [&json!("keys"), &json!(["text", "to"]), &json!(1)]);
    for wanted in [SECRET, "ada@example.com"] {
        assert_eq!(file_with(&gateway, wanted), None, "{wanted}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn full_arguments_are_in_the_vault_encrypted_and_go_with_their_caller() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "tools: { echo: { capture: full } }").await;
    let key = gateway.key("ada", &["staff"]).await;
    let decided = decision(&gateway, &key, "echo", json!({ "text": SECRET })).await;
    assert_eq!(decided["what"]["capture"], "full");
    let [(kind, sha256, text)] = contents(&gateway, &decided).await.try_into().unwrap();
    assert_eq!((kind.as_str(), serde_json::from_str::<Value>(&text).unwrap()), ("full", json!({ "text": SECRET })));
    assert_eq!(decided["what"]["content"], sha256, "the record names what is stored");
    assert_eq!(file_with(&gateway, SECRET), None);
    let read = gateway.records(&Filter { kinds: vec!["vault.read".into()], ..Filter::default() }).remove(0);
    assert_eq!(read["what"], json!({ "act": "content", "of": decided["call"], "requester": "auditor" }));

    let who = Identity { issuer: "api-key".into(), subject: "ada".into() };
    let order = Order { who, basis: "art. 17".into(), approver: "dpo".into(), requester: "test".into() };
    gateway.running.operations().privacy().erase(&order).await.unwrap();
    assert_eq!(contents(&gateway, &decided).await, []);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn masked_arguments_are_kept_as_they_were_sent_on() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start()
        .server("crm", &upstream, "capture: masked, classification: public")
        .policy(&format!(
            "{POLICY}dlp:\n  rules:\n    - {{ name: ssn, detect: [us_ssn], sensitivity: restricted, action: mask }}\n"
        ))
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    let decided = decision(&gateway, &key, "echo", json!({ "text": "my ssn is 536-22-1234" })).await;
    let [(kind, _, text)] = contents(&gateway, &decided).await.try_into().unwrap();
    let sent: Value = serde_json::from_slice(&upstream.calls().last().unwrap().body).unwrap();
    assert_eq!(kind, "masked");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), sent["params"]["arguments"]);
    assert!(!text.contains("536-22-1234"), "{text}");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_sent() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "capture: full, tools: { add: { capture: none } }").await;
    let key = gateway.key("ada", &["staff"]).await;
    decision(&gateway, &key, "echo", json!({ "text": "first" })).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(gateway.data().join("vault.db"));
    let mut vault = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::raw_sql("ALTER TABLE content RENAME TO gone").execute(&mut vault).await.unwrap();
    let sent = upstream.calls().len();
    let refused = gateway.modern("crm", &key).call("echo", json!({ "text": "second" })).await;
    assert_eq!((refused.status, refused.code()), (503, Some(-31503)), "{refused:?}");
    assert_eq!(upstream.calls().len(), sent, "the server was reached by a call that is not kept");
    assert_eq!(gateway.denials()[0]["dec"]["reason"], "store_unavailable");
    decision(&gateway, &key, "add", json!({ "a": 1, "b": 2 })).await;
    sqlx::raw_sql("ALTER TABLE gone RENAME TO content").execute(&mut vault).await.unwrap();
    decision(&gateway, &key, "echo", json!({ "text": "third" })).await;
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn calls_that_wait_together_are_all_stored() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "capture: full").await;
    let key = gateway.key("ada", &["staff"]).await;
    let texts: Vec<_> = (0..100).map(|n| format!("text {n}")).collect();
    let decided =
        futures_util::future::join_all(texts.iter().map(|text| decision(&gateway, &key, "echo", json!({ "text": text })))).await;
    for (text, decided) in texts.iter().zip(&decided) {
        let [(_, sha256, kept)] = contents(&gateway, decided).await.try_into().unwrap();
        assert_eq!(
            (serde_json::from_str::<Value>(&kept).unwrap(), &decided["what"]["content"]),
            (json!({ "text": text }), &json!(sha256))
        );
    }
    gateway.stop_and_verify().await;
}

//! API keys over their whole life: limited, rotated, grown old, revoked.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::time::Duration;

use serde_json::{Value, json};
use yett::state::{NewKey, Rotation};

use crate::support::client::Events;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const POLICY: &str = r#"version: 1
roles:
  all: { allow: [{ servers: ["*"], tools: ["*"] }] }
bindings:
  - { role: all, groups: [staff] }
  - { role: all, claimed_roles: [operator], issuers: [api-key] }
"#;

/// A gateway before two servers, and the second of them.
async fn stage() -> (Gateway, Upstream, Upstream) {
    let (crm, mail) = (Upstream::start().await, Upstream::start().await);
    let gateway = Gateway::start().policy(POLICY).servers([("crm", &crm), ("mail", &mail)]).await;
    (gateway, crm, mail)
}

/// Makes a key; its id and its secret.
async fn made(gateway: &Gateway, new: NewKey) -> (String, String) {
    let (key, secret) = gateway.running.operations().create_key(new, "admin").await.expect("a key");
    (key.id.to_string(), secret.expose().clone())
}

fn staff(subject: &str) -> NewKey {
    NewKey { subject: subject.to_owned(), groups: vec!["staff".to_owned()], ..NewKey::default() }
}

/// Gives a key another secret.
async fn rotated(gateway: &Gateway, id: &str, overlap: i64) -> String {
    let overlap = Duration::from_secs(overlap.unsigned_abs());
    let rotation = Rotation { overlap, expires: None };
    let (_, secret) = gateway.running.operations().rotate_key(id, rotation, "admin").await.expect("another secret");
    secret.expose().clone()
}

/// What a tool call with this secret comes to.
async fn status(gateway: &Gateway, server: &str, secret: &str) -> u16 {
    gateway.modern(server, secret).call("echo", json!({})).await.status
}

/// The words of the last refusal.
fn last_denial(gateway: &Gateway) -> (String, String) {
    let denials = gateway.denials();
    let last = &denials.last().expect("a refusal")["dec"];
    (last["reason"].as_str().unwrap_or_default().to_owned(), last["detail"].as_str().unwrap_or_default().to_owned())
}

fn warnings(gateway: &Gateway) -> Vec<Value> {
    let records = gateway.records(&yett::audit::Filter::default());
    records.into_iter().map(|record| record["what"].clone()).filter(|what| what["act"] == "key.rotation_due").collect()
}

#[tokio::test]
async fn a_rotated_key_is_the_same_caller_and_its_old_secret_is_good_for_the_overlap() {
    let (gateway, crm, _mail) = stage().await;
    let (id, first) = made(&gateway, staff("ada")).await;
    let mut client = gateway.legacy("crm", &first).await;
    let second = rotated(&gateway, &id, HOUR).await;

    // Both are good, and who shows which stands in the records.
    for (secret, word) in [(&first, "api_key.former"), (&second, "api_key")] {
        let answer = gateway.modern("crm", secret).call("echo", json!({})).await;
        assert_eq!(answer.status, 200, "{word}");
        let records = gateway.ended(&answer.call()).await;
        assert_eq!((&records[0]["who"]["authn"], &records[0]["who"]["client"]), (&json!(word), &json!(id)), "{records:#?}");
    }
    // The session is the caller's and not the secret's.
    let session = client.session.clone();
    client = gateway.legacy("crm", &second).await;
    client.session = session;
    assert_eq!(client.request("ping", json!({})).await.status, 200, "the session is another caller's");

    gateway.clock.advance(HOUR);
    let seen = crm.count();
    assert_eq!(status(&gateway, "crm", &first).await, 401);
    assert_eq!(last_denial(&gateway), ("unauthenticated".to_owned(), "key_replaced".to_owned()));
    assert_eq!(crm.count(), seen, "it reached the server");
    assert_eq!(status(&gateway, "crm", &second).await, 200);

    // Without an overlap the old one stops at once; revoked, both are gone.
    let third = rotated(&gateway, &id, 0).await;
    assert_eq!([status(&gateway, "crm", &second).await, status(&gateway, "crm", &third).await], [401, 200]);
    let fourth = rotated(&gateway, &id, HOUR).await;
    gateway.running.operations().revoke_key(&id, "admin").await.unwrap();
    for secret in [&third, &fourth] {
        assert_eq!(status(&gateway, "crm", secret).await, 401);
        assert_eq!(last_denial(&gateway).1, "key_revoked");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_key_for_some_servers_finds_no_others_and_its_roles_are_matched_and_grant_nothing() {
    let (gateway, _crm, mail) = stage().await;
    let (_, limited) = made(&gateway, NewKey { servers: Some(vec!["crm".to_owned()]), ..staff("ada") }).await;
    let (_, stranger) = made(&gateway, NewKey { subject: "eve".to_owned(), ..NewKey::default() }).await;
    let claims = |role: &str| NewKey { subject: "bob".to_owned(), roles: vec![role.to_owned()], ..NewKey::default() };
    let ((_, operator), (_, all)) = (made(&gateway, claims("operator")).await, made(&gateway, claims("all")).await);

    assert_eq!(status(&gateway, "crm", &limited).await, 200);
    let mut answers = Vec::new();
    for (secret, detail) in [(&limited, "credential_servers"), (&stranger, ""), (&all, "")] {
        let answer = gateway.modern("mail", secret).call("echo", json!({})).await;
        answers.push((answer.status, String::from_utf8_lossy(&answer.body).into_owned()));
        assert_eq!(last_denial(&gateway), ("no_such_path".to_owned(), detail.to_owned()));
    }
    assert_eq!(answers[0].0, 404);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one shape for all: {answers:#?}");
    assert_eq!(mail.count(), 0, "it reached the server");
    assert_eq!(status(&gateway, "mail", &operator).await, 200, "a binding asks for the role");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_key_is_warned_of_once_a_day_then_too_old_and_its_last_use_survives_a_restart() {
    let (gateway, crm, _mail) = stage().await;
    let (id, secret) = made(&gateway, staff("ada")).await;
    gateway.metric_is("yett_api_keys_due", 0.0).await;
    gateway.clock.advance(77 * DAY);
    gateway.metric_is("yett_api_keys_due", 1.0).await;
    let left = gateway.metric("yett_api_keys_next_end_seconds").await;
    assert!(left > 12.0 * 86_400.0 && left <= 13.0 * 86_400.0, "{left}");
    let told = eventually("a warning", || warnings(&gateway).pop()).await;
    assert_eq!([&told["target"], &told["because"], &told["requester"]], [&json!(id), &json!("max_age"), &json!("gateway")]);
    assert_eq!(status(&gateway, "crm", &secret).await, 200, "it is due, and good");
    let used = gateway.clock.seconds();

    let gateway = gateway.stop().await.start().await;
    let listed = gateway.running.operations().keys();
    let last = listed[0].secret.last_use().expect("a last use").as_second();
    assert!((used - 60..=used).contains(&last), "{last}, not {used}");
    // The day after it is told again; a restart alone has told nothing.
    gateway.clock.advance(DAY);
    eventually("the second warning", || (warnings(&gateway).len() > 1).then_some(())).await;
    assert_eq!(warnings(&gateway).len(), 2);

    gateway.clock.advance(12 * DAY);
    let seen = crm.count();
    assert_eq!(status(&gateway, "crm", &secret).await, 401);
    assert_eq!(last_denial(&gateway), ("unauthenticated".to_owned(), "key_too_old".to_owned()));
    assert_eq!(crm.count(), seen, "it reached the server");
    gateway.metric_is("yett_api_keys_due", 0.0).await;
    gateway.metric_is("yett_api_keys_too_old", 1.0).await;
    let renewed = rotated(&gateway, &id, 0).await;
    assert_eq!(status(&gateway, "crm", &renewed).await, 200);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_061_open_streams_end_when_their_secret_is_too_old_or_its_overlap_is_over() {
    let (gateway, crm, _mail) = stage().await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "there" } });
    crm.on_tool("slow", Reply::stream([Step::message(&note), Step::Wait(Gate::default())]));
    let open = async |secret: &str| {
        let slow = json!({ "name": "slow", "arguments": {} });
        let mut events = gateway.legacy("crm", secret).await.stream("tools/call", slow).await;
        assert!(events.next().await.is_some(), "{:?}", events.head);
        events
    };
    let assert_end = async |events: Events, status: &str| {
        let call = events.head.call();
        let last = events.rest().await;
        assert_eq!(last.last().unwrap()["error"]["code"], -31401, "{last:#?}");
        let records = gateway.ended(&call).await;
        assert_eq!(records.last().unwrap()["out"]["status"], status, "{records:#?}");
    };
    let (id, first) = made(&gateway, staff("ada")).await;
    let on_first = open(&first).await;
    let second = rotated(&gateway, &id, HOUR).await;
    let on_second = open(&second).await;
    gateway.clock.advance(HOUR);
    assert_end(on_first, "credential_revoked").await;
    gateway.clock.advance(90 * DAY);
    assert_end(on_second, "credential_expired").await;
    gateway.stop_and_verify().await;
}

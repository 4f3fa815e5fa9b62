//! Floods of refusals: counted exactly, recorded together, and nobody else's trouble.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

use futures_util::future::join_all;
use serde_json::{Value, json};

use yett::audit::Filter;

use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Connection};
use crate::support::server::Upstream;

/// Ten alone in a second of one peer: the rest is a flood.
const AUDIT: &str = "audit: { origin: test.localhost, refusals: { per_peer: 10, total: 50 } }";

async fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start().servers([("crm", upstream)]).config_extra(AUDIT).await
}

/// A whole request with a made-up token, on a connection that stays.
fn with_token(gateway: &Gateway, token: &str) -> Vec<u8> {
    let address = gateway.address;
    format!("POST /mcp/crm HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n")
        .into_bytes()
}

/// Refusals that stand alone, and those counted together, as the log has them now.
fn refusals(records: &[Value]) -> (u64, u64) {
    let alone = records.iter().filter(|record| record["kind"] == "call.decision" && record["dec"]["effect"] == "deny");
    let together = records.iter().filter(|record| record["kind"] == "auth.failure");
    (alone.count() as u64, together.map(|record| record["n"].as_u64().unwrap_or_else(|| panic!("{record}"))).sum())
}

/// Sends `count` made-up tokens, one after the other on one connection.
async fn flood(gateway: &Gateway, count: usize) -> Vec<Answer> {
    let mut connection = Connection::open(gateway.address).await;
    let mut answers = Vec::new();
    for number in 0..count {
        connection.send(&with_token(gateway, &format!("made.up.{number}"))).await;
        answers.push(connection.answer().await.unwrap_or_else(|| panic!("no answer to {number}")));
    }
    answers
}

#[tokio::test]
async fn jwt_every_failed_authentication_of_a_flood_is_counted_and_callers_are_served() {
    const CONNECTIONS: usize = 8;
    const EACH: usize = 250;
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let served = async {
        for number in 0..40 {
            let answer = client.call("echo", json!({ "number": number })).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    let (floods, ()) = tokio::join!(join_all((0..CONNECTIONS).map(|_| flood(&gateway, EACH))), served);
    assert!(floods.iter().flatten().all(|answer| answer.status == 401));
    let sent = (CONNECTIONS * EACH) as u64;

    // Stopped at once: what was counted and not recorded yet is recorded before the end.
    let folder = gateway.stop_and_verify().await;
    let records = folder.records(&Filter::default());
    let (alone, together) = refusals(&records);
    assert_eq!(alone + together, sent, "{alone} alone, {together} together");
    assert!(together > 0 && alone >= 10, "{alone} alone, {together} together");
    assert_eq!(records.last().map(|record| &record["kind"]), Some(&json!("stop")));
    for record in records.iter().filter(|record| record["kind"] == "auth.failure") {
        let refused = record["refused"].as_array().unwrap_or_else(|| panic!("{record}"));
        assert_eq!(refused.iter().filter_map(|item| item["n"].as_u64()).sum::<u64>(), record["n"], "{record}");
        assert!(record.get("cut").is_none() && record["dec"] == json!({ "effect": "deny" }), "{record}");
        for item in refused {
            assert_eq!((&item["peer"], &item["server"]), (&json!("127.0.0.1"), &json!("crm")), "{record}");
            assert_eq!((&item["reason"], &item["detail"]), (&json!("unauthenticated"), &json!("token_malformed")), "{record}");
            assert!(item["first"].as_str() <= item["last"].as_str() && item["first"].as_str() > Some("2026"), "{record}");
            assert!(item["last"].as_str() <= record["t"].as_str(), "{record}");
        }
    }
    assert_eq!(upstream.calls().len(), 40, "nothing of the flood, everything of the caller");
}

#[tokio::test]
async fn refusals_of_the_edge_are_counted_too_and_recorded_within_moments() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    gateway.clock.freeze();
    let address = gateway.address;
    let heads = [
        ("host_not_allowed", "POST /mcp/crm HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (
            "origin_not_allowed",
            format!("POST /mcp/crm HTTP/1.1\r\nHost: {address}\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n"),
        ),
        ("framing", "POST /mcp/crm HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ];
    let mut sent = 0;
    for (_, head) in &heads {
        for _ in 0..30 {
            let answer = gateway.raw_answer(head.as_bytes()).await;
            assert!(matches!(answer.status, 400 | 403), "{answer:?}");
            sent += 1;
        }
    }
    // In one second that does not end, ten of ninety stand alone.
    let found = eventually("the counts", || {
        let found = refusals(&gateway.denials());
        (found.0 + found.1 >= sent).then_some(found)
    })
    .await;
    assert_eq!(found, (10, 80));
    let together: Vec<Value> = gateway.denials().into_iter().filter(|record| record["kind"] == "auth.failure").collect();
    let items: Vec<&Value> = together.iter().flat_map(|record| record["refused"].as_array().into_iter().flatten()).collect();
    let of =
        |reason: &str| items.iter().filter(|item| item["reason"] == reason).filter_map(|item| item["n"].as_u64()).sum::<u64>();
    assert_eq!((of("host_not_allowed"), of("origin_not_allowed")), (20, 30), "{together:#?}");
    // Another second, another ten.
    gateway.clock.advance(1);
    let answer = gateway.raw_answer(heads[0].1.as_bytes()).await;
    assert_eq!(gateway.records_of(&answer.call()).len(), 1);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_known_caller_is_refused_is_never_counted_together() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    gateway.clock.freeze();
    let key = gateway.key("mallory", &["nobody"]).await;
    let client = gateway.modern("crm", &key);
    for _ in 0..40 {
        let answer = client.call("echo", json!({})).await;
        let records = gateway.records_of(&answer.call());
        assert_eq!((answer.status, records.len()), (404, 1), "{answer:?}");
        assert_eq!(records[0]["dec"]["effect"], "deny");
    }
    assert_eq!(refusals(&gateway.denials()), (40, 0));
    gateway.stop_and_verify().await;
}

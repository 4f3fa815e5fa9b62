//! Tokens by hand: revealed, forgotten, and expired.

use std::path::Path;

use serde_json::{Value, json};
use yett::admin::{HeldToken, PrivacyError};
use yett::audit::Filter;
use yett::secret::Secret;

use super::{EMAIL, POLICY, SSN, Stage, digits, file_with};
use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::server::Upstream;

fn held(token: &str) -> HeldToken {
    HeldToken { issuer: "api-key".into(), tenant: None, purpose: "care".into(), token: Secret::new(token.to_owned()) }
}

async fn revealed(gateway: &Gateway, held: &HeldToken) -> Option<String> {
    match gateway.running.operations().privacy().reveal_token(held, "dpo").await {
        Ok(value) => Some(value.expose().clone()),
        Err(PrivacyError::UnknownToken) => None,
        Err(error) => panic!("{error:?}"),
    }
}

fn of_kind(gateway: &Gateway, kind: &str) -> Vec<Value> {
    let records = gateway.records(&Filter { kinds: vec![kind.into()], ..Filter::default() });
    records.into_iter().map(|record| record["what"].clone()).collect()
}

fn copy(from: &Path, to: &Path) {
    for name in ["vault.db", "vault.db-wal", "vault.db-shm"] {
        let _ = std::fs::remove_file(to.join(name));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_value_is_told_in_its_purpose_and_tenant_after_it_is_on_record_that_it_was() {
    let stage = Stage::new().await;
    let text = stage.reads(&format!("{SSN} {EMAIL}")).await;
    let (ssn, email) = text.split_once(' ').unwrap();
    assert_eq!(revealed(&stage.gateway, &held(ssn)).await, Some(digits(SSN)));
    assert_eq!(revealed(&stage.gateway, &held(&digits(ssn))).await, Some(digits(SSN)), "in any layout");
    assert_eq!(revealed(&stage.gateway, &held(email)).await.as_deref(), Some(EMAIL), "as it was first written");
    for wrong in [
        held(SSN),
        HeldToken { purpose: "study".into(), ..held(ssn) },
        HeldToken { issuer: "corp".into(), ..held(ssn) },
        HeldToken { tenant: Some("acme".into()), ..held(ssn) },
    ] {
        assert_eq!(revealed(&stage.gateway, &wrong).await, None, "{wrong:?}");
    }
    let reads = of_kind(&stage.gateway, "vault.read");
    assert_eq!(reads.len(), 7, "{reads:#?}");
    assert_eq!(reads[0]["of"], reads[1]["of"], "one row");
    let id = reads[0]["of"].as_str().unwrap();
    assert_eq!(reads[0], json!({ "act": "token", "of": id, "purpose": "care", "requester": "dpo" }));
    assert_eq!(reads[3], json!({ "act": "token", "purpose": "care", "requester": "dpo" }), "that somebody tried is a record too");
    stage.ends(&[ssn, email]).await;
}

#[tokio::test]
async fn prv_001_a_forgotten_token_stands_for_nothing_and_its_value_gets_another() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    let row = stage.gateway.running.operations().privacy().forget_token(&held(&token), "dpo").await.unwrap();
    let expected = json!({ "act": "forget", "purpose": "care", "requester": "dpo", "tokens": [row] });
    assert_eq!(of_kind(&stage.gateway, "erasure"), [expected]);
    assert_eq!(revealed(&stage.gateway, &held(&token)).await, None);
    let again = stage.gateway.running.operations().privacy().forget_token(&held(&token), "dpo").await;
    assert!(matches!(again, Err(PrivacyError::UnknownToken)), "{again:?}");
    stage.at("crm").call("update_contact", json!({ "who": token })).await;
    assert_eq!(stage.heard(), json!({ "who": "[us_ssn]" }), "not even memory knows it; it is what it looks like");
    let other = stage.reads(SSN).await;
    assert!(other != token && other != SSN, "{other}");
    stage.ends(&[&token, &other]).await;
}

#[tokio::test]
async fn prv_001_a_restored_backup_does_not_bring_a_forgotten_token_back() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().policy(POLICY).servers([("crm", &crm), ("hr", &crm), ("lab", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    crm.on_tool("read", Reply::text(&format!("{SSN} {EMAIL}")));
    let text = gateway.modern("crm", &key).call("read", json!({})).await.text();
    let (ssn, email) = text.split_once(' ').unwrap();
    let folder = gateway.stop_and_verify().await;
    let backup = tempfile::tempdir().unwrap();
    copy(&folder.data(), backup.path());
    let gateway = folder.start().await;
    gateway.running.operations().privacy().forget_token(&held(ssn), "dpo").await.unwrap();
    let folder = gateway.stop_and_verify().await;

    // The vault of yesterday, and the log of today.
    copy(backup.path(), &folder.data());
    let gateway = folder.start().await;
    assert_eq!(revealed(&gateway, &held(ssn)).await, None);
    assert_eq!(revealed(&gateway, &held(email)).await.as_deref(), Some(EMAIL), "what was not forgotten is there");
    assert_eq!(of_kind(&gateway, "erasure").len(), 1, "it is not recorded again");
    let folder = gateway.stop_and_verify().await;
    assert_eq!(file_with(folder.data(), SSN), None);
}

#[tokio::test]
async fn prv_010_tokens_that_nobody_used_for_long_expire_with_their_month() {
    const DAY: i64 = 86_400;
    let crm = Upstream::start().await;
    let mut gateway = Gateway::start()
        .policy(POLICY)
        .servers([("crm", &crm), ("hr", &crm), ("lab", &crm)])
        .config_extra("audit: { origin: test.localhost, vault: { keep: 40d } }\nidentity: { api_keys: { max_age: 365d } }\n")
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    crm.on_tool("read", Reply::text(&format!("{SSN} {EMAIL}")));
    let text = gateway.modern("crm", &key).call("read", json!({})).await.text();
    let (ssn, email) = text.split_once(' ').unwrap();
    for _ in 0..3 {
        let clock = std::sync::Arc::clone(&gateway.clock);
        let folder = gateway.stop_and_verify().await;
        clock.advance(30 * DAY);
        gateway = folder.start().await;
        // Only the address is still in use.
        crm.on_tool("read", Reply::text(EMAIL));
        let used = gateway.modern("crm", &key).call("read", json!({})).await.text();
        assert_eq!(used, email);
    }
    gateway.running.operations().privacy().expire(false, "test").await.unwrap();
    let told = of_kind(&gateway, "erasure");
    assert!(told.iter().any(|what| what["act"] == "expire" && what["tokens"] == 1), "{told:#?}");
    assert_eq!(revealed(&gateway, &held(ssn)).await, None);
    assert_eq!(revealed(&gateway, &held(email)).await.as_deref(), Some(EMAIL));
    gateway.stop_and_verify().await;
}

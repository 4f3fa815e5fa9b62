//! Retention of what the vault knows, and what happens to its operations without a log or a clock to rely on.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use yett::admin::{Operations, Order, PrivacyError, Stores};
use yett::audit::{Disk, Filter, Log, Options};
use yett::clock::SystemClock;
use yett::master_key::MasterKey;
use yett::state::ApiKeys;
use yett::vault::{Caller, Identity, Vault};

use crate::support::eventually;
use crate::support::gateway::{Folder, Gateway, POLICY};
use crate::support::server::Upstream;
use crate::support::token::Issuer;

const DAY: i64 = 86_400;

/// A gateway that keeps a month for a day after its end, and the pseudonym of a caller.
async fn with_a_caller(upstream: &Upstream) -> (Gateway, String) {
    let gateway = Gateway::start()
        .servers([("crm", upstream)])
        .config_extra("audit: { origin: test.localhost, vault: { keep: 1d } }")
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    let answer = gateway.modern("crm", &key).call("echo", json!({})).await;
    let name = gateway.ended(&answer.call()).await[0]["who"]["sub"].as_str().unwrap().to_owned();
    (gateway, name)
}

fn of_kind(records: &[Value], kind: &str) -> Vec<Value> {
    records.iter().filter(|record| record["kind"] == kind).cloned().collect()
}

async fn revealed(gateway: &Gateway, name: &str) -> bool {
    !gateway.running.operations().privacy().reveal(&[name.to_owned()], "test").await.unwrap().is_empty()
}

async fn restarted_after(gateway: Gateway, days: i64) -> Gateway {
    let clock = Arc::clone(&gateway.clock);
    let folder: Folder = gateway.stop_and_verify().await;
    clock.advance(days * DAY);
    folder.start().await
}

fn order(issuer: &str) -> Order {
    let who = Identity { issuer: issuer.into(), subject: "ada".into() };
    Order { who, basis: "art. 17".into(), approver: "dpo".into(), requester: "test".into() }
}

#[tokio::test]
async fn who_holds_a_token_that_was_remembered_is_somebody_new_after_an_erasure() {
    let (upstream, issuer) = (Upstream::start().await, Issuer::new("corp"));
    let policy = POLICY.replace("groups: [staff]", "groups: [staff], issuers: [corp]");
    let gateway = Gateway::start().servers([("crm", &upstream)]).policy(&policy).issuer(&issuer).await;
    let token = issuer.token(&gateway, "crm", "ada", &["staff"]).signed();
    let subject = async || {
        let answer = gateway.modern("crm", &token).call("echo", json!({})).await;
        gateway.ended(&answer.call()).await[0]["who"]["sub"].as_str().unwrap().to_owned()
    };
    let (before, again) = (subject().await, subject().await);
    assert_eq!(before, again);
    let erased = gateway.running.operations().privacy().erase(&order("corp")).await.unwrap();
    assert_eq!(erased, std::slice::from_ref(&before));
    let after = subject().await;
    assert_ne!(before, after, "the old name is still in use");
    assert!(!revealed(&gateway, &before).await && revealed(&gateway, &after).await);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_is_recorded_and_could_not_be_done_is_done_by_the_next_operation() {
    let upstream = Upstream::start().await;
    let (gateway, name) = with_a_caller(&upstream).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(gateway.data().join("vault.db"));
    let mut vault = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::raw_sql("ALTER TABLE content RENAME TO gone").execute(&mut vault).await.unwrap();
    let privacy = gateway.running.operations().privacy();
    let broken = privacy.erase(&order("api-key")).await;
    assert!(matches!(broken, Err(PrivacyError::Unfinished(_))), "{broken:?}");
    let broken = privacy.reveal(std::slice::from_ref(&name), "test").await;
    assert!(matches!(broken, Err(PrivacyError::Vault(_))), "nothing is told before it is done: {broken:?}");
    sqlx::raw_sql("ALTER TABLE gone RENAME TO content").execute(&mut vault).await.unwrap();
    drop(vault);
    assert!(!revealed(&gateway, &name).await);
    assert_eq!(of_kind(&gateway.records(&Filter::default()), "erasure").len(), 1, "it is not recorded again");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn prv_001_while_another_process_reads_the_vault_an_erasure_says_that_it_is_not_finished() {
    let upstream = Upstream::start().await;
    let (gateway, name) = with_a_caller(&upstream).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(gateway.data().join("vault.db"));
    let mut reader = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT * FROM callers").execute(&mut reader).await.unwrap();
    let privacy = gateway.running.operations().privacy();
    let unfinished = privacy.erase(&order("api-key")).await;
    assert!(matches!(unfinished, Err(PrivacyError::Unfinished(_))), "{unfinished:?}");
    let journal = || std::fs::read(gateway.data().join("vault.db-wal")).unwrap();
    let holds_the_name = |bytes: &[u8]| bytes.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(holds_the_name(&journal()), "this test shows nothing if the journal is clean already");
    sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap();
    privacy.catch_up().await.unwrap();
    assert!(!holds_the_name(&journal()), "what was deleted still stands in the journal");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn aud_027_a_clock_that_jumps_ahead_destroys_nothing() {
    let upstream = Upstream::start().await;
    let (gateway, name) = with_a_caller(&upstream).await;
    let privacy = gateway.running.operations().privacy();
    gateway.clock.advance(3_653 * DAY);
    assert_eq!(privacy.expire_in_time().await.unwrap(), None);
    let refused = privacy.expire(false, "operator").await;
    assert!(matches!(refused, Err(PrivacyError::Clock)), "{refused:?}");
    gateway.clock.advance(-3_653 * DAY);
    assert_eq!(privacy.expire(false, "operator").await.unwrap(), None, "the clock is right again, and nothing is old");
    assert!(revealed(&gateway, &name).await);
    let records = gateway.records(&Filter::default());
    assert_eq!(of_kind(&records, "clock.step").len(), 2);
    let told: Vec<_> = of_kind(&records, "erasure").iter().map(|record| record["what"].clone()).collect();
    assert_eq!(told, [json!({ "act": "refuse", "reason": "clock", "requester": "operator" })]);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn prv_010_old_months_expire_by_themselves_and_say_so() {
    let upstream = Upstream::start().await;
    let (mut gateway, name) = with_a_caller(&upstream).await;
    for _ in 0..3 {
        gateway = restarted_after(gateway, 30).await;
    }
    let expiry = eventually("an expiry", || {
        let found = of_kind(&gateway.records(&Filter::default()), "erasure");
        found.iter().map(|record| record["what"].clone()).rfind(|what| what["act"] == "expire")
    })
    .await;
    assert_eq!([&expiry["requester"], &expiry["n"]], [&json!("retention"), &json!(1)]);
    // Its record is on disk before the keys are gone.
    while revealed(&gateway, &name).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn prv_010_after_a_pause_of_years_an_operator_has_to_say_that_the_clock_is_right() {
    let upstream = Upstream::start().await;
    let (gateway, name) = with_a_caller(&upstream).await;
    let gateway = restarted_after(gateway, 8 * 365).await;
    let privacy = gateway.running.operations().privacy();
    assert_eq!(privacy.expire_in_time().await.unwrap(), None, "a clock that is wrong looks the same");
    assert!(revealed(&gateway, &name).await);
    assert_eq!(privacy.expire(true, "operator").await.unwrap().map(|expired| expired.keys), Some(1));
    assert!(!revealed(&gateway, &name).await);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn aud_054_without_a_log_nothing_is_erased_held_told_or_expired() {
    let dir = tempfile::tempdir().unwrap();
    let master = MasterKey::open(None, dir.path()).unwrap();
    let logs = dir.path().join("audit");
    let (log, _) =
        Log::open(Options::new(&logs, "test", "r1", yett::seal::Key::generate().unwrap()), Arc::new(Disk), Arc::new(SystemClock))
            .unwrap();
    let (keys, switches) = ApiKeys::open(dir.path(), &master).await.unwrap();
    let vault = Arc::new(Vault::open(dir.path(), &master).await.unwrap());
    let log = Arc::new(log);
    let (keys, switches, keep) = (Arc::new(keys), Arc::new(switches), Duration::from_hours(24));
    let stores = Stores { log: Arc::clone(&log), keys, switches, vault: Arc::clone(&vault), logs, keep, keep_log: keep };
    let operations = Operations::open(stores, Arc::new(SystemClock)).await.unwrap();
    let old = "2020-01-01T00:00:00Z".parse().unwrap();
    let name = vault.pseudonym(Caller { issuer: "corp", subject: "ada", tenant: None }, old).await.unwrap().name.to_string();
    let before = vault.person("corp", "ada").await.unwrap();
    log.close();

    let privacy = operations.privacy();
    let who = Identity { issuer: "corp".into(), subject: "ada".into() };
    let order = order("corp");
    let refused = [
        privacy.erase(&order).await.map(drop),
        privacy.hold(&order, true).await.map(drop),
        privacy.hold(&order, false).await.map(drop),
        privacy.reveal(std::slice::from_ref(&name), "test").await.map(drop),
        privacy.pseudonyms(&who, "test").await.map(drop),
        privacy.expire(true, "test").await.map(drop),
    ];
    for (which, refused) in refused.iter().enumerate() {
        assert!(matches!(refused, Err(PrivacyError::NotRecorded(_))), "{which}: {refused:?}");
    }
    assert_eq!(vault.person("corp", "ada").await.unwrap(), before);
    assert!(vault.committer(&name, old).await.unwrap().is_some(), "its key is intact");
}

#[tokio::test]
async fn prv_008_an_export_finds_somebody_under_the_names_of_all_years() {
    let upstream = Upstream::start().await;
    let (gateway, first) = with_a_caller(&upstream).await;
    let gateway = restarted_after(gateway, 400).await;
    let key = gateway.key("ada", &["staff"]).await;
    let answer = gateway.modern("crm", &key).call("echo", json!({})).await;
    let second = gateway.ended(&answer.call()).await[0]["who"]["sub"].as_str().unwrap().to_owned();
    assert_ne!(first, second, "a name is of one year");
    let who = Identity { issuer: "api-key".into(), subject: "ada".into() };
    let exported = gateway.running.operations().privacy().export(&who, "test").await.unwrap();
    assert_eq!(exported.pseudonyms, [first.clone(), second.clone()]);
    let log = gateway.data().join("audit/test.localhost/r1");
    let out = gateway.data().join("out");
    let count = yett::audit::export(&log, exported.logs[0].size, &exported.pseudonyms, &out).unwrap();
    let lines = std::fs::read_to_string(out.join("records.jsonl")).unwrap();
    assert_eq!(lines.lines().count() as u64, count);
    assert_eq!(count, exported.logs[0].records);
    for name in [first, second] {
        assert!(lines.contains(&name), "{name}: {lines}");
    }
    let told = of_kind(&gateway.records(&Filter::default()), "export");
    assert_eq!((told.len(), &told[0]["what"]["n"]), (1, &count.into()), "{told:?}");
    gateway.stop().await;
}

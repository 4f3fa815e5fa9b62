//! Windows go on over a restart, a crash tells nothing twice and forgets nothing, and another policy is looked by at once.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::{alerted, denied, told, watched};
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;

const RULE: &str = "  - { name: probing, denials: 5/10m }\n";

/// Until the rules know what has happened so far: what was appended before another record is read with it.
async fn seen() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

fn kept(gateway: &Gateway) -> std::path::PathBuf {
    gateway.data().join("alerts.json")
}

#[tokio::test]
async fn a_window_goes_on_over_a_restart_and_the_same_is_told_once() {
    let crm = Upstream::start().await;
    let gateway = watched(&crm, RULE).await;
    let key = gateway.key("ada", &["staff"]).await;
    denied(&gateway.modern("crm", &key), 3).await;
    let gateway = gateway.stop_and_verify().await.start().await;
    denied(&gateway.modern("crm", &key), 3).await;
    assert_eq!(alerted(&gateway, "probing", 1).await[0]["n"], 6);
    let gateway = gateway.stop_and_verify().await.start().await;
    denied(&gateway.modern("crm", &key), 3).await;
    seen().await;
    assert_eq!(told(&gateway).len(), 1, "told again within ten minutes");
    assert!(!fs::read_to_string(kept(&gateway)).unwrap().contains("\"ada\""));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn after_a_crash_nothing_is_told_twice_and_what_was_not_told_is() {
    let crm = Upstream::start().await;
    let gateway = watched(&crm, RULE).await;
    let key = gateway.key("ada", &["staff"]).await;
    let bobs = gateway.key("bob", &["staff"]).await;
    denied(&gateway.modern("crm", &key), 2).await;
    let folder = gateway.stop().await;
    let before = fs::read(folder.data().join("alerts.json")).unwrap();
    let gateway = folder.start().await;
    denied(&gateway.modern("crm", &key), 4).await;
    alerted(&gateway, "probing", 1).await;
    let folder = gateway.stop().await;
    // As if it had died before it wrote down what it knew.
    fs::write(folder.data().join("alerts.json"), &before).unwrap();
    let gateway = folder.start().await;
    denied(&gateway.modern("crm", &bobs), 6).await;
    let alerts = alerted(&gateway, "probing", 2).await;
    assert!(alerts.len() == 2 && alerts[0]["sub"] != alerts[1]["sub"], "{alerts:?}");
    // And as if it had died before it told: the record is gone from what the rules know, and from nowhere else.
    let folder = gateway.stop().await;
    fs::write(folder.data().join("alerts.json"), b"{ torn").unwrap();
    let gateway = folder.start().await;
    seen().await;
    assert_eq!(told(&gateway).len(), 2, "what was before the rules began anew is over");
    denied(&gateway.modern("crm", &bobs), 1).await;
    seen().await;
    assert_eq!(told(&gateway).len(), 2, "they have learned from the log what was told");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_reload_brings_rules_and_those_that_stay_go_on_counting() {
    let crm = Upstream::start().await;
    let gateway = watched(&crm, RULE).await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    denied(&ada, 4).await;
    seen().await;
    let policies = gateway.data().parent().unwrap().join("policies/0.yaml");
    let more = fs::read_to_string(&policies).unwrap() + "  - { name: calls, calls: 2/1m, severity: low }\n";
    fs::write(&policies, more).unwrap();
    gateway.running.reload("signal").await.unwrap();
    denied(&ada, 2).await;
    alerted(&gateway, "probing", 1).await;
    assert!(told(&gateway).iter().all(|what| what["rule"] == "probing"), "what was before a rule is none of its business");
    ada.call("search", json!({})).await;
    assert_eq!(alerted(&gateway, "calls", 1).await[0]["severity"], "low");
}

//! Files that change while the gateway serves are read again by themselves, once they hold still, and once for each thing they say.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use yett::audit::Filter;

use crate::support::gateway::{Gateway, POLICY};
use crate::support::server::Upstream;

const NO_ECHO: &str = "rules: [{ name: no-echo, deny: { servers: [crm], tools: [echo] } }]\n";

fn root(gateway: &Gateway) -> PathBuf {
    gateway.data().parent().unwrap().to_owned()
}

/// As editors and deployments do it: another file takes the place.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

/// What was recorded of attempts to reload.
fn reloads(gateway: &Gateway) -> Vec<(Value, Value)> {
    let kinds = vec!["config.change".to_owned(), "admin".to_owned()];
    let records = gateway.records(&Filter { kinds, ..Filter::default() });
    let of_reloads = records.iter().filter(|record| record["what"]["act"].as_str().is_some_and(|act| act.starts_with("reload")));
    of_reloads.map(|record| (record["what"]["act"].clone(), record["what"]["by"].clone())).collect()
}

async fn until_reloads(gateway: &Gateway, count: usize) {
    crate::support::eventually("a reload", || (reloads(gateway).len() >= count).then_some(())).await;
    // And no more of them.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let found = reloads(gateway);
    assert_eq!(found.len(), count, "{found:?}");
    assert!(found.iter().all(|(_, by)| by == "file"), "{found:?}");
}

#[tokio::test]
async fn a_policy_is_in_force_soon_after_it_was_written_and_a_bad_one_changes_nothing_and_is_told_once() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let policy = root(&gateway).join("policies/0.yaml");
    replace(&policy, &format!("{POLICY}{NO_ECHO}"));
    until_reloads(&gateway, 1).await;
    assert_eq!(client.call("echo", json!({})).await.code(), Some(-32602), "the rule is not in force");

    fs::write(&policy, format!("{POLICY}{NO_ECHO}mode: loud\n")).unwrap();
    until_reloads(&gateway, 2).await;
    assert_eq!(reloads(&gateway)[1].0, "reload.refused");
    assert_eq!(client.call("echo", json!({})).await.code(), Some(-32602), "the rule is in force no more");
    let ready = gateway.health("/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(String::from_utf8_lossy(&ready.body).contains("warning: the configuration on disk is not in force"), "{ready:?}");
    assert!(gateway.metrics().await.contains("\nyett_config_last_reload_successful 0"));
    // The same again is not tried again.
    replace(&policy, &format!("{POLICY}{NO_ECHO}mode: loud\n"));
    until_reloads(&gateway, 2).await;

    replace(&policy, POLICY);
    until_reloads(&gateway, 3).await;
    assert_eq!(client.call("echo", json!({})).await.code(), None);
    assert!(gateway.metrics().await.contains("\nyett_config_last_reload_successful 1"));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn another_file_of_the_folder_and_the_configuration_itself_are_followed_too() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let (config, more) = (root(&gateway).join("yett.yaml"), root(&gateway).join("more"));
    let echo = async || client.call("echo", json!({})).await.code();
    fs::write(root(&gateway).join("policies/1.yaml"), format!("version: 1\n{NO_ECHO}")).unwrap();
    until_reloads(&gateway, 1).await;
    assert_eq!(echo().await, Some(-32602));
    // Another folder, whose file is not good yet.
    fs::create_dir(&more).unwrap();
    fs::write(more.join("a.yaml"), "version: 1\nroles: [").unwrap();
    let text = fs::read_to_string(&config).unwrap();
    replace(&config, &text.replace("policies: policies/", "policies: more/"));
    until_reloads(&gateway, 2).await;
    assert_eq!((echo().await, &reloads(&gateway)[1].0), (Some(-32602), &json!("reload.refused")));
    replace(&more.join("a.yaml"), POLICY);
    until_reloads(&gateway, 3).await;
    assert_eq!(echo().await, None);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_file_that_nobody_reads_may_change_all_the_time() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let policies = root(&gateway).join("policies");
    let busy = async {
        for length in 1_usize.. {
            fs::write(policies.join("notes.md"), "x".repeat(length)).unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let followed = async {
        replace(&policies.join("0.yaml"), &format!("{POLICY}{NO_ECHO}"));
        until_reloads(&gateway, 1).await;
    };
    tokio::select! {
        () = busy => {}
        () = followed => {}
    }
    assert_eq!(client.call("echo", json!({})).await.code(), Some(-32602), "the rule is not in force");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn where_reloads_are_to_be_asked_for_files_may_arrive_one_by_one_and_are_in_force_when_somebody_asks() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).config_extra("reload: asked").await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    replace(&root(&gateway).join("policies/0.yaml"), &format!("{POLICY}{NO_ECHO}"));
    // Longer than a file that is followed takes.
    until_reloads(&gateway, 0).await;
    assert_eq!(client.call("echo", json!({})).await.code(), None);
    gateway.running.reload("signal").await.unwrap();
    assert_eq!(client.call("echo", json!({})).await.code(), Some(-32602));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_is_said_of_a_server_and_its_tools_changes_without_a_restart_and_where_it_is_does_not() {
    let crm = Upstream::start().await;
    let no_writes = "rules: [{ name: no-writes, deny: { servers: [crm], tools: ['*'], operations: [write, destructive] } }]\n";
    let gateway = Gateway::start().policy(&format!("{POLICY}{no_writes}")).server("crm", &crm, "owner: a").await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    assert_eq!(client.call("echo", json!({})).await.code(), Some(-32602), "nothing is said of it, so it writes");
    let config = root(&gateway).join("yett.yaml");
    let text = fs::read_to_string(&config).unwrap();
    let said = "owner: b, purpose: tickets, classification: public, tools: { echo: { operation: read, capture: keys } }";
    fs::write(&config, text.replace("owner: a", said)).unwrap();
    assert!(gateway.running.reload("signal").await.unwrap().changed);
    let answer = client.call("echo", json!({ "id": 7 })).await;
    assert_eq!(answer.code(), None, "{answer:?}");
    let decision = gateway.records_of(&answer.call())[0].clone();
    assert_eq!((&decision["what"]["capture"], &decision["what"]["keys"]), (&json!("keys"), &json!(["id"])), "{decision:#}");
    fs::write(&config, text.replace("owner: a", "timeout: 7s")).unwrap();
    let refused = gateway.running.reload("signal").await.unwrap_err();
    assert!(refused.to_string().ends_with(": servers.crm.timeout"), "{refused}");
    gateway.stop_and_verify().await;
}

//! Reloads of a gateway at work.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use yett::admin::NotReloaded;
use yett::audit::Filter;

use crate::support::gateway::{Gateway, POLICY};
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

/// The policy of [`POLICY`] with another hash.
fn same_but(number: usize) -> String {
    format!("{POLICY}# {number}\n")
}

fn write_policy(gateway: &Gateway, text: &str) {
    fs::write(gateway.data().parent().unwrap().join("policies/0.yaml"), text).unwrap();
}

#[tokio::test]
async fn fifty_reloads_under_load_fail_no_call_and_every_record_names_one_policy_that_was_in_force() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let over = AtomicBool::new(false);
    let caller = async || {
        let client = gateway.modern("crm", &key);
        let mut calls = 0_u32;
        while !over.load(Ordering::Relaxed) {
            let answer = client.call("echo", json!({})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            calls += 1;
        }
        calls
    };
    let reloads = async {
        for number in 0..50 {
            write_policy(&gateway, &same_but(number));
            assert!(gateway.running.reload("signal").await.unwrap().changed);
        }
        over.store(true, Ordering::Relaxed);
    };
    let (calls, ()) = tokio::join!(join_all([caller(), caller(), caller(), caller()]), reloads);
    assert!(calls.iter().all(|&calls| calls > 0), "{calls:?}");

    let changes = gateway.records(&Filter { kinds: vec!["policy.change".to_owned()], ..Filter::default() });
    assert_eq!(changes.len(), 50);
    for pair in changes.windows(2) {
        assert_eq!(pair[0]["what"]["after"], pair[1]["what"]["before"], "a policy that nobody declared");
    }
    let decisions = gateway.records(&Filter { kinds: vec!["call.decision".to_owned()], ..Filter::default() });
    for decision in &decisions {
        // Declared before it was in force: no decision stands before the declaration of its policy.
        let declared = changes.iter().find(|change| change["what"]["after"] == decision["dec"]["policy"]);
        let first = changes[0]["what"]["before"] == decision["dec"]["policy"];
        assert!(first || declared.is_some_and(|change| change["i"].as_u64() < decision["i"].as_u64()), "{decision}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn aud_054_without_a_log_nothing_is_reloaded() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let before = gateway.running.reload("admin").await.unwrap();
    assert!(!before.changed);
    write_policy(&gateway, &same_but(1));
    let log = Arc::clone(gateway.running.log());
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    for _ in 0..2 {
        let refused = gateway.running.reload("admin").await;
        // The second would say that nothing has changed, if the first had put it into force.
        assert!(matches!(refused, Err(NotReloaded::NotRecorded(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_subscription_ends_when_its_messages_are_to_be_scanned_otherwise_and_a_call_under_way_does_not() {
    let (crm, gate) = (Upstream::start().await, Gate::default());
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    crm.on_method("subscriptions/listen", Reply::stream([Step::message(&note), Step::Wait(Gate::default())]));
    crm.on_tool("slow", Reply::text("done").after(&gate));
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let mut events = client.stream("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
    assert_eq!(events.next().await, Some(note.clone()));
    let slow = client.call("slow", json!({}));
    let reloads = async {
        crate::support::eventually("the call at its server", || (crm.calls().len() == 1).then_some(())).await;
        assert!(!gateway.running.reload("signal").await.unwrap().changed);
        write_policy(&gateway, &same_but(1));
        assert!(gateway.running.reload("signal").await.unwrap().changed);
        // What allows it and what scans it are the same: it goes on.
        assert!(tokio::time::timeout(Duration::from_millis(1500), events.next()).await.is_err());
        let scanned = "dlp: { rules: [{ name: ssn, detect: [us_ssn], action: mask }] }";
        write_policy(&gateway, &format!("{POLICY}{scanned}\n"));
        assert!(gateway.running.reload("signal").await.unwrap().changed);
        let last = events.next().await.expect("a stream ends without a word");
        assert_eq!(last["error"]["code"], -31503, "{last}");
        assert_eq!(events.next().await, None);
        gate.open();
    };
    let (answer, ()) = tokio::join!(slow, reloads);
    assert_eq!(answer.status, 200, "{answer:?}");
    let outcome = gateway.records_of(&events.head.call()).pop().unwrap();
    assert_eq!(outcome["out"]["status"], "stream_over", "{outcome}");
    let mut again = client.stream("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
    assert_eq!(again.next().await, Some(note), "under the new policy they may ask again");
    drop(again);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_subscription_ends_whatever_part_of_the_scan_is_another() {
    let crm = Upstream::start().await;
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    crm.on_method("subscriptions/listen", Reply::stream([Step::message(&note), Step::Wait(Gate::default())]));
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let client = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    for part in [
        "injection: { thresholds: { results: high } }",
        "injection: { thresholds: { results: high }, shadow: [hide-from-user] }",
        "injection: { thresholds: { results: high }, for: [{ servers: [crm], results: log }] }",
        "exceptions: [{ finding: hide-from-user, servers: [crm], reason: r, owner: o, until: 2999-12-31 }]",
        "",
    ] {
        let mut events = client.stream("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
        assert_eq!(events.next().await, Some(note.clone()));
        write_policy(&gateway, &format!("{POLICY}{part}\n"));
        assert!(gateway.running.reload("signal").await.unwrap().changed, "{part}");
        let last = crate::support::within(part, events.next()).await.expect("a stream ends without a word");
        assert_eq!(last["error"]["code"], -31503, "{part}: {last}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_limit_that_a_reload_leaves_as_it_is_keeps_counting() {
    let crm = Upstream::start().await;
    let limited = |note: &str| format!("{POLICY}limits:\n  - {{ name: few, per: [subject], rate: 2/h, burst: 2 }}\n# {note}\n");
    let gateway = Gateway::start().servers([("crm", &crm)]).policy(&limited("a")).await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    for expected in [200, 200, 429] {
        assert_eq!(client.call("echo", json!({})).await.status, expected);
    }
    write_policy(&gateway, &limited("b"));
    assert!(gateway.running.reload("signal").await.unwrap().changed);
    assert_eq!(client.call("echo", json!({})).await.status, 429, "a reload was a new allowance");
    write_policy(&gateway, &limited("b").replace("burst: 2", "burst: 3"));
    assert!(gateway.running.reload("signal").await.unwrap().changed);
    assert_eq!(client.call("echo", json!({})).await.status, 200, "another limit counts anew");
    gateway.stop_and_verify().await;
}

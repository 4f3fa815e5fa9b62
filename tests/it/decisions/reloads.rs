//! Policies change while calls are under way: each call is judged by one of them.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use yett::audit::Filter;

use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::{Upstream, tool};

const TOOLS: [&str; 5] = ["flip", "flip_2", "flop", "flop_2", "stays"];

/// A policy that takes away what is called so, two of five tools. Two policies contradict each other on four of them.
fn without(name: &str, number: usize) -> String {
    format!(
        "version: 1
roles: {{ user: {{ allow: [{{ servers: [crm], tools: [flip*, flop*, stays] }}] }} }}
bindings: [{{ role: user, groups: [users] }}]
rules: [{{ name: no-{name}, deny: {{ servers: [crm], tools: [{name}*] }} }}]
# {number}
"
    )
}

#[tokio::test]
async fn avl_015_a_hundred_reloads_under_load_mix_no_verdicts_and_fail_no_call() {
    let crm = Upstream::start().await;
    crm.set_tools(TOOLS.map(tool));
    for name in TOOLS {
        crm.on_tool(name, Reply::text("done"));
    }
    let on = Gate::default();
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    let goes_on =
        || Reply::stream([Step::message(&note), Step::Wait(on.clone()), Step::message(&note), Step::Wait(Gate::default())]);
    crm.on_tool("stays", goes_on());
    for method in ["GET", "subscriptions/listen"] {
        crm.on_method(method, goes_on());
    }
    let gateway = Gateway::start().policy(&without("flip", 0)).servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["users"]).await;
    let legacy = gateway.legacy("crm", &key).await;
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut streams = [
        legacy.listen().await,
        legacy.stream("tools/call", json!({ "name": "stays", "arguments": {} })).await,
        gateway.modern("crm", &key).stream("subscriptions/listen", wanted).await,
    ];
    for events in &mut streams {
        assert_eq!(events.next().await.as_ref(), Some(&note), "{:?}", events.head);
    }
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let caller = async |name: &str| {
        let client = gateway.modern("crm", &key);
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        while !over.load(Ordering::Relaxed) {
            let answer = client.call(name, json!({})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            answered.fetch_add(1, Ordering::Relaxed);
            match answer.code() {
                None => allowed.push(answer.call()),
                Some(-32602) => denied.push(answer.call()),
                Some(_) => panic!("{answer:?}"),
            }
            // A list is of one policy too: two of a kind stand in it, and the one that stays.
            let listed = client.list_tools().await.json();
            let listed: Vec<_> = listed["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
            assert!(listed == ["flip", "flip_2", "stays"] || listed == ["flop", "flop_2", "stays"], "{listed:?}");
        }
        (allowed, denied)
    };
    let reloads = async {
        for number in 1..=100 {
            let name = if number % 2 == 0 { "flip" } else { "flop" };
            fs::write(gateway.data().parent().unwrap().join("policies/0.yaml"), without(name, number)).unwrap();
            assert!(gateway.running.reload("signal").await.unwrap().changed);
            // Each policy has judged some calls before the next takes its place.
            let before = answered.load(Ordering::Relaxed);
            while answered.load(Ordering::Relaxed) < before + 4 {
                tokio::task::yield_now().await;
            }
        }
        over.store(true, Ordering::Relaxed);
    };
    let (outcomes, ()) = tokio::join!(join_all(TOOLS[..4].iter().map(|name| caller(name))), reloads);
    let (allowed, denied): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
    assert!(allowed.iter().chain(&denied).all(|calls| !calls.is_empty()), "every caller has seen both");

    on.open();
    for events in &mut streams {
        assert_eq!(events.next().await.as_ref(), Some(&note), "a stream was lost that every policy allows: {:?}", events.head);
    }
    drop(streams);

    // What each policy said, by its own record: the tool that it takes away is denied under it, and the other is not.
    let changes = gateway.records(&Filter { kinds: vec!["policy.change".to_owned()], ..Filter::default() });
    assert_eq!(changes.len(), 100);
    let takes = |policy: &Value| {
        let after = changes.iter().position(|change| change["what"]["after"] == *policy).map(|at| at + 1);
        let number = after.unwrap_or(0);
        if number % 2 == 0 { "flip" } else { "flop" }
    };
    let decisions = gateway.records(&Filter { kinds: vec!["call.decision".to_owned()], ..Filter::default() });
    let calls: Vec<_> = decisions.iter().filter(|record| record["what"]["method"] == "tools/call").collect();
    assert!(calls.len() > 100, "{} calls", calls.len());
    for record in calls {
        let gone = takes(&record["dec"]["policy"]);
        let is_gone = record["what"]["name"].as_str().unwrap().starts_with(gone);
        let expected = if is_gone { "deny" } else { "allow" };
        assert_eq!(record["dec"]["effect"], expected, "{record:#}");
    }
    gateway.stop_and_verify().await;
}

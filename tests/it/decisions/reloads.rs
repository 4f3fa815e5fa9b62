//! Policies change while calls are under way: each call is judged by one of them.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use yett::audit::Filter;

use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::server::{Upstream, tool};

/// A policy that takes one of two tools away, for good or by its arguments.
fn without(name: &str, number: usize) -> String {
    format!(
        "version: 1
roles: {{ user: {{ allow: [{{ servers: [crm], tools: [flip, flop] }}] }} }}
bindings: [{{ role: user, groups: [users] }}]
rules: [{{ name: no-{name}, deny: {{ servers: [crm], tools: [{name}] }} }}]
# {number}
"
    )
}

#[tokio::test]
async fn avl_015_a_hundred_reloads_under_load_mix_no_verdicts_and_fail_no_call() {
    let crm = Upstream::start().await;
    crm.set_tools(["flip", "flop"].map(tool));
    for name in ["flip", "flop"] {
        crm.on_tool(name, Reply::text("done"));
    }
    let gateway = Gateway::start().policy(&without("flip", 0)).servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["users"]).await;
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
            // A list is of one policy too: one of the two stands in it.
            let listed = client.list_tools().await.json();
            assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 1, "{listed}");
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
    let (outcomes, ()) = tokio::join!(join_all([caller("flip"), caller("flop"), caller("flip"), caller("flop")]), reloads);
    let (allowed, denied): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
    assert!(allowed.iter().chain(&denied).all(|calls| !calls.is_empty()), "every caller has seen both");

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
        let expected = if record["what"]["name"] == gone { "deny" } else { "allow" };
        assert_eq!(record["dec"]["effect"], expected, "{record:#}");
    }
    gateway.stop_and_verify().await;
}

//! `limits:` through the front door: whom each counts, what it counts, and what a caller reads beyond it.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod attacks;
mod held;
mod repeats;
mod volume;
mod windows;

use serde_json::json;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::server::{Upstream, tool};

const POLICY: &str = "version: 1
roles:
  staff:
    allow:
      - { servers: [crm, hr], tools: [echo, search], prompts: [hello], resources: [\"file:///**\"] }
  boss:
    allow: [{ servers: [crm, hr], tools: [\"*\"] }]
bindings:
  - { role: staff, groups: [staff], issuers: [ISSUERS] }
  - { role: boss, groups: [boss], issuers: [ISSUERS] }
limits:
";

/// A gateway with these limits, before one server under two names.
async fn limited(limits: &[&str]) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    upstream.set_tools(["danger", "echo", "search"].map(tool));
    let gateway = Gateway::start().policy(&policy(limits, "api-key")).servers([("crm", &upstream), ("hr", &upstream)]).await;
    (upstream, gateway)
}

fn policy(limits: &[&str], issuers: &str) -> String {
    let limits: Vec<String> = limits.iter().map(|limit| format!("  - {{ {limit} }}\n")).collect();
    POLICY.replace("ISSUERS", issuers) + &limits.concat()
}

async fn client(gateway: &Gateway, subject: &str, group: &str) -> Client {
    gateway.modern("crm", &gateway.key(subject, &[group]).await)
}

async fn echo(client: &Client) -> u16 {
    client.call("echo", json!({})).await.status
}

/// 429 that says when to come back and what is left, and nothing about the limit; its record names the limit.
fn assert_limited(gateway: &Gateway, answer: &Answer, limit: &str) {
    assert_eq!((answer.status, answer.code()), (429, Some(-31429)), "{answer:?}");
    let seconds: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("Retry-After");
    let data = &answer.json()["error"]["data"];
    assert_eq!(data["call"], answer.call(), "{data}");
    assert_eq!(data["retry_after_ms"].as_u64().map(|wait| wait.div_ceil(1000).max(1)), Some(seconds), "{data}");
    assert!(data["remaining"].is_u64(), "{data}");
    assert!(!String::from_utf8_lossy(&answer.body).contains(limit), "the answer names the limit: {answer:?}");
    let records = gateway.records_of(&answer.call());
    assert_eq!(records.len(), 1, "{records:#?}");
    let decision = &records[0]["dec"];
    assert_eq!(decision["reason"], "rate_limited", "{decision}");
    assert_eq!(decision["rule"], format!("limit:{limit}"), "{decision}");
}

#[tokio::test]
async fn each_key_counts_those_together_whom_it_names() {
    // For each key: whose call of `echo` at crm is refused after ada's, and whose is not.
    for (per, refused, free) in [
        ("[subject]", ["ada again"].as_slice(), ["bob", "zoe"].as_slice()),
        ("[client]", &["ada"], &["ada again", "bob"]),
        ("[group]", &["ada again", "bob"], &["zoe"]),
        ("[role]", &["ada again", "bob"], &["zoe"]),
        ("[issuer]", &["ada again", "bob", "zoe", "acme"], &[]),
        ("[tenant]", &["ada again", "bob", "zoe"], &["acme"]),
        ("[]", &["ada again", "bob", "zoe", "acme"], &[]),
        ("[server]", &["ada", "zoe", "acme"], &["at hr"]),
        ("[route]", &["ada", "zoe", "acme"], &["at hr"]),
        ("[tool]", &["ada", "zoe", "acme"], &["search"]),
        ("[subject, tool]", &["ada again"], &["bob", "search"]),
    ] {
        let (_upstream, gateway) = limited(&[&format!("name: quota-of-it, per: {per}, quota: 1/month")]).await;
        let ada = client(&gateway, "ada", "staff").await;
        let again = client(&gateway, "ada", "staff").await;
        let (bob, zoe) = (client(&gateway, "bob", "staff").await, client(&gateway, "zoe", "boss").await);
        let acme = gateway.modern("crm", &gateway.tenant_key("ada", "acme").await);
        let at_hr = gateway.modern("hr", &gateway.key("ada", &["staff"]).await);
        let call = async |who: &str| match who {
            "ada" => ada.call("echo", json!({})).await,
            "ada again" => again.call("echo", json!({})).await,
            "bob" => bob.call("echo", json!({})).await,
            "zoe" => zoe.call("echo", json!({})).await,
            "acme" => acme.call("echo", json!({})).await,
            "at hr" => at_hr.call("echo", json!({})).await,
            _ => ada.call("search", json!({})).await,
        };
        assert_eq!(call("ada").await.status, 200, "{per}");
        for who in refused {
            assert_limited(&gateway, &call(who).await, "quota-of-it");
        }
        for who in free {
            assert_eq!(call(who).await.status, 200, "{per}: {who} was counted with ada");
        }
        gateway.stop_and_verify().await;
    }
}

#[tokio::test]
async fn a_caller_in_several_groups_is_counted_in_each_and_one_in_none_with_others_in_none() {
    let limit = "name: team, per: [group], quota: 1/month";
    let (_upstream, gateway) = limited(&[limit]).await;
    let both = gateway.modern("crm", &gateway.key("ada", &["staff", "boss"]).await);
    let (staff, boss) = (client(&gateway, "bob", "staff").await, client(&gateway, "zoe", "boss").await);
    assert_eq!(echo(&both).await, 200);
    assert_eq!((echo(&staff).await, echo(&boss).await), (429, 429));
    gateway.stop_and_verify().await;

    let upstream = Upstream::start().await;
    let none = "version: 1
roles:
  any: { allow: [{ servers: [crm], tools: [echo] }] }
bindings:
  - { role: any, issuers: [api-key] }
limits:
  - { name: team, per: [group], quota: 1/month }
";
    let gateway = Gateway::start().policy(none).servers([("crm", &upstream)]).await;
    let (ada, bob) = (gateway.key("ada", &[]).await, gateway.key("bob", &[]).await);
    assert_eq!(echo(&gateway.modern("crm", &ada)).await, 200);
    assert_eq!(echo(&gateway.modern("crm", &bob)).await, 429, "nobody's group is no way round the limit");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn several_limits_hold_at_once_and_the_one_that_takes_longest_answers() {
    let limits = [
        "name: by-minute, per: [subject], quota: 1/minute",
        "name: by-day, per: [group], quota: 2/day",
        "name: fast, per: [subject], rate: 600/min, burst: 100",
    ];
    let (_upstream, gateway) = limited(&limits).await;
    gateway.clock.freeze();
    let (ada, bob) = (client(&gateway, "ada", "staff").await, client(&gateway, "bob", "staff").await);
    assert_eq!(echo(&ada).await, 200);
    let minute = ada.call("echo", json!({})).await;
    assert_limited(&gateway, &minute, "by-minute");
    assert_eq!(minute.json()["error"]["data"]["remaining"], 0);
    // A refused call has spent nothing of the day.
    assert_eq!(echo(&bob).await, 200);
    let day = ada.call("echo", json!({})).await;
    assert_limited(&gateway, &day, "by-day");
    let left = u64::try_from(86_400 - gateway.clock.seconds().rem_euclid(86_400)).expect("seconds");
    assert_eq!(day.json()["error"]["data"]["retry_after_ms"], left * 1000);
    gateway.metric_is(r#"yett_limit_refusals_total{limit="by-minute"}"#, 1.0).await;
    gateway.metric_is(r#"yett_limit_refusals_total{limit="by-day"}"#, 1.0).await;
    assert!(gateway.metric("yett_limit_keys").await >= 4.0);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_is_refused_or_hidden_spends_nothing_and_is_not_told_by_a_429() {
    let (upstream, gateway) =
        limited(&["name: few, per: [subject], servers: [crm], quota: 1/month, rate: 100/h, burst: 100"]).await;
    let ada = client(&gateway, "ada", "staff").await;
    for name in ["danger", "nowhere"] {
        let answer = ada.call(name, json!({})).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "{answer:?}");
    }
    assert_eq!(ada.list_tools().await.status, 200);
    assert_eq!(echo(&ada).await, 200, "a list, or a call that is refused, has spent the quota");
    assert_limited(&gateway, &ada.call("echo", json!({})).await, "few");
    for name in ["danger", "nowhere"] {
        let answer = ada.call(name, json!({})).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "there is a tool `{name}`: {answer:?}");
    }
    assert_eq!(ada.list_tools().await.status, 200, "lists are no calls");
    assert_eq!(upstream.calls().len(), 1);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn selectors_say_what_is_counted() {
    let limits = [
        "name: searches, per: [subject], tools: [\"sea*\"], quota: 1/month",
        "name: bosses, per: [subject], roles: [boss], servers: [crm], quota: 2/month",
        "name: lists, per: [subject], servers: [hr], rate: 1/day, burst: 1",
    ];
    let (_upstream, gateway) = limited(&limits).await;
    let (ada, zoe) = (client(&gateway, "ada", "staff").await, client(&gateway, "zoe", "boss").await);
    assert_eq!(ada.call("search", json!({})).await.status, 200);
    assert_limited(&gateway, &ada.call("search", json!({})).await, "searches");
    for _ in 0..3 {
        assert_eq!(echo(&ada).await, 200);
    }
    assert_eq!((echo(&zoe).await, echo(&zoe).await), (200, 200));
    assert_limited(&gateway, &zoe.call("echo", json!({})).await, "bosses");
    // A rate counts every message that a caller may send.
    let at_hr = gateway.modern("hr", &gateway.key("ada", &["staff"]).await);
    assert_eq!(at_hr.list_tools().await.status, 200);
    assert_limited(&gateway, &at_hr.list_tools().await, "lists");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_limit_in_shadow_counts_and_lets_through() {
    let limits = ["name: soon, per: [subject], quota: 1/month, mode: shadow", "name: slow, rate: 1/h, burst: 1, mode: shadow"];
    let (_upstream, gateway) = limited(&limits).await;
    let ada = client(&gateway, "ada", "staff").await;
    assert_eq!(echo(&ada).await, 200);
    let answer = ada.call("echo", json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let records = gateway.ended(&answer.call()).await;
    let text = records[0].to_string();
    for (rule, kind) in [("soon", "quota"), ("slow", "rate")] {
        assert!(text.contains(rule) && text.contains(kind) && text.contains("shadow"), "{records:#?}");
    }
    gateway.metric_is(r#"yett_findings_total{layer="quota",kind="quota",action="shadow"}"#, 1.0).await;
    gateway.stop_and_verify().await;
}

//! An approval of a withheld definition, and its end, make other lists: whoever may see the tool is told, in time and once, and nobody else.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use yett::state::Definition;

use super::POISON;
use crate::http_sse::client::SseClient;
use crate::support::client::{Client, Events};
use crate::support::gateway::{Builder, Gateway};
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::{Upstream, described_tool, tool};

/// Who is granted the withheld tool, who is granted others, and from whom a rule hides it.
const POLICY: &str = r#"version: 1
roles:
  user: { allow: [{ servers: [crm, mail], tools: [get, notes], prompts: [a] }] }
  other: { allow: [{ servers: [crm], tools: [get], prompts: [a] }] }
  guest: { allow: [{ servers: [crm], tools: ["*"], prompts: [a] }] }
bindings: [{ role: user, groups: [users] }, { role: other, groups: [others] }, { role: guest, groups: [guests] }]
rules:
  - { name: hidden, deny: { servers: [crm], tools: [notes] }, when: '"guests" in principal.groups' }
"#;

/// With one clean tool and one that is withheld; it pushes nothing by itself.
async fn upstream(version: &str) -> Upstream {
    let crm = Upstream::start().await;
    let info = json!({ "name": "fake", "version": "1.0.0" });
    let greeting = json!({ "protocolVersion": version, "capabilities": { "tools": {}, "prompts": {} }, "serverInfo": info });
    crm.on_method("initialize", Reply::result(&greeting));
    crm.on_method("GET", Reply::stream([Step::Raw(b": open\n\n".to_vec()), Step::Wait(Gate::default())]));
    crm.on_method("subscriptions/listen", Reply::error(-32601, "Method not found").status(404));
    crm.set_tools([tool("get"), described_tool("notes", POISON)]);
    crm
}

fn gateway(crm: &Upstream, mail: &Upstream) -> Builder {
    Gateway::start().policy(POLICY).servers([("crm", crm), ("mail", mail)]).listener_extra("legacy_sse: true")
}

/// The one definition that is withheld of a server.
async fn withheld(gateway: &Gateway, server: &str) -> Definition {
    let listed = gateway.admin("GET", &format!("/v1/quarantine?server={server}")).await;
    let all = listed["withheld"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{listed:#}");
    let text = |key: &str| all[0][key].as_str().unwrap().to_owned();
    Definition { server: text("server"), tool: text("tool"), hash: text("definition") }
}

async fn approve(gateway: &Gateway, definition: &Definition) {
    gateway.running.operations().approve_definition(definition.clone(), "looked at it", "ops-7").await.unwrap();
}

/// The same, or takes it back.
async fn turn(gateway: &Gateway, definition: &Definition, is_approved: bool) {
    if is_approved {
        approve(gateway, definition).await;
    } else {
        gateway.running.operations().revoke_definition(definition, "no", "ops-7").await.unwrap();
    }
}

async fn listener(client: &Client, wanted: Value) -> Events {
    let message = client.message(Some(&json!("l-1")), "subscriptions/listen", json!({ "notifications": wanted }));
    let mut events = client.open(&message).await;
    let first = events.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    events
}

fn assert_changed(heard: Option<Value>, who: &str) {
    assert_eq!(heard.map(|heard| heard["method"].clone()), Some(json!("notifications/tools/list_changed")), "{who}");
}

/// Nothing comes, for longer than it takes to be looked at.
async fn assert_silent<const N: usize>(streams: [(&mut Events, &str); N]) {
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for (events, who) in streams {
        let next = tokio::time::timeout(Duration::from_millis(20), events.next()).await;
        assert!(next.is_err(), "{who} hears {next:?}");
    }
}

#[tokio::test]
async fn an_approval_and_its_end_are_told_to_those_who_may_see_the_tool_and_to_nobody_else() {
    let (crm, mail) = (upstream("2025-11-25").await, upstream("2025-11-25").await);
    let gateway = gateway(&crm, &mail).await;
    let users = gateway.key("ada", &["users"]).await;
    let (others, guests) = (gateway.key("bob", &["others"]).await, gateway.key("eve", &["guests"]).await);
    let ada = gateway.legacy("crm", &users).await;
    assert_eq!(ada.list_tools().await.tools(), ["get"]);
    let (mut first, mut second) = (ada.listen().await, ada.listen().await);
    let mut listening = listener(&gateway.modern("crm", &users), json!({ "toolsListChanged": true })).await;
    let mut prompts = listener(&gateway.modern("crm", &users), json!({ "promptsListChanged": true })).await;
    let mut elsewhere = gateway.legacy("mail", &users).await.listen().await;
    let mut bob = gateway.legacy("crm", &others).await.listen().await;
    let mut bobs = listener(&gateway.modern("crm", &others), json!({ "toolsListChanged": true })).await;
    let mut eve = gateway.legacy("crm", &guests).await.listen().await;
    let mut eves = listener(&gateway.modern("crm", &guests), json!({ "toolsListChanged": true })).await;

    let definition = withheld(&gateway, "crm").await;
    for (is_approved, tools) in [(true, &["get", "notes"][..]), (false, &["get"])] {
        turn(&gateway, &definition, is_approved).await;
        let heard = tokio::select! { heard = first.next() => heard, heard = second.next() => heard };
        assert_changed(heard, "the session");
        assert_changed(listening.next().await, "the listener");
        assert_silent([
            (&mut first, "who has heard"),
            (&mut second, "who has heard"),
            (&mut listening, "who has heard"),
            (&mut prompts, "who listens for prompts"),
            (&mut elsewhere, "a session at another server"),
            (&mut bob, "who is not granted it"),
            (&mut bobs, "who is not granted it"),
            (&mut eve, "from whom a rule hides it"),
            (&mut eves, "from whom a rule hides it"),
        ])
        .await;
        assert_eq!(ada.list_tools().await.tools(), tools);
    }
    // The same approval once more is none.
    approve(&gateway, &definition).await;
    assert_changed(listening.next().await, "the listener");
    approve(&gateway, &definition).await;
    assert_silent([(&mut listening, "who has heard")]).await;
    drop((first, second, listening, prompts, elsewhere, bob, bobs, eve, eves));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_hears_of_an_approval_before_its_stream_was_open_and_until_it_has_asked() {
    let crm = upstream("2025-11-25").await;
    let gateway = gateway(&crm, &crm).await;
    let key = gateway.key("ada", &["users"]).await;
    let (ada, idle) = (gateway.legacy("crm", &key).await, gateway.legacy("crm", &key).await);
    assert_eq!(ada.list_tools().await.tools(), ["get"]);
    approve(&gateway, &withheld(&gateway, "crm").await).await;
    let mut first = ada.listen().await;
    assert_changed(first.next().await, "it was approved before");
    let mut none = idle.listen().await;
    assert_silent([(&mut none, "a session that was shown nothing")]).await;
    drop(first);
    let mut second = ada.listen().await;
    assert_changed(second.next().await, "whoever read the first may not have been the client");
    assert_eq!(ada.list_tools().await.tools(), ["get", "notes"]);
    let mut third = ada.listen().await;
    assert_silent([(&mut third, "who has asked since")]).await;
    drop((second, third, none));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_of_http_sse_hears_it_too() {
    let old = upstream("2024-11-05").await;
    let gateway = gateway(&old, &old).await;
    let mut ada = SseClient::begin(&gateway, "crm", &gateway.key("ada", &["users"]).await).await;
    let mut bob = SseClient::begin(&gateway, "crm", &gateway.key("bob", &["others"]).await).await;
    let tools = ada.request("tools/list", json!({})).await;
    assert_eq!(tools["result"]["tools"].as_array().map(Vec::len), Some(1), "{tools}");
    approve(&gateway, &withheld(&gateway, "crm").await).await;
    assert_changed(Some(ada.next().await), "a session of HTTP+SSE");
    assert_silent([(&mut ada.events, "who has heard"), (&mut bob.events, "who is not granted it")]).await;
    drop((ada, bob));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_tool_that_a_module_hides_is_told_to_nobody_from_whom_it_is_hidden() {
    let crm = upstream("2025-11-25").await;
    let module = "package yett\n\ndeny contains {\"rule\": \"no-notes\"} if {\n    input.access.tool == \"notes\"\n    \
                  not \"officers\" in input.principal.groups\n}\n";
    let gateway = gateway(&crm, &crm).module("rules.rego", module).await;
    let (clerk, officer) = (gateway.key("ada", &["users"]).await, gateway.key("bob", &["users", "officers"]).await);
    let (clerk, officer) = (gateway.legacy("crm", &clerk).await, gateway.legacy("crm", &officer).await);
    let (mut hidden, mut shown) = (clerk.listen().await, officer.listen().await);
    assert_eq!(officer.list_tools().await.tools(), ["get"]);
    approve(&gateway, &withheld(&gateway, "crm").await).await;
    assert_changed(shown.next().await, "who may see it");
    assert_eq!(officer.list_tools().await.tools(), ["get", "notes"]);
    assert_silent([(&mut hidden, "from whom a module hides it")]).await;
    assert_eq!(clerk.list_tools().await.tools(), ["get"]);
    drop((hidden, shown));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn approvals_and_reloads_at_the_same_time_leave_what_both_say() {
    let crm = upstream("2025-11-25").await;
    let gateway = gateway(&crm, &crm).await;
    let ada = gateway.legacy("crm", &gateway.key("ada", &["users"]).await).await;
    let mut events = ada.listen().await;
    assert_eq!(ada.list_tools().await.tools(), ["get"]);
    let definition = withheld(&gateway, "crm").await;
    let file = gateway.data().parent().unwrap().join("policies/0.yaml");
    for (grants, is_approved, tools) in [
        ("get, notes, other", true, &["get", "notes"][..]),
        ("get", false, &["get"]),
        ("get", true, &["get"]),
        ("get, notes", true, &["get", "notes"]),
        ("get, notes, other", false, &["get"]),
    ] {
        fs::write(&file, POLICY.replacen("tools: [get, notes]", &format!("tools: [{grants}]"), 1)).unwrap();
        let approval = async {
            turn(&gateway, &definition, is_approved).await;
        };
        let (reloaded, ()) = tokio::join!(gateway.running.reload("signal"), approval);
        reloaded.unwrap();
        assert_eq!(ada.list_tools().await.tools(), tools, "{grants} {is_approved}");
        let called = ada.call("notes", json!({})).await;
        assert_eq!(called.code().is_none(), tools.len() == 2, "{grants} {is_approved}: {called:?}");
    }
    // Each list that it asked for was the one in force, so it may have heard of none of these changes; of no more, in any case.
    let mut heard = 0;
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(1500), events.next()).await {
        heard += 1;
        assert_changed(Some(message), "the session");
        assert!(heard <= 10, "it hears of more than there was");
    }
    approve(&gateway, &definition).await;
    assert_changed(events.next().await, "who has not asked since");
    assert_silent([(&mut events, "who has heard")]).await;
    assert_eq!(ada.list_tools().await.tools(), ["get", "notes"]);
    drop(events);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_floods_is_withheld_whole_until_it_is_forgotten_and_takes_no_room_of_others() {
    let (crm, mail) = (upstream("2025-11-25").await, upstream("2025-11-25").await);
    let gateway = gateway(&crm, &mail).await;
    let key = gateway.key("ada", &["users"]).await;
    let (ada, adas_mail) = (gateway.modern("crm", &key), gateway.modern("mail", &key));
    for list in 0..12 {
        let poisoned = |number| described_tool(&format!("{}{list}-{number}", "n".repeat(2000)), POISON);
        crm.set_tools([tool("get")].into_iter().chain((0..100).map(poisoned)));
        assert_eq!(ada.list_tools().await.tools(), ["get"]);
    }
    let refused = ada.call("get", json!({})).await;
    assert_eq!((refused.status, refused.code()), (200, Some(-32602)), "every tool counts as withheld");
    let listed = gateway.admin("GET", "/v1/quarantine").await;
    let all = listed["withheld"].as_array().unwrap();
    assert!(listed.to_string().len() < 8 << 20, "{}", listed.to_string().len());
    assert_eq!(all.iter().filter(|held| held["tool"].is_null()).count(), 1, "that there was more is told");
    assert_eq!(adas_mail.list_tools().await.tools(), ["get"]);
    assert_eq!(adas_mail.call("get", json!({})).await.text(), "get was called");
    let mails = gateway.admin("GET", "/v1/quarantine?server=mail").await;
    assert!(mails["withheld"][0]["text"].as_str().is_some_and(|text| text.contains("IMPORTANT")), "{mails:#}");

    crm.set_tools([tool("get")]);
    assert_eq!(ada.list_tools().await.tools(), ["get"]);
    assert_eq!(ada.call("get", json!({})).await.code(), Some(-32602), "whatever it says next");
    let forgotten = gateway.admin("DELETE", "/v1/withheld/crm?requester=ops-7&reason=replaced").await;
    assert_eq!(forgotten["withheld"], json!([]));
    assert_eq!(ada.call("get", json!({})).await.text(), "get was called");
    gateway.stop_and_verify().await;
}

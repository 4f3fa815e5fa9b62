//! `per: principal`: each caller has a process, and everything that it says.

use serde_json::{Value, json};

use super::{ASKING, Stage, is_alive, is_gone, told};
use crate::support::client::Client;
use crate::support::within;

#[tokio::test]
async fn callers_have_processes_of_their_own() {
    let stage = Stage::with(", per: principal").await;
    let (ada, again, bob) = (stage.legacy(&stage.ada).await, stage.legacy(&stage.ada).await, stage.legacy(&stage.bob).await);
    let mut processes = Vec::new();
    for client in [&ada, &again, &bob] {
        processes.push(told(&client.call("facts", json!({})).await)["pid"].clone());
    }
    assert_eq!(processes[0], processes[1], "one caller has one");
    assert_ne!(processes[0], processes[2]);
    ada.call("crash", json!({})).await;
    assert_eq!(bob.call("echo", json!({ "text": "still here" })).await.text(), "still here");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn tenants_do_not_meet_in_a_process() {
    const TENANTS: &str = "version: 1
roles: { user: { allow: [{ servers: [tool], tools: [\"*\"] }] } }
bindings: [{ role: user, issuers: [api-key] }]
";
    let stage = Stage::of(&[], ", per: tenant", "", TENANTS).await;
    let mut processes = Vec::new();
    for (subject, tenant) in [("ada", "acme"), ("bob", "acme"), ("zoe", "globex")] {
        let client = stage.legacy(&stage.gateway.tenant_key(subject, tenant).await).await;
        processes.push(told(&client.call("facts", json!({})).await)["pid"].clone());
        // What a process shared by many is not asked, this one is not asked either.
        assert_eq!(client.request("logging/setLevel", json!({ "level": "debug" })).await.code(), Some(-32601));
    }
    for subject in ["nobody", "noone"] {
        let client = stage.legacy(&stage.gateway.key(subject, &[]).await).await;
        processes.push(told(&client.call("facts", json!({})).await)["pid"].clone());
    }
    assert_eq!(processes[0], processes[1], "colleagues share one");
    let others: std::collections::HashSet<_> = processes[1..].iter().map(Value::to_string).collect();
    assert_eq!(others.len(), 4, "{processes:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_of_one_caller_may_tell_and_ask_where_the_policy_lets_it() {
    let stage = Stage::of(&[], ", per: principal", "", ASKING).await;
    let sampling = json!({ "sampling": {} });
    let ada = Client::declaring(stage.gateway.address, "tool", &stage.ada, "2025-11-25", sampling.clone()).await;
    let told_events =
        ada.stream("tools/call", json!({ "name": "notify", "arguments": { "data": "for ada" } })).await.rest().await;
    assert_eq!(told_events[0]["params"]["data"], "for ada", "{told_events:?}");

    let mut events = ada.stream("tools/call", json!({ "name": "ask", "arguments": {} })).await;
    let question = within("the question", events.next()).await.unwrap();
    assert_eq!(question["method"], "sampling/createMessage", "{question}");
    assert_ne!(question["id"], "q1", "under an id of ours");
    let result = json!({ "role": "assistant", "content": { "type": "text", "text": "yes" }, "model": "m" });
    assert_eq!(ada.answer(&question["id"], result).await.status, 202);
    let last = within("the answer", events.next()).await.unwrap();
    let heard: Value = serde_json::from_str(last.pointer("/result/content/0/text").unwrap().as_str().unwrap()).unwrap();
    assert_eq!((&heard["id"], &heard["result"]["model"]), (&json!("q1"), &json!("m")), "{last}");

    // Whoever has not said that it can be asked is not asked.
    let bob = Client::legacy(stage.gateway.address, "tool", &stage.bob, "2025-11-25").await;
    let refused = bob.call("ask", json!({})).await;
    assert!(format!("{:?}", refused.messages()).contains("-32601"), "{refused:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn the_servers_first_client_is_shown_to_it_as_it_is() {
    let stage = Stage::with(", per: principal").await;
    let client = stage.legacy(&stage.ada).await;
    let heard = told(&client.call("heard", json!({})).await);
    let hello: Value = serde_json::from_str(heard[0].as_str().unwrap()).unwrap();
    assert_eq!(hello["params"]["clientInfo"]["name"], "test", "{hello}");
    assert_eq!(client.request("logging/setLevel", json!({ "level": "debug" })).await.result()["resultType"], "complete");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_process_that_nobody_uses_ends_and_its_sessions_with_it() {
    let stage = Stage::with(", per: principal, idle_timeout: 2s").await;
    let client = stage.legacy(&stage.ada).await;
    let process = told(&client.call("facts", json!({})).await)["pid"].clone();
    is_gone(&process).await;
    let answer = client.call("echo", json!({})).await;
    assert_eq!((answer.status, answer.code()), (404, Some(-31404)), "the client is to start again: {answer:?}");
    assert_eq!(stage.legacy(&stage.ada).await.call("echo", json!({ "text": "again" })).await.text(), "again");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn there_are_no_more_processes_than_there_may_be() {
    let stage = Stage::with(", per: principal, processes: 1").await;
    let ada = stage.modern(&stage.ada);
    let process = told(&ada.call("facts", json!({})).await)["pid"].clone();
    // One that is at work stays, and whoever comes then is told to come later.
    let mut busy = ada.stream("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
    within("the acknowledgement", busy.next()).await.unwrap();
    let bob = stage.modern(&stage.bob);
    let refused = bob.call("echo", json!({})).await;
    assert_eq!((refused.status, refused.code()), (503, Some(-31503)), "{refused:?}");
    assert!(is_alive(&process));
    drop(busy);
    let served = async { while bob.call("echo", json!({ "text": "x" })).await.text() != "x" {} };
    within("a place", served).await;
    is_gone(&process).await;
    stage.gateway.stop_and_verify().await;
}

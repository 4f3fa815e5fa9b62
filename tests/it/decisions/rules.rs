//! `rules:` take away what roles grant.

use serde_json::{Value, json};
use yett::protocol::encode_header;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::server::{Upstream, tool};

const POLICY: &str = r#"version: 1
roles:
  user: { allow: [{ servers: [crm], tools: ["*"], prompts: ["*"], resources: ["file:///**"] }] }
bindings: [{ role: user, groups: [users] }]
rules:
  - { name: no-deletes, deny: { servers: [crm], tools: [delete_*] } }
  - { name: nothing-destructive, deny: { servers: ["*"], operations: [destructive] } }
  - { name: no-secrets, deny: { servers: [crm], resources: ["file:///secret/**"], prompts: [draft_*] } }
  - { name: maybe-no-search, deny: { servers: [crm], tools: [search] }, mode: shadow }
"#;

async fn gateway(crm: &Upstream) -> Gateway {
    crm.set_tools([tool("search"), tool("delete_user"), tool("DELETE_all"), tool("drop"), tool("Drop"), tool("update")]);
    Gateway::start()
        .policy(POLICY)
        .server("crm", crm, "tools: { drop: { operation: destructive }, search: { operation: read } }")
        .await
}

async fn both(gateway: &Gateway) -> [Client; 2] {
    let key = gateway.key("una", &["users"]).await;
    [gateway.modern("crm", &key), gateway.legacy("crm", &key).await]
}

/// What a caller can compare: everything but the id of the record and the name they sent themselves.
fn comparable(answer: &Answer, name: &str) -> Value {
    let text = String::from_utf8_lossy(&answer.body).replace(&answer.call(), "CALL").replace(name, "NAME");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn what_a_rule_takes_away_is_neither_listed_nor_called_and_looks_like_what_is_not_there() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway).await {
        let names = client.list_tools().await;
        let names =
            names.json()["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect::<Vec<_>>();
        assert_eq!(names, ["search", "update"]);
        for (name, rule) in [
            ("delete_user", "rule:no-deletes"),
            // Some servers fold case: a deny holds for every spelling.
            ("DELETE_all", "rule:no-deletes"),
            ("drop", "rule:nothing-destructive"),
            ("Drop", "rule:nothing-destructive"),
        ] {
            let seen = crm.count();
            let answer = client.call(name, json!({})).await;
            assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "{name}: {answer:?}");
            assert_eq!(answer.message(), format!("Unknown tool: {name}"));
            assert_eq!(crm.count(), seen, "{name} reached the server");
            let records = gateway.records_of(&answer.call());
            assert_eq!(
                (&records[0]["dec"]["effect"], &records[0]["dec"]["rule"]),
                (&json!("deny"), &json!(rule)),
                "{records:#?}"
            );
        }
        // What no role could grant, since it is no name of a tool, is answered by the same code.
        let unknown = comparable(&client.call("a/b", json!({})).await, "a/b");
        assert_eq!(comparable(&client.call("drop", json!({})).await, "drop"), unknown);
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn resources_and_prompts_are_taken_away_as_tools_are() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway).await {
        for (method, params, name, code) in [
            ("resources/read", json!({ "uri": "file:///secret/a" }), "file:///secret/a", -32602),
            ("prompts/get", json!({ "name": "draft_1" }), "draft_1", -32602),
        ] {
            let seen = crm.count();
            let message = client.message(Some(&json!(1)), method, params);
            let answer = client.post(&message).header("Mcp-Name", &encode_header(name)).send().await;
            let is_refused = answer.code() == Some(code) || answer.code() == Some(-32002);
            assert!(answer.status == 200 && is_refused, "{method}: {answer:?}");
            assert_eq!(crm.count(), seen, "{method} reached the server");
            let records = gateway.records_of(&answer.call());
            assert_eq!(records[0]["dec"]["rule"], "rule:no-secrets", "{records:#?}");
        }
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_rule_in_shadow_is_on_record_and_lets_through() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway).await {
        let answer = client.call("search", json!({})).await;
        assert_eq!((answer.status, answer.code()), (200, None), "{answer:?}");
        let records = gateway.ended(&answer.call()).await;
        let finding =
            records[0]["dec"]["findings"].as_array().unwrap().iter().find(|finding| finding["layer"] == "authz").unwrap();
        assert_eq!((&finding["rule"], &finding["action"]), (&json!("rule:maybe-no-search"), &json!("shadow")), "{records:#?}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_servers_own_word_makes_its_tools_more_dangerous_and_never_less() {
    let crm = Upstream::start().await;
    let hinted = |name: &str, hints: Value| json!({ "name": name, "inputSchema": { "type": "object" }, "annotations": hints });
    crm.set_tools([
        hinted("wipe", json!({ "destructiveHint": true })),
        hinted("purge", json!({ "destructiveHint": true, "readOnlyHint": false })),
        hinted("search", json!({ "destructiveHint": true, "readOnlyHint": true })),
        hinted("drop", json!({ "readOnlyHint": true, "destructiveHint": false })),
        hinted("update", json!({ "readOnlyHint": true })),
    ]);
    let gateway = Gateway::start()
        .policy(POLICY)
        .server(
            "crm",
            &crm,
            "tools: { drop: { operation: destructive }, purge: { operation: read }, search: { operation: read } }",
        )
        .await;
    let key = gateway.key("una", &["users"]).await;
    // Nobody has heard the server's word yet.
    let client = gateway.modern("crm", &key);
    assert!(client.call("wipe", json!({})).await.json()["result"].is_object());
    let listed = |answer: Answer| {
        let answer = answer.json();
        answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed(client.list_tools().await), ["search", "update"], "in the very list that says so");
    for client in [client, gateway.legacy("crm", &key).await] {
        for name in ["wipe", "WIPE", "purge", "drop"] {
            let seen = crm.count();
            let refused = client.call(name, json!({})).await;
            assert_eq!((refused.code(), crm.count()), (Some(-32602), seen), "{name}: {refused:?}");
            let decision = gateway.records_of(&refused.call())[0]["dec"].clone();
            assert_eq!(decision["rule"], "rule:nothing-destructive");
            assert_eq!(decision["operation"] == "destructive", name != "drop", "{decision}");
        }
    }
    // What it has said it cannot take back.
    crm.set_tools([tool("wipe"), tool("update")]);
    assert_eq!(listed(gateway.modern("crm", &key).list_tools().await), ["update"]);
    gateway.stop_and_verify().await;
}

//! Rules with conditions, and grants with rules for arguments: what depends on a call is listed, and refused when it is called so.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::reply::Reply;
use crate::support::server::{Upstream, tool};

const POLICY: &str = r#"version: 1
roles:
  user:
    allow:
      - { servers: [crm], tools: [pay, refund, search, publish] }
      - { servers: [crm], tools: [ticket], arguments: { priority: { enum: [low, normal] } } }
      - { servers: [crm], resources: ["file:///hr/**"] }
  lead:
    allow:
      - { servers: [crm], tools: [ticket], arguments: { priority: { enum: [high] } } }
bindings: [{ role: user, groups: [users] }, { role: lead, groups: [leads] }]
rules:
  - { name: small-sums, deny: { servers: [crm], tools: [pay] }, unless: 'arguments.amount <= 1000', reason: Sums above 1000 need a person. }
  - { name: own-department, deny: { servers: [crm], resources: ["file:///hr/**"] }, unless: 'arguments.department == "sales"' }
  - { name: never-now, deny: { servers: [crm], tools: [refund] }, when: 'now.getFullYear() > 2000', reason: Refunds are closed. }
  - { name: by-department, deny: { servers: [crm], tools: [search] }, unless: 'principal.groups.exists(g, g == "sales")' }
  - { name: broken, deny: { servers: [crm], tools: [publish] }, when: 'principal.tenant == "acme"' }
"#;

async fn gateway(crm: &Upstream) -> Gateway {
    crm.set_tools(["pay", "refund", "search", "publish", "ticket"].map(tool));
    for name in ["pay", "ticket", "search"] {
        crm.on_tool(name, Reply::text("done"));
    }
    Gateway::start().policy(POLICY).servers([("crm", crm)]).await
}

async fn both(gateway: &Gateway, groups: &[&str]) -> [Client; 2] {
    let key = gateway.key("una", groups).await;
    [gateway.modern("crm", &key), gateway.legacy("crm", &key).await]
}

async fn listed(client: &Client) -> Vec<Value> {
    let answer = client.list_tools().await;
    answer.json()["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect()
}

fn record(gateway: &Gateway, answer: &Answer) -> Value {
    let records = gateway.records_of(&answer.call());
    assert_eq!(records.len(), 1, "{records:#?}");
    records[0].clone()
}

#[tokio::test]
async fn what_depends_on_the_call_is_listed_and_what_does_not_is_hidden() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway, &["users"]).await {
        assert_eq!(listed(&client).await, ["pay", "refund", "ticket"]);
        let hidden = client.call("search", json!({})).await;
        assert_eq!((hidden.code(), hidden.message().as_str()), (Some(-32602), "Unknown tool: search"), "{hidden:?}");
    }
    for client in both(&gateway, &["users", "sales"]).await {
        assert_eq!(listed(&client).await, ["pay", "refund", "search", "ticket"]);
        assert_eq!(client.call("search", json!({})).await.code(), None);
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_refusal_says_the_reason_of_its_rule_and_nothing_else_of_it() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway, &["users"]).await {
        assert_eq!(client.call("pay", json!({ "amount": 1000 })).await.code(), None);
        let seen = crm.count();
        let refused = client.call("pay", json!({ "amount": 1001 })).await;
        assert_eq!((refused.status, refused.code()), (200, Some(-31403)), "{refused:?}");
        let data = &refused.json()["error"]["data"];
        assert_eq!(*data, json!({ "reason": "Sums above 1000 need a person.", "call": refused.call() }));
        assert_eq!(crm.count(), seen);
        let found = record(&gateway, &refused);
        assert_eq!((&found["dec"]["rule"], &found["dec"]["reason"]), (&json!("rule:small-sums"), &json!("denied")), "{found:#}");
        let closed = client.call("refund", json!({})).await;
        assert_eq!(closed.json()["error"]["data"]["reason"], "Refunds are closed.");
        assert!(!String::from_utf8_lossy(&closed.body).contains("never-now"));
    }
    gateway.stop_and_verify().await;
}

/// Values that are no number, or another than they look like, are refused; a number is compared as what it is.
#[tokio::test]
async fn mcp_075_a_condition_on_an_amount_is_passed_by_no_other_value() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway, &["users"]).await {
        let seen = crm.count();
        for amount in
            ["\"1e9\"", "1e9", "1000000000.0", "\"\u{ff11}\u{ff10}\u{ff10}\u{ff10}\"", "[1]", "null", "-0", "1000.5", "{}"]
        {
            let message =
                client.message(Some(&json!(1)), "tools/call", json!({ "name": "pay", "arguments": { "amount": "AMOUNT" } }));
            let text = message.to_string().replace("\"AMOUNT\"", amount);
            let answer = client.post_bytes(&message, text).send().await;
            assert_eq!((answer.status, answer.code()), (200, Some(-31403)), "{amount}: {answer:?}");
            assert_eq!(record(&gateway, &answer)["dec"]["rule"], "rule:small-sums", "{amount}");
        }
        let without = client.call("pay", json!({})).await;
        assert_eq!(without.code(), Some(-31403), "{without:?}");
        assert_eq!(crm.count(), seen, "one reached the server");
        for amount in ["999", "-1", "1e3", "0"] {
            let message =
                client.message(Some(&json!(1)), "tools/call", json!({ "name": "pay", "arguments": { "amount": "AMOUNT" } }));
            let text = message.to_string().replace("\"AMOUNT\"", amount);
            assert_eq!(client.post_bytes(&message, text).send().await.code(), None, "{amount}");
        }
    }
    gateway.stop_and_verify().await;
}

/// The caller has no tenant: what a rule would have to know is missing.
#[tokio::test]
async fn avl_001_a_rule_that_cannot_be_judged_denies_and_says_so_in_the_record() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway, &["users"]).await {
        let seen = crm.count();
        let answer = client.call("publish", json!({})).await;
        // The rule looks at nothing but its caller: the tool is not there, as for everybody it takes it away from.
        assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "{answer:?}");
        assert_eq!(answer.message(), "Unknown tool: publish");
        assert_eq!(crm.count(), seen);
        let found = record(&gateway, &answer);
        assert_eq!(
            (&found["dec"]["rule"], &found["dec"]["reason"]),
            (&json!("rule:broken"), &json!("policy_error")),
            "{found:#}"
        );
        let missing = client.call("pay", json!({ "amount": "1000" })).await;
        assert_eq!(missing.code(), Some(-31403));
        assert_eq!(record(&gateway, &missing)["dec"]["reason"], "policy_error");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn arguments_that_no_grant_accepts_are_answered_with_what_would_be() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway, &["users"]).await {
        assert_eq!(client.call("ticket", json!({ "priority": "low" })).await.json()["result"]["isError"], json!(false));
        let seen = crm.count();
        let answer = client.call("ticket", json!({ "priority": "high" })).await;
        assert_eq!((answer.status, answer.code()), (200, None), "{answer:?}");
        let result = &answer.json()["result"];
        assert_eq!(result["isError"], true);
        let said = result["content"][0]["text"].as_str().unwrap();
        assert!(said.contains("`priority`") && said.contains("`low`") && said.contains("`normal`"), "{said}");
        assert_eq!(crm.count(), seen);
        let found = record(&gateway, &answer);
        assert_eq!((&found["dec"]["effect"], &found["dec"]["rule"]), (&json!("deny"), &json!("role:user")), "{found:#}");
        assert_eq!(found["dec"]["reason"], "arguments");
    }
    // Of several grants one has to fit.
    for client in both(&gateway, &["users", "leads"]).await {
        assert_eq!(client.call("ticket", json!({ "priority": "high" })).await.json()["result"]["isError"], json!(false));
    }
    gateway.stop_and_verify().await;
}

/// A server that does not tell upper from lower case might read the one that nobody has looked at.
#[tokio::test]
async fn an_argument_in_two_spellings_passes_no_condition() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway, &["users"]).await {
        let seen = crm.count();
        for other in ["Amount", "AMOUNT", "amount "] {
            let answer = client.call("pay", json!({ "amount": 1, other: 5000 })).await;
            assert_eq!(answer.code(), Some(-31403), "{other}: {answer:?}");
            assert_eq!(record(&gateway, &answer)["dec"]["reason"], "policy_error", "{other}");
        }
        assert_eq!(crm.count(), seen, "one reached the server");
    }
    gateway.stop_and_verify().await;
}

/// `resources/read` has no arguments, and its server takes no notice of any.
#[tokio::test]
async fn arguments_of_a_message_that_has_none_are_not_believed() {
    let crm = Upstream::start().await;
    let gateway = gateway(&crm).await;
    for client in both(&gateway, &["users"]).await {
        let seen = crm.count();
        let params = json!({ "uri": "file:///hr/1", "arguments": { "department": "sales" } });
        let message = client.message(Some(&json!(1)), "resources/read", params);
        let answer = client.post(&message).header("Mcp-Name", "file:///hr/1").send().await;
        assert_eq!((answer.status, answer.code()), (200, Some(-31403)), "{answer:?}");
        assert_eq!(crm.count(), seen, "it reached the server");
    }
    gateway.stop_and_verify().await;
}

//! Tenants and regions: what is for some callers does not exist for the others.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::server::{Upstream, tool};
use crate::support::token::Issuer;

const EVERYBODY: &str = r#"version: 1
roles:
  user: { allow: [{ servers: ["*"], tools: ["*"] }] }
bindings: [{ role: user, issuers: [api-key] }]
"#;

async fn upstream() -> Upstream {
    let upstream = Upstream::start().await;
    upstream.set_tools([tool("search"), tool("update")]);
    upstream
}

/// What a caller can compare: everything but the id of the record and the server they asked for.
fn comparable(answer: &Answer, server: &str) -> (u16, String) {
    let text = String::from_utf8_lossy(&answer.body).replace(&answer.call(), "CALL").replace(server, "SERVER");
    (answer.status, text)
}

async fn names(client: &Client) -> Vec<String> {
    let answer = client.list_tools().await;
    let answer = answer.json();
    let tools = answer["result"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn decision(gateway: &Gateway, answer: &Answer) -> Value {
    gateway.records_of(&answer.call())[0]["dec"].clone()
}

#[tokio::test]
async fn a_server_of_one_tenant_is_to_the_callers_of_others_what_no_server_is() {
    let crm = upstream().await;
    let gateway = Gateway::start().policy(EVERYBODY).server("crm", &crm, "tenants: [acme]").await;
    let ada = gateway.tenant_key("ada", "acme").await;
    assert!(gateway.modern("crm", &ada).call("search", json!({})).await.json()["result"].is_object());
    assert_eq!(names(&gateway.legacy("crm", &ada).await).await, ["search", "update"]);
    let seen = crm.count();
    let zoe = gateway.tenant_key("zoe", "globex").await;
    let nobodys = gateway.key("nobody", &[]).await;
    // Not another spelling of it either.
    let like = gateway.tenant_key("like", "ACME").await;
    for key in [&zoe, &nobodys, &like] {
        for message in [("tools/call", json!({ "name": "search", "arguments": {} })), ("tools/list", json!({}))] {
            let denied = gateway.modern("crm", key).request(message.0, message.1.clone()).await;
            let unknown = gateway.modern("nowhere", key).request(message.0, message.1).await;
            assert_eq!(comparable(&denied, "crm"), comparable(&unknown, "nowhere"));
            assert_eq!(denied.status, 404);
            assert_eq!(decision(&gateway, &denied)["detail"], "server_tenants");
        }
    }
    assert_eq!(crm.count(), seen, "a call of another tenant has reached the server");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_policy_file_for_a_tenant_binds_denies_and_limits_its_callers_alone() {
    let crm = upstream().await;
    let acme = r"version: 1
tenants: [acme]
bindings: [{ role: editor, issuers: [api-key] }]
rules: [{ name: acme-frozen, deny: { servers: [crm], tools: [search] } }]
limits:
  - { name: acme-pace, rate: 3/min, burst: 3 }
  - { name: acme-quota, quota: 2/day, tools: [update] }
";
    let shared = r"version: 1
roles:
  reader: { allow: [{ servers: [crm], tools: [search] }] }
  editor: { allow: [{ servers: [crm], tools: [search, update] }] }
bindings: [{ role: reader, issuers: [api-key] }]
";
    let gateway = Gateway::start().policy(shared).policy(acme).server("crm", &crm, "").await;
    let ada = gateway.modern("crm", &gateway.tenant_key("ada", "acme").await);
    let zoe = gateway.modern("crm", &gateway.tenant_key("zoe", "globex").await);
    // Each list is a message, too.
    assert_eq!(names(&zoe).await, ["search"]);
    assert_eq!(names(&ada).await, ["update"]);
    for _ in 0..4 {
        assert!(zoe.call("search", json!({})).await.json()["result"].is_object());
    }
    assert_eq!(zoe.call("update", json!({})).await.code(), Some(-32602));
    let frozen = ada.call("search", json!({})).await;
    assert_eq!((frozen.code(), &decision(&gateway, &frozen)["rule"]), (Some(-32602), &json!("rule:acme-frozen")));
    assert!(ada.call("update", json!({})).await.json()["result"].is_object());
    let paced = ada.call("update", json!({})).await;
    assert_eq!((paced.status, &decision(&gateway, &paced)["rule"]), (429, &json!("limit:acme-pace")));
    let colleague = gateway.modern("crm", &gateway.tenant_key("bob", "acme").await);
    for _ in 0..2 {
        assert!(colleague.call("update", json!({})).await.json()["result"].is_object());
    }
    let spent = colleague.call("update", json!({})).await;
    assert_eq!((spent.status, &decision(&gateway, &spent)["rule"]), (429, &json!("limit:acme-quota")));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn no_issuer_can_put_its_callers_into_another_issuers_tenant() {
    let crm = upstream().await;
    let (corp, partner) = (Issuer::new("corp"), Issuer::new("partner"));
    let policy = r#"version: 1
roles:
  user: { allow: [{ servers: ["*"], tools: ["*"] }] }
bindings: [{ role: user, issuers: [corp, partner], groups: [users] }]
"#;
    let claims = "claims: { groups: groups, tenant: tid }";
    let gateway = Gateway::start()
        .policy(policy)
        .issuer_with(&corp, claims)
        .issuer_with(&partner, claims)
        .server("crm", &crm, "tenants: [corp/acme]")
        .await;
    for (issuer, tenant, status) in
        [(&corp, "acme", 200), (&partner, "acme", 404), (&partner, "corp/acme", 404), (&corp, "corp/acme", 404)]
    {
        let token = issuer.token(&gateway, "crm", "ada", &["users"]).claim("tid", tenant).signed();
        assert_eq!(gateway.modern("crm", &token).call("search", json!({})).await.status, status, "{tenant}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn data_of_a_region_is_for_callers_of_that_region_who_are_known_to_be_there() {
    let (records, wiki) = (upstream().await, upstream().await);
    let corp = Issuer::new("corp");
    let policy = r#"version: 1
roles:
  user: { allow: [{ servers: ["*"], tools: ["*"] }] }
bindings:
  - { role: user, issuers: [corp], groups: [users] }
  - { role: user, issuers: [api-key] }
rules:
  - name: eu-data-for-eu-callers
    deny: { servers: ["*"], regions: [eu] }
    unless: "principal.region == server.region"
"#;
    let gateway = Gateway::start()
        .policy(policy)
        .issuer_with(&corp, "claims: { groups: groups, region: country }")
        .identity_extra("regions: { api-key: eu }")
        .server("records", &records, "region: eu")
        .server("wiki", &wiki, "")
        .await;
    let token = |region: Option<&str>, server: &str| {
        let token = corp.token(&gateway, server, "ada", &["users"]);
        region.map_or(token.clone(), |region| token.claim("country", region)).signed()
    };
    for (region, seen, detail) in [(Some("eu"), 2, Value::Null), (Some("us"), 0, Value::Null), (None, 0, json!("missing"))] {
        let client = gateway.modern("records", &token(region, "records"));
        assert_eq!(names(&client).await.len(), seen, "{region:?}");
        let answer = client.call("search", json!({})).await;
        assert_eq!(answer.json()["result"].is_object(), seen > 0, "{region:?}");
        let decision = decision(&gateway, &answer);
        assert_eq!(decision["effect"] == "allow", seen > 0, "{decision}");
        if seen == 0 {
            assert_eq!(decision["rule"], "rule:eu-data-for-eu-callers");
        }
        if !detail.is_null() {
            assert_eq!(decision["reason"], "policy_error", "{decision}");
        }
        // What is nowhere in particular is for everybody.
        let client = gateway.modern("wiki", &token(region, "wiki"));
        assert!(client.call("search", json!({})).await.json()["result"].is_object(), "{region:?}");
    }
    // Keys are where yett.yaml says that they are.
    let key = gateway.key("robot", &[]).await;
    assert!(gateway.modern("records", &key).call("search", json!({})).await.json()["result"].is_object());
    // A token that says nonsense is a bad token, not one from nowhere.
    let nonsense = corp.token(&gateway, "records", "ada", &["users"]).claim("country", json!(["eu", "us"])).signed();
    assert_eq!(gateway.modern("records", &nonsense).call("search", json!({})).await.status, 401);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_may_be_the_gateway_of_another_region() {
    let records = upstream().await;
    let there = r"version: 1
roles:
  relay: { allow: [{ servers: [records], tools: [search] }] }
bindings: [{ role: relay, groups: [gateways] }]
";
    let eu = Gateway::start().policy(there).server("records", &records, "region: eu").await;
    let key = eu.key("gateway-us", &["gateways"]).await;
    let us = Gateway::start()
        .policy(EVERYBODY)
        .server_written("records", &format!("{{ url: \"{}\", region: eu, auth: {{ bearer: \"{key}\" }} }}", eu.url("records")))
        .await;
    let ada = us.key("ada", &[]).await;
    for client in [us.modern("records", &ada), us.legacy("records", &ada).await] {
        assert_eq!(names(&client).await, ["search"], "the list is what both let through");
        let found = client.call("search", json!({ "q": "x" })).await;
        assert!(found.json()["result"].is_object(), "{found:?}");
        // What the other gateway refuses, it refuses for its own reasons, and both have a record.
        let refused = client.call("update", json!({})).await;
        assert_eq!(refused.code(), Some(-32602), "{refused:?}");
    }
    let allowed = |gateway: &Gateway| {
        let records = gateway.records(&yett::audit::Filter::default());
        records.iter().filter(|record| record["what"]["name"] == "search" && record["dec"]["effect"] == "allow").count()
    };
    assert_eq!((allowed(&us), allowed(&eu)), (2, 2));
    us.stop_and_verify().await;
    eu.stop_and_verify().await;
}

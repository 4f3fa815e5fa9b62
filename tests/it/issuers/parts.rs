//! What the real issuers are, as far as tests rely on it.

use serde_json::json;

use crate::support::issuer::{Provider, claims};
use crate::support::openbao::OpenBao;

#[tokio::test]
async fn the_provider_issues_what_tests_take_for_granted() {
    let provider = Provider::start().await;
    let resource = "http://127.0.0.1:1/mcp/crm";
    let token = provider.token_with("machine", resource, "crm.read").await;
    let said = claims(&token);
    assert_eq!((&said["aud"], &said["iss"]), (&json!(resource), &json!(provider.issuer)));
    assert_eq!((&said["groups"], &said["tenant"], &said["scope"]), (&json!(["staff"]), &json!("acme"), &json!("crm.read")));
    let opaque = provider.token("opaque", resource).await;
    assert!(!opaque.contains('.'), "{opaque}");
    let said = provider.post("/token/introspection", "gateway", &[("token", &opaque)]).await;
    assert_eq!((&said["active"], &said["aud"], &said["sub"]), (&json!(true), &json!(resource), &json!("opaque")));
    // What is issued outlives a rotation and a restart, and can be taken back.
    provider.rotate(false).await;
    provider.stop().await;
    provider.start_again().await;
    let said = provider.post("/token/introspection", "gateway", &[("token", &opaque)]).await;
    assert_eq!(said["active"], true);
    provider.revoke("opaque", &opaque).await;
    let said = provider.post("/token/introspection", "gateway", &[("token", &opaque)]).await;
    assert_eq!(said, json!({ "active": false }));
}

#[tokio::test]
async fn openbao_issues_tokens_without_a_type_and_keeps_secrets() {
    let bao = OpenBao::start().await;
    bao.issue_for("http://127.0.0.1:1/mcp/crm", "ES256").await;
    let said = claims(&bao.token().await);
    assert_eq!((&said["aud"], &said["iss"]), (&json!("http://127.0.0.1:1/mcp/crm"), &json!(bao.issuer())));
    assert_eq!((&said["groups"], &said["tenant"]), (&json!(["staff"]), &json!("acme")));
    bao.rotate("0s").await;
    bao.put("crm", json!({ "token": "one" })).await;
    let read = bao.root(http::Method::GET, "secret/data/crm", serde_json::Value::Null).await;
    assert_eq!(read["data"]["token"], "one");
}

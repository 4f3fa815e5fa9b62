//! The whole way with real parts: the official SDK finds the issuer through our metadata, its user signs in, and a tool is called.

use serde_json::{Value, json};

use super::discovering_with;
use crate::peers::parts;
use crate::support::gateway::Gateway;
use crate::support::issuer::{Provider, claims};

/// Beside the policy of the stage: `danger` takes a scope.
const SCOPED: &str = "version: 1
roles:
  careful:
    allow: [{ servers: [crm], tools: [danger], scopes: [crm.write] }]
bindings:
  - { role: careful, groups: [staff], issuers: [corp, api-key] }
";

/// Runs the client of `tests/identity/flow.py`.
async fn walk(gateway: &Gateway, login: &str, mode: &str, tools: &[&str]) -> Value {
    let mut command = tokio::process::Command::from(parts::identity_client());
    command.arg(gateway.url("crm")).args([login, mode]).args(tools).kill_on_drop(true);
    let done = crate::support::within("the client", command.output()).await.unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{complaints}");
    serde_json::from_slice(&done.stdout).unwrap()
}

#[tokio::test]
async fn mcp_088_a_real_client_finds_the_issuer_signs_in_calls_and_steps_up() {
    let provider = Provider::start().await;
    let stage = discovering_with(&provider, "", |builder| builder.policy(SCOPED)).await;
    let resource = stage.gateway.url("crm");
    for mode in ["modern", "legacy"] {
        let told = walk(&stage.gateway, "ada", mode, &["echo", "danger"]).await;
        assert_eq!(told["said"], json!({ "echo": "echo was called", "danger": "danger was called" }), "{mode}: {told}");
        let asked = told["asked"].as_array().unwrap();
        assert_eq!(asked.len(), 2, "{mode}: once to sign in, and once for more: {told}");
        for asked in asked {
            assert_eq!(
                (&asked["resource"], &asked["code_challenge_method"]),
                (&json!(resource), &json!("S256")),
                "{mode}: {told}"
            );
        }
        assert!(asked[1]["scope"].as_str().unwrap().split(' ').any(|scope| scope == "crm.write"), "{mode}: {told}");
        let token = told["token"].as_str().unwrap();
        let said = claims(token);
        assert_eq!((&said["aud"], &said["sub"], &said["iss"]), (&json!(resource), &json!("ada"), &json!(provider.issuer)));
        // The same token, at the route of another server.
        let seen = stage.upstream.count();
        let answer = stage.gateway.modern("hr", token).call("echo", json!({})).await;
        assert_eq!((answer.status, stage.upstream.count()), (401, seen), "{mode}: {answer:?}");
        let record = stage.gateway.records_of(&answer.call()).pop().unwrap();
        assert_eq!(record["dec"]["detail"], "token_audience", "{mode}: {record}");
    }
    let other = provider.token("machine", &stage.gateway.url("hr")).await;
    let answer = stage.gateway.modern("crm", &other).call("echo", json!({})).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

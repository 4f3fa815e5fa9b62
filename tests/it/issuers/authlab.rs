//! What `mcp-authlab` (`PyPI`), a scanner for the authorization of MCP servers, says of a route. Its report stands in `docs/authlab.md`.

use serde_json::Value;

use super::discovering_with;
use crate::peers::parts;
use crate::support::issuer::Provider;
use crate::support::within;

/// Beside the policy of the stage: `danger` takes a scope.
const SCOPED: &str = "version: 1
roles:
  careful:
    allow: [{ servers: [crm], tools: [danger], scopes: [crm.write] }]
bindings:
  - { role: careful, groups: [staff], issuers: [corp, api-key] }
";

#[tokio::test]
async fn the_authorization_scanner_finds_nothing_wrong_with_a_route() {
    let provider = Provider::start().await;
    let stage = discovering_with(&provider, "", |builder| builder.policy(SCOPED)).await;
    let (crm, hr) = (stage.gateway.url("crm"), stage.gateway.url("hr"));
    let (token, foreign) = (provider.token("machine", &crm).await, provider.token("machine", &hr).await);
    let mut command = tokio::process::Command::from(parts::authlab());
    command.args([
        "scan",
        &crm,
        "--token",
        &token,
        "--foreign-token",
        &foreign,
        "--no-login",
        "--tool",
        "danger",
        "--format",
        "json",
    ]);
    let done = within("the scanner", command.kill_on_drop(true).output()).await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let report: Value = serde_json::from_str(&said).unwrap();
    let results = report["results"].as_array().unwrap();
    let failed: Vec<_> = results.iter().filter(|result| matches!(result["status"].as_str(), Some("fail" | "error"))).collect();
    let passed = results.iter().filter(|result| result["status"] == "pass").count();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(passed >= 25, "only {passed} checks passed: {report:#}");
    stage.gateway.stop_and_verify().await;
}

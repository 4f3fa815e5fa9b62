//! A rule applies when its sensitivity is above the clearance of whoever would receive the text: the caller for replies, the server
//! (its classification) for requests.

use serde_json::json;

use super::{SSN, policy};
use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::server::Upstream;
use crate::support::token::Issuer;

const CLASSES: [&str; 4] = ["public", "internal", "confidential", "restricted"];

/// Which classes do not receive what is `sensitivity`.
fn below(sensitivity: &str) -> impl Fn(&str) -> bool {
    let rank = |class: &str| CLASSES.iter().position(|known| *known == class);
    let limit = rank(sensitivity);
    move |class| rank(class) < limit
}

#[tokio::test]
async fn a_server_receives_what_its_classification_allows() {
    for sensitivity in ["internal", "confidential", "restricted"] {
        let masks = below(sensitivity);
        let rules = format!(
            "dlp:\n  rules:\n    - {{ name: ids, detect: [us_ssn], sensitivity: {sensitivity}, direction: [request], action: mask }}\n"
        );
        let mut upstreams = Vec::new();
        let mut start = Gateway::start().policy(&policy(&rules));
        for class in CLASSES {
            let upstream = Upstream::start().await;
            start = start.server(class, &upstream, &format!("classification: {class}"));
            upstreams.push((class, upstream));
        }
        let gateway = start.await;
        let key = gateway.key("ada", &["staff"]).await;
        for (class, upstream) in &upstreams {
            assert_eq!(gateway.modern(class, &key).call("echo", json!({ "text": SSN })).await.status, 200);
            let heard = upstream.calls()[0].json()["params"]["arguments"]["text"].clone();
            let expected = if masks(class) { "[us_ssn]" } else { SSN };
            assert_eq!(heard, expected, "{sensitivity} text for a {class} server");
        }
        gateway.stop_and_verify().await;
    }
}

#[tokio::test]
async fn a_caller_receives_what_their_clearance_allows() {
    let corp = Issuer::new("corp");
    let identity = format!(
        "identity: {{ issuers: [{{ name: corp, issuer: \"{}\", jwks_file: corp.jwks.json, algorithms: [ES256], \
         claims: {{ subject: sub, groups: groups, attributes: {{ clearance: level }} }} }}] }}\n",
        corp.url
    );
    let rules = "dlp:
  clearance: { default: internal, from: principal.attributes.clearance }
  rules:
    - { name: ids, detect: [us_ssn], sensitivity: confidential, direction: [response], action: mask }
";
    // Two issuers, so bindings name theirs.
    let policy = policy(rules).replace("{ role: all, groups", "{ role: all, issuers: [corp, api-key], groups");
    let crm = Upstream::start().await;
    crm.on_tool("echo", Reply::text(SSN));
    let gateway = Gateway::start().policy(&policy).servers([("crm", &crm)]).issuer(&corp).config_extra(&identity).await;
    let masks = below("confidential");
    let token = || corp.token(&gateway, "crm", "ada", &["staff"]);
    // A word that is no class gives the least; nothing is guessed upwards.
    let callers = CLASSES.map(|class| (class, masks(class))).into_iter().chain([("Restricted", true), ("top secret", true)]);
    for (level, masked) in callers {
        let answer = gateway.modern("crm", &token().claim("level", level).signed()).call("echo", json!({})).await;
        assert_eq!(answer.text(), if masked { "[us_ssn]" } else { SSN }, "clearance {level:?}");
    }
    let unsaid = gateway.modern("crm", &token().signed()).call("echo", json!({})).await;
    assert_eq!(unsaid.text(), "[us_ssn]", "the default is internal");
    let with_key = gateway.modern("crm", &gateway.key("bob", &["staff"]).await).call("echo", json!({})).await;
    assert_eq!(with_key.text(), "[us_ssn]", "keys have no attributes");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_rule_without_sensitivity_is_for_everybody() {
    let rules = "dlp:\n  clearance: { default: restricted }\n  rules:\n    - { name: ids, detect: [us_ssn], action: mask }\n";
    let crm = Upstream::start().await;
    crm.on_tool("echo", Reply::text(SSN));
    let gateway = Gateway::start().policy(&policy(rules)).server("crm", &crm, "classification: restricted").await;
    let answer = gateway.modern("crm", &gateway.key("ada", &["staff"]).await).call("echo", json!({ "text": SSN })).await;
    assert_eq!(answer.text(), "[us_ssn]");
    assert_eq!(crm.calls()[0].json()["params"]["arguments"]["text"], "[us_ssn]");
    gateway.stop_and_verify().await;
}

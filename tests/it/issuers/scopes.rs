//! Scopes that a policy wants: told to whoever can get one, and to nobody else.

use serde_json::{Value, json};

use crate::support::stage::Stage;
use crate::support::token::Issuer;

/// Beside the policy of the stage: `danger` takes two scopes.
const SCOPED: &str = "version: 1
roles:
  careful:
    allow:
      - { servers: [crm], tools: [danger], scopes: [crm.read, crm.write] }
      - { servers: [crm], tools: [danger], scopes: [crm.admin, crm.audit, crm.sign] }
      - { servers: [crm], methods: [vendor/reset], scopes: [crm.admin] }
bindings:
  - { role: careful, groups: [staff], issuers: [corp, api-key] }
";

async fn scoped() -> (Stage, Issuer) {
    let issuer = Issuer::new("corp");
    let stage =
        Stage::trusting_with(&[&issuer], |builder| builder.policy(SCOPED).issuer_with(&issuer, "clients: [test-client]")).await;
    stage.gateway.clock.freeze();
    (stage, issuer)
}

fn token(stage: &Stage, issuer: &Issuer, groups: &[&str], name: &str, scopes: impl Into<Value>) -> String {
    issuer.token(&stage.gateway, "crm", "ada", groups).claim(name, scopes).signed()
}

async fn danger(stage: &Stage, credential: &str) -> crate::support::http::Answer {
    stage.gateway.modern("crm", credential).call("danger", json!({})).await
}

/// Refused with the challenge that names these scopes.
async fn assert_step_up(stage: &Stage, what: &str, credential: &str, scopes: &str) {
    let answer = danger(stage, credential).await;
    let record = stage.assert_refused(what, &answer, 403);
    assert_eq!(
        (&record["dec"]["reason"], &record["dec"]["detail"]),
        (&json!("insufficient_scope"), &json!("scope_missing")),
        "{what}: {record}"
    );
    let metadata = format!("http://{}/.well-known/oauth-protected-resource/mcp/crm", stage.gateway.address);
    let challenge = format!(
        "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", resource_metadata=\"{metadata}\", \
         error_description=\"The token lacks a scope that this needs\""
    );
    assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{what}: {answer:?}");
    assert_eq!(answer.code(), Some(-31403), "{what}: {answer:?}");
}

#[tokio::test]
async fn mcp_088_a_missing_scope_is_named_to_whoever_can_get_it() {
    let (stage, issuer) = scoped().await;
    let token = |scopes: &str| token(&stage, &issuer, &["staff"], "scope", scopes);
    for held in ["", "crm.read", "crm.write other", "crm.admin"] {
        assert_step_up(&stage, held, &token(held), "crm.read crm.write").await;
    }
    // Of two ways the one that is nearer, all of it.
    assert_step_up(&stage, "the other way is nearer", &token("crm.admin crm.audit"), "crm.admin crm.audit crm.sign").await;
    stage.assert_passes("all scopes", &danger(&stage, &token("crm.write crm.read more")).await);
    // What takes no scope takes none.
    stage.assert_passes("no scope", &stage.gateway.modern("crm", &token("")).call("echo", json!({ "text": "hi" })).await);
    // In a session as well, whose token may be renewed meanwhile.
    let legacy = stage.gateway.legacy("crm", &token("")).await;
    let seen = stage.upstream.count();
    let answer = legacy.call("danger", json!({})).await;
    assert_eq!((answer.status, stage.upstream.count()), (403, seen), "{answer:?}");
    assert!(answer.header("www-authenticate").unwrap().contains("scope=\"crm.read crm.write\""), "{answer:?}");
    let mut renewed = stage.gateway.legacy("crm", &token("crm.read crm.write")).await;
    renewed.session.clone_from(&legacy.session);
    assert_eq!(renewed.call("danger", json!({})).await.status, 200);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_088_no_scope_is_asked_for_that_would_not_help() {
    let (stage, issuer) = scoped().await;
    // No role at all; a tool that no role names; a caller who cannot get another token.
    let guest = token(&stage, &issuer, &["guests"], "scope", "");
    let answer = danger(&stage, &guest).await;
    stage.assert_refused("no role", &answer, 404);
    assert_eq!(answer.header("www-authenticate"), None, "{answer:?}");
    let staff = token(&stage, &issuer, &["staff"], "scope", "");
    let answer = stage.gateway.modern("crm", &staff).call("unknown", json!({})).await;
    stage.assert_refused("no such tool", &answer, 200);
    assert_eq!((answer.code(), answer.header("www-authenticate")), (Some(-32602), None), "{answer:?}");
    let key = stage.key.clone();
    let answer = danger(&stage, &key).await;
    let record = stage.assert_refused("an API key", &answer, 200);
    assert_eq!((answer.code(), answer.header("www-authenticate")), (Some(-31403), None), "{answer:?}");
    assert_eq!(record["dec"]["detail"], "scope_missing", "{record}");
    // All who would need a scope see for what.
    for credential in [staff, key] {
        let listed = stage.gateway.modern("crm", &credential).request("tools/list", json!({})).await;
        assert!(listed.json()["result"]["tools"].to_string().contains("\"danger\""), "{listed:?}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_089_a_scope_is_its_letters_and_an_item_of_a_list_one_scope() {
    let (stage, issuer) = scoped().await;
    for held in
        [json!("*"), json!("crm.*"), json!("crm.read:crm.write"), json!("CRM.READ CRM.WRITE"), json!(["crm.read", "crm.write2"])]
    {
        assert_step_up(&stage, &held.to_string(), &token(&stage, &issuer, &["staff"], "scp", held.clone()), "crm.read crm.write")
            .await;
    }
    for bad in [
        json!(["crm.read crm.write"]),
        json!([["crm.read", "crm.write"]]),
        json!({ "crm.read": true }),
        json!("crm.read\tcrm.write"),
    ] {
        let answer = danger(&stage, &token(&stage, &issuer, &["staff"], "scp", bad.clone())).await;
        let record = stage.assert_refused(&bad.to_string(), &answer, 401);
        assert_eq!(record["dec"]["detail"], "token_claim", "{bad}: {record}");
    }
    for (name, good) in
        [("scp", json!(["crm.read", "crm.write"])), ("scp", json!("crm.read crm.write")), ("scope", json!("crm.write crm.read"))]
    {
        stage.assert_passes(name, &danger(&stage, &token(&stage, &issuer, &["staff"], name, good)).await);
    }
    stage.end().await;
}

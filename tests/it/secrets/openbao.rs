//! Secrets in `OpenBao`.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use super::{FIRST, SECOND, in_force, metrics, metrics_token, ready, recorded, said};
use crate::support::gateway::Gateway;
use crate::support::idp::Idp;
use crate::support::openbao::{OpenBao, ROOT};
use crate::support::server::Upstream;

fn by_token(bao: &OpenBao) -> String {
    format!("stale: 1h, vault: {{ address: \"{}\", auth: {{ token: {ROOT} }} }}", bao.url)
}

#[tokio::test]
async fn a_secret_rotated_in_openbao_is_used_within_its_refresh_time_and_the_last_one_while_it_is_down() {
    let (crm, bao) = (Upstream::start().await, OpenBao::start().await);
    bao.put("team/metrics", json!({ "token": FIRST, "other": 1 })).await;
    let extra = metrics_token("${vault:secret/team/metrics#token}", &by_token(&bao));
    let gateway = Gateway::start().servers([("crm", &crm)]).config_extra(&extra).await;
    assert_eq!((metrics(&gateway, FIRST).await, ready(&gateway).await.0), (200, 200));
    bao.put("team/metrics", json!({ "token": SECOND })).await;
    in_force(&gateway, SECOND).await;
    recorded(&gateway, "secret.changed").await;

    drop(bao);
    said(&gateway, "the provider does not answer").await;
    assert_eq!((metrics(&gateway, SECOND).await, ready(&gateway).await.0), (200, 200));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_login_by_approle_is_made_again_when_it_was_revoked() {
    let (crm, bao) = (Upstream::start().await, OpenBao::start().await);
    bao.put("metrics", json!({ "token": FIRST })).await;
    bao.root(Method::POST, "sys/auth/approle", json!({ "type": "approle" })).await;
    let policy = "path \"secret/data/metrics\" { capabilities = [\"read\"] }";
    bao.root(Method::POST, "sys/policies/acl/metrics", json!({ "policy": policy })).await;
    let role = json!({ "token_policies": "metrics", "token_ttl": "3s", "token_max_ttl": "6s" });
    bao.root(Method::POST, "auth/approle/role/yett", role).await;
    let id = bao.root(Method::GET, "auth/approle/role/yett/role-id", Value::Null).await;
    let secret = bao.root(Method::POST, "auth/approle/role/yett/secret-id", json!({})).await;
    let login = format!(
        "vault: {{ address: \"{}\", auth: {{ approle: {{ role_id: {}, secret_id: {} }} }} }}",
        bao.url, id["role_id"], secret["secret_id"]
    );
    let extra = metrics_token("${vault:secret/metrics#token}", &login);
    let gateway = Gateway::start().servers([("crm", &crm)]).config_extra(&extra).await;
    assert_eq!(metrics(&gateway, FIRST).await, 200);
    // All tokens of the role are taken away, ours too.
    bao.root(Method::PUT, "sys/leases/revoke-prefix/auth/approle", json!({})).await;
    bao.put("metrics", json!({ "token": SECOND })).await;
    in_force(&gateway, SECOND).await;
    let (status, text) = ready(&gateway).await;
    assert!(status == 200 && !text.contains("warning"), "{text}");
}

#[tokio::test]
async fn a_login_by_kubernetes_shows_the_service_accounts_token_and_then_what_it_got() {
    let (crm, bao) = (Upstream::start().await, Idp::start(&Value::Null).await);
    // One answer for both questions: a login, and a secret.
    let answer = json!({
        "auth": { "client_token": "s.kubernetes", "lease_duration": 600, "renewable": false },
        "data": { "data": { "token": FIRST }, "metadata": { "created_time": "2026-11-01T00:00:00.5Z" } } });
    bao.answer_with("200 OK", "", answer.to_string().as_bytes());
    let login = format!(
        "vault: {{ address: \"http://{}\", namespace: team, auth: {{ kubernetes: {{ role: yett, token_file: jwt }} }} }}",
        bao.address
    );
    let extra = metrics_token("${vault:kv/metrics#token}", &login);
    let builder = Gateway::start().servers([("crm", &crm)]).config_extra(&extra);
    fs::write(builder.folder().join("jwt"), "ey.service.account\n").unwrap();
    let gateway = builder.await;
    assert_eq!(metrics(&gateway, FIRST).await, 200);
    let heads = bao.heads();
    assert!(heads[0].starts_with("POST /v1/auth/kubernetes/login HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[1].starts_with("GET /v1/kv/data/metrics HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[1].contains("x-vault-token: s.kubernetes\r\n"), "{heads:?}");
    assert!(heads.iter().all(|head| head.contains("x-vault-namespace: team\r\n")), "{heads:?}");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_asked_once_however_many_secrets_it_has() {
    let (crm, bao) = (Upstream::start().await, Idp::start(&Value::Null).await);
    bao.fall_silent();
    let login = format!("refresh: 1h, vault: {{ address: \"http://{}\", auth: {{ token: abc }} }}", bao.address);
    let extra = metrics_token("${vault:kv/a#token}", &login).replace("refresh: 1s, ", "");
    let servers = (0..4).map(|number| (format!("crm{number}"), format!("auth: {{ bearer: \"${{vault:kv/{number}#token}}\" }}")));
    let builder = servers.fold(Gateway::start(), |builder, (name, auth)| builder.server(&name, &crm, &auth));
    let gateway = builder.config_extra(&extra).await;
    assert_eq!(bao.asked(), 1, "{:?}", bao.heads());
    assert_eq!(ready(&gateway).await.0, 503);
}

#[tokio::test]
async fn a_start_stops_at_a_secret_that_will_not_come_by_itself_and_waits_for_a_provider_that_will() {
    let (crm, bao) = (Upstream::start().await, OpenBao::start().await);
    bao.put("metrics", json!({ "token": "short", "number": 5 })).await;
    for (reference, why) in [
        ("${vault:secret/nothing#token}", "Missing"),
        ("${vault:secret/metrics#tokn}", "NoMember(\"tokn\")"),
        ("${vault:secret/metrics#number}", "NoMember(\"number\")"),
        ("${vault:secret/metrics#token}", "Unfit(\"is too short\")"),
        ("${vault:nowhere/metrics#token}", "Missing"),
    ] {
        let extra = metrics_token(reference, &by_token(&bao));
        let error = Gateway::start().servers([("crm", &crm)]).config_extra(&extra).try_start().await.err().expect("no start");
        let told = format!("setting: \"health.metrics_token\", written: \"{reference}\", trouble: {why} ");
        assert!(error.contains(&told) && !error.contains("\"short\""), "{error}");
    }
    let down = "vault: { address: \"http://127.0.0.1:9\", auth: { token: abc } }";
    let extra = metrics_token("${vault:secret/metrics#token}", down);
    let gateway = Gateway::start().servers([("crm", &crm)]).config_extra(&extra).await;
    let (status, text) = ready(&gateway).await;
    assert!(status == 503 && text.contains("a secret of the configuration has not been read yet"), "{status} {text}");
    assert_eq!(metrics(&gateway, "anything").await, 401);
}

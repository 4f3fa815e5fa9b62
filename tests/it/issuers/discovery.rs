//! Where an issuer's keys are, as it says itself.

use serde_json::{Value, json};

use super::{OFTEN, assert_bad, assert_good, call, counted, discovering, trusting};
use crate::support::certs::{Authority, Issued, Leaf};
use crate::support::idp::Idp;
use crate::support::issuer::Provider;
use crate::support::openbao::OpenBao;
use crate::support::token::Issuer;
use crate::support::within;

const RFC_8414: &str = "/.well-known/oauth-authorization-server";

#[tokio::test]
async fn tokens_of_a_discovered_provider_pass_by_every_algorithm() {
    let provider = Provider::start().await;
    let stage = discovering(&provider, "").await;
    let resource = stage.gateway.url("crm");
    for client in ["machine-RS256", "machine-PS256", "machine-ES256", "machine-EdDSA", "machine-Ed25519"] {
        assert_good(&stage, client, &provider.token(client, &resource).await).await;
    }
    assert_bad(&stage, "another route's", &provider.token("machine", &stage.gateway.url("hr")).await, 401, "token_audience")
        .await;
    // One look at the metadata and one at the keys, whatever came.
    assert_eq!((provider.asked(RFC_8414).await, provider.asked("/jwks").await), (1, 1));
    stage.end().await;
}

#[tokio::test]
async fn an_algorithm_may_be_listed_by_the_newer_name_of_its_curve() {
    let provider = Provider::start().await;
    let stage = discovering(&provider, "algorithms: [Ed25519]").await;
    let resource = stage.gateway.url("crm");
    // RFC 9864: both names mean this curve here.
    for client in ["machine-EdDSA", "machine-Ed25519"] {
        assert_good(&stage, client, &provider.token(client, &resource).await).await;
    }
    assert_bad(&stage, "not listed", &provider.token("machine-ES256", &resource).await, 401, "token_algorithm").await;
    stage.end().await;
}

#[tokio::test]
async fn tokens_of_openbao_pass_where_it_is_said_that_they_have_no_type() {
    let bao = OpenBao::start().await;
    let written = |types: &str| {
        let claims = "claims: { subject: sub, groups: groups, tenant: tenant }";
        format!("{{ name: corp, issuer: \"{}\", algorithms: [ES256], {claims}{types}, {OFTEN} }}", bao.issuer())
    };
    let strict = trusting(&written("")).await;
    bao.issue_for(&strict.gateway.url("crm"), "ES256").await;
    // Its metadata is there from the start, at the third place; its keys are not.
    let token = bao.token().await;
    let refused = async { while call(&strict, &token).await.status == 503 {} };
    within("the first keys", refused).await;
    let record = strict.gateway.denials().pop().unwrap();
    assert_eq!((&record["dec"]["detail"], strict.upstream.count()), (&json!("token_header"), 0), "{record}");
    strict.gateway.stop_and_verify().await;

    let stage = trusting(&written(", token_types: [at+jwt, none]")).await;
    bao.root(http::Method::POST, "identity/oidc/role/yett", json!({ "key": "yett", "client_id": stage.gateway.url("crm") }))
        .await;
    assert_good(&stage, "without a type", &bao.token().await).await;
    stage.end().await;
}

/// An issuer with metadata, at a provider that a test can bend.
fn bendable(idp: &Idp, issuer: &mut Issuer) -> String {
    issuer.url = format!("http://{}", idp.address);
    idp.answer_at(RFC_8414, "200 OK", &metadata(issuer, &idp.url()));
    format!("{{ name: corp, issuer: \"{}\", algorithms: [ES256], claims: {{ groups: groups }}, {OFTEN} }}", issuer.url)
}

fn metadata(issuer: &Issuer, keys: &str) -> Value {
    json!({ "issuer": issuer.url, "jwks_uri": keys })
}

#[tokio::test]
async fn jwt_032_a_key_set_that_moves_to_another_host_is_refused_and_the_old_set_kept() {
    let mut issuer = Issuer::new("corp");
    let idp = Idp::start(&issuer.key_set()).await;
    // What the attacker controls publishes a key of theirs.
    let forged = Issuer::with_keys("corp", [crate::support::token::Key::ec("forged")]);
    let elsewhere = Idp::at("127.0.0.2:0".parse().unwrap(), &forged.key_set()).await;
    let stage = trusting(&bendable(&idp, &mut issuer)).await;
    let token = |what: &str| issuer.token(&stage.gateway, "crm", "ada", &["staff"]).claim("jti", what).signed();
    assert_good(&stage, "before", &token("before")).await;
    for to in [
        // Clear text on another host, and the name of another host; the other ways are those of `discovery.rs`.
        elsewhere.url(),
        "https://keys.evil.example/jwks".to_owned(),
    ] {
        let before = counted(&stage, "yett_issuer_discovery_failures_total").await;
        idp.answer_at(RFC_8414, "200 OK", &metadata(&issuer, &to));
        let refused = async {
            while counted(&stage, "yett_issuer_discovery_failures_total").await <= before {
                // The place that is known answers once in a while only: that is when it is asked where the keys have gone.
                idp.answer_with("404 Not Found", "", b"");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        within("the metadata to be refused", refused).await;
        assert_good(&stage, &to, &token(&to)).await;
    }
    // The old place serves again, and is still where keys come from, whatever the metadata says.
    idp.publish(&issuer.key_set());
    let asked = idp.asked_at("/jwks");
    crate::support::eventually("the old place to be asked", || (idp.asked_at("/jwks") > asked + 1).then_some(())).await;
    assert_good(&stage, "after", &token("after")).await;
    let forged = forged.token(&stage.gateway, "crm", "root", &["staff"]).claim("iss", issuer.url.as_str()).signed();
    assert_bad(&stage, "by the attacker's key", &forged, 401, "token_unknown_key").await;
    assert_eq!(elsewhere.asked(), 0, "nothing of ours went there");
    stage.end().await;
}

#[tokio::test]
async fn a_key_set_may_change_its_path() {
    let mut issuer = Issuer::new("corp");
    let idp = Idp::start(&issuer.key_set()).await;
    let stage = trusting(&bendable(&idp, &mut issuer)).await;
    let second = crate::support::token::Key::ec("second");
    let moved = Issuer { keys: vec![second.clone()], ..issuer.clone() };
    idp.answer_at("/v2/keys", "200 OK", &moved.key_set());
    idp.answer_at(RFC_8414, "200 OK", &metadata(&issuer, &format!("http://{}/v2/keys", idp.address)));
    idp.answer_with("410 Gone", "", b"");
    let token = issuer.token(&stage.gateway, "crm", "ada", &["staff"]).by(&second).signed();
    let passes = async {
        while call(&stage, &token).await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the keys at their new place", passes).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn metadata_of_another_issuer_brings_no_keys() {
    let mut issuer = Issuer::new("corp");
    let idp = Idp::start(&issuer.key_set()).await;
    let written = bendable(&idp, &mut issuer);
    idp.answer_at(RFC_8414, "200 OK", &json!({ "issuer": format!("{}/", issuer.url), "jwks_uri": idp.url() }));
    idp.answer_at("/.well-known/openid-configuration", "404 Not Found", &Value::Null);
    let stage = trusting(&written).await;
    let token = issuer.token(&stage.gateway, "crm", "ada", &["staff"]).signed();
    assert_bad(&stage, "no keys", &token, 503, "keys_stale").await;
    assert_eq!(stage.gateway.health("/readyz").await.status, 503);
    // The second place has the right one.
    idp.answer_at("/.well-known/openid-configuration", "200 OK", &metadata(&issuer, &idp.url()));
    let ready = async {
        while stage.gateway.health("/readyz").await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the keys", ready).await;
    assert_good(&stage, "keys", &token).await;
    stage.end().await;
}

#[tokio::test]
async fn jwt_032_an_issuer_is_believed_by_its_certificate_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key, ca) = (folder.path().join("cert.pem"), folder.path().join("key.pem"), folder.path().join("ca.pem"));
    let (ours, stranger) = (Authority::new("Corp CA"), Authority::new("Corp CA"));
    let put = |issued: &Issued| {
        std::fs::write(&certificate, &issued.certificate).unwrap();
        std::fs::write(&key, &issued.key).unwrap();
    };
    std::fs::write(&ca, &ours.pem).unwrap();
    put(&ours.issue(&Leaf::server("localhost")));
    let provider = Provider::secured(&ours, &certificate, &key).await;
    let stage = discovering(&provider, &format!("ca: \"{}\", {OFTEN}", ca.display())).await;
    let resource = stage.gateway.url("crm");
    assert_good(&stage, "by a CA of our own", &provider.token("machine", &resource).await).await;
    // A key that only an impostor publishes, who has taken its address.
    for (what, issued) in
        [("another name", ours.issue(&Leaf::server("other.example"))), ("another CA", stranger.issue(&Leaf::server("localhost")))]
    {
        provider.stop().await;
        put(&issued);
        provider.rotate(false).await;
        let asked = provider.asked("/jwks").await;
        let before = counted(&stage, "yett_jwks_refresh_failures_total").await;
        provider.start_again().await;
        let refused = async {
            while counted(&stage, "yett_jwks_refresh_failures_total").await <= before + 1.0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        within(what, refused).await;
        assert_eq!(provider.asked("/jwks").await, asked, "{what}: a request was sent over it");
    }
    provider.stop().await;
    put(&ours.issue(&Leaf::server("localhost")));
    provider.start_again().await;
    let token = provider.token("machine", &resource).await;
    let passes = async {
        while call(&stage, &token).await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    within("the right certificate", passes).await;
    stage.gateway.stop_and_verify().await;
}

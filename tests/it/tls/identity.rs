//! Client certificates as callers, and tokens that are bound to them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::{AGENT, OPTIONAL, REQUIRED, Secure, Setting};
use crate::support::certs::{Authority, Issued, Leaf};
use crate::support::idp::Idp;
use crate::support::token::encode;

fn agent() -> Leaf {
    Leaf::client("agent").uri(AGENT)
}

/// The one neutral 401, and the word in its record.
fn assert_401(secure: &Secure, what: &str, answer: &crate::support::http::Answer, word: &str) {
    assert_eq!(answer.status, 401, "{what}: {answer:?}");
    let record = secure.decision(answer);
    assert_eq!(record["dec"]["reason"], "unauthenticated", "{what}: {record}");
    let detail = if word.is_empty() { Value::Null } else { word.into() };
    assert_eq!(record["dec"].get("detail").cloned().unwrap_or_default(), detail, "{what}: {record}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert_eq!(challenge.contains("error=\"invalid_token\""), !word.is_empty(), "{what}: {challenge}");
    assert!(challenge.contains("resource_metadata="), "{what}: {challenge}");
    assert!(record.get("who").is_none(), "{what}: {record}");
}

#[tokio::test]
async fn http_050_a_certificate_is_a_caller_and_a_wrong_one_is_nobody() {
    let secure = Secure::new(Setting::mutual(REQUIRED)).await;
    let good = secure.send(&secure.showing(&agent()), &secure.call()).await;
    secure.stage.assert_passes("a good one", &good);
    let who = &secure.decision(&good)["who"];
    assert_eq!((&who["authn"], &who["iss"]), (&json!("mtls"), &json!("mtls")), "{who}");
    assert!(!who.to_string().contains("spiffe"), "callers stand in the log by pseudonym: {who}");

    let revoked = secure.corp.issue(&agent());
    std::fs::write(secure.file("clients.crl"), secure.corp.revocations(&[&revoked])).unwrap();
    assert!(secure.gateway().running.reload("signal").await.unwrap().changed);
    let (stranger, impostor) = (Authority::new("evil"), Authority::new("corp"));
    secure.assert_no_handshake("no certificate", &secure.client, "certificate_missing").await;
    secure.assert_no_handshake("another CA", &secure.client.showing(&stranger.issue(&agent())), "certificate_unknown_ca").await;
    // Its signature is held against the key of the authority that it names.
    secure
        .assert_no_handshake("another CA of that name", &secure.client.showing(&impostor.issue(&agent())), "certificate_invalid")
        .await;
    secure
        .assert_no_handshake("signed by itself", &secure.client.showing(&agent().self_signed()), "certificate_unknown_ca")
        .await;
    secure.assert_no_handshake("expired", &secure.showing(&agent().expired()), "certificate_expired").await;
    secure.assert_no_handshake("not yet valid", &secure.showing(&agent().not_yet()), "certificate_not_yet_valid").await;
    secure.assert_no_handshake("revoked", &secure.client.showing(&revoked), "certificate_revoked").await;
    secure.assert_no_handshake("a server's", &secure.showing(&Leaf::server("agent").uri(AGENT)), "certificate_purpose").await;
    secure.stage.assert_passes("still a good one", &secure.send(&secure.showing(&agent()), &secure.call()).await);
    secure.end().await;
}

#[tokio::test]
async fn http_050_a_certificate_names_exactly_one_caller_whom_somebody_has_bound() {
    let secure =
        Secure::new(Setting { mtls: Some("{ subject: san_uri, trust_domains: [corp.example] }"), ..Setting::mutual(OPTIONAL) })
            .await;
    for (what, leaf) in [
        ("no URI", Leaf::client("agent").name("agent.corp.example")),
        ("two URIs", agent().uri("spiffe://corp.example/other")),
        ("another trust domain", Leaf::client("agent").uri("spiffe://evil.example/agent")),
        ("another scheme", Leaf::client("agent").uri("https://corp.example/agent")),
        ("another spelling", Leaf::client("agent").uri("SPIFFE://corp.example/agent")),
        ("a path that climbs", Leaf::client("agent").uri("spiffe://corp.example/x/../agent")),
        ("the domain itself", Leaf::client("agent").uri("spiffe://corp.example")),
    ] {
        assert_401(&secure, what, &secure.send(&secure.showing(&leaf), &secure.call()).await, "certificate_subject");
    }
    let stranger = secure.send(&secure.showing(&Leaf::client("x").uri("spiffe://corp.example/x")), &secure.call()).await;
    assert_eq!(stranger.status, 404, "known, and bound to no role: {stranger:?}");
    assert_eq!(secure.decision(&stranger)["who"]["iss"], "mtls");
    assert_401(&secure, "no certificate", &secure.send(&secure.client, &secure.call()).await, "");
    secure.stage.assert_passes("a good one", &secure.send(&secure.showing(&agent()), &secure.call()).await);
    secure.end().await;
}

#[tokio::test]
async fn http_050_no_header_is_a_certificate() {
    let secure = Secure::new(Setting::mutual(OPTIONAL)).await;
    let pem = secure.corp.issue(&agent()).certificate;
    let escaped = pem.replace('\n', "%0A");
    let der = encode(der(&secure.corp.issue(&agent())));
    for (name, value) in [
        ("X-Client-Cert", escaped.as_str()),
        ("X-Forwarded-Client-Cert", &format!("Hash=00;URI={AGENT};Cert=\"{escaped}\"")),
        ("Client-Cert", &format!(":{der}:")),
        ("X-SSL-Client-Cert", &escaped),
        ("X-SSL-Client-S-DN", "CN=agent"),
        ("X-Client-Verify", "SUCCESS"),
        ("X-Spiffe-Id", AGENT),
    ] {
        for client in [&secure.client, &secure.showing(&Leaf::client("nobody").uri("spiffe://corp.example/nobody"))] {
            let answer = secure.send(client, &secure.call().header(name, value)).await;
            assert!([401, 404].contains(&answer.status), "{name}: {answer:?}");
        }
        let plain = secure.stage.gateway.post("crm").header(name, value).send().await;
        assert_eq!(plain.status, 401, "{name} without TLS: {plain:?}");
    }
    assert_eq!(secure.stage.upstream.count(), 0);
    secure.end().await;
}

#[tokio::test]
async fn a_bearer_decides_and_a_connection_without_a_caller_needs_one() {
    let secure = Secure::new(Setting { mtls: None, ..Setting::mutual(REQUIRED) }).await;
    assert_401(&secure, "nobody said what of a certificate", &secure.send(&secure.showing(&agent()), &secure.call()).await, "");
    let answer = secure.send(&secure.showing(&agent()), &secure.keyed()).await;
    secure.stage.assert_passes("a key over mTLS", &answer);
    secure.end().await;

    let secure = Secure::new(Setting::mutual(OPTIONAL)).await;
    let answer = secure.send(&secure.showing(&agent()), &secure.keyed()).await;
    secure.stage.assert_passes("a key beside a certificate", &answer);
    assert_eq!(secure.decision(&answer)["who"]["iss"], "api-key");
    let answer = secure.send(&secure.showing(&agent()), &secure.call_with("yett_none_none")).await;
    assert_401(&secure, "a bad key is not made good by a certificate", &answer, "key_unknown");
    let cookie = secure.send(&secure.showing(&agent()), &secure.call().header("Cookie", "session=1")).await;
    assert_eq!(cookie.status, 401, "{cookie:?}");
    secure.end().await;
}

#[tokio::test]
async fn a_caller_is_the_part_of_a_certificate_that_was_chosen() {
    let all = Leaf::client("agent").name("Agent.corp.example").uri("https://corp.example/someone");
    for (subject, leaf, wrong) in [
        ("san_dns", all.clone(), all.clone().name("other.corp.example")),
        ("san_dns", all.clone(), Leaf::client("agent").name("*.corp.example")),
        ("cn", all, Leaf::client(" ")),
    ] {
        let mtls = format!("{{ subject: {subject} }}");
        let secure = Secure::new(Setting { mtls: Some(&mtls), ..Setting::mutual(REQUIRED) }).await;
        secure.stage.assert_passes(subject, &secure.send(&secure.showing(&leaf), &secure.call()).await);
        assert_401(&secure, subject, &secure.send(&secure.showing(&wrong), &secure.call()).await, "certificate_subject");
        secure.end().await;
    }
}

#[tokio::test]
async fn a_certificate_that_lives_too_long_is_refused_where_short_ones_are_asked_for() {
    let secure = Secure::new(Setting { mtls: Some("{ subject: san_uri, max_lifetime: 1h }"), ..Setting::mutual(REQUIRED) }).await;
    let answer = secure.send(&secure.showing(&agent().valid(-1800, 1801)), &secure.call()).await;
    assert_401(&secure, "an hour and a second", &answer, "certificate_lifetime");
    secure.stage.assert_passes("an hour", &secure.send(&secure.showing(&agent().valid(-1800, 1799)), &secure.call()).await);
    secure.end().await;
}

fn der(issued: &Issued) -> Vec<u8> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap().to_vec()
}

fn thumbprint(issued: &Issued) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der(issued)))
}

/// Whatever a `cnf` may be that is not the thumbprint of this one certificate and nothing else.
fn wrong_confirmations(own: &str) -> [Value; 9] {
    [
        json!({ "x5t#S256": own, "jkt": "x" }),
        json!({ "x5t#S256": [own] }),
        json!({ "x5t#S256": format!("{own}=") }),
        json!({ "x5t#S256": "" }),
        json!({ "x5t": own }),
        json!({ "jkt": own }),
        json!([own]),
        json!({}),
        json!(null),
    ]
}

#[tokio::test]
async fn jwt_040_a_token_bound_to_a_certificate_is_good_on_its_connection_alone() {
    let secure = Secure::new(Setting::mutual(OPTIONAL)).await;
    let (own, other) = (secure.corp.issue(&agent()), secure.corp.issue(&agent()));
    let audience = format!("https://{}/mcp/crm", secure.address);
    let token = secure.issuer.token_for(&audience, secure.gateway().clock.seconds(), "ada", &["staff"]);
    let bound = token.clone().claim("cnf", json!({ "x5t#S256": thumbprint(&own) })).signed();
    // Twice each: what was verified on one connection is remembered for that one.
    for round in ["first", "second"] {
        let good = secure.send(&secure.client.showing(&own), &secure.call_with(&bound)).await;
        secure.stage.assert_passes(round, &good);
        assert_eq!(secure.decision(&good)["who"]["iss"], "idp");
        let stolen = secure.send(&secure.client.showing(&other), &secure.call_with(&bound)).await;
        assert_401(&secure, round, &stolen, "token_bound");
        assert_401(&secure, round, &secure.send(&secure.client, &secure.call_with(&bound)).await, "token_bound");
    }
    for confirmation in wrong_confirmations(&thumbprint(&own)) {
        let token = token.clone().claim("cnf", confirmation.clone()).signed();
        let answer = secure.send(&secure.client.showing(&own), &secure.call_with(&token)).await;
        assert_401(&secure, &confirmation.to_string(), &answer, "token_bound");
    }
    let unbound = secure.send(&secure.client.showing(&other), &secure.call_with(&token.signed())).await;
    secure.stage.assert_passes("a token bound to nothing", &unbound);
    secure.end().await;
}

/// What the issuer is asked at, beside its keys, by a gateway that asks about tokens of these kinds.
async fn asking(kinds: &str) -> (Secure, Idp) {
    let idp = Idp::start(&json!({ "keys": [] })).await;
    let issuer = format!(
        "introspection: {{ url: \"http://{}/introspect\", client_id: yett, client_secret: secret-of-yett, tokens: {kinds} }}",
        idp.address
    );
    (Secure::new(Setting { issuer: &issuer, ..Setting::mutual(OPTIONAL) }).await, idp)
}

#[tokio::test]
async fn jwt_040_an_opaque_token_that_its_issuer_calls_bound_is_good_on_its_connection_alone() {
    let (secure, idp) = asking("opaque").await;
    secure.gateway().clock.freeze();
    let (own, other) = (secure.corp.issue(&agent()), secure.corp.issue(&agent()));
    let says = |confirmation: Option<Value>| {
        let mut answer = json!({ "active": true, "sub": "ada", "groups": ["staff"], "token_type": "Bearer",
            "aud": format!("https://{}/mcp/crm", secure.address) });
        if let Some(confirmation) = confirmation {
            answer["cnf"] = confirmation;
        }
        idp.answer_at("/introspect", "200 OK", &answer);
    };
    says(Some(json!({ "x5t#S256": thumbprint(&own) })));
    // Twice each: the answer is remembered, and so is on which connection it was good.
    for round in ["first", "second"] {
        let good = secure.send(&secure.client.showing(&own), &secure.call_with("opaque-1")).await;
        secure.stage.assert_passes(round, &good);
        let who = &secure.decision(&good)["who"];
        assert_eq!((&who["iss"], &who["authn"]), (&json!("idp"), &json!("introspection")), "{who}");
        let stolen = secure.send(&secure.client.showing(&other), &secure.call_with("opaque-1")).await;
        assert_401(&secure, round, &stolen, "token_bound");
        assert_401(&secure, round, &secure.send(&secure.client, &secure.call_with("opaque-1")).await, "token_bound");
    }
    for (number, confirmation) in wrong_confirmations(&thumbprint(&own)).into_iter().enumerate() {
        says(Some(confirmation.clone()));
        let answer = secure.send(&secure.client.showing(&own), &secure.call_with(&format!("wrong-{number}"))).await;
        assert_401(&secure, &confirmation.to_string(), &answer, "token_bound");
    }
    says(None);
    let unbound = secure.send(&secure.client.showing(&other), &secure.call_with("unbound")).await;
    secure.stage.assert_passes("a token bound to nothing", &unbound);
    secure.end().await;
}

#[tokio::test]
async fn jwt_040_a_signed_token_is_bound_also_where_only_its_issuer_says_so() {
    let (secure, idp) = asking("all").await;
    let (own, other) = (secure.corp.issue(&agent()), secure.corp.issue(&agent()));
    let audience = format!("https://{}/mcp/crm", secure.address);
    let token = secure.issuer.token_for(&audience, secure.gateway().clock.seconds(), "ada", &["staff"]).signed();
    idp.answer_at("/introspect", "200 OK", &json!({ "active": true, "cnf": { "x5t#S256": thumbprint(&own) } }));
    let stolen = secure.send(&secure.client.showing(&other), &secure.call_with(&token)).await;
    assert_401(&secure, "another certificate", &stolen, "token_bound");
    assert_401(&secure, "none", &secure.send(&secure.client, &secure.call_with(&token)).await, "token_bound");
    let good = secure.send(&secure.client.showing(&own), &secure.call_with(&token)).await;
    secure.stage.assert_passes("its own", &good);
    secure.end().await;
}

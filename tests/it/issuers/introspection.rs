//! Opaque tokens: their issuer is asked what they are.

use serde_json::{Value, json};

use super::{assert_bad, assert_good, call, discovering};
use crate::support::idp::Idp;
use crate::support::issuer::Provider;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::stage::Stage;
use crate::support::token::Issuer;

const ASKED: &str = "introspection: { client_id: gateway, client_secret: secret-of-gateway }";
const PATH: &str = "/token/introspection";

#[tokio::test]
async fn jwt_046_an_opaque_token_is_what_its_issuer_says() {
    let provider = Provider::start().await;
    let stage = discovering(&provider, ASKED).await;
    let resource = stage.gateway.url("crm");
    let token = provider.token_with("opaque", &resource, "crm.read").await;
    assert_good(&stage, "active", &token).await;
    let signed = provider.token("machine", &resource).await;
    assert_good(&stage, "one that says it itself", &signed).await;
    assert_eq!(provider.asked(PATH).await, 1, "a signed token is not asked about");
    let other = provider.token("opaque", &stage.gateway.url("hr")).await;
    assert_bad(&stage, "for another route", &other, 401, "token_audience").await;
    assert_bad(&stage, "made up", "nobody-has-issued-this", 401, "token_inactive").await;
    // A thousand, and one question.
    let before = provider.asked(PATH).await;
    let fresh = provider.token("opaque", &resource).await;
    for _ in 0..8 {
        let answers = futures_util::future::join_all((0..125).map(|_| call(&stage, &fresh))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers.iter().find(|answer| answer.status != 200));
    }
    assert_eq!(provider.asked(PATH).await, before + 1);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn jwt_041_a_token_that_was_taken_back_is_refused_when_the_window_is_over() {
    let provider = Provider::start().await;
    let stage = discovering(&provider, ASKED).await;
    stage.gateway.clock.freeze();
    let token = provider.token("opaque", &stage.gateway.url("crm")).await;
    assert_good(&stage, "before", &token).await;
    provider.revoke("opaque", &token).await;
    stage.gateway.clock.advance(30);
    assert_good(&stage, "within the window", &token).await;
    stage.gateway.clock.advance(1);
    assert_bad(&stage, "after it", &token, 401, "token_inactive").await;
    stage.end().await;
}

#[tokio::test]
async fn jwt_041_a_stream_ends_with_the_token_that_it_was_opened_with() {
    let provider = Provider::start().await;
    let stage = discovering(&provider, ASKED).await;
    let there = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "there" } });
    stage.upstream.on_tool("safe", Reply::stream([Step::message(&there), Step::Wait(Gate::default()), Step::text("never")]));
    let token = provider.token("opaque", &stage.gateway.url("crm")).await;
    let client = stage.gateway.modern("crm", &token);
    let mut open = client.stream("tools/call", json!({ "name": "safe", "arguments": {} })).await;
    assert!(open.next().await.is_some(), "{:?}", open.head);
    // It is asked about again before the window is over, and stands.
    let before = provider.asked(PATH).await;
    stage.gateway.clock.advance(25);
    let asked = async {
        while provider.asked(PATH).await == before {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    crate::support::within("another question", asked).await;
    provider.revoke("opaque", &token).await;
    stage.gateway.clock.advance(25);
    let last = open.rest().await.pop().unwrap();
    assert_eq!(last["error"]["code"], -31401, "{last}");
    stage.gateway.stop_and_verify().await;
}

/// An issuer of which a test says what it answers about tokens.
struct Asked {
    stage: Stage,
    idp: Idp,
    issuer: Issuer,
}

impl Asked {
    async fn new(extra: &str) -> Self {
        let issuer = Issuer::new("corp");
        let idp = Idp::start(&issuer.key_set()).await;
        let keys = format!("jwks_url: \"{}\"", idp.url());
        let asked = format!(
            "introspection: {{ url: \"http://{}/introspect\", client_id: \"yett:1\", client_secret: \"s+cr%t\"{extra} }}",
            idp.address
        );
        let stage = Stage::trusting_with(&[&issuer], |builder| builder.issuer_at(&issuer, &keys, &asked)).await;
        stage.gateway.clock.freeze();
        Self { stage, idp, issuer }
    }

    fn says(&self, status: &str, answer: &Value) {
        self.idp.answer_at("/introspect", status, answer);
    }

    /// A good answer with more members, or others.
    fn good(&self, more: &Value) -> Value {
        let now = self.stage.gateway.clock.seconds();
        let mut answer = json!({ "active": true, "sub": "ada", "groups": ["staff"], "aud": self.stage.gateway.url("crm"),
            "client_id": "agent", "exp": now + 600, "iat": now, "token_type": "Bearer", "iss": self.issuer.url });
        for (name, value) in more.as_object().unwrap() {
            answer[name] = value.clone();
        }
        answer
    }
}

#[tokio::test]
async fn jwt_046_an_answer_passes_the_checks_that_a_token_passes() {
    let asked = Asked::new("").await;
    let now = asked.stage.gateway.clock.seconds();
    asked.says("200 OK", &asked.good(&json!({})));
    assert_good(&asked.stage, "a good one", "good-1").await;
    asked.says(
        "200 OK",
        &asked.good(&json!({ "aud": ["https://other.example", asked.stage.gateway.url("crm")], "token_type": "bearer" })),
    );
    assert_good(&asked.stage, "for two", "good-2").await;
    asked.says("200 OK", &json!({ "active": true, "sub": "ada", "groups": "staff", "aud": asked.stage.gateway.url("crm") }));
    assert_good(&asked.stage, "the least", "good-3").await;
    let head = asked.idp.heads().into_iter().find(|head| head.starts_with("POST /introspect")).unwrap().to_lowercase();
    // client_secret_basic: both form-encoded, then joined.
    assert!(head.contains("authorization: basic ewv0dcuzqte6cyuyqmnyjti1da==\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"), "{head}");
    for (word, more) in [
        ("token_inactive", json!({ "active": false })),
        ("token_audience", json!({ "aud": asked.stage.gateway.url("hr") })),
        ("token_audience", json!({ "aud": null })),
        ("token_audience", json!({ "aud": [] })),
        ("token_audience", json!({ "aud": format!("{}/", asked.stage.gateway.url("crm")) })),
        ("token_issuer", json!({ "iss": "https://evil.example" })),
        ("token_issuer", json!({ "iss": [asked.issuer.url] })),
        ("token_expired", json!({ "exp": now - 31 })),
        ("token_claim", json!({ "exp": "tomorrow" })),
        ("token_not_yet_valid", json!({ "nbf": now + 31 })),
        ("token_lifetime", json!({ "exp": now + 90_000 })),
        ("token_client", json!({ "azp": "another" })),
        ("token_bound", json!({ "cnf": { "jkt": "x" } })),
        ("token_header", json!({ "token_type": "refresh_token" })),
        ("token_header", json!({ "token_type": "DPoP" })),
        ("token_claim", json!({ "sub": "" })),
        ("token_claim", json!({ "sub": ["ada"] })),
        ("token_claim", json!({ "scope": 7 })),
    ] {
        asked.says("200 OK", &asked.good(&more));
        assert_bad(
            &asked.stage,
            &more.to_string(),
            &format!("bad-{more}").replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
            401,
            word,
        )
        .await;
    }
    asked.stage.end().await;
}

#[tokio::test]
async fn jwt_046_an_issuer_that_gives_no_answer_gives_no_access() {
    let asked = Asked::new("").await;
    let good = asked.good(&json!({}));
    asked.says("200 OK", &good);
    assert_good(&asked.stage, "remembered", "remembered").await;
    for (number, (status, answer)) in [
        ("500 Internal Server Error", good.clone()),
        ("401 Unauthorized", json!({ "error": "invalid_client" })),
        ("302 Found", good.clone()),
        ("204 No Content", Value::Null),
        ("200 OK", json!([])),
        ("200 OK", json!({})),
        ("200 OK", json!({ "active": "true" })),
        ("200 OK", json!({ "active": 1 })),
        ("200 OK", asked.good(&json!({ "padding": "x".repeat(40_000) }))),
    ]
    .into_iter()
    .enumerate()
    {
        asked.says(status, &answer);
        let what = format!("{status} {answer:.60}");
        assert_bad(&asked.stage, &what, &format!("other-{number}"), 503, "issuer_silent").await;
    }
    // Within its window nobody asks, and everybody else is served.
    assert_good(&asked.stage, "remembered", "remembered").await;
    let key = asked.stage.key.clone();
    asked.stage.assert_works_with(&key).await;
    // A second later it is asked again.
    asked.says("200 OK", &good);
    asked.stage.gateway.clock.advance(2);
    assert_good(&asked.stage, "answered again", "other-0").await;
    // After the window an issuer that is down has taken nothing back, and vouches for nothing.
    asked.says("500 Internal Server Error", &Value::Null);
    asked.stage.gateway.clock.advance(31);
    assert_bad(&asked.stage, "forgotten", "remembered", 503, "issuer_silent").await;
    asked.stage.end().await;
}

#[tokio::test]
async fn jwt_046_a_slow_issuer_holds_nobody_who_needs_no_answer_of_it() {
    let asked = Asked::new("").await;
    asked.idp.fall_silent();
    let waits = call(&asked.stage, "never-answered");
    let key = asked.stage.key.clone();
    let others = async {
        asked.idp.wait_for(2).await;
        for _ in 0..10 {
            let answer = call(&asked.stage, &key).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    let (answer, ()) = tokio::join!(waits, others);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    asked.stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_signed_token_is_asked_about_too_where_that_is_configured_and_only_after_its_signature() {
    let asked = Asked::new(", tokens: all").await;
    asked.says("200 OK", &json!({ "active": true }));
    let token = asked.issuer.token(&asked.stage.gateway, "crm", "ada", &["staff"]);
    assert_good(&asked.stage, "both say so", &token.clone().signed()).await;
    let forged = token.clone().by(&crate::support::token::Key::ec("ec-1")).signed();
    assert_bad(&asked.stage, "forged", &forged, 401, "token_signature").await;
    assert_eq!(asked.idp.asked_at("/introspect"), 1, "a forged token is not worth a question");
    asked.says("200 OK", &json!({ "active": false }));
    assert_bad(&asked.stage, "taken back", &token.clone().claim("jti", "2").signed(), 401, "token_inactive").await;
    asked.stage.gateway.clock.advance(31);
    assert_bad(&asked.stage, "the window is over", &token.signed(), 401, "token_inactive").await;
    asked.stage.end().await;
}

#[tokio::test]
async fn opaque_tokens_of_two_issuers_are_told_apart_by_how_they_begin() {
    let (one, other) = (Issuer::new("corp"), Issuer::new("partner"));
    let (idp, other_idp) = (Idp::start(&one.key_set()).await, Idp::start(&other.key_set()).await);
    let written = |idp: &Idp, prefix: &str| {
        format!("introspection: {{ url: \"http://{}/introspect\", client_id: y, client_secret: s{prefix} }}", idp.address)
    };
    let stage = Stage::trusting_with(&[&one, &other], |builder| {
        builder.issuer_at(&one, &format!("jwks_url: \"{}\"", idp.url()), &written(&idp, "")).issuer_at(
            &other,
            &format!("jwks_url: \"{}\"", other_idp.url()),
            &written(&other_idp, ", prefix: ptn_"),
        )
    })
    .await;
    let says = |idp: &Idp, subject: &str| {
        let answer = json!({ "active": true, "sub": subject, "groups": ["staff"], "aud": stage.gateway.url("crm") });
        idp.answer_at("/introspect", "200 OK", &answer);
    };
    says(&idp, "ada");
    says(&other_idp, "grace");
    assert_good(&stage, "the partner's", "ptn_1.2.3").await;
    assert_eq!((idp.asked_at("/introspect"), other_idp.asked_at("/introspect")), (0, 1));
    assert_good(&stage, "anybody's", "other").await;
    assert_eq!((idp.asked_at("/introspect"), other_idp.asked_at("/introspect")), (1, 1));
    assert_bad(&stage, "three parts are no opaque token", "a.b.c", 401, "token_malformed").await;
    assert_eq!((idp.asked_at("/introspect"), other_idp.asked_at("/introspect")), (1, 1));
    stage.end().await;
}

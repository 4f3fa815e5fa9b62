//! Keys from a URL: rotation, a provider that misbehaves, and one that is not there.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Trusted, assert_unauthorized};
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::idp::Idp;
use crate::support::server::Upstream;
use crate::support::stage::Stage;
use crate::support::token::{Issuer, Key, encode};
use crate::support::within;

/// Reads keys every second, if asked for; a test that needs none in between has an hour.
const OFTEN: &str = "jwks: { refresh: 1s, cooldown: 1s }";
const SELDOM: &str = "jwks: { refresh: 1h, cooldown: 1h }";

/// A stage whose issuer publishes at a provider.
async fn published(issuer: Issuer, timing: &str) -> (Trusted, Idp) {
    let idp = Idp::start(&issuer.key_set()).await;
    let keys = format!("jwks_url: \"{}\"", idp.url());
    let stage = Stage::trusting_with(&[&issuer], |builder| builder.issuer_at(&issuer, &keys, timing)).await;
    stage.gateway.clock.freeze();
    (Trusted { stage, issuer }, idp)
}

/// Waits until the provider was asked twice more: the second time, whatever it said the first time has been dealt with.
async fn refreshed(idp: &Idp) {
    idp.wait_for(idp.asked() + 2).await;
}

/// A counter of `/metrics`.
async fn failures(gateway: &Gateway) -> u64 {
    let text = gateway.metrics().await;
    let line = text.lines().find(|line| line.starts_with("yett_jwks_refresh_failures_total{issuer=\"corp\"}"));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn keys_are_fetched_once_plainly_and_not_again_for_good_tokens() {
    let (trusted, idp) = published(Issuer::new("corp"), SELDOM).await;
    for _ in 0..20 {
        trusted.assert_good("a good token", &trusted.token().claim("jti", idp.asked()).signed()).await;
    }
    let heads = idp.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(heads[0].starts_with("GET /jwks HTTP/1.1\r\n"), "{heads:?}");
    let head = heads[0].to_lowercase();
    assert!(head.contains("accept-encoding: identity\r\n") && !head.contains("authorization"), "{heads:?}");
    trusted.end().await;
}

#[tokio::test]
async fn jwt_026_a_new_key_is_accepted_and_an_old_one_refused_after_a_refresh() {
    let (mut trusted, idp) = published(Issuer::with_keys("corp", [Key::ec("old"), Key::ec("staying")]), OFTEN).await;
    let old = trusted.token().signed();
    trusted.assert_good("the old key", &old).await;
    trusted.assert_good("the old key, remembered", &old).await;
    let mut rotated = trusted.issuer.clone();
    rotated.keys = vec![trusted.issuer.keys[1].clone(), Key::ec("new")];
    idp.publish(&rotated.key_set());
    refreshed(&idp).await;
    // Remembered as good, and still refused: what proved it is gone.
    trusted.assert_bad("withdrawn", &old, "token_unknown_key").await;
    for key in rotated.keys.clone() {
        trusted.assert_good(&key.kid, &trusted.token().by(&key).signed()).await;
    }
    // The same name with another key is another key.
    let imposter = Key::ec("new");
    trusted.assert_bad("another key of that name", &trusted.token().by(&imposter).signed(), "token_signature").await;
    let good = trusted.token().by(&rotated.keys[1]).signed();
    trusted.assert_good("before the exchange", &good).await;
    rotated.keys[1] = imposter;
    idp.publish(&rotated.key_set());
    refreshed(&idp).await;
    trusted.assert_bad("after the exchange", &good, "token_signature").await;
    trusted.issuer = rotated;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_026_the_first_token_of_a_new_key_brings_the_key() {
    let (mut trusted, idp) = published(Issuer::new("corp"), "jwks: { refresh: 1h, cooldown: 1s }").await;
    let new = Key::ec("new");
    trusted.issuer.keys.push(new.clone());
    idp.publish(&trusted.issuer.key_set());
    let answer = eventually_good(&trusted, &new).await;
    trusted.stage.assert_passes("with the new key", &answer);
    assert_eq!(idp.asked(), 2, "one fetch was enough");
    trusted.end().await;
}

/// Calls with tokens of that key until one passes; those before are one 401 each.
async fn eventually_good(trusted: &Trusted, key: &Key) -> Answer {
    let attempts = async {
        for attempt in 0.. {
            let answer = trusted.call(&trusted.token().by(key).claim("jti", attempt).signed()).await;
            if answer.status == 200 {
                return Some(answer);
            }
            assert_unauthorized(&trusted.stage, "not yet", &answer, "invalid_token");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    };
    within("the new key to come into force", attempts).await.unwrap()
}

#[tokio::test]
async fn jwt_026_made_up_key_names_cause_no_fetches() {
    let (trusted, idp) = published(Issuer::new("corp"), SELDOM).await;
    for number in 0..200 {
        let token = trusted.token().header("kid", format!("made-up-{number}")).signed();
        trusted.assert_bad("a made-up name", &token, "token_unknown_key").await;
    }
    assert_eq!(idp.asked(), 1, "only the fetch of the start");
    trusted.end().await;
}

#[tokio::test]
async fn jwt_026_one_fetch_answers_all_who_wait_and_a_silent_provider_holds_nobody() {
    let (trusted, idp) = published(Issuer::new("corp"), "jwks: { refresh: 1h, cooldown: 1s }").await;
    idp.fall_silent();
    let token = trusted.token().header("kid", "made-up").signed();
    // Until the cooldown of the start is over, and a fetch hangs.
    let mut refused = 0;
    while idp.asked() < 2 {
        trusted.assert_bad("before", &token, "token_unknown_key").await;
        refused += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let flood = (0..100).map(|_| trusted.call(&token));
    let answers = futures_util::future::join_all(flood).await;
    assert!(answers.iter().all(|answer| answer.status == 401), "{answers:?}");
    assert_eq!(idp.asked(), 2, "while one fetch runs there is no other");
    // Good tokens are no slower for it: their keys are there.
    let key = trusted.stage.key.clone();
    trusted.stage.assert_works_with(&key).await;
    trusted.assert_good("meanwhile", &trusted.token().signed()).await;
    assert_eq!(trusted.stage.gateway.denials().len(), refused + 100);
    trusted.stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn jwt_030_a_bad_answer_keeps_the_last_good_set() {
    let (trusted, idp) = published(Issuer::new("corp"), OFTEN).await;
    let good = trusted.issuer.key_set();
    let mut private = good.clone();
    private["keys"][0]["d"] = encode([7; 32]).into();
    let mut twice = good.clone();
    twice["keys"].as_array_mut().unwrap().push(Key::ec("ec-1").jwk());
    let text = good.to_string();
    let compressed = "Content-Encoding: gzip\r\n";
    let elsewhere = format!("Location: {}/other\r\n", idp.url());
    let answers: Vec<(&str, &str, &str, Vec<u8>)> = vec![
        ("empty", "200 OK", "", b"{\"keys\":[]}".to_vec()),
        ("nothing", "200 OK", "", Vec::new()),
        ("no list", "200 OK", "", b"{}".to_vec()),
        ("HTML", "200 OK", "Content-Type: text/html\r\n", b"<!doctype html><h1>Sign in</h1>".to_vec()),
        ("cut short", "200 OK", "", text.as_bytes()[..text.len() - 3].to_vec()),
        ("two keys of one name", "200 OK", "", twice.to_string().into_bytes()),
        ("a member twice", "200 OK", "", text.replacen("{\"keys\"", "{\"keys\":[],\"keys\"", 1).into_bytes()),
        ("private key material", "200 OK", "", private.to_string().into_bytes()),
        ("no UTF-8", "200 OK", "", vec![0xff; 64]),
        ("an error", "500 Internal Server Error", "", text.clone().into_bytes()),
        ("not found", "404 Not Found", "", Vec::new()),
        ("a redirect", "302 Found", &elsewhere, text.clone().into_bytes()),
        ("another success", "203 Non-Authoritative Information", "", text.clone().into_bytes()),
        ("compressed", "200 OK", compressed, text.clone().into_bytes()),
    ];
    for (what, status, headers, body) in answers {
        let before = failures(&trusted.stage.gateway).await;
        idp.answer_with(status, headers, &body);
        refreshed(&idp).await;
        trusted.assert_good(what, &trusted.token().claim("jti", what).signed()).await;
        assert!(failures(&trusted.stage.gateway).await > before, "{what}: no alarm");
        // Nothing of a bad set is in force, the good halves neither.
        trusted.assert_bad(what, &trusted.token().by(&Key::ec("ec-1")).signed(), "token_signature").await;
    }
    // The redirect was not followed.
    assert!(idp.heads().iter().all(|head| head.starts_with("GET /jwks HTTP/1.1")), "{:?}", idp.heads());
    idp.publish(&good);
    refreshed(&idp).await;
    let before = failures(&trusted.stage.gateway).await;
    refreshed(&idp).await;
    assert_eq!(failures(&trusted.stage.gateway).await, before, "the alarm does not end");
    trusted.end().await;
}

/// An RSA key set entry with made-up numbers.
fn rsa(kid: &str, bits: usize, exponent: &[u8]) -> Value {
    let modulus = vec![0xff_u8; bits / 8];
    json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent) })
}

#[tokio::test]
async fn jwt_025_oversized_keys_are_ignored_and_oversized_sets_refused() {
    let rsa_key = Key::rsa("sound");
    let mut issuer = Issuer::with_keys("corp", [Key::ec("ec-1"), rsa_key]);
    let huge = [&[1_u8][..], &[0; 31], &[1]].concat();
    issuer.other_keys = vec![rsa("r16384", 16_384, &[1, 0, 1]), rsa("r1024", 1_024, &[1, 0, 1]), rsa("exponent", 2_048, &huge)];
    let (trusted, idp) = published(issuer, OFTEN).await;
    for kid in ["r16384", "r1024", "exponent"] {
        let token = trusted.token().by(&trusted.issuer.keys[1].named(kid)).signed();
        trusted.assert_bad(kid, &token, "token_unknown_key").await;
    }
    trusted.assert_good("the sound one beside them", &trusted.token().by(&trusted.issuer.keys[1]).signed()).await;

    let keys: Vec<Value> = (0..10_000).map(|number| json!({ "kty": "oct", "kid": number.to_string() })).collect();
    let many = json!({ "keys": keys }).to_string().into_bytes();
    let huge = vec![b' '; 50 << 20];
    let chunked = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n1\r\n \r\n0\r\n\r\n"].concat();
    for (what, headers, body) in
        [("10,000 keys", "", &many), ("50 MB", "", &huge), ("chunks", "Transfer-Encoding: chunked\r\n", &chunked)]
    {
        let before = failures(&trusted.stage.gateway).await;
        if headers.is_empty() {
            idp.answer_with("200 OK", headers, body);
        } else {
            idp.answer_raw([b"HTTP/1.1 200 OK\r\n", headers.as_bytes(), b"\r\n", body.as_slice()].concat());
        }
        refreshed(&idp).await;
        trusted.assert_good(what, &trusted.token().claim("jti", what).signed()).await;
        assert!(failures(&trusted.stage.gateway).await > before, "{what}: no alarm");
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_027_keys_are_kept_for_a_day_without_their_provider_and_then_closed() {
    let (trusted, idp) = published(Issuer::new("corp"), "jwks: { refresh: 1s, cooldown: 1s, stale: 24h }").await;
    let token = || trusted.token().signed();
    let key = trusted.stage.key.clone();
    idp.answer_with("503 Service Unavailable", "", b"");
    refreshed(&idp).await;
    // No later than the last good answer, and a second or two after it by the clock of the test.
    trusted.stage.gateway.clock.advance(24 * 3600 - 60);
    trusted.assert_good("just within a day", &token()).await;
    let remembered = trusted.token().claim("exp", trusted.now() + 7200).signed();
    trusted.assert_good("one that is remembered", &remembered).await;
    trusted.stage.gateway.clock.advance(120);
    for (what, token) in
        [("fresh", token()), ("remembered", remembered), ("of an unknown key", trusted.token().header("kid", "x").signed())]
    {
        let answer = trusted.call(&token).await;
        let record = trusted.stage.assert_refused(what, &answer, 503);
        assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
        assert_eq!(
            (&record["dec"]["reason"], &record["dec"]["detail"]),
            (&json!("store_unavailable"), &json!("keys_stale")),
            "{what}"
        );
    }
    // Everybody else is served.
    trusted.stage.assert_works_with(&key).await;
    trusted.assert_bad("of nobody's", &trusted.token().claim("iss", "https://evil.example").signed(), "token_issuer").await;
    idp.publish(&trusted.issuer.key_set());
    refreshed(&idp).await;
    trusted.assert_good("once the provider is back", &token()).await;
    trusted.end().await;
}

#[tokio::test]
async fn avl_024_without_its_keys_the_gateway_is_not_ready_and_accepts_no_token() {
    let issuer = Issuer::new("corp");
    // A port that was free a moment ago.
    let address = { Idp::start(&issuer.key_set()).await.address };
    let upstream = Upstream::start().await;
    let gateway = Gateway::start()
        .policy("version: 1\nroles: { all: { allow: [ { servers: [\"*\"], tools: [\"*\"] } ] } }\nbindings: [ { role: all, groups: [staff], issuers: [corp, api-key] } ]\n")
        .servers([("crm", &upstream)])
        .issuer_at(&issuer, &format!("jwks_url: \"http://{address}/jwks\""), OFTEN)
        .await;
    assert_eq!(gateway.health("/readyz").await.status, 503);
    assert_eq!(gateway.health("/healthz").await.status, 200);
    let token = issuer.token(&gateway, "crm", "ada", &["staff"]).signed();
    let answer = gateway.modern("crm", &token).call("echo", json!({})).await;
    assert_eq!((answer.status, upstream.count()), (503, 0), "{answer:?}");
    // Callers that do not need the provider are served, for whoever sends them here.
    let key = gateway.key("grace", &["staff"]).await;
    assert_eq!(gateway.modern("crm", &key).call("echo", json!({})).await.status, 200);
    let idp = Idp::at(address, &issuer.key_set()).await;
    idp.wait_for(1).await;
    loop {
        if gateway.health("/readyz").await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let token = issuer.token(&gateway, "crm", "ada", &["staff"]).signed();
    assert_eq!(gateway.modern("crm", &token).call("echo", json!({})).await.status, 200);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_key_set_file_is_read_again_when_it_changes() {
    let issuer = Issuer::new("corp");
    let path = std::cell::OnceCell::new();
    let stage = Stage::trusting_with(&[&issuer], |builder| {
        path.set(builder.folder().join("corp.jwks.json")).unwrap();
        builder.issuer_with(&issuer, OFTEN)
    })
    .await;
    stage.gateway.clock.freeze();
    let mut trusted = Trusted { stage, issuer };
    let old = trusted.token().signed();
    trusted.assert_good("the first key", &old).await;
    // Half a file, as an editor may leave it for a moment: nothing changes.
    let before = failures(&trusted.stage.gateway).await;
    std::fs::write(path.get().unwrap(), "{\"keys\":").unwrap();
    while failures(&trusted.stage.gateway).await == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    trusted.assert_good("the first key still", &trusted.token().claim("jti", 1).signed()).await;
    let new = Key::ec("ec-2");
    trusted.issuer.keys = vec![new.clone()];
    std::fs::write(path.get().unwrap(), trusted.issuer.key_set().to_string()).unwrap();
    let answer = eventually_good(&trusted, &new).await;
    trusted.stage.assert_passes("the second key", &answer);
    trusted.assert_bad("the first key", &old, "token_unknown_key").await;
    trusted.end().await;
}

#[tokio::test]
async fn a_key_set_file_that_is_none_stops_the_start() {
    let issuer = Issuer::new("corp");
    let mut private = issuer.key_set();
    private["keys"][0]["d"] = "AAAA".into();
    for (text, expected) in [("{\"keys\":[]}", "Empty"), ("<html>", "Json"), (&private.to_string(), "Private")] {
        let upstream = Upstream::start().await;
        let builder = Gateway::start().servers([("crm", &upstream)]).issuer(&issuer);
        std::fs::write(builder.folder().join("corp.jwks.json"), text).unwrap();
        let error = builder.try_start().await.err().unwrap();
        assert!(error.contains("corp") && error.contains(expected), "{text}: {error}");
    }
}

//! Where a token stands in a request, and what stands in its own header.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Trusted, assert_unauthorized};
use crate::support::http::Post;
use crate::support::token::{Issuer, Key, encode};

/// A good call with no credential yet.
fn anonymous(trusted: &Trusted) -> Post {
    let client = trusted.stage.modern();
    let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    client.post(&message).without("Authorization")
}

#[tokio::test]
async fn jwt_043_the_scheme_is_read_without_case() {
    let trusted = Trusted::new().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let post = anonymous(&trusted).header("authorization", &format!("{scheme} {}", trusted.token().signed()));
        trusted.stage.assert_passes(scheme, &post.send().await);
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_043_two_credentials_are_refused_rather_than_chosen_from() {
    let trusted = Trusted::new().await;
    let good = format!("Bearer {}", trusted.token().signed());
    let key = format!("Bearer {}", trusted.stage.key);
    for (one, two) in [
        (&good, &good),
        (&good, &key),
        (&key, &good),
        (&good, &"Bearer x".to_owned()),
        (&"Basic eDp5".to_owned(), &good),
        (&good, &String::new()),
    ] {
        let post = anonymous(&trusted).also("Authorization", one).also("authorization", two);
        trusted.stage.assert_refused(&format!("{one} and {two}"), &post.send().await, 400);
    }
    let query = anonymous(&trusted).header("Authorization", &good).target("/mcp/crm?access_token=x");
    trusted.stage.assert_refused("header and query", &query.send().await, 400);
    trusted.end().await;
}

#[tokio::test]
async fn jwt_043_a_header_that_is_not_one_bearer_token_is_refused() {
    let trusted = Trusted::new().await;
    let token = trusted.token().signed();
    let basic = encode(format!("ada:{token}"));
    let values = [
        format!("Basic {basic}"),
        format!("Basic {token}"),
        format!("Digest {token}"),
        format!("DPoP {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token},{token}"),
        format!("Bearer {token}, Basic {basic}"),
        format!("Bearer {token};"),
        format!("Bearer \"{token}\""),
        format!("Bearer token={token}"),
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer:{token}"),
        format!("Bearer{token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {token} x"),
        format!("Bearer%20{token}"),
        format!("Bearer {}", "a".repeat(8193)),
        token.clone(),
        "Bearer".to_owned(),
        String::new(),
    ];
    for value in values {
        let answer = anonymous(&trusted).header("Authorization", &value).send().await;
        assert_unauthorized(&trusted.stage, &value, &answer, "invalid_token");
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_043_a_space_behind_the_token_is_refused() {
    let trusted = Trusted::new().await;
    for space in [" ", "   ", "\t", " \t "] {
        let value = format!("Bearer {}{space}", trusted.token().signed());
        trusted.stage.assert_refused(
            &format!("{space:?}"),
            &anonymous(&trusted).header("Authorization", &value).send().await,
            400,
        );
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_043_a_token_anywhere_but_in_the_header_is_refused() {
    let trusted = Trusted::new().await;
    let token = trusted.token().signed();
    let posts = [
        ("query", anonymous(&trusted).target(&format!("/mcp/crm?access_token={token}"))),
        ("query, escaped", anonymous(&trusted).target(&format!("/mcp/crm?%61ccess_token={token}"))),
        ("query, another name", anonymous(&trusted).target(&format!("/mcp/crm?token={token}"))),
        ("cookie", anonymous(&trusted).header("Cookie", &format!("access_token={token}"))),
        ("cookie, as a header value", anonymous(&trusted).header("Cookie", &format!("Authorization=Bearer {token}"))),
        (
            "form",
            anonymous(&trusted).header("Content-Type", "application/x-www-form-urlencoded").body(format!("access_token={token}")),
        ),
        ("Proxy-Authorization", anonymous(&trusted).header("Proxy-Authorization", &format!("Bearer {token}"))),
        ("X-Forwarded-Authorization", anonymous(&trusted).header("X-Forwarded-Authorization", &format!("Bearer {token}"))),
        ("X-Api-Key", anonymous(&trusted).header("X-Api-Key", &trusted.stage.key)),
        ("Mcp-Session-Id", anonymous(&trusted).header("Mcp-Session-Id", &token)),
        ("Sec-WebSocket-Protocol", anonymous(&trusted).header("Sec-WebSocket-Protocol", &format!("bearer, {token}"))),
    ];
    for (what, post) in posts {
        let answer = post.send().await;
        let status = if what == "query" { 400 } else { 401 };
        let record = trusted.stage.assert_refused(what, &answer, status);
        assert_eq!(record["dec"]["reason"], "unauthenticated", "{what}: {record}");
        assert_eq!(record.get("who"), None::<&Value>, "{what}: {record}");
    }
    assert_unauthorized(&trusted.stage, "none at all", &anonymous(&trusted).send().await, "");
    trusted.end().await;
}

#[tokio::test]
async fn jwt_009_keys_and_extensions_that_a_token_brings_along_are_refused() {
    let trusted = Trusted::new().await;
    // Where the attacker waits to be asked for keys.
    let decoy = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let there = format!("http://{}/jwks.json", decoy.local_addr().unwrap());
    let attacker = Key::ec("ec-1");
    for (name, value) in [
        ("jwk", attacker.jwk()),
        ("jku", json!(there)),
        ("x5u", json!(there)),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let token = trusted.token().header(name, value.clone());
        trusted.assert_bad(name, &token.signed(), "token_header").await;
        let forged = trusted.token().by(&attacker).header(name, value).signed();
        trusted.assert_bad(&format!("{name}, forged"), &forged, "token_header").await;
    }
    let fetched = tokio::time::timeout(std::time::Duration::from_millis(200), decoy.accept()).await;
    assert!(fetched.is_err(), "the gateway went to where a token sent it");
    trusted.end().await;
}

#[tokio::test]
async fn jwt_023_a_token_of_another_type_is_refused() {
    let trusted = Trusted::new().await;
    for typ in [json!("id_token"), json!("logout+jwt"), json!("dpop+jwt"), json!(""), json!(null), json!(1), json!(["at+jwt"])] {
        trusted.assert_bad(&typ.to_string(), &trusted.token().header("typ", typ).signed(), "token_header").await;
    }
    trusted.assert_bad("no typ", &trusted.token().without_header("typ").signed(), "token_header").await;
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"] {
        trusted.assert_good(typ, &trusted.token().header("typ", typ).signed()).await;
    }
    trusted.end().await;

    // An operator whose issuer marks its access tokens: an ID token of the same issuer, key and even audience is none.
    let trusted = Trusted::with(Issuer::new("corp"), "token_types: [at+jwt]").await;
    for typ in ["JWT", "jwt", "id_token", "id+jwt", "logout+jwt", "dpop+jwt", "at", "at+jwt+x", " at+jwt"] {
        let token = trusted.token().header("typ", typ).claim("nonce", "n").claim("at_hash", "h").signed();
        trusted.assert_bad(typ, &token, "token_header").await;
    }
    trusted.assert_bad("no typ", &trusted.token().without_header("typ").signed(), "token_header").await;
    trusted.assert_good("an access token", &trusted.token().header("typ", "application/at+jwt").signed()).await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_008_a_kid_names_one_key_of_the_issuer_and_nothing_else() {
    let trusted = Trusted::of(Issuer::with_keys("corp", [Key::ec("ec-1"), Key::ec("ec-2")])).await;
    let kids = [
        "",
        "ec-3",
        "EC-1",
        "ec-1 ",
        "../ec-1",
        "../../../../etc/passwd",
        "/dev/null",
        "file:///dev/zero",
        "https://evil.example/key",
        "ec-1' OR '1'='1",
        "'; DROP TABLE api_keys; --",
        "ec-1\u{0}",
        "\u{0}",
        "\u{1b}[2J\r\nX: y",
        "*",
        "\u{435}c-1",
    ]
    .map(Value::from);
    for kid in kids.into_iter().chain([Value::Null, json!(1), json!(["ec-1"]), json!({ "kid": "ec-1" })]) {
        let answer = trusted.call(&trusted.token().header("kid", kid.clone()).signed()).await;
        let record = assert_unauthorized(&trusted.stage, &kid.to_string(), &answer, "invalid_token");
        assert_eq!(record["dec"]["detail"], "token_unknown_key", "{kid}: {record}");
        // Nothing of the name is in the record, so nothing needs escaping there.
        let text = record.to_string();
        assert!(["passwd", "evil.example", "DROP", "dev", "\\u00"].iter().all(|part| !text.contains(part)), "{text}");
    }
    // Too long for a token, and as long as one can be.
    let answer = trusted.call(&trusted.token().header("kid", "k".repeat(10 * 1024)).signed()).await;
    assert_unauthorized(&trusted.stage, "10 KB", &answer, "invalid_token");
    trusted.assert_bad("5 KB", &trusted.token().header("kid", "k".repeat(5 * 1024)).signed(), "token_unknown_key").await;
    trusted.assert_bad("none", &trusted.token().without_header("kid").signed(), "token_unknown_key").await;
    trusted.assert_bad("the other key's", &trusted.token().header("kid", "ec-2").signed(), "token_signature").await;
    trusted.end().await;
}

#[tokio::test]
async fn a_token_bound_to_a_key_is_no_bearer_token() {
    let trusted = Trusted::new().await;
    for confirmation in [json!({ "x5t#S256": "abc" }), json!({ "jkt": "abc" }), json!({}), json!(null)] {
        let token = trusted.token().claim("cnf", confirmation.clone()).signed();
        trusted.assert_bad(&confirmation.to_string(), &token, "token_bound").await;
    }
    trusted.end().await;
}

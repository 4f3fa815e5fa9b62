//! What a good signature says of its caller: client, subject, roles, and how much of it.

use serde_json::{Value, json};

use super::{Trusted, assert_unauthorized};
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::server::Upstream;
use crate::support::stage::Stage;
use crate::support::token::{Issuer, Key, Token};

/// Only who claims the role `admin` may call anything.
const BY_ROLE: &str = "version: 1
roles:
  all: { allow: [ { servers: [\"*\"], tools: [\"*\"] } ] }
bindings:
  - { role: all, issuers: [corp], claimed_roles: [admin] }
";

/// A gateway that reads roles from `path`, and what it makes of tokens.
struct Roles {
    gateway: Gateway,
    upstream: Upstream,
    issuer: Issuer,
}

impl Roles {
    async fn at(path: &str) -> Self {
        let (issuer, upstream) = (Issuer::new("corp"), Upstream::start().await);
        let claims = format!("claims: {{ roles: \"{path}\" }}");
        let gateway = Gateway::start().policy(BY_ROLE).servers([("crm", &upstream)]).issuer_with(&issuer, &claims).await;
        Self { gateway, upstream, issuer }
    }

    fn token(&self) -> Token {
        self.issuer.token(&self.gateway, "crm", "ada", &[])
    }

    async fn call(&self, token: &Token) -> Answer {
        self.gateway.modern("crm", &token.signed()).call("echo", json!({})).await
    }

    async fn assert_admin(&self, what: &str, token: &Token) {
        let (before, answer) = (self.upstream.count(), self.call(token).await);
        assert_eq!((answer.status, self.upstream.count()), (200, before + 1), "{what}: {answer:?}");
    }

    /// One deny record, nothing at the server; 404 as for anybody without a grant, 401 if the claim is no list of texts.
    async fn assert_no_admin(&self, what: &str, token: &Token, status: u16) {
        let (before, answer) = (self.upstream.count(), self.call(token).await);
        assert_eq!((answer.status, self.upstream.count()), (status, before), "{what}: {answer:?}");
        let records = self.gateway.records_of(&answer.call());
        assert_eq!((records.len(), &records[0]["dec"]["effect"]), (1, &json!("deny")), "{what}: {records:?}");
    }
}

#[tokio::test]
async fn jwt_017_a_client_that_is_not_on_the_list_is_refused() {
    let trusted = Trusted::with(Issuer::new("corp"), "clients: [test-client, \"other client\"]").await;
    let token = || trusted.token().without_claim("client_id");
    for claim in ["client_id", "azp"] {
        for client in ["test-client", "other client"] {
            trusted.assert_good(client, &token().claim(claim, client).signed()).await;
        }
        for client in ["evil", "test-client ", "Test-Client", "test-client,evil", "test-clien", "test-client/", "*"] {
            trusted.assert_bad(client, &token().claim(claim, client).signed(), "token_client").await;
        }
        for client in [json!(""), json!(null), json!(1), json!(["test-client"]), json!({})] {
            trusted.assert_bad(&client.to_string(), &token().claim(claim, client).signed(), "token_claim").await;
        }
    }
    trusted.assert_bad("none", &token().signed(), "token_client").await;
    let both = |id: &str, azp: &str| token().claim("client_id", id).claim("azp", azp).signed();
    trusted.assert_good("twice the same", &both("test-client", "test-client")).await;
    trusted.assert_bad("two that are allowed", &both("test-client", "other client"), "token_client").await;
    trusted.assert_bad("azp is another", &both("test-client", "evil"), "token_client").await;
    trusted.assert_bad("client_id is another", &both("evil", "test-client"), "token_client").await;
    trusted.end().await;
    // Without a list every client is welcome, but a token still has one.
    let trusted = Trusted::new().await;
    trusted.assert_good("any", &trusted.token().claim("client_id", "anybody").signed()).await;
    trusted.assert_bad("two", &trusted.token().claim("azp", "another").signed(), "token_client").await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_024_a_token_that_is_too_large_is_refused() {
    let trusted = Trusted::new().await;
    // The largest that is accepted, and one byte more: base64 has no text of every length, so the signature's end decides.
    let padded = |size: usize| trusted.token().claim("pad", "p".repeat(size)).signed();
    let fits = (0..6_200).rev().step_by(1).map(padded).find(|token| token.len() <= 8 * 1024).unwrap();
    assert!(fits.len() > 8 * 1024 - 4, "{}", fits.len());
    trusted.assert_good("8 KiB", &fits).await;
    for length in [8 * 1024 + 1, 9 * 1024] {
        let answer = trusted.call(&"x".repeat(length)).await;
        let record = assert_unauthorized(&trusted.stage, &length.to_string(), &answer, "invalid_token");
        // Refused by its size: no part of it was read.
        assert_eq!(record["dec"].get("detail"), None, "{record}");
    }
    for length in [64 * 1024, 1024 * 1024] {
        let answer = trusted.call(&"x".repeat(length)).await;
        trusted.stage.assert_refused(&length.to_string(), &answer, 431);
    }
    let roles = |count: usize| json!(vec!["r"; count]);
    trusted
        .assert_bad(
            "1,100 values, before the signature",
            &trusted.token().by(&Key::ec("ec-1")).claim("x", roles(1_100)).signed(),
            "token_malformed",
        )
        .await;
    trusted.assert_bad("1,000 groups", &trusted.token().claim("groups", roles(1_000)).signed(), "token_claim").await;
    trusted.assert_bad("257 groups", &trusted.token().claim("groups", roles(257)).signed(), "token_claim").await;
    let mut most: Vec<String> = (0..255).map(|number| number.to_string()).collect();
    most.push("staff".to_owned());
    trusted.assert_good("256 groups", &trusted.token().claim("groups", json!(most)).signed()).await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_033_a_path_is_one_place_and_no_other() {
    let nested = json!({ "roles": ["admin"] });
    let pointer = Roles::at("/realm_access/roles").await;
    pointer.assert_admin("nested", &pointer.token().claim("realm_access", nested.clone())).await;
    for name in
        ["realm_access.roles", "realm_access/roles", "/realm_access/roles", "realm_access~1roles", "roles", "realm_access"]
    {
        pointer.assert_no_admin(name, &pointer.token().claim(name, json!(["admin"])), 404).await;
    }
    let deeper = json!({ "realm_access": nested });
    pointer.assert_no_admin("one step deeper", &pointer.token().claim("x", deeper), 404).await;
    pointer.gateway.stop_and_verify().await;

    for literal in ["realm_access.roles", "https://example.com/roles", "roles"] {
        let roles = Roles::at(literal).await;
        roles.assert_admin(literal, &roles.token().claim(literal, json!(["admin"]))).await;
        roles.assert_admin("one text", &roles.token().claim(literal, "admin")).await;
        roles.assert_no_admin("nested", &roles.token().claim("realm_access", nested.clone()), 404).await;
        let parts = json!({ "//example": { "com/roles": ["admin"] }, "roles": ["admin"] });
        roles.assert_no_admin("in parts", &roles.token().claim("https:", parts), 404).await;
        roles.gateway.stop_and_verify().await;
    }

    let escaped = Roles::at("/https:~1~1example.com~1a~01/list/0").await;
    let claim = |list: Value| escaped.token().claim("https://example.com/a~1", json!({ "list": list }));
    escaped.assert_admin("escapes and an index", &claim(json!(["admin", "x"]))).await;
    escaped.assert_no_admin("another index", &claim(json!(["x", "admin"])), 404).await;
    escaped.assert_no_admin("an object", &claim(json!({ "00": "admin", "+0": "admin" })), 404).await;
    escaped.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn jwt_035_roles_are_compared_byte_by_byte() {
    let roles = Roles::at("roles").await;
    roles.assert_admin("the role", &roles.token().claim("roles", json!(["x", "admin"]))).await;
    for role in [
        "Admin",
        "ADMIN",
        "admin ",
        " admin",
        "\u{430}dmin",
        "admin\u{200b}",
        "admi\u{301}n",
        "ad\u{131}in",
        "\u{ff41}dmin",
        "adm",
        "admins",
        "admin,x",
        "*",
        "adm*",
    ] {
        roles.assert_no_admin(role, &roles.token().claim("roles", json!([role])), 404).await;
        roles.assert_no_admin(role, &roles.token().claim("roles", role), 404).await;
    }
    for odd in [
        json!(["admin\u{0}"]),
        json!("admin\n"),
        json!([["admin"]]),
        json!({ "admin": true }),
        json!(true),
        json!(null),
        json!(["admin", 1]),
        json!([""]),
    ] {
        roles.assert_no_admin(&odd.to_string(), &roles.token().claim("roles", odd), 401).await;
    }
    roles.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn jwt_036_a_subject_is_one_text_and_belongs_to_its_issuer() {
    let trusted = Trusted::new().await;
    trusted.assert_bad("missing", &trusted.token().without_claim("sub").signed(), "token_claim").await;
    for subject in
        [json!(""), json!(null), json!(7), json!(["ada"]), json!({}), json!("ada\u{0}"), json!("ada\n"), json!("s".repeat(1_025))]
    {
        trusted.assert_bad(&subject.to_string(), &trusted.token().claim("sub", subject).signed(), "token_claim").await;
    }
    let answer = trusted.call(&trusted.token().claim("sub", "s".repeat(10 * 1024)).signed()).await;
    assert_unauthorized(&trusted.stage, "10 KB", &answer, "invalid_token");
    trusted.assert_good("1 KiB", &trusted.token().claim("sub", "s".repeat(1_024)).signed()).await;
    trusted.end().await;

    let (corp, partner) = (Issuer::new("corp"), Issuer::new("partner"));
    let stage = Stage::trusting(&[&corp, &partner]).await;
    let mut subjects = Vec::new();
    for issuer in [&corp, &partner] {
        let token = issuer.token(&stage.gateway, "crm", "ada", &["staff"]).signed();
        let answer = stage.gateway.modern("crm", &token).call("echo", json!({})).await;
        stage.assert_passes(&issuer.name, &answer);
        let record = stage.gateway.records_of(&answer.call())[0].clone();
        assert_eq!(record["who"]["iss"], issuer.name, "{record}");
        subjects.push(record["who"]["sub"].clone());
    }
    assert_ne!(subjects[0], subjects[1], "one name in the log for two people");
    // A session of the one is none of the other's.
    let tokens = [&corp, &partner].map(|issuer| issuer.token(&stage.gateway, "crm", "ada", &["staff"]).signed());
    let session = stage.gateway.legacy("crm", &tokens[0]).await;
    let message = session.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    let before = stage.upstream.count();
    let answer = session.post(&message).header("Authorization", &format!("Bearer {}", tokens[1])).send().await;
    assert_eq!((answer.status, stage.upstream.count()), (404, before), "{answer:?}");
    assert_eq!(session.post(&message).send().await.status, 200);
    stage.gateway.stop_and_verify().await;
}

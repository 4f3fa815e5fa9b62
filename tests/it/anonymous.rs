//! Callers without a credential, where the operator lets them in: one caller with the roles that are named, and nobody else is ever it.

#![expect(clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Builder;
use crate::support::http::{Answer, Post};
use crate::support::stage::Stage;
use crate::support::token::{Issuer, Key};

/// What everybody on this machine may do, beside what the stage has. Who is called that by an issuer is somebody else.
const OPEN: &str = "version: 1
roles:
  open:
    allow:
      - { servers: [crm], tools: [echo] }
  danger:
    allow:
      - { servers: [crm], tools: [danger] }
bindings:
  - { role: danger, subjects: [anonymous] }
";

const ROLES: &str = "anonymous: { roles: [open] }";

fn configured(builder: Builder, identity: &str) -> Builder {
    builder.policy(OPEN).config_extra(&format!("identity: {{ {identity} }}\n"))
}

/// A stage with an issuer whose tokens can be bent.
async fn open() -> (Stage, Issuer) {
    let issuer = Issuer::new("corp");
    let stage = Stage::trusting_with(&[&issuer], |builder| {
        std::fs::write(builder.folder().join("keys.json"), issuer.key_set().to_string()).unwrap();
        let written = "issuers: [{ name: corp, issuer: \"https://corp.example\", jwks_file: keys.json, \
                       algorithms: [ES256], claims: { groups: groups } }]";
        configured(builder, &format!("{ROLES}, {written}"))
    })
    .await;
    (stage, issuer)
}

fn without(client: &Client, tool: &str) -> Post {
    let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": tool, "arguments": {} }));
    client.post(&message).without("Authorization")
}

async fn call(stage: &Stage, tool: &str) -> Answer {
    without(&stage.modern(), tool).send().await
}

/// One 401, and nothing of the record says that it was anybody.
fn assert_nobody(stage: &Stage, what: &str, answer: &Answer) -> Value {
    let record = stage.assert_refused(what, answer, 401);
    assert_eq!(record["dec"]["reason"], "unauthenticated", "{what}: {record}");
    assert_eq!(record.get("who"), None, "{what}: {record}");
    record
}

#[tokio::test]
async fn who_sends_no_credential_has_the_named_roles_and_no_others() {
    let (stage, issuer) = open().await;
    let answer = call(&stage, "echo").await;
    stage.assert_passes("what is open", &answer);
    let who = stage.gateway.records_of(&answer.call())[0]["who"].clone();
    assert_eq!((&who["authn"], &who["iss"]), (&json!("anonymous"), &json!("anonymous")), "{who}");
    assert!(who["sub"].as_str().is_some_and(|name| name != "anonymous"), "callers stand in the log by pseudonym: {who}");
    let client = stage.modern();
    let list = client.post(&client.message(Some(&json!(1)), "tools/list", json!({}))).without("Authorization").send().await;
    assert_eq!(list.tools(), ["echo"]);
    stage.assert_passes("a list", &list);
    for tool in ["safe", "danger", "none"] {
        let refused = stage.assert_refused(tool, &call(&stage, tool).await, 200);
        assert_eq!(
            (&refused["who"]["iss"], &refused["dec"]["reason"]),
            (&json!("anonymous"), &json!("unknown_target")),
            "{refused}"
        );
    }
    // Who says who they are is that one, with that one's roles.
    let token = issuer.token(&stage.gateway, "crm", "anonymous", &[]).signed();
    stage.assert_passes("a caller of that name", &stage.gateway.modern("crm", &token).call("danger", json!({})).await);
    stage.assert_refused("what is open", &stage.gateway.modern("crm", &token).call("echo", json!({})).await, 200);
    stage.end().await;
}

/// CVE-2026-12773: a refusal was caught, and the caller went on as nobody in particular.
#[tokio::test]
async fn a_credential_that_is_not_good_never_makes_its_sender_anonymous() {
    let (stage, issuer) = open().await;
    stage.gateway.clock.freeze();
    let token = issuer.token(&stage.gateway, "crm", "ada", &["staff"]);
    let now = stage.gateway.clock.seconds();
    let other = Issuer::new("other");
    let bad_keys = ["yett_", "yett_AAAA_BBBB", &format!("{}x", stage.key), &stage.key[..stage.key.len() - 1]].map(str::to_owned);
    let bad_tokens = [
        token.clone().claim("exp", now - 31).signed(),
        token.clone().claim("nbf", now + 31).signed(),
        token.clone().claim("aud", "https://elsewhere.example/mcp/crm").signed(),
        token.clone().claim("iss", "https://corp.example/").signed(),
        token.clone().claim("sub", 1).signed(),
        token.clone().claim("cnf", json!({ "jkt": "x" })).signed(),
        token.clone().without_claim("exp").signed(),
        token.clone().without_claim("sub").signed(),
        token.clone().header("alg", "none").with_signature(b""),
        token.clone().header("typ", "dpop+jwt").signed(),
        token.clone().header("crit", json!(["x"])).signed(),
        token.clone().by(&Key::ec("unknown")).signed(),
        token.clone().by(&Key::ec("ec-1")).signed(),
        token.clone().with_signature(b"signature"),
        token.clone().unsigned(),
        other.token(&stage.gateway, "crm", "ada", &["staff"]).signed(),
        "x".to_owned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
        "anonymous".to_owned(),
        "null".to_owned(),
        "a".repeat(8193),
    ];
    let mut values: Vec<_> = bad_keys.iter().chain(&bad_tokens).map(|credential| format!("Bearer {credential}")).collect();
    for credential in [&token.signed(), &stage.key, "x"] {
        let schemes = ["bearer  ", "Basic ", "DPoP ", "Negotiate ", "Anonymous ", "Bearer", "Bearer:", ""];
        values.extend(schemes.map(|scheme| format!("{scheme}{credential}")));
    }
    values.extend(["", "Bearer", "Bearer,", "Anonymous", "None", "anonymous"].map(str::to_owned));
    for value in values {
        let answer = without(&stage.modern(), "echo").header("Authorization", &value).send().await;
        assert_nobody(&stage, &value, &answer);
    }
    stage.end().await;
}

#[tokio::test]
async fn jwt_043_a_credential_in_another_place_is_no_absence_of_one() {
    let (stage, issuer) = open().await;
    let token = issuer.token(&stage.gateway, "crm", "ada", &["staff"]).signed();
    for header in [
        "Cookie",
        "Proxy-Authorization",
        "X-Authorization",
        "X-Forwarded-Authorization",
        "X-Api-Key",
        "Api-Key",
        "X-Auth-Token",
        "X-Access-Token",
        "DPoP-Token",
        "X-Amz-Security-Token",
        "X-Forwarded-Client-Cert",
        "X-SSL-Client-Cert",
        "Sec-WebSocket-Protocol",
    ] {
        for value in [token.as_str(), stage.key.as_str(), "x", ""] {
            let answer = without(&stage.modern(), "echo").header(header, value).send().await;
            assert_nobody(&stage, &format!("{header}: {value}"), &answer);
        }
    }
    for query in ["token=x", "%61ccess_token=x", "api_key=x", "sessionId=a&key=x", "x"] {
        let answer = without(&stage.modern(), "echo").target(&format!("/mcp/crm?{query}")).send().await;
        let record = assert_nobody(&stage, query, &answer);
        assert_eq!(record["dec"]["detail"], "anonymous_credential", "{record}");
    }
    let two = without(&stage.modern(), "echo").also("Authorization", "Bearer a").also("Authorization", "Bearer b").send().await;
    stage.assert_refused("two", &two, 400);
    stage.assert_refused(
        "one in the query",
        &without(&stage.modern(), "echo").target("/mcp/crm?access_token=x").send().await,
        400,
    );
    stage.end().await;
}

#[tokio::test]
async fn mcp_056_pages_and_what_was_passed_on_are_not_this_machine() {
    let (stage, _) = open().await;
    let post = || without(&stage.modern(), "echo");
    // A browser says where its page is from, and which name led it here.
    for origin in ["https://evil.example", "http://evil.example", "null", "http://127.0.0.1.evil.example"] {
        let record = stage.assert_refused(origin, &post().header("Origin", origin).send().await, 403);
        assert_eq!(record["dec"]["reason"], "origin_not_allowed", "{record}");
    }
    for host in ["evil.example", "evil.example:80", &format!("evil.example:{}", stage.gateway.address.port())] {
        stage.assert_refused(host, &post().header("Host", host).send().await, 403);
    }
    for site in ["cross-site", "same-site", "x"] {
        let record = assert_nobody(&stage, site, &post().header("Sec-Fetch-Site", site).send().await);
        assert_eq!(record["dec"]["detail"], "anonymous_page", "{record}");
    }
    // A proxy on this machine speaks for somebody who is elsewhere.
    for (header, value) in [
        ("Forwarded", "for=192.0.2.1"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "192.0.2.1"),
        ("True-Client-IP", "192.0.2.1"),
        ("CF-Connecting-IP", "192.0.2.1"),
        ("Via", "1.1 ingress"),
    ] {
        let record = assert_nobody(&stage, header, &post().header(header, value).send().await);
        assert_eq!(record["dec"]["detail"], "anonymous_forwarded", "{record}");
        let with_key = stage.modern();
        let message = with_key.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
        stage.assert_passes("with a key", &with_key.post(&message).header(header, value).send().await);
    }
    stage.assert_passes("none of it", &post().header("Sec-Fetch-Site", "none").send().await);
    stage.end().await;
}

#[tokio::test]
async fn a_session_of_nobody_is_not_somebodys_and_the_other_way_round() {
    let (stage, _) = open().await;
    let [_, legacy] = stage.clients().await;
    let stolen = without(&legacy, "echo").send().await;
    stage.assert_refused("somebody's session", &stolen, 404);
    let mut own = Client::before_handshake(stage.gateway.address, "crm", "-", "2025-11-25");
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let answer = own.post(&own.message(Some(&json!(1)), "initialize", params)).without("Authorization").send().await;
    stage.assert_passes("a handshake of nobody", &answer);
    own.session = answer.header("mcp-session-id").map(str::to_owned);
    stage.assert_passes("in it", &without(&own, "echo").send().await);
    let with_key = without(&own, "echo").bearer(&stage.key).send().await;
    stage.assert_refused("nobody's session, by somebody", &with_key, 404);
    stage.end().await;
}

//! Tokens that the gateway gets for its servers, from a certified provider.

use serde_json::{Value, json};

use super::failure;
use crate::http_sse::server::SseServer;
use crate::support::gateway::{Builder, Gateway};
use crate::support::issuer::{Provider, claims};
use crate::support::reply::Reply;
use crate::support::server::Upstream;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const CRM: &str = "https://crm.example/mcp";

/// The keys of a grant of this client, in flow style.
fn grant(provider: &Provider, kind: &str, client: &str, resource: &str) -> String {
    let secret = format!("secret-of-{client}");
    let url = format!("{}/token", provider.issuer);
    format!(
        "auth: {{ {kind}: {{ token_url: \"{url}\", client_id: {client}, client_secret: {secret}, resource: \"{resource}\", scopes: [crm.read] }} }}"
    )
}

/// What a server was shown.
fn shown(headers: Option<&str>) -> String {
    headers.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_else(|| panic!("no bearer token: {headers:?}")).to_owned()
}

#[tokio::test]
async fn a_token_of_the_gateways_own_is_got_once_kept_and_dropped_when_its_server_refuses_it() {
    let (provider, crm, sse) = (Provider::start().await, Upstream::start().await, SseServer::start().await);
    let auth = grant(&provider, "client_credentials", "machine", CRM);
    let wrong = auth.replace("secret-of-machine", "a-guess-of-ours");
    let gateway = Gateway::start()
        .server("crm", &crm, &auth)
        .server("wrong", &crm, &wrong)
        .server_at("sse", sse.address, &format!("transport: sse, {auth}"))
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let calls = (0..8).map(|_| client.call("echo", json!({})));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.json()["result"].is_object()), "{answers:?}");
    assert_eq!(provider.asked("/token").await, 1, "asked once for all of them");
    let tokens: Vec<_> = crm.calls().iter().map(|call| shown(call.header("authorization"))).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "one token for all");
    let said = claims(&tokens[0]);
    assert_eq!((&said["aud"], &said["sub"], &said["scope"]), (&json!(CRM), &json!("machine"), &json!("crm.read")), "{said:?}");

    crm.on_tool("echo", Reply::empty(401).header("WWW-Authenticate", "Bearer error=\"invalid_token\""));
    let refused = client.call("echo", json!({})).await;
    assert_eq!(failure(&gateway, &refused).await, (json!(-31502), json!("status")));
    assert_eq!((crm.calls().len(), provider.asked("/token").await), (9, 1), "no message is sent twice");
    crm.on_tool("echo", Reply::text("back"));
    client.call("echo", json!({})).await;
    let second = shown(crm.calls()[9].header("authorization"));
    assert!(second != tokens[0] && provider.asked("/token").await == 2, "another token");

    crm.on_tool("echo", Reply::text(&format!("{} and {second}", tokens[0])));
    let answer = client.call("echo", json!({})).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "[redacted] and [redacted]", "{answer:?}");

    let answer = gateway.modern("wrong", &key).call("echo", json!({})).await;
    assert_eq!(failure(&gateway, &answer).await, (json!(-31502), json!("token_refused")));
    let legacy = gateway.legacy("sse", &key).await;
    assert_eq!(legacy.call("echo", json!({})).await.status, 200);
    let posted = sse.wait_for("tools/call").await;
    assert_eq!(claims(&shown(posted.headers["authorization"].to_str().ok()))["aud"], json!(CRM));

    provider.stop().await;
    crm.on_tool("echo", Reply::text("still"));
    assert!(client.call("echo", json!({})).await.json()["result"].is_object(), "the token outlives its issuer's outage");
    let seen = crm.calls().len();
    let answer = gateway.modern("wrong", &key).call("echo", json!({})).await;
    assert_eq!(failure(&gateway, &answer).await.0, json!(-31502));
    assert_eq!(crm.calls().len(), seen);
    gateway.stop_and_verify().await;
}

/// A gateway that trusts the provider's tokens.
fn trusting(provider: &Provider) -> Builder {
    let keys = format!("jwks_url: \"{}/jwks\"", provider.issuer);
    let issuer = format!(
        "{{ name: corp, issuer: \"{}\", {keys}, algorithms: [RS256, ES256], claims: {{ subject: sub, groups: groups }} }}",
        provider.issuer
    );
    Gateway::start().config_extra(&format!("identity: {{ issuers: [{issuer}] }}"))
}

#[tokio::test]
async fn mcp_048_a_callers_token_is_exchanged_for_one_of_the_server_and_no_byte_of_it_arrives() {
    let exchanger = json!({
        "client_id": "exchanger", "client_secret": "secret-of-exchanger", "grant_types": [EXCHANGE], "response_types": [],
        "redirect_uris": [] });
    let provider = Provider::with(&json!({ "clients": [exchanger] })).await;
    let crm = Upstream::start().await;
    let auth = grant(&provider, "token_exchange", "exchanger", CRM);
    let gateway =
        trusting(&provider).server("crm", &crm, &auth).server("closed", &crm, &auth.replace("/mcp\"", "/forbidden\"")).await;
    let (route, closed) = (gateway.url("crm"), gateway.url("closed"));
    let (ada, bob) = (provider.token("machine", &route).await, provider.token("machine-ES256", &route).await);
    let asked = provider.asked("/token").await;
    for _ in 0..2 {
        for (token, subject) in [(&ada, "machine"), (&bob, "machine-ES256")] {
            let answer = gateway.modern("crm", token).call("echo", json!({ "text": "hello" })).await;
            assert!(answer.json()["result"].is_object(), "{answer:?}");
            let arrived = crm.calls().pop().unwrap();
            let said = claims(&shown(arrived.header("authorization")));
            assert_eq!((&said["aud"], &said["sub"]), (&json!(CRM), &json!(subject)), "{said:?}");
            assert_eq!(said["client_id"], json!("exchanger"));
        }
    }
    assert_eq!(provider.asked("/token").await, asked + 2, "once for each caller");
    // Another token of the same caller may be worth less: it is exchanged by itself.
    let again = provider.token("machine", &route).await;
    gateway.modern("crm", &again).call("echo", json!({})).await;
    assert_eq!(provider.asked("/token").await, asked + 4);

    // A session, its stream, and what ends it.
    let legacy = gateway.legacy("crm", &ada).await;
    legacy.listen().await;
    legacy.call("echo", json!({})).await;
    legacy.end().await;
    let everything = format!("{:?}", crm.arrived());
    for token in [&ada, &bob, &again] {
        for part in token.split('.').skip(1) {
            assert!(part.len() > 40 && !everything.contains(part), "a part of a caller's token arrived");
        }
    }

    let seen = crm.count();
    let key = gateway.key("kim", &["staff"]).await;
    let answer = gateway.modern("crm", &key).call("echo", json!({})).await;
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], -31403, "{answer:?}");
    assert!(error["data"]["reason"].as_str().is_some_and(|reason| reason.contains("a token of your issuer")), "{answer:?}");
    assert_ne!(gateway.ended(&answer.call()).await.last().unwrap()["out"], Value::Null);

    let elsewhere = provider.token("machine", &closed).await;
    let answer = gateway.modern("closed", &elsewhere).call("echo", json!({})).await;
    assert_eq!(failure(&gateway, &answer).await, (json!(-31502), json!("token_refused")));
    provider.stop().await;
    assert!(gateway.modern("crm", &ada).call("echo", json!({})).await.json()["result"].is_object(), "what was exchanged is kept");
    assert_eq!(crm.count(), seen + 1);
    gateway.stop_and_verify().await;
}

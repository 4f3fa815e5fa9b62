//! What servers are told of who is calling.

use std::future::IntoFuture as _;

use serde_json::{Value, json};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use crate::support::gateway::Gateway;
use crate::support::http::Post;
use crate::support::server::Upstream;

async fn open(gateway: &Gateway, path: &str) -> (u16, Value) {
    let mut connection = gateway.connect().await;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", gateway.address);
    connection.send(head.as_bytes()).await;
    let answer = connection.answer().await.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// Checks a token as a server would, and gives its claims.
fn checked(token: &str, keys: &Value, audience: &str, issuer: &str) -> Value {
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("yett-identity+jwt"));
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"].as_str() == header.kid.as_deref()).unwrap();
    let key = DecodingKey::from_ed_components(key["x"].as_str().unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[audience]);
    rules.set_issuer(&[issuer]);
    decode::<Value>(token, &key, &rules).unwrap().claims
}

#[tokio::test]
async fn a_server_is_told_who_is_calling_by_a_token_it_can_check_and_never_by_what_a_client_says() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start()
        .server("crm", &crm, "identity_jwt: { groups: true }, auth: { bearer: of-the-gateway }")
        .server("named", &crm, "identity_jwt: { audience: the-crm }")
        .server("plain", &crm, "")
        .await;
    let (ada, bob) = (gateway.key("ada", &["staff"]).await, gateway.tenant_key("bob", "acme").await);
    let issuer = format!("http://{}", gateway.address);
    let (status, keys) = open(&gateway, "/.well-known/jwks.json").await;
    assert_eq!((status, keys["keys"].as_array().unwrap().len()), (200, 1));
    assert!(keys["keys"][0].get("d").is_none(), "{keys}");

    let own = format!("http://{}/mcp", crm.address);
    let mut seen = Vec::new();
    for (server, key, audience, subject) in
        [("crm", &ada, own.as_str(), "ada"), ("named", &bob, "the-crm", "bob"), ("crm", &ada, own.as_str(), "ada")]
    {
        let client = gateway.modern(server, key);
        let call = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
        let post: Post = client.post(&call).header("Yett-Identity", "root");
        assert_eq!(post.send().await.status, 200);
        let arrived = crm.calls().pop().unwrap();
        let told: Vec<_> = arrived.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("yett-identity")).collect();
        assert_eq!(told.len(), 1, "{arrived:?}");
        let said = checked(&told[0].1, &keys, audience, &issuer);
        assert_eq!((&said["sub"], &said["idp"]), (&json!(subject), &json!("api-key")), "{said}");
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 60);
        assert_eq!(said["groups"], if server == "crm" { json!(["staff"]) } else { Value::Null });
        assert_eq!(said["tenant"], if subject == "bob" { json!("acme") } else { Value::Null });
        seen.push(said["jti"].clone());
    }
    assert!(seen[0] != seen[1] && seen[0] != seen[2], "{seen:?}");
    gateway.modern("plain", &ada).call("echo", json!({})).await;
    assert_eq!(crm.calls().pop().unwrap().header("yett-identity"), None);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn jwt_047_the_keys_are_open_where_a_server_is_told_something_and_no_path_beside_them() {
    let crm = Upstream::start().await;
    let (told, untold) = tokio::join!(
        Gateway::start().server("crm", &crm, "identity_jwt: {}").into_future(),
        Gateway::start().server("crm", &crm, "").into_future()
    );
    assert_eq!(open(&told, "/.well-known/jwks.json").await.0, 200);
    let open_routes = ["/.well-known/jwks.json", "/.well-known/oauth-protected-resource/mcp/crm"];
    for path in open_routes {
        assert_eq!(open(&told, path).await.0, 200, "{path}");
    }
    for path in [
        "/",
        "/mcp/crm",
        "/.well-known/",
        "/.well-known/jwks.json/",
        "/.well-known/openid-configuration",
        "/jwks.json",
        "/metrics",
        "/healthz",
        "/admin",
    ] {
        assert!(matches!(open(&told, path).await.0, 401 | 404), "{path}");
    }
    assert_eq!(open(&untold, "/.well-known/jwks.json").await.0, 404, "nobody is told anything");
    assert_eq!(crm.count(), 0);
}

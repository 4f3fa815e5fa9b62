//! What answers somebody without a credential, on every port there is.

use std::net::SocketAddr;

use crate::support::gateway::Gateway;
use crate::support::http::Connection;
use crate::support::server::Upstream;

/// A method and a path of each port, and whether anybody gets in.
const LISTENER: &[(&str, &str, bool)] = &[
    ("GET", "/.well-known/oauth-protected-resource/mcp/crm", true),
    ("GET", "/.well-known/jwks.json", true),
    ("GET", "/", false),
    ("GET", "/.well-known/", false),
    // The same for a server that is not there: who is nobody learns nothing from it.
    ("GET", "/.well-known/oauth-protected-resource/mcp/none", true),
    ("GET", "/.well-known/oauth-authorization-server", false),
    ("POST", "/mcp", false),
    ("POST", "/mcp/crm", false),
    ("POST", "/mcp/none", false),
    ("GET", "/mcp/crm", false),
    ("DELETE", "/mcp/crm", false),
    ("GET", "/mcp/crm/sse", false),
    ("GET", "/accounts/crm", false),
    ("GET", "/sign-in/corp", false),
    ("GET", "/healthz", false),
    ("GET", "/metrics", false),
    ("GET", "/v1/keys", false),
];

const HEALTH: &[(&str, &str, bool)] = &[
    ("GET", "/healthz", true),
    ("GET", "/readyz", true),
    ("GET", "/metrics", false),
    ("GET", "/", false),
    ("GET", "/debug", false),
    ("POST", "/v1/reload", false),
];

const ADMIN: &[(&str, &str, bool)] = &[
    ("GET", "/", false),
    ("GET", "/metrics", false),
    ("GET", "/healthz", false),
    ("GET", "/v1/audit/search", false),
    ("POST", "/v1/audit/prune", false),
    ("GET", "/v1/keys", false),
    ("POST", "/v1/keys", false),
    ("DELETE", "/v1/keys/a", false),
    ("GET", "/v1/accounts", false),
    ("DELETE", "/v1/accounts/a", false),
    ("POST", "/v1/keys/a/rotate", false),
    ("POST", "/v1/reload", false),
    ("GET", "/v1/switches", false),
    ("PUT", "/v1/switches/all", false),
    ("DELETE", "/v1/switches/all", false),
    ("POST", "/v1/vault/erase", false),
    ("POST", "/v1/vault/hold", false),
    ("POST", "/v1/vault/release", false),
    ("POST", "/v1/vault/expire", false),
    ("POST", "/v1/vault/reveal", false),
    ("POST", "/v1/vault/pseudonyms", false),
    ("POST", "/v1/vault/content", false),
    ("POST", "/v1/vault/export", false),
    ("POST", "/v1/vault/token/reveal", false),
    ("POST", "/v1/vault/token/forget", false),
];

async fn status(address: SocketAddr, method: &str, path: &str) -> u16 {
    let mut connection = Connection::open(address).await;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    connection.send(head.as_bytes()).await;
    connection.answer().await.unwrap().status
}

#[tokio::test]
async fn jwt_047_without_a_credential_health_keys_and_metadata_are_open_and_nothing_else() {
    let crm = Upstream::start().await;
    let token = "accept_risks: []\nhealth: { address: \"127.0.0.1:0\", metrics_token: a-token-of-metrics }\n";
    let gateway = Gateway::start().server("crm", &crm, "identity_jwt: {}").config_extra(token).await;
    let ports = [(gateway.address, LISTENER), (gateway.running.health, HEALTH), (gateway.running.admin, ADMIN)];
    for (address, routes) in ports {
        for (method, path, open) in routes {
            let status = status(address, method, path).await;
            let expected: &[u16] = if *open { &[200] } else { &[401, 404, 405] };
            assert!(expected.contains(&status), "{method} {path}: {status}");
            // What exists on the ports that know callers does not even say so.
            if address == gateway.running.admin || path.starts_with("/mcp") {
                assert_eq!(status, 401, "{method} {path}");
            }
        }
    }
    assert_eq!(crm.count(), 0);
    gateway.stop_and_verify().await;
}

//! A resource has one spelling: whatever could be another one of what a rule takes away, or of what nobody has granted, is refused.

use serde_json::json;
use yett::protocol::encode_header;

use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::server::Upstream;

const POLICY: &str = r#"version: 1
roles:
  user: { allow: [{ servers: [files], resources: ["file:///data/**", "https://docs.example/**"] }] }
bindings: [{ role: user, groups: [users] }]
rules:
  - { name: no-secrets, deny: { servers: [files], resources: ["file:///data/secret/**", "https://docs.example/internal/**"] } }
"#;

#[tokio::test]
async fn mcp_018_no_other_spelling_of_a_uri_reaches_what_is_outside_of_a_grant_or_inside_of_a_rule() {
    let files = Upstream::start().await;
    let gateway = Gateway::start().policy(POLICY).servers([("files", &files)]).await;
    let key = gateway.key("una", &["users"]).await;
    for client in [gateway.modern("files", &key), gateway.legacy("files", &key).await] {
        for uri in [
            "file:///data/../etc/passwd",
            "file:///data/%2e%2e/etc/passwd",
            "file:///data/%2E%2E/etc/passwd",
            "file:///data/..%2fetc/passwd",
            "file:///data/..%2Fetc/passwd",
            "file:///data/%252e%252e/etc/passwd",
            "file:///data/..\\etc\\passwd",
            "file:///data/..%5Cetc%5Cpasswd",
            "FILE:///data/a",
            "File:///data/a",
            "file:////data/a",
            "file:///data//a",
            "file:///data/./a",
            "file://localhost/data/a",
            "file:///data/%00",
            "file:///etc/passwd",
            "file:///data/secret/a",
            "file:///data/%73ecret/a",
            "file:///data/secret%2Fa",
            "file:///data//secret/a",
            "https://docs.example/internal/a",
            "https://docs.example:443/internal/a",
            "https://docs.example./internal/a",
            "https://DOCS.example/internal/a",
            "https://user@docs.example/internal/a",
            "https://docs.example/%69nternal/a",
        ] {
            let (seen, denied) = (files.count(), gateway.denials().len());
            let message = client.message(Some(&json!(1)), "resources/read", json!({ "uri": uri }));
            let answer = client.post(&message).header("Mcp-Name", &encode_header(uri)).send().await;
            assert!(answer.status == 200 && answer.code().is_some(), "{uri}: {answer:?}");
            assert_eq!(files.count(), seen, "{uri} reached the server");
            assert_eq!(gateway.denials().len(), denied + 1, "{uri}");
        }
        for uri in ["file:///data/a%20b", "https://docs.example/public/a", "https://docs.example:8443/x"] {
            let seen = files.count();
            let message = client.message(Some(&json!(1)), "resources/read", json!({ "uri": uri }));
            client.post(&message).header("Mcp-Name", &encode_header(uri)).send().await;
            // Another port is another place, and nobody has granted it.
            assert_eq!(files.count() > seen, !uri.contains(":8443"), "{uri}");
        }
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_022_a_hidden_prompt_is_not_listed_and_not_got() {
    const PROMPTS: &str = "version: 1
roles: { user: { allow: [{ servers: [files], prompts: [\"*\"] }] } }
bindings: [{ role: user, groups: [users] }]
rules: [{ name: no-drafts, deny: { servers: [files], prompts: [draft_*] } }]
";
    let files = Upstream::start().await;
    let prompts = json!([{ "name": "daily" }, { "name": "draft_1" }]);
    files.on_method(
        "prompts/list",
        Reply::result(&json!({ "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "prompts": prompts })),
    );
    let gateway = Gateway::start().policy(PROMPTS).servers([("files", &files)]).await;
    let key = gateway.key("una", &["users"]).await;
    let client = gateway.modern("files", &key);
    let listed = client.request("prompts/list", json!({})).await.json();
    assert_eq!(listed["result"]["prompts"], json!([{ "name": "daily" }]), "{listed}");
    let (seen, denied) = (files.count(), gateway.denials().len());
    let get = async |name: &str| {
        let message = client.message(Some(&json!(1)), "prompts/get", json!({ "name": name }));
        client.post(&message).header("Mcp-Name", &encode_header(name)).send().await
    };
    let hidden = get("draft_1").await;
    assert_eq!((hidden.status, hidden.code(), hidden.message().as_str()), (200, Some(-32602), "Unknown prompt: draft_1"));
    assert_eq!((files.count(), gateway.denials().len()), (seen, denied + 1));
    gateway.stop_and_verify().await;
}

//! TLS: a gateway behind an ingress whose certificate a CA of the company has signed.

use serde_json::json;

use super::{Wire, text};
use crate::peers::parts;
use crate::peers::process::{Announces, Running};
use crate::support::server::Upstream;

#[tokio::test]
async fn only_whom_a_trusted_ca_vouches_for_gets_the_token() {
    let gateway = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut ingress = parts::python("ingress.py");
    ingress.arg(folder.path()).arg(gateway.address.port().to_string());
    let listening = |line: &str| line.strip_prefix("listening on ").map(str::to_owned);
    let (_ingress, url) = Running::announcing(&mut ingress, Announces::Stdout, listening);
    let url = format!("{url}/mcp/crm");
    let ca = folder.path().join("ca.pem");
    let ca = ca.to_str().unwrap();

    let mut wire = Wire::with(&["--ca", ca, &url], Some("yett_1_secret"));
    wire.shake_hands(json!({})).await;
    assert_eq!(text(&wire.call("echo").await), "echo was called");
    assert_eq!(wire.close().await.code, Some(0));
    let seen = gateway.count();

    // Neither the system's CAs nor another name will do.
    for (arguments, what) in
        [(vec![url.as_str()], "UnknownIssuer"), (vec!["--ca", ca, &url.replace("localhost", "127.0.0.1")], "name")]
    {
        let mut wire = Wire::with(&arguments, Some("yett_1_secret"));
        let hello =
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
        let refused = wire.request("initialize", hello).await;
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("certificate") && message.contains(what), "{message}");
        wire.close().await;
    }
    assert_eq!(gateway.count(), seen, "somebody without a good certificate got something");
}

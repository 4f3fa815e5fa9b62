//! TLS to servers.

use serde_json::json;

use super::failure;
use crate::support::certs::{Authority, Issued, Leaf};
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;
use crate::support::tls_front::TlsFront;

fn server(front: &TlsFront, tls: &str) -> String {
    format!("{{ url: \"https://127.0.0.1:{}/mcp\", tls: {{ {tls} }} }}", front.address.port())
}

async fn front(crm: &Upstream, leaf: &Issued) -> TlsFront {
    TlsFront::start(crm.address, &leaf.certificate, leaf, None).await
}

#[tokio::test]
async fn http_047_a_server_that_is_not_the_right_one_is_sent_nothing_and_the_record_says_why() {
    let (crm, root, other) = (Upstream::start().await, Authority::new("root"), Authority::new("other"));
    let here = Leaf::server("127.0.0.1");
    let good = root.issue(&here);
    let fronts = [
        ("expired", "tls_expired", root.issue(&here.clone().expired()), ""),
        ("early", "tls_not_yet_valid", root.issue(&here.clone().not_yet()), ""),
        ("selfsigned", "tls_unknown_ca", here.self_signed(), ""),
        ("unknown", "tls_unknown_ca", other.issue(&here), ""),
        ("elsewhere", "tls_name", root.issue(&Leaf::server("crm.example")), ""),
        ("client", "tls_purpose", root.issue(&Leaf::client("crm").name("127.0.0.1")), ""),
        ("unpinned", "tls_pin", good.clone(), other.pin().leak() as &str),
    ];
    let mut gateway = Gateway::start();
    std::fs::write(gateway.folder().join("ca.pem"), &root.pem).unwrap();
    let mut started = Vec::new();
    for (name, word, leaf, pin) in &fronts {
        let front = front(&crm, leaf).await;
        let pins = if pin.is_empty() { String::new() } else { format!(", pins: [\"{pin}\"]") };
        gateway = gateway.server_written(name, &server(&front, &format!("ca: ca.pem{pins}")));
        started.push((*name, *word, front));
    }
    // What the system trusts has never heard of our CA.
    let public = front(&crm, &good).await;
    gateway = gateway.server_written("public", &format!("{{ url: \"https://127.0.0.1:{}/mcp\" }}", public.address.port()));
    started.push(("public", "tls_unknown_ca", public));
    // The other transport opens a stream first.
    let sse = front(&crm, &root.issue(&here.expired())).await;
    let over_sse = format!("{{ url: \"https://127.0.0.1:{}/sse\", transport: sse, tls: {{ ca: ca.pem }} }}", sse.address.port());
    let gateway = gateway.server_written("sse", &over_sse).await;
    let key = gateway.key("ada", &["staff"]).await;
    for (name, word, front) in &started {
        let answer = gateway.modern(name, &key).call("echo", json!({ "text": "secret of the call" })).await;
        assert_eq!(failure(&gateway, &answer).await, (json!(-31502), json!(word)), "{name}: {answer:?}");
        assert_eq!((front.connections(), front.bytes()), (1, 0), "{name}");
    }
    let client = crate::support::client::Client::before_handshake(gateway.address, "sse", &key, "2025-11-25");
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let answer = client.request("initialize", hello).await;
    assert_eq!(failure(&gateway, &answer).await, (json!(-31502), json!("tls_expired")), "{answer:?}");
    assert_eq!((sse.connections(), sse.bytes(), crm.count()), (1, 0, 0));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_is_known_by_a_private_ca_and_a_pin_anywhere_in_its_chain_and_knows_us_by_our_certificate() {
    let (crm, root, clients) = (Upstream::start().await, Authority::new("root"), Authority::new("clients"));
    let between = root.below("between");
    let leaf = between.issue(&Leaf::server("localhost").name("127.0.0.1"));
    let ours = clients.issue(&Leaf::client("the gateway"));
    let front = TlsFront::start(crm.address, &leaf.chain(&[&between]), &leaf, Some(&clients)).await;
    let mut gateway = Gateway::start();
    let folder = gateway.folder().to_owned();
    std::fs::write(folder.join("ca.pem"), &root.pem).unwrap();
    ours.write(&folder, "ours");
    clients.issue(&Leaf::client("old").expired()).write(&folder, "old");
    let stray = Authority::new("stray");
    let pins = [("leaf", leaf.pin.clone()), ("between", between.pin()), ("root", root.pin())];
    for (name, pin) in &pins {
        let tls = format!("ca: ca.pem, cert: ours.pem, key: ours.key, pins: [\"{}\", \"{pin}\"]", stray.pin());
        gateway = gateway.server_written(name, &server(&front, &tls));
    }
    // A certificate that is only sent along vouches for nothing.
    let along = TlsFront::start(crm.address, &leaf.chain(&[&between, &stray]), &leaf, None).await;
    gateway = gateway.server_written("along", &server(&along, &format!("ca: ca.pem, pins: [\"{}\"]", stray.pin())));
    gateway = gateway.server_written("nobody", &server(&front, "ca: ca.pem"));
    gateway = gateway.server_written("old", &server(&front, "ca: ca.pem, cert: old.pem, key: old.key"));
    let gateway = gateway.await;
    let key = gateway.key("ada", &["staff"]).await;
    for (name, _) in &pins {
        let answer = gateway.modern(name, &key).call("echo", json!({})).await;
        assert_eq!(answer.json()["result"]["content"][0]["text"], "echo was called", "{name}: {answer:?}");
    }
    let shown = rustls::pki_types::pem::PemObject::from_pem_slice(ours.certificate.as_bytes());
    let shown: rustls::pki_types::CertificateDer<'_> = shown.unwrap();
    assert_eq!(front.clients(), [&shown[..]; 3].map(<[u8]>::to_vec));
    let calls = crm.count();
    for (name, word) in [("along", "tls_pin"), ("nobody", "tls_refused"), ("old", "tls_refused")] {
        let answer = gateway.modern(name, &key).call("echo", json!({})).await;
        assert_eq!(failure(&gateway, &answer).await, (json!(-31502), json!(word)), "{name}: {answer:?}");
    }
    assert_eq!((along.bytes(), crm.count()), (0, calls));
    gateway.stop_and_verify().await;
}

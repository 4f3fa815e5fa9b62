//! Tokens are secrets: whatever becomes of them, they stand nowhere afterwards.

use std::net::SocketAddr;

use super::http::{call, send};
use super::process::{Home, METRICS_TOKEN};
use crate::support::token::{Issuer, Key};

/// Every part of a token that somebody could use or read, under a name for the failure.
fn parts(what: &str, token: &str) -> Vec<(String, String)> {
    let mut parts = vec![(format!("{what}, whole"), token.to_owned())];
    parts.extend(
        token
            .split('.')
            .enumerate()
            .filter(|(_, part)| part.len() > 16)
            .map(|(n, part)| (format!("{what}, part {n}"), part.to_owned())),
    );
    parts
}

#[test]
fn jwt_045_tokens_appear_in_no_log_metric_error_or_record() {
    // Somebody who reads what he is sent and hangs up: the call fails, and its errors are told at trace level too.
    let upstream = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address: SocketAddr = upstream.local_addr().unwrap();
    let heard = std::thread::spawn(move || {
        use std::io::Read as _;
        let (mut stream, _) = upstream.accept().unwrap();
        let mut bytes = vec![0; 64 * 1024];
        let count = stream.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    });
    let issuer = Issuer::new("corp");
    let home = Home::new(address);
    home.write("corp.jwks.json", &issuer.key_set().to_string());
    home.edit(
        "policies: policies/",
        "policies: policies/\nidentity: { issuers: [{ name: corp, issuer: \"https://corp.example\", jwks_file: corp.jwks.json, \
         algorithms: [ES256], claims: { subject: sub, groups: groups } }] }",
    );
    home.edit("health: {", "accept_risks: []\nhealth: {");
    let policies = std::fs::read_to_string(home.path("policies/access.yaml")).unwrap();
    home.write("policies/access.yaml", &policies.replace("groups: [sales] }", "groups: [sales], issuers: [corp, api-key] }"));
    let (_, api_key) = home.key_offline("grace");
    let serving = home.serve();

    let now = jiff::Timestamp::now().as_second();
    let audience = format!("http://{}/mcp/crm", serving.listener);
    let token = |canary: &str| {
        issuer.token_for(&audience, now, &format!("subject-{canary}"), &["sales"]).claim("jti", format!("jti-{canary}"))
    };
    let good = token("0c1d2e").signed();
    let bad = [
        ("signature", token("1d2e3f").by(&Key::ec("ec-1")).signed()),
        ("expired", token("2e3f4a").claim("iat", now - 7_200).claim("exp", now - 3_600).signed()),
        ("audience", token("3f4a5b").claim("aud", "https://evil.example").signed()),
        ("kid", token("4a5b6c").header("kid", "canary-kid-5b6c7d").signed()),
        ("malformed", format!("{}.x", token("6c7d8e").signed())),
        ("API key", format!("yett_{}", "canarycanarycanarycanarycanarycanarycanarycanary01")),
        ("too long", "canary-too-long-".repeat(600)),
    ];
    let mut secrets = parts("good", &good);
    secrets.extend(parts("API key, good", &api_key));
    assert_eq!(call(serving.listener, "crm", &good, "search_contacts").status, 200, "an error of the upstream, not of ours");
    assert_eq!(call(serving.listener, "crm", &good, "delete_contact").status, 200);
    assert_eq!(call(serving.listener, "crm", &api_key, "delete_contact").status, 200);
    for (what, token) in &bad {
        let answer = call(serving.listener, "crm", token, "search_contacts");
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert!(!format!("{answer:?}").contains(token.get(..40).unwrap_or(token)), "{what}: {answer:?}");
        secrets.extend(parts(what, token));
    }
    for place in ["Cookie", "X-Api-Key", "Proxy-Authorization"] {
        send(serving.listener, "POST /mcp/crm", &[(place, &good)], "{}");
    }
    send(serving.listener, &format!("POST /mcp/crm?access_token={good}"), &[], "{}");
    let metrics = send(serving.health, "GET /metrics", &[("Authorization", &format!("Bearer {METRICS_TOKEN}"))], "");
    assert_eq!(metrics.status, 200);

    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\"serving\"") && log.contains("SIGTERM"), "the log tells too little to mean anything:\n{log}");
    let heard = heard.join().unwrap();
    assert!(heard.contains("search_contacts"), "{heard}");
    for name in ["0c1d2e", "1d2e3f", "2e3f4a", "3f4a5b", "4a5b6c", "canary-kid-5b6c7d", "6c7d8e"] {
        secrets.push((format!("the text {name}"), name.to_owned()));
    }
    let records = serde_json::Value::from(home.records()).to_string();
    for (what, secret) in &secrets {
        for (place, text) in
            [("the log", &log), ("the metrics", &metrics.body), ("the upstream", &heard), ("the records", &records)]
        {
            assert!(!text.contains(secret.as_str()), "{what} stands in {place}");
        }
        // The vault is where subjects are kept, by design; a subject is no token.
        let is_name = what.starts_with("the text");
        for (path, bytes) in home.data_files() {
            let may = is_name && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vault.db"));
            let found = memchr::memmem::find(&bytes, secret.as_bytes()).is_some();
            assert!(may || !found, "{what} stands in {}", path.display());
        }
    }
}

//! `yett tokens`: what the commands show, record and destroy, on a running gateway and on a stopped one.

use serde_json::Value;

use super::http::call;
use super::process::{Home, Serving};
use super::upstream::Upstream;

const SSN: &str = "536-22-1234";

const RULES: &str = "version: 1
dlp:
  rules:
    - { name: ids, detect: [us_ssn], direction: [response], action: tokenize, purpose: care }
    - { name: credentials, detect: [secrets], action: block }
";

/// A gateway that has shown a token, the token, and the secret of who was shown it.
fn with_a_token() -> (Home, Serving, String, String) {
    let upstream = Upstream::start();
    upstream.says(&format!("SSN {SSN}"));
    let home = Home::new(upstream.address);
    home.write("policies/dlp.yaml", RULES);
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve();
    home.tell_operator(&serving);
    let token = shown(&serving, &secret);
    assert_ne!(token, SSN);
    (home, serving, token, secret)
}

fn shown(serving: &Serving, secret: &str) -> String {
    let reply = call(serving.listener, "crm", secret, "get_customer").json();
    reply["result"]["content"][0]["text"].as_str().unwrap().strip_prefix("SSN ").unwrap().to_owned()
}

fn of_kind(home: &Home, kind: &str) -> Vec<Value> {
    home.records().into_iter().filter(|record| record["kind"] == kind).map(|record| record["what"].clone()).collect()
}

#[test]
fn a_token_is_revealed_and_forgotten_online_and_offline_and_each_is_a_record() {
    let (home, serving, token, secret) = with_a_token();
    let told = home.done(&["tokens", "reveal", &token, "--purpose", "care", "--requester", "dpo", "--config", "operator.yaml"]);
    assert_eq!(told, "536221234\n");
    let wrong = home.run(&["tokens", "reveal", &token, "--config", "operator.yaml"]);
    assert!(wrong.code == Some(2) && wrong.err.contains("no token of that issuer, tenant and purpose"), "{wrong:?}");
    let reads = of_kind(&home, "vault.read");
    assert_eq!((reads.len(), &reads[0]["act"], &reads[0]["requester"]), (2, &"token".into(), &"dpo".into()), "{reads:?}");

    let forgotten = home.done(&["tokens", "forget", &token, "--purpose", "care", "--config", "operator.yaml"]);
    assert!(forgotten.contains(reads[0]["of"].as_str().unwrap()), "{forgotten}");
    let other = shown(&serving, &secret);
    assert_ne!(other, token);
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    for hidden in [SSN, "536221234", &token, &other] {
        assert!(!log.contains(hidden), "the log lines tell `{hidden}`");
        for (path, bytes) in home.data_files() {
            assert!(!bytes.windows(hidden.len()).any(|part| part == hidden.as_bytes()), "{} holds `{hidden}`", path.display());
        }
    }

    let gone = home.run(&["tokens", "reveal", &token, "--purpose", "care", "--offline"]);
    assert_eq!(gone.code, Some(2), "{gone:?}");
    assert_eq!(home.done(&["tokens", "reveal", &other, "--purpose", "care", "--offline"]), "536221234\n");
    home.done(&["tokens", "forget", &other, "--purpose", "care", "--offline"]);
    let gone = home.run(&["tokens", "reveal", &other, "--purpose", "care", "--offline"]);
    assert_eq!(gone.code, Some(2), "{gone:?}");
    let erasures = of_kind(&home, "erasure");
    assert_eq!(erasures.iter().map(|what| what["act"].as_str().unwrap()).collect::<Vec<_>>(), ["forget", "forget"]);
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
}

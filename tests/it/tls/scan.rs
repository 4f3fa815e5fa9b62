//! A scanner of somebody else's: sslyze, as `scripts/parts` installs it.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::{OPTIONAL, Secure, Setting};
use crate::support::within;

/// What sslyze finds at the listener.
async fn scan(secure: &Secure) -> Value {
    let program = crate::peers::parts::identity("sslyze");
    let found = secure.file("found.json");
    let scan = Command::new(program)
        .args(["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--compression", "--reneg", "--resum"])
        .args(["--early_data", "--fallback", "--heartbleed", "--openssl_ccs", "--robot", "--elliptic_curves", "--ems"])
        .arg(format!("--json_out={}", found.display()))
        .arg(secure.address.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status();
    let status = within("a scan", scan).await.expect("sslyze; `scripts/parts identity` installs it");
    assert!(status.success(), "sslyze ended with {status}");
    let found: Value = serde_json::from_slice(&std::fs::read(found).unwrap()).unwrap();
    let server = found["server_scan_results"][0].clone();
    assert_eq!(server["scan_status"], "COMPLETED", "{server}");
    server["scan_result"].clone()
}

fn accepted(result: &Value, version: &str) -> Vec<String> {
    let suites = result[version]["result"]["accepted_cipher_suites"].as_array();
    let suites = suites.unwrap_or_else(|| panic!("no result for {version}: {}", result[version]));
    suites.iter().map(|suite| suite["cipher_suite"]["name"].as_str().unwrap().to_owned()).collect()
}

fn assert_nothing_weak(result: &Value) {
    for (scan, path, expected) in [
        ("tls_compression", "/supports_compression", false),
        ("session_renegotiation", "/is_vulnerable_to_client_renegotiation_dos", false),
        ("heartbleed", "/is_vulnerable_to_heartbleed", false),
        ("openssl_ccs_injection", "/is_vulnerable_to_ccs_injection", false),
        ("tls_1_3_early_data", "/supports_early_data", false),
    ] {
        let found = result[scan]["result"].pointer(path);
        assert_eq!(found, Some(&Value::Bool(expected)), "{scan}: {}", result[scan]);
    }
    let robot = result["robot"]["result"]["robot_result"].as_str().unwrap_or_default();
    assert!(robot.starts_with("NOT_VULNERABLE"), "{robot}");
    for old in ["ssl_2_0_cipher_suites", "ssl_3_0_cipher_suites", "tls_1_0_cipher_suites", "tls_1_1_cipher_suites"] {
        assert_eq!(accepted(result, old), [""; 0], "{old}");
    }
    let mut suites = accepted(result, "tls_1_3_cipher_suites");
    suites.sort();
    assert_eq!(suites, ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]);
}

#[tokio::test]
async fn http_048_a_scan_finds_tls_1_3_alone_and_nothing_weak() {
    let secure = Secure::new(Setting { tls: OPTIONAL, ..Setting::default() }).await;
    let result = scan(&secure).await;
    assert_nothing_weak(&result);
    assert_eq!(accepted(&result, "tls_1_2_cipher_suites"), [""; 0]);
    secure.end().await;
}

#[tokio::test]
async fn http_048_a_scan_of_tls_1_2_by_choice_finds_forward_secret_aead_and_nothing_weak() {
    let secure = Secure::new(Setting { tls: "min_version: \"1.2\"", ..Setting::default() }).await;
    let result = scan(&secure).await;
    assert_nothing_weak(&result);
    let suites = accepted(&result, "tls_1_2_cipher_suites");
    assert!(!suites.is_empty());
    for suite in suites {
        let aead = suite.contains("_GCM_") || suite.contains("CHACHA20_POLY1305");
        assert!(suite.starts_with("TLS_ECDHE_") && aead, "{suite}");
    }
    let resumption = &result["session_resumption"]["result"];
    for kind in ["session_id_resumption_result", "tls_ticket_resumption_result"] {
        assert_eq!(resumption[kind], "NOT_SUPPORTED", "{resumption}");
    }
    secure.end().await;
}

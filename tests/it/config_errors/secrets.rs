//! References are followed, and what they become is never shown.

use yett::config::Auth;

use super::{Folder, server_with};

#[test]
fn references_are_resolved_once_and_never_shown() {
    let yett = server_with("    auth: { bearer: \"${file:token}\" }\n    purpose: \"$$5 ${env:WHAT} $x\"\n");
    let folder = Folder::new(&yett).file("token", "s3cr3t-t0ken\r\n").variable("WHAT", "${env:HOME}: x");
    let loaded = folder.loaded();
    let server = &loaded.config.servers[0];
    assert!(matches!(&server.auth, Some(Auth::Bearer(token)) if token.current().unwrap().secret.expose() == "s3cr3t-t0ken"));
    assert_eq!(server.purpose.as_deref(), Some("$5 ${env:HOME}: x $x"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert!(!format!("{loaded:?}").contains("s3cr3t"));
}

#[test]
fn a_value_behind_a_reference_is_not_in_the_error_about_it() {
    let yett = server_with("    timeout: \"${env:SECRET}\"\n    classification: \"${env:SECRET}\"\n    audiences: [\"${env:SECRET}\"]\n")
        .replace("127.0.0.1:8080", "\"${env:SECRET}\"")
        .replace("name: local", "name: \"${env:SECRET}\"")
        .replace("version: 1", "version: 1\nmaster_key: \"${env:SECRET}\"\nlimits: 1\naudit: { origin: \"${env:SECRET}\", durability: \"${env:SECRET}\" }");
    let folder = Folder::new(&yett).variable("SECRET", "Correct Horse");
    let report = folder.load().unwrap_err();
    assert!(report.errors() >= 7, "{report}");
    assert!(report.to_string().contains("`${env:SECRET}` is not a duration"), "{report}");
    for shown in [report.to_string(), report.to_json().to_string(), format!("{report:?}")] {
        assert!(!shown.contains("Horse"), "{shown}");
    }
}

#[test]
fn references_that_fail_say_why() {
    for (reference, message) in [
        ("${env:NOPE}", "the environment variable `NOPE` is not set"),
        ("${env:EMPTY}", "the environment variable `EMPTY` is empty"),
        ("${file:missing}", "the file `missing` cannot be read: "),
        ("${file:policies}", "the file `policies` cannot be read: not a regular file"),
        ("${file:empty}", "the file `empty` is empty"),
        ("${vault:secret#token}", "`${vault:secret#token}` has no place that can be read"),
        ("${vault:secret/crm#token}", "`${vault:secret/crm#token}` is read when the gateway serves"),
        ("${aws-sm:a b}", "`${aws-sm:a b}` has no place that can be read"),
        ("${NOPE}", "`${NOPE}` is not a reference"),
        ("${env:1A}", "`${env:1A}` is not a reference"),
        ("${env:NOPE", "`${env:NOPE` opens a reference and does not close it"),
        ("${}", "`${}` is not a reference"),
    ] {
        let folder =
            Folder::new(&server_with(&format!("    owner: \"{reference}\"\n"))).variable("EMPTY", "").file("empty", "\n");
        let errors = folder.errors();
        assert_eq!(errors.len(), 1, "{reference}: {errors:?}");
        assert!(errors[0].starts_with(&format!("yett.yaml:8:12 {message}")), "{reference}: {errors:?}");
    }
}

#[test]
fn a_secret_that_is_written_down_is_warned_about_and_starred_out() {
    let yett = server_with("    auth: { bearer: hunter2hunter2 }\n");
    let folder = Folder::new(&yett);
    assert_eq!(folder.warnings(), ["yett.yaml:8:21 a secret is written in this file"]);
    assert!(!folder.loaded().warnings.to_string().contains("hunter2"));

    for wrong in [
        "auth: hunter2",
        "auth: { baerer: hunter2 }",
        "auth: { bearer: hunter2, x: hunter2 }",
        "auth: { basic: { password: hunter2 } }",
        "auth: { basic: { username: hunter2, passwrod: hunter2 } }",
        "auth: { header: { name: Host, value: hunter2 } }",
        "auth: { header: { name: X-Key, value: \"hunter2é\" } }",
        "auth: { bearer: hunter2, basic: { username: u, password: hunter2 } }",
    ] {
        let report = Folder::new(&server_with(&format!("    {wrong}\n"))).load().unwrap_err();
        assert!(!report.to_string().contains("hunter2"), "{report}");
    }
}

#[test]
fn references_to_stores_are_for_secrets_and_lead_to_stores_that_are_configured() {
    let yett =
        server_with("    owner: \"${vault:secret/a#b}\"\n    stdio: { command: [/bin/cat], env: { KEY: \"${aws-ssm:/a}\" } }\n")
            .replace("    url: http://127.0.0.1:7321/mcp\n", "")
            .replace(
                "version: 1",
                "version: 1
master_key: \"${vault:secret/a#b}\"
health: { metrics_token: \"${vault:secret/a#b}\" }
secrets:
  refresh: 2m
  stale: 1m
  max_ages: { health.metrics_tokn: 30d, audit.origin: 1d }
  aws: { region: EU, access_key_id: a }
  vault: { address: \"http://bao.internal\", auth: { token: \"${vault:secret/a#b}\", approle: { role_id: a } } }",
            );
    let errors = Folder::new(&yett).errors();
    let expected = [
        "2:13 `${vault:secret/a#b}` is read when the gateway serves, and this value is needed before",
        "6:10 `stale` is shorter than `refresh`",
        "7:15 `health.metrics_tokn` is no setting whose secret is kept fresh",
        "7:41 `audit.origin` is no setting whose secret is kept fresh",
        "8:8 there is one way to prove who the gateway is, and here are none or several",
        "8:18 `EU` is not a region",
        "9:21 `http://bao.internal` is not an https URL",
    ];
    for expected in expected {
        assert!(errors.iter().any(|error| error.starts_with(&format!("yett.yaml:{expected}"))), "{expected}: {errors:#?}");
    }
    for said in ["there is one way to log in", "is the key to a provider of secrets", "the key `secret_id` is missing"] {
        assert!(errors.iter().any(|error| error.contains(said)), "{said}: {errors:#?}");
    }
    let lost = server_with("").replace("version: 1", "version: 1\nhealth: { metrics_token: \"${vault:secret/a#b}\" }");
    let errors = Folder::new(&lost).errors();
    assert_eq!(errors, ["yett.yaml:2:26 ${vault:secret/a#b} refers to a provider that is not configured"]);
}

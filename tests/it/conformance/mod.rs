//! The official conformance suite, directly and through the gateway. "As directly" is the bar, check by check.
//!
//! Fixture, client and the list of known differences are in `tests/conformance`; `scripts/parts` installs the suite. Each test prints
//! its rows of the table in docs/conformance.md, which `scripts/conformance` collects.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking, and tells figures")]

mod bearer;
mod comparison;
mod suite;

use std::process::Command;

use self::bearer::Bound;
use self::comparison::{assert_all_pass, assert_as_direct, figures};
use self::suite::{Found, Revision, test_client, test_server};
use crate::peers::gateway::Prepared;
use crate::peers::parts;
use crate::peers::process::{Announces, Running};

/// Everything is allowed, and nothing is looked for.
const ALLOW_EVERYTHING: &str = r#"version: 1
roles:
  everything:
    allow:
      - servers: ["*"]
        tools: ["**"]
        prompts: ["**"]
        resources: ["test://**", "file://**", "https://**"]
        server_requests: [elicitation, roots, sampling]
bindings:
  - { role: everything, groups: [agents] }
injection: { requests: off, results: off, definitions: off }
"#;

/// The same, with every layer looking at everything, as it does where an operator says nothing, and at personal data as well.
const INSPECT_EVERYTHING: &str = r#"version: 1
roles:
  everything:
    allow:
      - servers: ["*"]
        tools: ["**"]
        prompts: ["**"]
        resources: ["test://**", "file://**", "https://**"]
        server_requests: [elicitation, roots, sampling]
bindings:
  - { role: everything, groups: [agents] }
dlp:
  rules:
    - { name: numbers, detect: [us_ssn, card, iban], action: mask }
    - { name: credentials, detect: [secrets], direction: [request, response], action: block }
"#;

#[test]
fn a_server_of_2025_11_25_passes_as_directly() {
    compare_servers(Revision::V2025_11_25);
}

#[test]
fn a_server_of_2026_07_28_passes_as_directly() {
    compare_servers(Revision::V2026_07_28);
}

#[test]
fn a_client_of_2025_11_25_passes_as_directly() {
    compare_clients(Revision::V2025_11_25);
}

#[test]
fn a_client_of_2026_07_28_passes_as_directly() {
    compare_clients(Revision::V2026_07_28);
}

/// The suite is the client; the fixture stands behind a gateway that lets everything pass, and one that looks at everything.
fn compare_servers(revision: Revision) {
    let mut command = Command::new(parts::interpreter());
    command.arg("-B").arg(parts::conformance("server.py"));
    let (_fixture, url) =
        Running::announcing(&mut command, Announces::Stdout, |line| line.strip_prefix("listening on ").map(str::to_owned));
    let direct = test_server(&url, revision);
    let required = revision.required_of_servers();
    let leg = format!("server {}", revision.as_str());
    assert_all_pass(&leg, &direct, &required);
    for (how, policy) in [("", ALLOW_EVERYTHING), (", inspected", INSPECT_EVERYTHING)] {
        let through = server_through_gateway(&url, policy, revision);
        let everything: Vec<_> = direct.keys().cloned().collect();
        let row = |what, scenarios: &[String]| {
            let (direct, through) = (figures(&direct, scenarios), figures(&through, scenarios));
            println!("| server{how} | {} | {what} | {direct} | {through} |", revision.as_str());
        };
        row("required", &required.iter().cloned().collect::<Vec<_>>());
        row("all", &everything);
        assert_as_direct(&leg, &direct, &through);
    }
}

fn server_through_gateway(url: &str, policy: &str, revision: Revision) -> Found {
    let shim = Bound::new();
    let listener = format!(", allowed_hosts: [\"{}\"], allowed_origins: [\"{}\"]", shim.authority(), shim.origin());
    let (authority, gateway) = (shim.authority(), Prepared::new("fixture", url, policy, &listener).serve("fixture"));
    let address = gateway.url.strip_prefix("http://").and_then(|url| url.split('/').next()).unwrap();
    let forwarding = shim.forward(address.parse().unwrap(), &gateway.key);
    let found = test_server(&format!("http://{authority}/mcp/fixture"), revision);
    drop(forwarding);
    let (code, report) = gateway.stop().verify();
    assert_eq!(code, 3, "the log is intact, and nothing outside confirms it: {report:#}");
    found
}

/// The suite is the server; between it and an official client stands a gateway for each scenario.
fn compare_clients(revision: Revision) {
    let (python, client) = (parts::interpreter(), parts::conformance("client.py"));
    let client = client.display();
    let direct = test_client(&format!("{} -B {client}", python.display()), revision);
    let scenarios: Vec<String> = revision.of_clients().iter().map(|&name| name.to_owned()).collect();
    let leg = format!("client {}", revision.as_str());
    assert_all_pass(&leg, &direct, &scenarios);

    let prepared = Prepared::new("suite", "http://localhost:1/suite", ALLOW_EVERYTHING, "");
    let command = format!(
        "env MCP_CONFORMANCE_BEARER={} {} -B {} {} {} {client}",
        prepared.key,
        python.display(),
        parts::conformance("through.py").display(),
        prepared.folder().display(),
        env!("CARGO_BIN_EXE_yett"),
    );
    let through = test_client(&command, revision);
    let (of_direct, of_through) = (figures(&direct, &scenarios), figures(&through, &scenarios));
    println!("| client | {} | all but auth/* | {of_direct} | {of_through} |", revision.as_str());
    assert_as_direct(&leg, &direct, &through);
}

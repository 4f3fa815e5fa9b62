//! The official suite, run as a process, and what it found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::peers::parts;

/// The suite tests the two revisions that have requirements of their own; a scenario that both have is run once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    V2025_11_25,
    V2026_07_28,
}

/// What each scenario found: its checks, sorted, each with its name and `SUCCESS`, `FAILURE`, `WARNING` or `SKIPPED`.
pub(super) type Found = BTreeMap<String, Vec<Check>>;

/// One check of a scenario. Several may have one id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Check {
    pub(super) id: String,
    pub(super) status: String,
    /// What the suite has to say about it, which may hold ports and times.
    pub(super) message: String,
}

impl Revision {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The scenarios that a server of this revision must pass, as the suite has frozen them.
    pub(super) fn required_of_servers(self) -> BTreeSet<String> {
        let file = parts::suite().join(format!("@modelcontextprotocol/conformance/requirements/{}.yaml", self.as_str()));
        let text = fs::read_to_string(file).unwrap();
        let lines = text.lines().skip_while(|line| *line != "server:").skip(1).take_while(|line| *line != "client:");
        let required: BTreeSet<String> = lines.filter_map(|line| line.strip_prefix("  - ")).map(str::to_owned).collect();
        assert!(!required.is_empty(), "the suite requires nothing of servers of {}", self.as_str());
        required
    }

    /// The scenarios for clients that are about messages. The others, `auth/*`, ask how a client gets a token from a server that wants
    /// one: behind a gateway it gets one from the gateway, whose metadata and challenges are tested elsewhere.
    pub(super) fn of_clients(self) -> &'static [&'static str] {
        match self {
            Self::V2025_11_25 => &[
                "initialize",
                "tools_call",
                "elicitation-sep1034-client-defaults",
                "sse-retry",
                "json-schema-2020-12-preservation",
            ],
            Self::V2026_07_28 => &[
                "tools_call",
                "request-metadata",
                "sep-2322-client-request-state",
                "http-standard-headers",
                "http-custom-headers",
                "http-invalid-tool-headers",
                "json-schema-ref-no-deref",
                "json-schema-2020-12-preservation",
            ],
        }
    }
}

/// Runs every scenario for servers of `revision`, required or not, against the server at `url`.
pub(super) fn test_server(url: &str, revision: Revision) -> Found {
    let results = tempfile::tempdir().unwrap();
    let said = run(&["server", "--url", url, "--requirements", revision.as_str()], results.path());
    let found = read(results.path(), "server-");
    let missing: Vec<_> = revision.required_of_servers().into_iter().filter(|name| !found.contains_key(name)).collect();
    assert!(missing.is_empty(), "the suite left out {missing:?}:\n{said}");
    found
}

/// Runs the scenarios for clients of `revision`; the suite plays the server, and starts the client by `command` for each.
pub(super) fn test_client(command: &str, revision: Revision) -> Found {
    let results = tempfile::tempdir().unwrap();
    let mut found = Found::new();
    for scenario in revision.of_clients() {
        let said =
            run(&["client", "--command", command, "--scenario", scenario, "--spec-version", revision.as_str()], results.path());
        found.append(&mut read(results.path(), ""));
        assert!(found.contains_key(*scenario), "the suite found nothing about {scenario}:\n{said}");
    }
    found
}

/// What it prints. How it ends says no more than its results.
fn run(arguments: &[&str], results: &Path) -> String {
    let modules = parts::suite();
    let mut command = Command::new(modules.join(".bin/node"));
    command.arg(modules.join("@modelcontextprotocol/conformance/dist/index.js")).args(arguments).arg("-o").arg(results);
    let output = command.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// One folder for each scenario: its name between the prefix and the time.
fn read(results: &Path, prefix: &str) -> Found {
    const TIME: usize = "-2026-01-01T00-00-00-000Z".len();
    let mut found = Found::new();
    for folder in fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let scenario = name.strip_prefix(prefix).and_then(|name| name.get(..name.len() - TIME));
        let scenario = scenario.unwrap_or_else(|| panic!("a folder of no scenario: {name}")).to_owned();
        let checks: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("checks.json")).unwrap()).unwrap();
        // INFO tells what came, event by event: how much that is depends on the time.
        let mut checks: Vec<Check> = checks.iter().filter(|check| check["status"] != "INFO").map(Check::from).collect();
        checks.sort();
        found.insert(scenario, checks);
    }
    found
}

impl From<&Value> for Check {
    fn from(check: &Value) -> Self {
        let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        Self { id: text("id"), status: text("status"), message: text("errorMessage") }
    }
}

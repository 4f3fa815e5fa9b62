//! What an operator reads when a configuration is wrong: every mistake at once, with its place, and nothing secret.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod anonymous;
mod auditors;
mod detectors;
mod modules;
mod policies;
mod rules_of_scan;
mod secrets;
mod settings;
mod shipped;
mod sinks;
mod telemetry;
mod tls;
mod upstream_tls;
mod witness;
pub(crate) mod wrong_policies;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;
use yett::config::{Environment, Loaded, load_str_with, load_with};
use yett::yaml::{Report, Severity};

const MINIMAL: &str = "version: 1
listeners:
  - name: local
    address: 127.0.0.1:8080
servers:
  crm:
    url: https://crm.internal/mcp
policies: policies/
";

const ACCESS: &str = "version: 1
roles:
  reader:
    allow: [{ servers: [crm], tools: [get_*] }]
bindings:
  - { role: reader, issuers: [api-key], subjects: [ada] }
";

/// A folder with a configuration, and the environment it is loaded in.
struct Folder {
    dir: TempDir,
    variables: HashMap<String, String>,
}

impl Environment for Folder {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn is_terminal(&self) -> bool {
        false
    }
}

impl Folder {
    fn new(yett: &str) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), variables: HashMap::new() }
            .file("yett.yaml", yett)
            .file("policies/access.yaml", ACCESS)
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn load(&self) -> Result<Loaded, Report> {
        load_with(&self.dir.path().join("yett.yaml"), self)
    }

    fn loaded(&self) -> Loaded {
        let loaded = self.load().unwrap_or_else(|report| panic!("it should load:\n{report}"));
        crate::schema::fits(self.dir.path());
        loaded
    }

    /// `file:line:column message` of every error.
    fn errors(&self) -> Vec<String> {
        let report = self.load().expect_err("it should not load");
        assert!(report.has_errors());
        self.rows(&report, Severity::Error)
    }

    fn warnings(&self) -> Vec<String> {
        self.rows(&self.loaded().warnings, Severity::Warning)
    }

    fn rows(&self, report: &Report, severity: Severity) -> Vec<String> {
        let of =
            |file: &str| Path::new(file).strip_prefix(self.dir.path()).map(|path| path.display().to_string()).unwrap_or_default();
        report
            .diagnostics()
            .into_iter()
            .filter(|found| found.severity == severity)
            .map(|found| {
                let place = found.place;
                format!("{}:{}:{} {}", of(report.file_name(place.file)), place.line, place.column, found.message)
            })
            .collect()
    }
}

/// `MINIMAL` with lines below the one server.
fn server_with(lines: &str) -> String {
    MINIMAL.replace("policies:", &format!("{lines}policies:"))
}

#[test]
fn ten_mistakes_in_three_files_come_out_at_once() {
    let folder = Folder::new(
        "version: 1
listeners:
  - name: Public
    adress: 0.0.0.0:8443
    limits: { body: 4MB }
servers:
  crm:
    url: https://admin:hunter2@crm.internal/mcp
    timeout: ~
  mail:
    owner: ops
    tls: { ca: ca.pem }
master_key: \"${env:YETT_KEY}\"
redis: { url: \"redis://:hunter2@cache\" }
policies: policies/
",
    )
    .file("policies/access.yaml", &ACCESS.replace("role: reader", "role: raeder"))
    .file("policies/dlp.yaml", "version: 1\ndlp:\n  rules:\n    - { name: ids, detect: [ssn], action: hide }\n");
    assert_eq!(
        folder.errors(),
        [
            "yett.yaml:3:5 the key `address` is missing in `listeners[]`",
            "yett.yaml:3:11 `Public` is not a name",
            "yett.yaml:4:5 unknown key `adress` in `listeners[]`",
            "yett.yaml:5:21 `4MB` is not a size",
            "yett.yaml:8:10 this URL holds a user or password",
            "yett.yaml:9:5 `timeout` has no value",
            "yett.yaml:10:3 the key `url` is missing in `servers.*`",
            "yett.yaml:12:16 `ca.pem` cannot be read: No such file or directory (os error 2)",
            "yett.yaml:13:13 the environment variable `YETT_KEY` is not set",
            "yett.yaml:14:1 `redis` is not enforced by this build yet",
            "policies/access.yaml:6:13 no role is called `raeder`",
            "policies/dlp.yaml:4:29 `ssn` is no detector, no kind of one and no class",
            "policies/dlp.yaml:4:43 `hide` is not one of the accepted words",
        ]
    );
    let report = folder.load().unwrap_err();
    let shown = report.to_string();
    assert!(shown.contains("    adress: 0.0.0.0:8443\n   |     ^^^^^^ did you mean `address`?"), "{shown}");
    assert!(shown.contains("did you mean `reader`?") && shown.contains("did you mean `us_ssn`?"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let json = report.to_json();
    let list = json.as_array().unwrap();
    assert_eq!(list.iter().filter(|found| found["severity"] == "error").count(), 13);
    assert!(list.iter().all(|found| found["line"].is_u64() && found["column"].is_u64() && found["file"].is_string()));
}

#[test]
fn tokens_and_where_they_become_values_have_their_mistakes() {
    let folder = Folder::new(MINIMAL).file("policies/access.yaml", ACCESS).file(
        "policies/dlp.yaml",
        "version: 1
dlp:
  rules:
    - { name: credentials, detect: [secrets], action: block, purpose: care }
    - { name: ids, detect: [us_ssn], action: tokenize, purpose: Care! }
    - { name: cards, detect: [card], action: tokenize, purpose: billing }
  restore:
    - { purpose: biling, servers: [crm], tools: [\"update_*\"], roles: [reader] }
    - { servers: [\"*\"], tools: [a/b], roles: [raeder], arguments: [\"*\"] }
    - { purpose: billing }
",
    );
    assert_eq!(
        folder.errors(),
        [
            "policies/dlp.yaml:4:71 only tokens and hashes have a purpose",
            "policies/dlp.yaml:5:65 `Care!` is not a name",
            "policies/dlp.yaml:8:18 no rule makes tokens of the purpose `biling`",
            "policies/dlp.yaml:9:19 no server is called `*`",
            "policies/dlp.yaml:9:33 `a/b` holds a `/`",
            "policies/dlp.yaml:9:47 no role is called `raeder`",
            "policies/dlp.yaml:9:68 `*` is a pattern",
            "policies/dlp.yaml:10:7 the key `servers` is missing in `dlp.restore[]`",
            "policies/dlp.yaml:10:7 the key `tools` is missing in `dlp.restore[]`",
            "policies/dlp.yaml:10:7 the key `roles` is missing in `dlp.restore[]`",
        ]
    );
    let shadow = Folder::new(MINIMAL).file("policies/access.yaml", ACCESS).file(
        "policies/dlp.yaml",
        "version: 1\nmode: shadow\ndlp:\n  rules: [{ name: ids, detect: [secrets], action: tokenize }]\n  restore: [{ servers: [crm], tools: [a], roles: [reader] }]\n",
    );
    assert_eq!(
        shadow.errors(),
        [
            "policies/dlp.yaml:5:12 a value cannot be restored in shadow: it would reach the server, or the entry would mean nothing"
        ]
    );
}

#[test]
fn what_is_restored_and_could_be_read_back_in_the_clear_is_a_warning() {
    let with = |direction: &str| {
        let rule = format!("{{ name: ids, detect: [secrets], action: tokenize{direction} }}");
        let restore = "{ servers: [crm], tools: [a], roles: [reader] }";
        let folder = Folder::new(MINIMAL)
            .file("policies/access.yaml", ACCESS)
            .file("policies/dlp.yaml", &format!("version: 1\ndlp:\n  rules: [{rule}]\n  restore: [{restore}]\n"));
        folder.loaded().warnings.to_string()
    };
    assert!(!with("").contains("in the clear"), "{}", with(""));
    let warned = with(", direction: [request]");
    assert!(warned.contains("what is restored for `crm` can be read back from it in the clear by later calls"), "{warned}");
}

#[test]
fn weak_settings_are_warnings() {
    let yett = server_with("  spare: { url: \"http://spare.internal/mcp\", auth: { bearer: \"${env:T}\" } }\n")
        .replace("servers:\n", "    servers: [crm]\naccept_risks: [plaintext_listener, open_metrics]\nservers:\n");
    let folder = Folder::new(&yett).variable("T", "token").file(
        "policies/x.yaml",
        "version: 1\nroles:\n  all: { allow: [{ servers: [\"*\"], tools: [\"*\"] }] }\n  none: {}\ndlp: { clearance: { from: principal.attributes.level } }\ninjection: { results: off }\n",
    );
    assert_eq!(
        folder.warnings(),
        [
            "yett.yaml:6:16 nothing needs this risk: every listener is on loopback or speaks TLS",
            "yett.yaml:6:36 whoever reaches the health address reads the metrics",
            "yett.yaml:10:3 no listener offers the server `spare`",
            "yett.yaml:10:17 the credential for this server travels unencrypted",
            "policies/x.yaml:3:3 nobody holds the role `all`",
            "policies/x.yaml:3:43 this role may call every tool of every server, also those added later",
            "policies/x.yaml:4:3 this role grants nothing",
            "policies/x.yaml:4:3 nobody holds the role `none`",
            "policies/x.yaml:5:6 no rule detects `secrets`: credentials pass",
            "policies/x.yaml:5:27 no issuer gives callers the attribute `level`",
            "policies/x.yaml:6:23 injection is not looked for in results",
        ]
    );
    assert_eq!(
        Folder::new(MINIMAL).file("policies/access.yaml", "version: 1\n").warnings(),
        ["policies:0:0 the policies grant nothing: nobody may do anything"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}|([ \\n\\t:#,&*!|>'\"%@`{}\\[\\]?a-c$-]|version: 1\n){0,200}") {
        let folder = Folder { dir: tempfile::tempdir().unwrap(), variables: HashMap::new() };
        if let Err(report) = load_str_with(&text, folder.dir.path(), &folder) {
            prop_assert!(report.has_errors());
            let _shown = (report.to_string(), report.to_json());
        }
    }

    #[test]
    fn a_good_file_with_a_stretch_replaced_never_panics(at in 0..2000_usize, cut in 0..40_usize, new in "[ \\n:#&*!|'\"{}\\[\\]?a$0-]{0,12}") {
        let policies = root().join("config");
        let text = fs::read_to_string(policies.join("yett.yaml")).unwrap();
        let chars: Vec<char> = text.chars().filter(|c| *c != '#').collect();
        let mutated: String = chars.iter().take(at).chain(&new.chars().collect::<Vec<_>>()).chain(chars.iter().skip(at + cut)).collect();
        let folder = Folder { dir: tempfile::tempdir().unwrap(), variables: HashMap::new() };
        if let Err(report) = load_str_with(&mutated, &policies, &folder) {
            prop_assert!(report.has_errors());
            let _shown = (report.to_string(), report.to_json());
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

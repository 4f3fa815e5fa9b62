//! `yett.yaml` as anybody could write it: read or refused with places inside the file, the same each time, and never with a secret
//! in the report.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use yett::config::{Environment, Loaded, load_str_with, load_with};
use yett::yaml::Report;

use super::yaml::{check_report, folder};

/// Stands in a file and in the environment; must never be shown.
const SECRET: &str = "canary-7f31c5e2d0b94a68";

struct Surroundings;

impl Environment for Surroundings {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "SECRET" => Some(SECRET.to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn is_terminal(&self) -> bool {
        false
    }
}

/// The oracle.
pub fn check(input: &[u8]) {
    thread_local! {
        static FOLDER: TempDir = prepared();
    }
    FOLDER.with(|folder| check_in(folder.path(), input));
}

fn prepared() -> TempDir {
    let folder = folder();
    fs::create_dir(folder.path().join("policies")).unwrap();
    let policy = "version: 1\nroles:\n  staff: { allow: [{ servers: [crm], tools: [\"*\"] }] }\n";
    fs::write(folder.path().join("policies/access.yaml"), policy).unwrap();
    fs::write(folder.path().join("secret"), SECRET).unwrap();
    fs::write(folder.path().join("jwks.json"), r#"{"keys":[]}"#).unwrap();
    folder
}

fn check_in(base: &Path, input: &[u8]) {
    let outcome = load(base, input);
    let report = match &outcome {
        Ok(loaded) => {
            assert!(!loaded.warnings.has_errors(), "served with errors: {}", loaded.warnings);
            assert!(!loaded.config.listeners.is_empty() && !loaded.config.servers.is_empty());
            assert_eq!(loaded.config.hash.len(), 64);
            &loaded.warnings
        }
        Err(report) => {
            assert!(report.has_errors(), "refused without an error: {report}");
            report
        }
    };
    // What else it names by its path may be anything.
    check_report(report, |name| (name == "yett.yaml" || base.join("yett.yaml") == Path::new(name)).then_some(input));
    if !String::from_utf8_lossy(input).contains("canary") {
        assert!(!report.to_string().contains(SECRET), "the report shows a secret");
        assert!(!report.to_json().to_string().contains(SECRET), "the report shows a secret in JSON");
    }
    let again = load(base, input);
    let shown = |outcome: &Result<Loaded, Report>| match outcome {
        Ok(loaded) => format!("{:?} {}", loaded.config, loaded.warnings),
        Err(report) => report.to_string(),
    };
    assert_eq!(shown(&again), shown(&outcome), "read twice, it differs");
}

fn load(base: &Path, input: &[u8]) -> Result<Loaded, Report> {
    if let Ok(text) = std::str::from_utf8(input) {
        return load_str_with(text, base, &Surroundings);
    }
    let path = base.join("yett.yaml");
    fs::write(&path, input).unwrap();
    let loaded = load_with(&path, &Surroundings);
    // The next input may name this folder as that of its policies.
    fs::remove_file(&path).unwrap();
    loaded
}

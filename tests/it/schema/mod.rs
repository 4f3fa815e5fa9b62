//! `yett schema`: the JSON Schemas say what the reader reads.
//!
//! The committed schemas are made from the tables of docs/configuration.md; after a change there, `YETT_RECORD=1 cargo test --test it
//! schema::` writes them. A new key needs its row, and nothing here. A new word in the column `type` needs an arm in `types.rs`. That the
//! rows are what the reader reads is asked of the reader itself, with a file in which every key stands (`drift.rs`).

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod build;
mod drift;
mod examples;
mod skeleton;
mod table;
mod types;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;
use yett::yaml::{Report, read, to_json};

use crate::cli::process::{Finished, command, finish};
use table::Of;

const CONFIG: &str = include_str!("../../../config/schema/yett.schema.json");
const POLICY: &str = include_str!("../../../config/schema/policy.schema.json");

static SCHEMAS: LazyLock<[Validator; 2]> =
    LazyLock::new(|| [CONFIG, POLICY].map(|text| jsonschema::draft202012::new(&serde_json::from_str(text).unwrap()).unwrap()));

/// What the schema of `yett.yaml` says against this text.
pub(crate) fn against_config(text: &str) -> Vec<String> {
    against(&SCHEMAS[0], &json(text))
}

/// What the schema of policies says against this text.
pub(crate) fn against_policy(text: &str) -> Vec<String> {
    against(&SCHEMAS[1], &json(text))
}

/// What the reader takes, editors take: `yett.yaml` of this folder, and its policies.
pub(crate) fn fits(folder: &Path) {
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    let found = against_config(&text(&folder.join("yett.yaml")));
    assert!(found.is_empty(), "yett.yaml: {found:#?}");
    for entry in fs::read_dir(folder.join("policies")).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let found = against_policy(&text(&path));
            assert!(found.is_empty(), "{}: {found:#?}", path.display());
        }
    }
}

fn against(schema: &Validator, value: &Value) -> Vec<String> {
    schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// A file as an editor sees it: what JSON has of it.
fn json(text: &str) -> Value {
    let mut report = Report::new();
    let node = read("x.yaml", text.as_bytes(), &mut report).unwrap_or_else(|| panic!("{report}"));
    serde_json::from_str(&to_json(&node).unwrap_or_default()).unwrap_or(Value::Null)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever changes the reference asks for the schemas to be written")]
fn the_committed_schemas_are_those_of_the_reference() {
    for (of, name, committed) in [(Of::Config, "yett", CONFIG), (Of::Policy, "policy", POLICY)] {
        let made = serde_json::to_string_pretty(&build::build(of)).unwrap() + "\n";
        if std::env::var("YETT_RECORD").is_ok() {
            fs::write(root().join(format!("config/schema/{name}.schema.json")), made).unwrap();
        } else {
            // Not the two of them, which nobody would read.
            assert!(committed == made, "docs/configuration.md has changed: YETT_RECORD=1 cargo test --test it schema::");
        }
    }
}

#[test]
fn the_command_prints_them_for_an_editor_and_nothing_else() {
    for (name, committed) in [("config", CONFIG), ("policy", POLICY)] {
        let printed = run(&["schema", name]);
        assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
        assert_eq!(printed.out, committed);
        let schema: Value = serde_json::from_str(committed).unwrap();
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        closed(&schema, "");
    }
    assert_eq!(run(&["schema", "both"]).code, Some(2));
}

fn run(arguments: &[&str]) -> Finished {
    finish(command(&root()).args(arguments))
}

/// Every mapping says what may stand in it, and every key what it is.
fn closed(schema: &Value, path: &str) {
    if let Some(object) = schema.as_object() {
        if object.contains_key("properties") && path != "/$defs/words" {
            let is_closed = ["additionalProperties", "unevaluatedProperties"]
                .iter()
                .any(|word| object.get(*word) == Some(&Value::Bool(false)));
            assert!(is_closed || path.starts_with("/$defs/"), "{path} is open");
            for (name, property) in object["properties"].as_object().unwrap() {
                assert!(path.contains("/$defs/") || property["description"].is_string(), "{path}/{name} has no description");
            }
        }
        for (name, below) in object {
            closed(below, &format!("{path}/{name}"));
        }
    }
}

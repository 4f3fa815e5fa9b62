//! What is good by the reader is good by the schema, and what is wrong in its shape is wrong by both.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use yett::config::load;

use super::{SCHEMAS, against, against_config, against_policy, json, root};
use crate::config_errors::wrong_policies::{FILE, cases};

#[test]
fn every_shipped_file_fits() {
    let mut files = 0;
    for name in ["config/yett.yaml", "config/minimal.yaml", "policies/packs/yett.yaml"] {
        let found = against_config(&fs::read_to_string(root().join(name)).unwrap());
        assert!(found.is_empty(), "{name}: {found:?}");
    }
    for folder in
        fs::read_dir(root().join("policies/packs")).unwrap().map(|entry| entry.unwrap().path()).chain([root().join("policies")])
    {
        for path in yaml_files(&folder) {
            let found = against_policy(&fs::read_to_string(&path).unwrap());
            assert!(found.is_empty(), "{}: {found:?}", path.display());
            files += 1;
        }
    }
    assert!(files > 9, "only {files}");
}

fn yaml_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// The YAML of the documentation is of one of the two files, or a part of it.
#[test]
fn the_examples_of_the_documentation_fit() {
    let [config, policy] = [super::CONFIG, super::POLICY].map(|text| {
        let mut schema: Value = serde_json::from_str(text).unwrap();
        schema.as_object_mut().unwrap().remove("required");
        schema
    });
    let keys = |schema: &Value| schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let (config_keys, policy_keys) = (keys(&config), keys(&policy));
    let [config, policy] = [config, policy].map(|schema| jsonschema::draft202012::new(&schema).unwrap());
    let mut fitted = 0;
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for path in
        docs.chain(["README.md", "policies/README.md"].map(|name| root().join(name))).filter(|path| path.extension().is_some())
    {
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("\n```yaml\n").skip(1) {
            let block = block.split("\n```").next().unwrap();
            let Ok(Value::Object(value)) = std::panic::catch_unwind(|| json(block)) else { continue };
            let of = |keys: &[String]| value.keys().all(|key| keys.contains(key));
            let whole = Value::Object(value.clone());
            let found = match (of(&config_keys), of(&policy_keys)) {
                (true, _) => against(&config, &whole),
                (false, true) => against(&policy, &whole),
                // A compose file, a manifest, rows of a table.
                (false, false) => continue,
            };
            assert!(found.is_empty(), "{}:\n{block}\n{found:#?}", path.display());
            fitted += 1;
        }
    }
    assert!(fitted > 15, "only {fitted}");
}

/// What is told of a mistake of shape, which no name or value elsewhere could make good.
const SHAPE: [&str; 12] = [
    "error: unknown key",
    "error: unknown word",
    "error: the key `",
    "error: expected a",
    "is not one of the accepted words",
    "is not a whole number in range",
    "is not a duration",
    "is not a rate",
    "is not a quota",
    "is not enforced by this build yet",
    " is empty\n",
    "holds a `/`",
];

#[test]
fn wrong_policies_of_the_wrong_shape_are_refused_by_the_schema() {
    let mut refused = 0;
    for (name, policy, said) in cases() {
        // What is wrong with another file is not said of this one.
        if policy.contains(FILE) {
            continue;
        }
        // JSON has nothing of a key that is given twice.
        if !SHAPE.iter().any(|shape| said.contains(shape)) || said.contains("is given twice") {
            continue;
        }
        let found = against_policy(&format!("version: 1\n{policy}\n"));
        assert!(!found.is_empty(), "{name}: the reader says\n{said}\nand the schema nothing");
        refused += 1;
    }
    assert!(refused > 20, "only {refused}");
}

const BROAD: &str = r#"{ "version": 1,
  "listeners": [{ "name": "local", "address": "127.0.0.1:8080", "allowed_origins": ["http://localhost:6274"], "servers": ["*"],
    "limits": { "body": "4MiB", "headers": 64, "header_timeout": "10s" }, "legacy_sse": true, "trusted_proxies": ["10.0.0.0/8"] }],
  "admin": { "address": "127.0.0.1:9901" }, "health": { "address": "127.0.0.1:9902", "metrics_token": "0123456789abcdef" },
  "state": { "url": "sqlite" }, "shutdown": { "delay": "0s", "drain": "30s" }, "accept_risks": [],
  "audit": { "origin": "a.example", "durability": "response", "index": true, "copies": [], "refusals": { "per_peer": 20 } },
  "identity": { "api_keys": { "enabled": true, "max_age": "90d" }, "issuers": [{ "name": "corp", "issuer": "https://a.example",
    "algorithms": ["ES256"], "token_types": ["jwt"], "claims": { "groups": "groups", "attributes": { "team": "/a/b" } } }] },
  "servers": { "crm": { "url": "https://crm.internal/mcp", "transport": "http", "classification": "restricted", "timeout": "60s",
    "auth": { "bearer": "${env:T}" }, "tools": { "x": { "operation": "read", "capture": "keys" } }, "limits": { "queue": 0 } },
    "files": { "stdio": { "command": ["/bin/true"], "env": { "A": "1" }, "per": "server" } } },
  "telemetry": { "logs": { "level": "info" }, "traces": { "endpoint": "http://127.0.0.1:4318", "sample": 0.5 } },
  "policies": "policies/" }"#;

/// Values that are good somewhere.
fn values() -> impl Strategy<Value = Value> {
    let all = [
        json!(1),
        json!("1"),
        json!(0),
        json!(100),
        json!(0.5),
        json!(true),
        json!("true"),
        json!("false"),
        json!("10s"),
        json!("1h"),
        json!("4MiB"),
        json!("5/s"),
        json!("100/day"),
        json!("10MiB/hour"),
        json!("*"),
        json!("crm"),
        json!("none"),
        json!("log"),
        json!("block"),
        json!("read"),
        json!("http"),
        json!("https://a.example"),
        json!("127.0.0.1:1"),
        json!("${env:T}"),
        json!("a ${env:T}"),
        json!([]),
        json!(["*"]),
        json!(["crm"]),
        json!(["x"]),
        json!([1]),
        json!({}),
        json!({ "x": "y" }),
        json!("shadow"),
        json!("strict"),
        json!(null),
        json!("reader"),
        json!(["reader"]),
        json!({ "effect": "deny" }),
        json!({ "type": "string" }),
        json!("2026-01-01T00:00:00Z"),
    ];
    proptest::sample::select(all.to_vec())
}

/// Puts `new` at the `at`-th place of the tree, or takes what is there away.
fn change(value: &mut Value, at: &mut usize, new: Option<&Value>) -> bool {
    match value {
        Value::Object(members) => {
            let keys: Vec<String> = members.keys().cloned().collect();
            keys.iter().any(|key| {
                if *at > 0 {
                    *at -= 1;
                    return members.get_mut(key).is_some_and(|below| change(below, at, new));
                }
                match new {
                    Some(new) => members.insert(key.clone(), new.clone()),
                    None => members.remove(key),
                };
                true
            })
        }
        Value::Array(items) => (0..items.len()).any(|index| {
            if *at > 0 {
                *at -= 1;
                return change(&mut items[index], at, new);
            }
            match new {
                Some(new) => items[index] = new.clone(),
                None => drop(items.remove(index)),
            }
            true
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// All policies that are shipped, as one list of documents.
fn policies() -> Vec<Value> {
    let packs = fs::read_dir(root().join("policies/packs")).unwrap().map(|entry| entry.unwrap().path());
    let files = packs.flat_map(|folder| yaml_files(&folder));
    files.map(|path| json(&fs::read_to_string(path).unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_configuration_that_the_reader_takes_fits(changes in proptest::collection::vec((0..110_usize, proptest::option::weighted(0.8, values())), 1..3)) {
        let mut value: Value = serde_json::from_str(BROAD).unwrap();
        for (at, new) in changes {
            change(&mut value, &mut at.clone(), new.as_ref());
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("policies")).unwrap();
        let text = value.to_string();
        let taken = yett::config::load_str_with(&text, dir.path(), &Variables).is_ok();
        let found = against(&SCHEMAS[0], &value);
        prop_assert!(!taken || found.is_empty(), "{text}\n{found:#?}");
    }

    #[test]
    fn a_changed_policy_that_the_reader_takes_fits(which in 0..6_usize, at in 0..400_usize, new in proptest::option::weighted(0.8, values())) {
        let mut all = policies();
        let which = which % all.len();
        let mut value = all.swap_remove(which);
        change(&mut value, &mut at.clone(), new.as_ref());
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("policies")).unwrap();
        fs::copy(root().join("policies/packs/yett.yaml"), dir.path().join("yett.yaml")).unwrap();
        fs::write(dir.path().join("policies/x.yaml"), value.to_string()).unwrap();
        let yett = fs::read_to_string(dir.path().join("yett.yaml")).unwrap();
        let mut yett = json(&yett);
        yett["policies"] = json!("policies");
        fs::write(dir.path().join("yett.yaml"), yett.to_string()).unwrap();
        let taken = load(&dir.path().join("yett.yaml")).is_ok();
        let found = against(&SCHEMAS[1], &value);
        prop_assert!(!taken || found.is_empty(), "{value}\n{found:#?}");
    }
}

struct Variables;

impl yett::config::Environment for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "T").then(|| "10".to_owned())
    }

    fn is_terminal(&self) -> bool {
        false
    }
}

#[test]
fn the_broad_configuration_is_one_that_the_reader_takes() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    if let Err(report) = yett::config::load_str_with(BROAD, dir.path(), &Variables) {
        panic!("{report}");
    }
    let value: Value = serde_json::from_str(BROAD).unwrap();
    assert!(against(&SCHEMAS[0], &value).is_empty());
    // Nothing that the reader does not know.
    assert!(!against_config("version: 1\nlistenres: []\n").is_empty());
}

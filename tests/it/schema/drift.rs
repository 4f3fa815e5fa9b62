//! The reference says what the reader reads: its keys, their types, words and ranges. The reader is asked by its errors.

use std::collections::BTreeSet;
use std::fs;

use yett::config::load;
use yett::yaml::{Diagnostic, Report};

use super::skeleton::Skeleton;
use super::table::{Of, Row, keys};
use super::types::{Kind, kind};
use super::{POLICY, root};

/// Far from every word there is.
const NONSENSE: &str = "zzqqxx";

const YETT: &str = "version: 1
listeners: [{ name: local, address: \"127.0.0.1:8080\" }]
servers:
  crm: { url: \"http://127.0.0.1:1/mcp\" }
policies: policies/
";

/// What the reader says of a file.
fn report(of: Of, text: &str) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let (yett, policy) = match of {
        Of::Config => (text, "version: 1\n"),
        Of::Policy => (YETT, text),
    };
    fs::create_dir(dir.path().join("policies")).unwrap();
    fs::write(dir.path().join("yett.yaml"), yett).unwrap();
    fs::write(dir.path().join("policies/x.yaml"), policy).unwrap();
    load(&dir.path().join("yett.yaml")).unwrap_err()
}

/// The first error of each line that has a key.
fn said<'r>(report: &'r Report, of: Of, skeleton: &'r Skeleton) -> Vec<(&'r Row, Option<&'r Diagnostic>)> {
    let file = match of {
        Of::Config => "yett.yaml",
        Of::Policy => "x.yaml",
    };
    let found = report.diagnostics();
    let at = |line: usize| {
        let here = |found: &&&Diagnostic| found.place.line == line && report.file_name(found.place.file).ends_with(file);
        found.iter().find(here).copied()
    };
    skeleton.rows.iter().map(|(line, row)| (row, at(*line))).collect()
}

#[test]
fn every_key_that_is_read_has_a_row_and_every_row_is_read() {
    for (of, least) in [(Of::Config, 200), (Of::Policy, 80)] {
        let keys = keys(of);
        let skeleton = Skeleton::of(&keys, &|_| NONSENSE);
        let report = report(of, &skeleton.text);
        let ready = |key: &String| key.starts_with("roles.*.allow[].arguments.*.");
        let read: BTreeSet<String> = report.keys().filter(|key| !ready(key)).collect();
        let written = paths(of);
        // Both files are read each time.
        let other = match of {
            Of::Config => paths(Of::Policy),
            Of::Policy => paths(Of::Config),
        };
        let read: BTreeSet<String> = read.into_iter().filter(|key| written.contains(key) || !other.contains(key)).collect();
        let missing: Vec<_> = read.difference(&written).collect();
        let extra: Vec<_> = written.difference(&read).collect();
        assert!(missing.is_empty(), "keys without a row in docs/configuration.md: {missing:?}");
        assert!(extra.is_empty(), "rows of docs/configuration.md that nothing reads: {extra:?}");
        assert!(written.len() > least, "only {} keys", written.len());
    }
}

fn paths(of: Of) -> BTreeSet<String> {
    keys(of).rows().iter().map(|row| row.path.clone()).collect()
}

#[test]
fn the_checks_of_arguments_have_the_keys_that_are_read_and_the_words_that_are_documented() {
    let skeleton = Skeleton::of(&keys(Of::Policy), &|_| NONSENSE);
    let report = report(Of::Policy, &skeleton.text);
    let read: BTreeSet<String> =
        report.keys().filter_map(|key| key.strip_prefix("roles.*.allow[].arguments.*.").map(str::to_owned)).collect();
    let schema: serde_json::Value = serde_json::from_str(POLICY).unwrap();
    let checks = ["sql", "path", "url", "email", "number"];
    let properties =
        |name: &str| schema["$defs"][name]["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let written =
        checks.iter().flat_map(|check| properties(check).into_iter().map(move |key| format!("{check}.{key}"))).collect();
    assert_eq!(read, written);
    let text = fs::read_to_string(root().join("docs/arguments.md")).unwrap();
    let (_, table) = text.split_once("| for | words |\n").unwrap();
    let cells = table.lines().take_while(|line| line.starts_with('|')).skip(1).map(|line| line.split('|').nth(2).unwrap());
    let documented: BTreeSet<String> =
        cells.flat_map(|cell| cell.split(", ")).map(|word| word.trim().trim_matches('`').to_owned()).collect();
    assert_eq!(documented, properties("words"));
}

/// A value that is none of anything makes the reader say what it takes.
#[test]
fn words_numbers_and_booleans_are_those_that_the_reader_takes() {
    let mut compared = 0;
    for of in [Of::Config, Of::Policy] {
        let skeleton = Skeleton::of(&keys(of), &|_| NONSENSE);
        let report = report(of, &skeleton.text);
        for (row, found) in said(&report, of, &skeleton) {
            let message = found.map_or("", |found| found.message.as_str());
            let hint = found.and_then(|found| found.hint.as_deref()).unwrap_or_default();
            let written = kind(&row.kind);
            let of_item = if let Kind::List(item, _) = &written { item } else { &written };
            let path = &row.path;
            match of_item {
                Kind::Words(_) if row.path == "version" => {}
                Kind::Words(words) => {
                    assert!(found.is_some(), "`{path}` takes words only, and the reader took {NONSENSE}");
                    if let Some(accepted) = hint.strip_prefix("accepted: ") {
                        let read: BTreeSet<&str> = accepted.split(", ").collect();
                        assert_eq!(read, words.iter().map(String::as_str).collect(), "the words of `{path}`");
                    }
                }
                Kind::Boolean => assert_eq!(hint, "write `true` or `false`", "`{path}` {message}"),
                Kind::Number(low, high) => {
                    let high = high.unwrap_or(u64::from(u32::MAX));
                    assert_eq!(hint, format!("from {low} to {high}"), "`{path}` {message}");
                }
                Kind::Quantity(name, _) => assert!(message.contains(&format!("is not a {name}")), "`{path}`: {message}"),
                Kind::Ratio => assert!(message.contains("is not a ratio"), "`{path}`: {message}"),
                Kind::Text(_) => {
                    let is_more = ["accepted: ", "from ", "write `true` or `false`"].iter().any(|start| hint.starts_with(start));
                    let is_quantity =
                        ["duration", "size", "rate"].iter().any(|name| message.ends_with(&format!("is not a {name}")));
                    assert!(!is_more && !is_quantity, "`{path}` is more than text: {message} {hint}");
                    continue;
                }
                Kind::Anything
                | Kind::Arguments
                | Kind::Items(_)
                | Kind::List(..)
                | Kind::Mapping
                | Kind::Named { .. }
                | Kind::Values(_)
                | Kind::WordsOrMapping(_) => panic!("`{path}` is {of_item:?}"),
            }
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared}");
}

#[test]
fn the_ranges_of_durations_and_sizes_are_those_of_the_reader() {
    let mut compared = 0;
    let most = |row: &Row| {
        let kind = kind(&row.kind);
        if matches!(kind, Kind::Quantity("duration", _)) {
            "9999999d"
        } else if matches!(kind, Kind::Quantity("size", _)) {
            "9999999GiB"
        } else {
            NONSENSE
        }
    };
    for of in [Of::Config, Of::Policy] {
        let skeleton = Skeleton::of(&keys(of), &most);
        let report = report(of, &skeleton.text);
        for (row, found) in said(&report, of, &skeleton) {
            let Kind::Quantity("duration" | "size", range) = kind(&row.kind) else { continue };
            let hint = found.and_then(|found| found.hint.as_deref()).unwrap_or_default();
            // Beside another key, which the reader says in other words.
            if !range.contains('`') {
                let expected = format!("from {range}");
                assert!(hint == expected || hint.starts_with(&format!("{expected}:")), "`{}`: {range}, and: {hint}", row.path);
                compared += 1;
            }
        }
    }
    assert!(compared > 40, "only {compared}");
}

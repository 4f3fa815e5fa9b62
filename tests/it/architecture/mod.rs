//! What ARCHITECTURE.md promises about the source, held against the source.
//!
//! The tables of that page are read, not repeated here: who may import whom is written once.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, without_strings};

mod source;

const LONGEST_FILE: usize = 500;

const LAYER_HEADINGS: [&str; 8] = ["Does", "Request", "Reply", "Streams", "When it cannot decide", "Findings", "Cost", "Limits"];

const LINTS: [(&str, &str, &str); 12] = [
    ("lints.rust", "unsafe_code", "forbid"),
    ("lints.rust", "missing_docs", "warn"),
    ("lints.clippy", "unwrap_used", "deny"),
    ("lints.clippy", "expect_used", "deny"),
    ("lints.clippy", "panic", "deny"),
    ("lints.clippy", "unreachable", "deny"),
    ("lints.clippy", "todo", "deny"),
    ("lints.clippy", "unimplemented", "deny"),
    ("lints.clippy", "indexing_slicing", "deny"),
    ("lints.clippy", "string_slice", "deny"),
    ("lints.clippy", "await_holding_lock", "deny"),
    ("lints.clippy", "allow_attributes_without_reason", "deny"),
];

#[test]
fn parts_import_only_what_the_table_allows() {
    let rows = table("| part |");
    let mut wrong = Violations::default();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let Some((part, allowed)) = row_for(&rows, &source.name) else {
            wrong.add(&source.name, 1, "has no row in the table of parts");
            continue;
        };
        let own = source.own();
        for path in source.paths().iter().filter(|path| path.first("crate")) {
            let used = path.segments[1..].join("::");
            let is_within = |whole: &String| used == *whole || used.starts_with(&format!("{whole}::"));
            if !own.iter().chain(allowed).any(|whole| whole == "everything" || is_within(whole)) {
                let allowed = if allowed.is_empty() { "nothing else of this crate".to_owned() } else { allowed.join(", ") };
                wrong.add(&source.name, path.line, &format!("uses `{used}`; `{part}` may use {allowed}"));
            }
        }
    }
    wrong.check();
}

#[test]
fn crates_are_used_only_where_the_table_says() {
    let rows = table("| crate |");
    let mut wrong = Violations::default();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for path in source.paths() {
            let Some(places) = path.segments.first().and_then(|name| rows.get(name)) else { continue };
            if !places.iter().any(|place| is_below(&source.name, place)) {
                let name = &path.segments[0];
                wrong.add(&source.name, path.line, &format!("uses the crate `{name}`; it is for {}", places.join(", ")));
            }
        }
    }
    wrong.check();
}

#[test]
fn the_tables_name_only_what_exists() {
    let names: Vec<String> = sources().into_iter().map(|source| source.name).collect();
    let is_there = |place: &str| names.iter().any(|name| is_below(name, place));
    let mut wrong = Violations::default();
    for place in table("| part |").keys().chain(table("| crate |").values().flatten()) {
        if !is_there(place) {
            wrong.add("../ARCHITECTURE.md", 1, &format!("`{place}` is no file or folder of src"));
        }
    }
    wrong.check();
}

#[test]
fn every_layer_says_what_it_does_under_the_same_headings() {
    let mut wrong = Violations::default();
    let mut layers = 0;
    for source in sources().iter().filter(|source| source.is_layer()) {
        layers += 1;
        let mut headings = LAYER_HEADINGS.iter().peekable();
        for line in source.text.lines() {
            headings.next_if(|heading| line.strip_prefix(&format!("//! **{heading}**: ")).is_some_and(|rest| !rest.is_empty()));
        }
        if let Some(missing) = headings.next() {
            wrong.add(
                &source.name,
                1,
                &format!("its doc needs, in this order: {}; not found: {missing}", LAYER_HEADINGS.join(", ")),
            );
        }
    }
    assert!(layers > 0, "no layer was found");
    wrong.check();
}

#[test]
fn every_layer_stands_in_the_one_list() {
    let sources = sources();
    let list = sources.iter().find(|source| source.name == "chain/mod.rs").expect("chain/mod.rs");
    let named: BTreeSet<String> = list.paths().iter().map(|path| path.segments.join("::")).collect();
    let mut wrong = Violations::default();
    for source in sources.iter().filter(|source| source.is_layer()) {
        let layer = format!("crate::{}::", source.own().concat());
        if !named.iter().any(|path| path.starts_with(&layer)) {
            wrong.add(&source.name, 1, "this layer is not in the list of chain/mod.rs");
        }
    }
    wrong.check();
}

#[test]
fn files_are_short_enough_to_read() {
    let mut wrong = Violations::default();
    for folder in ["src", "tests", "benches", "fuzz"] {
        for path in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).expect("a source file").lines().count();
            if lines > LONGEST_FILE {
                let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                wrong.add(&format!("../{name}"), lines, &format!("has {lines} lines; {LONGEST_FILE} is the most"));
            }
        }
    }
    wrong.check();
}

#[test]
fn names_are_imported_one_by_one() {
    let mut wrong = Violations::default();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for path in source.paths().iter().filter(|path| path.segments.last().is_some_and(|last| last == "*")) {
            wrong.add(&source.name, path.line, "a glob import outside of tests");
        }
    }
    wrong.check();
}

#[test]
fn nothing_is_left_to_do() {
    let mut wrong = Violations::default();
    for source in sources() {
        for (number, line) in (1..).zip(without_strings(&source.text, true).lines()) {
            if let Some(word) = ["TODO", "FIXME", "XXX", "todo!"].iter().find(|word| line.contains(**word)) {
                wrong.add(&source.name, number, &format!("says {word}: do it, or open an issue"));
            }
        }
    }
    wrong.check();
}

#[test]
fn the_lints_that_keep_peers_from_breaking_us_are_on() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let mut section = "";
    let mut found = BTreeMap::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=') {
            let level = value.split('"').nth(1).unwrap_or_default();
            found.insert((section, key.trim()), level);
        }
    }
    for (section, lint, level) in LINTS {
        assert_eq!(found.get(&(section, lint)).copied(), Some(level), "[{section}] {lint} in Cargo.toml");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut wrong = Violations::default();
    for folder in [
        "",
        "docs",
        "docs/monitoring",
        "docs/operations",
        "docs/siem",
        "docs/siem/sigma",
        "policies",
        "tests/peers",
        "tests/conformance",
    ]
    .map(|folder| root().join(folder))
    {
        for path in entries(&folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            let text = fs::read_to_string(&path).expect("a document");
            for (number, line) in (1..).zip(text.lines()) {
                for target in line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
                    let local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
                    if local && !folder.join(target).exists() {
                        let name = path.strip_prefix(root()).unwrap_or(&path).display();
                        wrong.add(&format!("../{name}"), number, &format!("links to `{target}`, which is not there"));
                    }
                }
            }
        }
    }
    wrong.check();
}

/// The cells in backticks of the table whose head starts so: each name of the first column with the names of the second.
fn table(head: &str) -> BTreeMap<String, Vec<String>> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let lines = page.lines().skip_while(|line| !line.starts_with(head)).skip(2).take_while(|line| line.starts_with('|'));
    let mut rows = BTreeMap::new();
    for line in lines {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned));
        let (Some(names), Some(values)) = (cells.next(), cells.next()) else { continue };
        let values: Vec<String> = values.collect();
        rows.extend(names.map(|name| (name, values.clone())));
    }
    assert!(!rows.is_empty(), "ARCHITECTURE.md has no table that starts with `{head}`");
    rows
}

/// The row of the most specific file or folder that holds `name`.
fn row_for<'a>(rows: &'a BTreeMap<String, Vec<String>>, name: &str) -> Option<(&'a String, &'a Vec<String>)> {
    rows.iter().filter(|(part, _)| is_below(name, part)).max_by_key(|(part, _)| part.len())
}

fn is_below(name: &str, place: &str) -> bool {
    name == place || name.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
}

#[derive(Default)]
struct Violations(String);

impl Violations {
    fn add(&mut self, file: &str, line: usize, rule: &str) {
        let file = file.strip_prefix("../").map_or_else(|| format!("src/{file}"), str::to_owned);
        writeln!(self.0, "{file}:{line}: {rule}").expect("a string");
    }

    fn check(self) {
        assert!(self.0.is_empty(), "ARCHITECTURE.md, CONTRIBUTING.md:\n{}", self.0);
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(&src).expect("below src").to_str().expect("a name").replace('\\', "/"),
        text: fs::read_to_string(&path).expect("a source file"),
    };
    rust_files(&src).into_iter().map(read).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            let own_build = path.file_name().is_some_and(|name| name == "target" || name == "node_modules");
            files.extend(if own_build { Vec::new() } else { rust_files(&path) });
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

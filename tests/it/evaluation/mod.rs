//! How many orders the injection scan sees and how often it is wrong, on texts of our own: the table of docs/detection.md, made again.
//!
//! `held-out.jsonl` was written for this and for nothing else, before any of it was judged: no rule and no model was tuned on it. The
//! templates of `policies/detectors/injection/training` are what the model learns from, so they say what it remembers, and their honest texts
//! are written to be taken for orders; no rule was written against them, and they are only reported. With `YETT_RECORD` set, the table is written; else it has to be what is measured.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod templates;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use templates::{Row, rows};

const PAGE: &str = "docs/detection.md";
const BEGIN: &str = "<!-- begin: figures that `cargo test --test it evaluation::` makes -->\n";
const END: &str = "<!-- end of these figures -->";

/// Of a hundred honest texts, so many may be flagged; and of attacks that nobody tuned on, so many must be.
const MOST_WRONG: f64 = 1.0;
const LEAST_SEEN: f64 = 50.0;

/// One set of texts.
#[derive(Default)]
struct Count {
    all: usize,
    flagged: usize,
}

impl Count {
    fn percent(&self) -> f64 {
        100.0 * f64::from(u32::try_from(self.flagged).unwrap()) / f64::from(u32::try_from(self.all.max(1)).unwrap())
    }
}

/// Whether `yett scan` flags each of them, as whoever runs it sees.
fn judged(rows: &[Row]) -> Vec<bool> {
    let mut scan = Command::new(env!("CARGO_BIN_EXE_yett"))
        .args(["scan", "--format", "jsonl", "--only", "injection"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = String::new();
    for (number, row) in rows.iter().enumerate() {
        writeln!(lines, "{}", json!({ "id": number, "text": row.text, "direction": row.direction() })).unwrap();
    }
    let mut input = scan.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = scan.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), rows.len());
    answers.iter().map(|answer| answer["flagged"].as_bool().unwrap()).collect()
}

fn table(counts: &BTreeMap<(&str, bool, &str), Count>) -> String {
    let mut table = "| texts | | surface | rows | flagged % |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for ((split, is_attack, surface), count) in counts {
        let label = if *is_attack { "attacks" } else { "honest" };
        writeln!(table, "| {split} | {label} | {surface} | {} | {:.1} |", count.all, count.percent()).unwrap();
    }
    table
}

#[test]
fn mcp_082_recall_and_false_positives_are_measured_and_are_the_figures_of_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let held_out = rows("held out", &[root.join("tests/it/evaluation/held-out.jsonl")]);
    let mut files: Vec<_> =
        fs::read_dir(root.join("policies/detectors/injection/training")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let rows = [held_out, rows("templates", &files)].concat();
    let mut counts: BTreeMap<(&str, bool, &str), Count> = BTreeMap::new();
    let mut totals: BTreeMap<(&str, bool), Count> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (row, flagged) in rows.iter().zip(judged(&rows)) {
        for count in [
            counts.entry((row.split, row.is_attack, &row.surface)).or_default(),
            totals.entry((row.split, row.is_attack)).or_default(),
        ] {
            count.all += 1;
            count.flagged += usize::from(flagged);
        }
        if flagged && !row.is_attack && row.split == "held out" {
            wrong.push(&row.text);
        }
    }
    for ((split, is_attack), count) in totals {
        *counts.entry((split, is_attack, "**all**")).or_default() = count;
    }
    let table = table(&counts);
    // What was measured is told, whatever it is held against.
    write!(std::io::stdout(), "{table}").unwrap();

    let honest = counts[&("held out", false, "**all**")].percent();
    assert!(honest <= MOST_WRONG, "{honest:.1} % of honest texts are flagged: {wrong:#?}");
    let seen = counts[&("held out", true, "**all**")].percent();
    assert!(seen >= LEAST_SEEN, "{seen:.1} % of attacks are seen\n{table}");

    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the figures");
    let (known, after) = rest.split_once(END).expect("the place ends");
    if std::env::var_os("YETT_RECORD").is_some() {
        fs::write(root.join(PAGE), format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(known, table, "{PAGE} has other figures: YETT_RECORD=1 cargo test --test it evaluation:: writes these");
    }
}

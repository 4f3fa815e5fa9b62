//! Two verifiers that share nothing but the document: `yett audit verify` and `tests/reference/verify_log.py`.
//!
//! Logs of several kinds, ranges of them, and what anchors them are made through the library, copied, changed in every way that comes
//! to mind, and both must say the same of each: exit code, root of the newest good head, first bad record.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use yett::audit::{bundle, verify, verify_with};

use crate::peers::parts;

mod auditor;
mod bundle;
mod hostile;
mod mutate;
mod recipe;

use auditor::Auditor;
use mutate::Chance;
use recipe::Recipe;

/// Copies in each test, of which every second one is changed; `YETT_BUNDLES` asks for more.
const BUNDLES: u64 = 500;

/// Where chance begins: a failure names the copy, and it comes again.
const SEED: u64 = 0x5eed_0a0d_058a_0d17;

fn log_in(data: &Path) -> PathBuf {
    data.join("audit/gw.example/r1")
}

/// The files of a directory, by name.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// A copy that both verifiers read. The second one looks at no tiles, so there are none; and of a pruned log it reads a bundle of what is
/// left.
fn copy_for_both(recipe: &Recipe, made: &Path, to: &Path) {
    let log = log_in(to);
    if recipe.pruned {
        let here = verify(made).unwrap().logs.remove(0);
        bundle(&log_in(made), here.first, here.head.unwrap() - 1, &log).unwrap();
    } else {
        copy_log(made, to);
    }
    without_tiles(&log);
}

fn without_tiles(log: &Path) {
    let tiles = log.join("tile");
    if tiles.exists() {
        fs::remove_dir_all(tiles).unwrap();
    }
}

/// What is verified of a log, without locks, keys and reserve.
fn copy_log(from: &Path, to: &Path) {
    fs::create_dir_all(log_in(to)).unwrap();
    for file in files(&log_in(from)).iter().filter(|file| file.ends_with("kept.jsonl")) {
        fs::copy(file, log_in(to).join("kept.jsonl")).unwrap();
    }
    for part in ["seg", "checkpoints", "witnessed", "tile/0"] {
        let found = files(&log_in(from).join(part));
        if !found.is_empty() {
            fs::create_dir_all(log_in(to).join(part)).unwrap();
        }
        for file in found {
            fs::copy(&file, log_in(to).join(part).join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// What a verifier says of a directory, as far as both must say the same.
#[derive(Debug, PartialEq)]
struct Said {
    exit: Value,
    root: Value,
    bad: Value,
}

impl Said {
    fn read(answer: &Value) -> Self {
        let log = &answer["logs"][0];
        // How far a verifier goes on in a log that is tampered with is its own affair.
        let root = if answer["exit"] == 1 { Value::Null } else { log["root"].clone() };
        Self { exit: answer["exit"].clone(), root, bad: log["fault"]["index"].clone() }
    }
}

/// A copy of a log, changed or not.
struct Specimen {
    /// How it came to be.
    what: String,
    path: PathBuf,
    /// What it was before.
    made: PathBuf,
    /// Who verifies it.
    auditor: Auditor,
}

impl Specimen {
    /// The command line that has it verified.
    fn command(&self) -> String {
        let mut line = String::new();
        for word in self.auditor.arguments(&self.path) {
            write!(line, "{word} ").unwrap();
        }
        line + self.path.to_str().unwrap()
    }

    fn first_opinion(&self) -> Value {
        let report = self.auditor.known().and_then(|known| verify_with(&self.path, &known, &mut |_| ()).ok());
        report.map_or_else(|| json!({"exit": 4}), |report| serde_json::from_str(&report.to_json()).unwrap())
    }

    /// Whether the records that a head counts are those that were written: all that a verdict but "tampered" may promise.
    fn is_as_it_was(&self, said: &Value) -> bool {
        let [first, head] = ["first", "head"].map(|key| usize::try_from(said["logs"][0][key].as_u64().unwrap_or(0)).unwrap());
        let counted = head.saturating_sub(first);
        let before = first.saturating_sub(usize::try_from(verify(&self.made).unwrap().logs[0].first).unwrap());
        lines(&self.path).iter().take(counted).eq(lines(&self.made).iter().skip(before).take(counted))
    }
}

/// Has the second verifier say of one command line after the other what it would say as a program.
const IN_A_ROW: &str = "
import json, shlex, sys, verify_log
for line in sys.stdin: print(json.dumps(verify_log.answer(shlex.split(line))), flush=True)
";

/// What the second verifier says of each.
fn second_opinions(specimens: &[Specimen]) -> Vec<Value> {
    let mut python = parts::in_reference(IN_A_ROW);
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let list: String = specimens.iter().map(|specimen| specimen.command() + "\n").collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(list.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines of all segments.
fn lines(data: &Path) -> Vec<Vec<u8>> {
    let content = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        let is_compressed = path.extension().is_some_and(|extension| extension == "zst");
        if is_compressed { zstd::decode_all(&bytes[..]).unwrap_or_default() } else { bytes }
    };
    let bytes: Vec<_> = files(&log_in(data).join("seg")).iter().flat_map(content).collect();
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Has every specimen verified twice, fails where the two differ or both are wrong, and gives the exit codes.
fn exits(folder: TempDir, specimens: &[Specimen]) -> Vec<i64> {
    let second = second_opinions(specimens);
    assert_eq!(second.len(), specimens.len());
    let (mut different, mut exits) = (Vec::new(), Vec::new());
    for (specimen, second) in specimens.iter().zip(&second) {
        let (what, first) = (&specimen.what, specimen.first_opinion());
        exits.push(first["exit"].as_i64().unwrap());
        if Said::read(&first) != Said::read(second) {
            different.push(format!("{what}\n  first:  {first}\n  second: {second}"));
        } else if !matches!(exits.last(), Some(1 | 4)) && !specimen.is_as_it_was(&first) {
            different.push(format!("{what}\n  neither finds what was changed: {first}"));
        }
    }
    let kept = if different.is_empty() { None } else { Some(folder.keep()) };
    let (count, of) = (different.len(), specimens.len());
    assert!(different.is_empty(), "{count} of {of} differ, see {kept:?}:\n{}", different.join("\n"));
    exits
}

#[expect(clippy::disallowed_methods, reason = "a knob of these tests")]
fn bundles_wanted() -> u64 {
    std::env::var("YETT_BUNDLES").map_or(BUNDLES, |bundles| bundles.parse().unwrap())
}

/// Logs of all recipes, one folder each.
fn made(folder: &TempDir) -> Vec<(Recipe, PathBuf)> {
    let numbered = Recipe::all().into_iter().enumerate();
    let recipes = numbered.map(|(at, recipe)| (recipe, folder.path().join(format!("made-{at}"))));
    recipes.inspect(|(recipe, path)| recipe.make(path)).collect()
}

#[test]
fn aud_058_two_verifiers_say_the_same_of_500_bundles() {
    let folder = TempDir::new().unwrap();
    let made = made(&folder);
    let mut specimens = Vec::new();
    for number in 0..bundles_wanted() {
        let mut chance = Chance::new(SEED ^ number);
        let (recipe, made) = &made[chance.below(made.len())];
        let path = folder.path().join(number.to_string());
        copy_for_both(recipe, made, &path);
        let mut what = format!("log {number} of {recipe:?}");
        if number % 2 == 1 {
            write!(what, ": {}", mutate::mutate(&log_in(&path), &mut chance)).unwrap();
        }
        specimens.push(Specimen { what, path, made: made.clone(), auditor: Auditor::default() });
    }
    let exits = exits(folder, &specimens);
    for exit in [1, 2, 3, 5] {
        assert!(exits.contains(&exit), "none ends in {exit}");
    }
}

#[test]
fn aud_058_two_verifiers_say_the_same_of_changed_ranges_of_logs() {
    let folder = TempDir::new().unwrap();
    let made = made(&folder);
    let mut specimens = Vec::new();
    for number in 0..bundles_wanted() {
        let mut chance = Chance::new(SEED.rotate_left(8) ^ number);
        let (recipe, made) = &made[chance.below(made.len())];
        let path = folder.path().join(number.to_string());
        let here = verify(made).unwrap().logs.remove(0);
        // A range that was pruned is nowhere.
        let size = usize::try_from(here.head.unwrap() - here.first).unwrap();
        let (one, other) = (here.first + chance.below(size) as u64, here.first + chance.below(size) as u64);
        let (from, to) = (one.min(other), one.max(other));
        bundle(&log_in(made), from, to, &log_in(&path)).unwrap();
        without_tiles(&log_in(&path));
        let mut auditor = Auditor::default();
        if chance.below(2) == 0 {
            auditor.learn(made, &mut chance);
        }
        let mut what = format!("records {from} to {to} of {recipe:?} for {auditor:?}");
        if number % 2 == 1 {
            write!(what, ": {}", mutate::mutate(&log_in(&path), &mut chance)).unwrap();
        }
        specimens.push(Specimen { what, path, made: made.clone(), auditor });
    }
    let exits = exits(folder, &specimens);
    for exit in [1, 5] {
        assert!(exits.contains(&exit), "none ends in {exit}");
    }
}

#[test]
fn aud_058_two_verifiers_say_the_same_of_logs_that_witnesses_and_pins_anchor() {
    let folder = TempDir::new().unwrap();
    let made = made(&folder);
    let mut specimens = Vec::new();
    for number in 0..bundles_wanted() {
        let mut chance = Chance::new(SEED.rotate_left(16) ^ number);
        let (recipe, made) = &made[chance.below(made.len())];
        let path = folder.path().join(number.to_string());
        copy_for_both(recipe, made, &path);
        auditor::cosign(&log_in(&path), &mut chance);
        let mut auditor = Auditor::default();
        auditor.learn(made, &mut chance);
        let mut what = format!("log {number} of {recipe:?} for {auditor:?}");
        if number % 2 == 1 {
            write!(what, ": {}", mutate::mutate(&log_in(&path), &mut chance)).unwrap();
        }
        specimens.push(Specimen { what, path, made: made.clone(), auditor });
    }
    let exits = exits(folder, &specimens);
    for exit in [0, 1, 2, 3, 4, 5] {
        assert!(exits.contains(&exit), "none ends in {exit}");
    }
}

#[test]
fn aud_058_the_second_verifier_refuses_a_pruned_log_and_names_the_way() {
    let folder = TempDir::new().unwrap();
    let (_, made) = made(&folder).into_iter().find(|(recipe, _)| recipe.pruned).unwrap();
    let output = parts::reference("verify_log.py").arg(&made).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), answer["exit"].as_i64()), (Some(4), Some(4)), "{answer}");
}

#[test]
fn aud_058_the_second_verifier_has_at_most_300_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let sources = files(&folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "py"));
    assert_eq!(sources.collect::<Vec<_>>(), [folder.join("verify_log.py")], "all of it is one file");
    // Blank lines and comments count.
    let source = fs::read_to_string(folder.join("verify_log.py")).unwrap();
    let (lines, longest) = (source.lines().count(), source.lines().map(|line| line.chars().count()).max());
    assert!((50..=300).contains(&lines), "it has {lines} lines");
    assert!(longest <= Some(140), "it has a line of {longest:?} characters");
}

//! A log directory that somebody changed: verification ends, says so when bytes a head vouches for are not those that were written,
//! and passes nothing that a second verifier, written from `docs/audit-format.md`, refuses.
//!
//! An input is one byte of flags and then, separated by zero bytes (which no whole log holds), the file of heads and the segments. With
//! the flag [`EDITS`] it is changes to the files of a log instead (`audit_edits`): to one that is compressed or pruned, or to a bundle.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;
use yett::audit::{Filter, Known, LogReport, Verdict, show, verify_with};
use yett::tlog::{Checkpoint, Hash, Note, Signer};

use super::audit_edits;
use super::audit_log::{self, Files, NAME, put, put_content};
use super::yaml::folder;

/// Every record is made to name the leaf of the one before, as somebody without a key can: so what is behind the chain is reached.
const RECHAIN: u8 = 1;
/// A head is made over the records, signed with the key of [`genuine`]: as by somebody who has stolen it.
const NEW_HEAD: u8 = 2;
/// Segments are named one too high.
const SKEW: u8 = 4;
/// The heads are those of [`genuine`], which is what somebody has kept elsewhere.
const GENUINE_HEADS: u8 = 8;
/// All segments but the last are compressed.
const COMPRESSED: u8 = 16;
/// The auditor knows the genuine head: whoever has stolen the key, too, gets nothing else confirmed.
const PINNED: u8 = 32;
/// Something else, see the module.
pub const EDITS: u8 = 128;
/// Three segments.
const MAX_SEGMENTS: usize = 3;

/// The oracle.
pub fn check(input: &[u8]) {
    let Some((&flags, rest)) = input.split_first() else { return };
    if flags & EDITS != 0 {
        return audit_edits::check(flags, rest);
    }
    let mut parts = rest.split(|byte| *byte == 0).take(MAX_SEGMENTS + 1).map(<[u8]>::to_vec);
    let mut log = Log { heads: parts.next().unwrap_or_default(), segments: parts.collect(), skew: u64::from(flags & SKEW != 0) };
    if flags & RECHAIN != 0 {
        log.rechain();
    }
    if flags & NEW_HEAD != 0 {
        log.heads = log.new_head();
    }
    let genuine = genuine();
    if flags & GENUINE_HEADS != 0 {
        log.heads.clone_from(&genuine.heads);
    }
    let kept = (flags & PINNED != 0).then(|| genuine.head());
    let known = Known { pins: kept.into_iter().collect(), ..Known::default() };
    let Some(found) = judged(&log.files(flags & COMPRESSED != 0), &known) else { return };
    if matches!(found.verdict(), Verdict::Tampered | Verdict::Unreadable) {
        return;
    }
    log.assert_intact(&found);
    let is_kept = flags & GENUINE_HEADS != 0 || found.verdict() == Verdict::Verified;
    if is_kept && log.skew == 0 {
        let (covered, written) = (log.lines(), genuine.lines());
        assert!(covered.starts_with(&written), "other records under the genuine heads: {found:?}");
    }
    assert!(found.verdict() != Verdict::Verified || log.skew == 0 && flags & PINNED != 0, "nobody confirms it: {found:?}");
}

/// What is said of a log of these files; nothing where that is an error.
pub fn judged(files: &Files, known: &Known) -> Option<LogReport> {
    thread_local! {
        static FOLDER: (TempDir, RefCell<Files>) = (folder(), RefCell::default());
    }
    let report = FOLDER.with(|(folder, there)| {
        for directory in ["seg", "checkpoints"] {
            fs::create_dir_all(folder.path().join(directory)).unwrap();
        }
        put(folder.path(), &there.replace(files.clone()), files);
        let report = verify_with(folder.path(), known, &mut |_| ()).ok()?;
        let _shown = show(folder.path(), &Filter::default(), &mut |shown| {
            assert!(!shown.summary().contains(|c: char| c.is_control()), "a summary controls the terminal");
            ControlFlow::Continue(())
        });
        Some(report)
    })?;
    assert_eq!(report.exit_code(), report.verdict().exit_code());
    assert!(!report.to_string().contains(|c: char| c.is_control() && c != '\n'), "the report controls the terminal");
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["verdict"], report.verdict().as_str());
    let [found] = <[LogReport; 1]>::try_from(report.logs).unwrap_or_else(|logs| panic!("one log became {}", logs.len()));
    Some(found)
}

/// The key that signs the genuine log.
fn signer() -> Signer {
    audit_log::signer(0)
}

/// A log as the gateway writes it: the keys, the start, a call, the stop.
fn genuine() -> Log {
    let own = [
        json!({"epoch": {"ed25519": signer().key().to_string(), "n": 0}, "kind": "key.rotate"}),
        json!({"kind": "start", "mode": "strict"}),
        json!({"call": "c0", "dec": {"effect": "allow", "rule": "staff"}, "kind": "call.decision", "open": true,
            "what": {"method": "tools/call", "name": "search \u{1b}\u{e9}", "server": "crm"}}),
        json!({"call": "c0", "kind": "call.outcome", "out": {"status": "ok"}}),
        json!({"kind": "stop"}),
    ];
    let (mut previous, mut segment) = (Hash::ZERO, Vec::new());
    for (index, mut record) in own.into_iter().enumerate() {
        record["i"] = json!(index);
        record["log"] = json!(NAME);
        record["prev"] = json!(previous.to_string());
        record["t"] = json!(format!("2026-11-28T03:00:0{index}.000000Z"));
        record["v"] = json!(1);
        let line = record.to_string();
        previous = Hash::leaf(line.as_bytes());
        segment.extend_from_slice(line.as_bytes());
        segment.push(b'\n');
    }
    let mut log = Log { heads: Vec::new(), segments: vec![segment], skew: 0 };
    log.heads = log.new_head();
    log
}

/// An input that is the genuine log, with these flags: what the corpus began with.
pub fn genuine_input(flags: u8) -> Vec<u8> {
    let genuine = genuine();
    [&[flags][..], &genuine.heads, &[0], &genuine.segments[0]].concat()
}

struct Log {
    heads: Vec<u8>,
    segments: Vec<Vec<u8>>,
    skew: u64,
}

impl Log {
    /// Whole lines of all segments.
    fn lines(&self) -> Vec<Vec<u8>> {
        let whole = |segment: &Vec<u8>| {
            let end = segment.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            segment[..end].split_inclusive(|byte| *byte == b'\n').map(|line| line[..line.len() - 1].to_vec()).collect::<Vec<_>>()
        };
        self.segments.iter().flat_map(whole).collect()
    }

    fn rechain(&mut self) {
        const MARK: &[u8] = br#""prev":""#;
        let mut previous = Hash::ZERO.hex().to_vec();
        for segment in &mut self.segments {
            let mut lines: Vec<Vec<u8>> = segment.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            for line in &mut lines {
                let value = line.windows(MARK.len()).position(|window| window == MARK).map(|at| at + MARK.len());
                if let Some(hash) = value.and_then(|at| line.get_mut(at..at + 64)) {
                    hash.copy_from_slice(&previous);
                }
                previous = Hash::leaf(line).hex().to_vec();
            }
            *segment = lines.join(&b'\n');
        }
    }

    fn head(&self) -> Checkpoint {
        let lines = self.lines();
        let leaves: Vec<Vec<u8>> = lines.iter().map(|line| Hash::leaf(line).as_bytes().to_vec()).collect();
        let root = Hash::from_slice(&root(&leaves)).unwrap();
        Checkpoint { origin: NAME.to_owned(), size: lines.len() as u64, root }
    }

    fn new_head(&self) -> Vec<u8> {
        let mut note = Note::new(self.head().to_string()).unwrap();
        note.sign(&signer(), 0).unwrap();
        format!("{note}\n").into_bytes()
    }

    /// The log's files.
    fn files(&self, is_compressed: bool) -> Files {
        let mut files = Files::from([(format!("checkpoints/{:013}.notes", self.skew), self.heads.clone())]);
        let mut first = self.skew;
        for (at, segment) in self.segments.iter().enumerate() {
            let ending = if is_compressed && at + 1 < self.segments.len() { ".zst" } else { "" };
            put_content(&mut files, &format!("seg/{first:013}.jsonl{ending}"), segment);
            first += segment.split(|byte| *byte == b'\n').skip(1).count() as u64;
        }
        files
    }

    /// What the page on the format asks of a log that is not tampered with.
    fn assert_intact(&self, found: &LogReport) {
        let lines = self.lines();
        let (mut name, mut previous) = (None, None);
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for (line, index) in lines.iter().zip(self.skew..) {
            let record: Value = serde_json::from_slice(line).unwrap();
            assert!(line.len() <= 16_384);
            // Both keep members sorted by their bytes and write no space: the canonical form.
            assert_eq!(record.to_string().as_bytes(), line, "not in the one form");
            assert_eq!((&record["i"], &record["v"]), (&Value::from(index), &Value::from(1)));
            assert_eq!(*name.get_or_insert_with(|| record["log"].clone()), record["log"]);
            if let Some(previous) = previous.replace(Hash::leaf(line).to_string()) {
                assert_eq!(record["prev"], previous, "the chain");
            }
            *kinds.entry(record["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(found.records, lines.len() as u64);
        assert_eq!(found.kinds, kinds);
        if self.skew > 0 || lines.is_empty() {
            assert_eq!(found.verdict(), Verdict::Incomplete);
            return;
        }
        self.assert_heads(&lines);
    }

    /// Every head that is whole has the root of its leaves. (Who signed it is the other verifier's: `tests/reference`.)
    fn assert_heads(&self, lines: &[Vec<u8>]) {
        let leaves: Vec<Vec<u8>> = lines.iter().map(|line| Hash::leaf(line).as_bytes().to_vec()).collect();
        let text = String::from_utf8_lossy(&self.heads);
        let paragraphs: Vec<&str> = text.split("\n\n").collect();
        let mut largest = 0;
        for note in paragraphs.chunks_exact(2).filter(|note| note[1].starts_with('\u{2014}')) {
            let head = Checkpoint::parse(&format!("{}\n", note[0])).expect("a head that is none");
            let size = usize::try_from(head.size).unwrap();
            assert!(size > largest && size <= leaves.len(), "the head counts {size} of {}", leaves.len());
            assert_eq!(head.root.as_bytes()[..], root(&leaves[..size]), "the root of {size}");
            largest = size;
        }
        assert!(largest > 0 || lines.len() == 1, "records without a head");
    }
}

/// RFC 6962, section 2.1, word for word.
fn root(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [] => digest(&SHA256, &[]).as_ref().to_vec(),
        [leaf] => leaf.clone(),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            digest(&SHA256, &[&[1][..], &root(left), &root(right)].concat()).as_ref().to_vec()
        }
    }
}

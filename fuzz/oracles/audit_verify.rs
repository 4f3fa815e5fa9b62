//! A log directory that somebody changed: verification ends, says so when bytes the head vouches for are not those that were written,
//! and passes nothing that a second verifier, written from `docs/audit-format.md`, refuses.
//!
//! An input is one byte of flags and then, separated by zero bytes (which no log holds), the head and the segments.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;
use tempfile::TempDir;
use yett::audit::{Filter, LogReport, Verdict, show, verify};

use super::yaml::folder;

/// Every record is made to name the leaf of the one before, as somebody without a key can: so what is behind the chain is reached.
const RECHAIN: u8 = 1;
/// The head is written anew over the records.
const NEW_HEAD: u8 = 2;
/// Segments are named one too high.
const SKEW: u8 = 4;
/// The head is that of [`GENUINE`], which is what somebody has kept elsewhere.
const GENUINE_HEAD: u8 = 8;
/// Three segments.
const MAX_SEGMENTS: usize = 3;

/// A log as the gateway wrote it: the head, a zero byte, the one segment.
const GENUINE: &[u8] = include_bytes!("../genuine.log");

/// The oracle.
pub fn check(input: &[u8]) {
    thread_local! {
        static FOLDER: TempDir = folder();
    }
    let Some((&flags, rest)) = input.split_first() else { return };
    let mut parts = rest.split(|byte| *byte == 0).take(MAX_SEGMENTS + 1).map(<[u8]>::to_vec);
    let mut log = Log { head: parts.next().unwrap_or_default(), segments: parts.collect(), skew: u64::from(flags & SKEW != 0) };
    if flags & RECHAIN != 0 {
        log.rechain();
    }
    if flags & NEW_HEAD != 0 {
        log.head = log.new_head();
    }
    let genuine = Log::genuine();
    if flags & GENUINE_HEAD != 0 {
        log.head.clone_from(&genuine.head);
    }
    let report = FOLDER.with(|folder| {
        log.write(folder.path());
        let Ok(report) = verify(folder.path()) else { return None };
        let _shown = show(folder.path(), &Filter::default(), &mut |shown| {
            assert!(!shown.summary().contains(|c: char| c.is_control()), "a summary controls the terminal");
            ControlFlow::Continue(())
        });
        Some(report)
    });
    let Some(report) = report else { return };
    assert_eq!(report.exit_code(), report.verdict().exit_code());
    assert!(!report.to_string().contains(|c: char| c.is_control() && c != '\n'), "the report controls the terminal");
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["verdict"], report.verdict().as_str());
    let [found] = &report.logs[..] else { panic!("one log became {}", report.logs.len()) };
    if found.verdict() == Verdict::Tampered {
        return;
    }
    log.assert_intact(found);
    if flags & GENUINE_HEAD != 0 {
        let (covered, written) = (log.lines(), genuine.lines());
        assert!(covered.starts_with(&written), "other records under the genuine head: {report}");
    }
}

struct Log {
    head: Vec<u8>,
    segments: Vec<Vec<u8>>,
    skew: u64,
}

impl Log {
    fn genuine() -> Self {
        let (head, segment) = GENUINE.split_at(GENUINE.iter().position(|byte| *byte == 0).unwrap());
        Self { head: head.to_vec(), segments: vec![segment[1..].to_vec()], skew: 0 }
    }

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
        let mut previous = [b'0'; 64].to_vec();
        for segment in &mut self.segments {
            let mut lines: Vec<Vec<u8>> = segment.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            for line in &mut lines {
                let value = line.windows(MARK.len()).position(|window| window == MARK).map(|at| at + MARK.len());
                if let Some(hash) = value.and_then(|at| line.get_mut(at..at + 64)) {
                    hash.copy_from_slice(&previous);
                }
                previous = leaf(line).into_bytes();
            }
            *segment = lines.join(&b'\n');
        }
    }

    fn new_head(&self) -> Vec<u8> {
        let lines = self.lines();
        let name = lines.first().and_then(|line| serde_json::from_slice::<Value>(line).ok());
        let name = name.as_ref().and_then(|record| record["log"].as_str()).unwrap_or("gw.example/audit/r1");
        let last = lines.last().map_or_else(|| "0".repeat(64), |line| leaf(line));
        format!("{name}\n{:016}\n{last}\n", lines.len()).into_bytes()
    }

    /// The log in `folder`, in place of what was there.
    fn write(&self, folder: &Path) {
        let _absent = fs::remove_dir_all(folder.join("seg"));
        fs::create_dir(folder.join("seg")).unwrap();
        fs::write(folder.join("head"), &self.head).unwrap();
        let mut first = self.skew;
        for segment in &self.segments {
            fs::write(folder.join(format!("seg/{first:013}.jsonl")), segment).unwrap();
            first += segment.split(|byte| *byte == b'\n').skip(1).count() as u64;
        }
    }

    /// What the page on the format asks of a log that is not tampered with.
    fn assert_intact(&self, found: &LogReport) {
        let lines = self.lines();
        let head = std::str::from_utf8(&self.head).ok().map(|text| text.lines().collect::<Vec<_>>());
        let (mut name, mut previous) = (None, None);
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for (line, index) in lines.iter().zip(self.skew..) {
            let record: Value = serde_json::from_slice(line).unwrap();
            assert!(line.len() <= 16_384);
            // Both keep members sorted by their bytes and write no space: the canonical form.
            assert_eq!(record.to_string().as_bytes(), line, "not in the one form");
            assert_eq!((&record["i"], &record["v"]), (&Value::from(index), &Value::from(1)));
            assert_eq!(*name.get_or_insert_with(|| record["log"].clone()), record["log"]);
            if let Some(previous) = previous.replace(leaf(line)) {
                assert_eq!(record["prev"], previous, "the chain");
            }
            *kinds.entry(record["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(found.records, lines.len() as u64);
        assert_eq!(found.kinds, kinds);
        if lines.is_empty() {
            return;
        }
        let head = head.expect("records without a readable head");
        let size: usize = head[1].parse().unwrap();
        let counted = size.checked_sub(usize::try_from(self.skew).unwrap()).expect("a head that ends before the log begins");
        assert!(counted <= lines.len(), "the head counts more");
        assert_eq!(name, Some(Value::from(head[0])), "the head is of another log");
        if let Some(last) = counted.checked_sub(1) {
            assert_eq!(head[2], leaf(&lines[last]), "the head names another record");
        }
        if self.skew > 0 {
            assert_eq!(found.verdict(), Verdict::Incomplete);
        }
    }
}

fn leaf(line: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(line);
    context.finish().as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

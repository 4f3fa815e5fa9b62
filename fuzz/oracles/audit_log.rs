//! Logs as the gateway writes them, signed with keys that are no secret: whole, compressed, pruned, and a range of one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use yett::audit::{Known, bundle};
use yett::tlog::{Checkpoint, Frontier, Hash, Note, Policy, Scheme, Signer};

use super::yaml::folder;

pub const NAME: &str = "gw.example/audit/r1";

/// Records of which one full tile has the hashes.
const TILE: usize = 256;
/// What is written in the one second of all signatures.
const SIGNED_AT: u64 = 1_795_836_000;
/// More content than any frame of a fuzzed input needs.
const CONTENT_MAX: u64 = 1 << 22;

/// Files by their paths below the log's directory.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A log, and every record that was ever written to it.
pub struct Specimen {
    pub files: Files,
    pub lines: Vec<Vec<u8>>,
    /// The newest head, as somebody has kept it.
    pub newest: Checkpoint,
}

impl Specimen {
    /// One of each kind, by number.
    pub fn all() -> [Self; 4] {
        [whole(), compressed(), range(), pruned()]
    }

    /// What an auditor knows of it from elsewhere.
    pub fn known(&self, has_pin: bool, has_policy: bool) -> Known {
        let policy = format!("log {}\nwitness w1 {}\nquorum w1\n", signer(0).key(), witness().key());
        Known {
            policy: has_policy.then(|| Policy::parse(policy.as_bytes()).unwrap()),
            pins: has_pin.then(|| self.newest.clone()).into_iter().collect(),
            now: None,
        }
    }
}

/// The keys that sign the heads of an epoch.
pub fn signer(epoch: u8) -> Signer {
    Signer::from_seed(NAME, Scheme::Ed25519, &[9 + epoch; 32]).unwrap()
}

fn witness() -> Signer {
    Signer::from_seed("witness.example/1", Scheme::CosignatureV1, &[1; 32]).unwrap()
}

/// Two runs with a call each, in three segments.
fn whole() -> Specimen {
    let mut maker = Maker::default();
    maker.begin_run(0);
    maker.call("c0");
    maker.record(json!({"kind": "stop"}));
    maker.head(0);
    maker.segment();
    maker.begin_run(1);
    maker.call("c1");
    maker.head(1);
    maker.segment();
    maker.call("c2");
    maker.record(json!({"kind": "stop"}));
    maker.head(1);
    maker.specimen(0)
}

fn compressed() -> Specimen {
    let mut specimen = whole();
    let sealed: Vec<_> = segments(&specimen.files).into_iter().rev().skip(1).collect();
    for name in sealed {
        compress(&mut specimen.files, &name);
    }
    specimen
}

/// A bundle of the records of the second run.
fn range() -> Specimen {
    let (whole, folder) = (whole(), folder());
    let (log, out) = (folder.path().join("log"), folder.path().join("bundle"));
    put(&log, &Files::new(), &whole.files);
    bundle(&log, 8, 12, &out).unwrap();
    let mut files = Files::new();
    for name in ["frontier", "epochs"] {
        files.insert(name.to_owned(), fs::read(out.join(name)).unwrap());
    }
    for part in ["seg", "checkpoints"] {
        for entry in fs::read_dir(out.join(part)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            files.insert(format!("{part}/{name}"), fs::read(entry.path()).unwrap());
        }
    }
    Specimen { files, ..whole }
}

/// Of three segments the first was pruned, and the second is compressed.
fn pruned() -> Specimen {
    let mut maker = Maker::default();
    maker.begin_run(0);
    maker.call("c0");
    while maker.lines.len() < TILE {
        match maker.lines.len() {
            100 => {
                maker.record(json!({"kind": "stop"}));
                maker.head(0);
                maker.begin_run(1);
            }
            length => {
                maker.record(json!({"kind": "tick", "n": {"open": 0, "queued": 0, "slots": 0}}));
                if length % 64 == 0 {
                    maker.head(u8::from(length > 100));
                }
            }
        }
    }
    maker.head(1);
    maker.segment();
    maker.call("c1");
    maker.record(json!({"kind": "prune", "what": {"act": "prune", "bytes": 40_000, "from": 0, "newest": time(255),
        "oldest": time(0), "reason": "policy", "requester": "retention", "root": maker.root_of(TILE).base64(), "to": TILE}}));
    maker.head(1);
    maker.segment();
    maker.call("c2");
    maker.record(json!({"kind": "stop"}));
    maker.head(1);
    let mut specimen = maker.specimen(TILE);
    let name = segments(&specimen.files).swap_remove(0);
    compress(&mut specimen.files, &name);
    specimen
}

fn time(index: usize) -> String {
    format!("2026-11-28T03:{:02}:{:02}.000000Z", index / 60, index % 60)
}

/// Writes records and heads in the order in which the gateway does.
#[derive(Default)]
struct Maker {
    lines: Vec<Vec<u8>>,
    tree: Frontier,
    starts: Vec<usize>,
    heads: Vec<(Checkpoint, Signer)>,
}

impl Maker {
    fn begin_run(&mut self, epoch: u8) {
        self.record(json!({"epoch": {"ed25519": signer(epoch).key().to_string(), "n": epoch}, "kind": "key.rotate"}));
        // What announces keys is signed with those before.
        self.head(epoch.saturating_sub(1));
        self.record(json!({"kind": "start", "mode": "strict"}));
        self.head(epoch);
    }

    fn call(&mut self, id: &str) {
        self.record(json!({"call": id, "dec": {"effect": "allow", "rule": "staff"}, "kind": "call.decision", "open": true,
            "what": {"method": "tools/call", "name": "search \u{1b}\u{e9}", "server": "crm"}}));
        self.record(json!({"call": id, "kind": "call.outcome", "out": {"status": "ok"}}));
    }

    fn segment(&mut self) {
        self.starts.push(self.lines.len());
        let hashes: Vec<_> = self.tree.peaks().iter().map(ToString::to_string).collect();
        self.record(json!({"kind": "tick", "tree": {"hashes": hashes, "n": self.lines.len()}}));
    }

    fn record(&mut self, mut record: Value) {
        let previous = self.lines.last().map_or(Hash::ZERO, |line| Hash::leaf(line));
        record["i"] = json!(self.lines.len());
        record["log"] = json!(NAME);
        record["prev"] = json!(previous.to_string());
        record["t"] = json!(time(self.lines.len()));
        record["v"] = json!(1);
        let line = record.to_string().into_bytes();
        self.tree.push(Hash::leaf(&line));
        self.lines.push(line);
    }

    fn root_of(&self, size: usize) -> Hash {
        let mut tree = Frontier::new();
        for line in &self.lines[..size] {
            tree.push(Hash::leaf(line));
        }
        tree.root()
    }

    fn head(&mut self, epoch: u8) {
        let head = Checkpoint { origin: NAME.to_owned(), size: self.lines.len() as u64, root: self.tree.root() };
        self.heads.push((head, signer(epoch)));
    }

    /// The log without its records before `first`, of which it keeps what must be kept.
    fn specimen(self, first: usize) -> Specimen {
        let mut files = Files::new();
        let starts: Vec<_> = std::iter::once(0).chain(self.starts.iter().copied()).collect();
        for (at, start) in starts.iter().enumerate().filter(|(_, start)| **start >= first) {
            let end = starts.get(at + 1).copied().unwrap_or(self.lines.len());
            files.insert(format!("seg/{start:013}.jsonl"), joined(&self.lines[*start..end]));
        }
        for (head, signer) in &self.heads {
            let start = starts.iter().rev().find(|start| (**start as u64) < head.size).unwrap();
            let mut note = Note::new(head.to_string()).unwrap();
            note.sign(signer, SIGNED_AT).unwrap();
            files.entry(format!("checkpoints/{start:013}.notes")).or_default().extend(format!("{note}\n").into_bytes());
            note.sign(&witness(), SIGNED_AT).unwrap();
            files.entry(format!("witnessed/{start:013}.notes")).or_default().extend(format!("{note}\n").into_bytes());
        }
        if first > 0 {
            let leaves = self.lines[..first].iter().flat_map(|line| Hash::leaf(line).as_bytes().to_vec());
            files.insert("tile/0/000".to_owned(), leaves.collect());
            let is_kept = |line: &&Vec<u8>| {
                let record: Value = serde_json::from_slice(line).unwrap();
                (record["kind"] == "key.rotate" && record["i"].as_u64() < Some(first as u64)) || record["kind"] == "prune"
            };
            let kept: Vec<_> = self.lines.iter().filter(is_kept).cloned().collect();
            files.insert("kept.jsonl".to_owned(), joined(&kept));
        }
        let (newest, _) = self.heads.last().unwrap();
        Specimen { files, newest: newest.clone(), lines: self.lines }
    }
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
}

/// Names of the segments that count, in order.
pub fn segments(files: &Files) -> Vec<String> {
    let names = files.keys().filter(|name| name.starts_with("seg/"));
    // A plain one comes before its compressed copy, which is no part of the log.
    let mut names: Vec<_> = names.cloned().collect();
    names.dedup_by_key(|name| name[..17].to_owned());
    names
}

/// What a segment consists of; `None` where its frame is broken.
pub fn content(files: &Files, name: &str) -> Option<Vec<u8>> {
    let bytes = &files[name];
    if !name.ends_with(".zst") {
        return Some(bytes.clone());
    }
    let mut decoder = zstd::stream::read::Decoder::new(&bytes[..]).ok()?.single_frame();
    decoder.window_log_max(23).ok()?;
    let mut content = Vec::new();
    decoder.take(CONTENT_MAX).read_to_end(&mut content).ok()?;
    Some(content)
}

/// Writes a segment's content in the form that its name says.
pub fn put_content(files: &mut Files, name: &str, content: &[u8]) {
    let bytes = if name.ends_with(".zst") { frame(content) } else { content.to_vec() };
    files.insert(name.to_owned(), bytes);
}

/// Puts a compressed segment in the place of a plain one.
pub fn compress(files: &mut Files, name: &str) {
    let content = files.remove(name).unwrap();
    files.insert(format!("{name}.zst"), frame(&content));
}

pub fn frame(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.set_pledged_src_size(Some(content.len() as u64)).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Makes what is in `directory` these files, where it has been those `before`.
pub fn put(directory: &Path, before: &Files, files: &Files) {
    for name in before.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(directory.join(name)).unwrap();
    }
    for (name, bytes) in files.iter().filter(|(name, bytes)| before.get(*name) != Some(*bytes)) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

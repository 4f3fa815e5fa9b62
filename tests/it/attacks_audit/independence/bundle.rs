//! A log in a directory, and what can be done to its files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use yett::tlog::{Checkpoint, Frontier, Hash, Note, Scheme, Signer};

use super::files;
use super::mutate::Chance;

/// A log that is about to be changed.
pub(super) struct Bundle {
    pub(super) directory: PathBuf,
    /// Which of the two directories of heads is meant.
    pub(super) heads_in: &'static str,
}

impl Bundle {
    pub(super) fn segments(&self) -> Vec<PathBuf> {
        files(&self.directory.join("seg"))
    }

    pub(super) fn notes(&self) -> Vec<PathBuf> {
        files(&self.directory.join(self.heads_in))
    }

    /// Files that are neither: tiles, and what a range of records has for those before it.
    pub(super) fn beside(&self) -> Vec<PathBuf> {
        let named = ["frontier", "epochs", "kept.jsonl"].map(|name| self.directory.join(name));
        let named = named.into_iter().filter(|path| path.exists());
        files(&self.directory.join("tile/0")).into_iter().chain(named).collect()
    }

    /// Segments whose lines are bytes of the file.
    fn plain(&self) -> Vec<PathBuf> {
        self.segments().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")).collect()
    }

    /// Changes the lines of all segments that are not compressed; each keeps the number it has, the last takes what is left.
    pub(super) fn records(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let (mut lines, mut counts) = (Vec::new(), Vec::new());
        for path in self.plain() {
            let bytes = fs::read(path).unwrap();
            let own: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line.trim_ascii_end().to_vec()).collect();
            counts.push(own.len());
            lines.extend(own);
        }
        if lines.is_empty() {
            return;
        }
        change(&mut lines);
        let mut lines = lines.into_iter();
        for (path, count) in self.plain().into_iter().zip(counts) {
            let own: Vec<_> = lines.by_ref().take(count).collect();
            fs::write(path, joined(&own)).unwrap();
        }
        if let Some(last) = self.plain().pop() {
            let rest: Vec<_> = lines.collect();
            let bytes = [fs::read(&last).unwrap(), joined(&rest)].concat();
            fs::write(last, bytes).unwrap();
        }
    }

    pub(super) fn count_heads(&self) -> usize {
        self.notes().iter().map(|path| heads_of(path).len()).sum()
    }

    /// Changes the heads of all files; each keeps the number it has, the last takes what is left.
    pub(super) fn heads(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let counts: Vec<_> = self.notes().iter().map(|path| heads_of(path).len()).collect();
        let mut heads: Vec<_> = self.notes().iter().flat_map(|path| heads_of(path)).collect();
        change(&mut heads);
        let mut heads = heads.into_iter();
        for (path, count) in self.notes().into_iter().zip(counts) {
            fs::write(path, heads.by_ref().take(count).collect::<Vec<_>>().concat()).unwrap();
        }
        if let Some(last) = self.notes().pop() {
            let bytes = [fs::read(&last).unwrap(), heads.collect::<Vec<_>>().concat()].concat();
            fs::write(last, bytes).unwrap();
        }
    }

    /// Signs heads over the records that are there, under the log's name, with a key that nobody announced.
    pub(super) fn sign_anew(&self, which: impl Fn(usize) -> bool) {
        let mut leaves = Vec::new();
        self.records(|lines| leaves = lines.iter().map(|line| Hash::leaf(line)).collect());
        let signer = Signer::from_seed("gw.example/audit/r1", Scheme::Ed25519, &[3; 32]).unwrap();
        self.heads(|heads| {
            for (at, head) in heads.iter_mut().enumerate().filter(|(at, _)| which(*at)) {
                let Some(size) = size_of(head).filter(|size| *size <= leaves.len()) else { continue };
                let mut tree = Frontier::new();
                leaves[..size].iter().for_each(|leaf| tree.push(*leaf));
                let text = Checkpoint { origin: signer.key().name().to_owned(), size: size as u64, root: tree.root() };
                let mut note = Note::new(text.to_string()).unwrap();
                note.sign(&signer, 1_000 + at as u64).unwrap();
                *head = format!("{note}\n").into_bytes();
            }
        });
    }

    /// Puts records of these kinds behind the last one, as whoever has the files and no key can.
    pub(super) fn go_on(&self, kinds: &[&str]) {
        let texts: Vec<_> = [self.plain(), self.beside()].concat().iter().map(|path| fs::read(path).unwrap()).collect();
        let announced = texts.iter().flat_map(|text| text.split(|byte| *byte == b'\n')).filter_map(epoch_of).max();
        let mut epoch = announced.map_or(0, |epoch| epoch + 1);
        let key = Signer::from_seed("gw.example/audit/r1", Scheme::Ed25519, &[3; 32]).unwrap().key().to_string();
        for kind in kinds {
            let Some(path) = self.plain().pop() else { return };
            let mut text = fs::read(&path).unwrap();
            let Some(last) = text.strip_suffix(b"\n").and_then(|lines| lines.split(|byte| *byte == b'\n').next_back()) else {
                return;
            };
            let Ok(record) = serde_json::from_slice::<Value>(last) else { return };
            let [log, time] = ["log", "t"].map(|member| record[member].as_str().unwrap_or_default());
            let members = match *kind {
                "call.decision" | "call.outcome" => r#""call":"0-0","#.to_owned(),
                "key.rotate" => format!(r#""epoch":{{"ed25519":"{key}","n":{epoch}}},"#),
                _ => String::new(),
            };
            epoch += u64::from(*kind == "key.rotate");
            let (index, before) = (record["i"].as_u64().unwrap_or_default() + 1, Hash::leaf(last));
            let line = format!(r#"{{{members}"i":{index},"kind":"{kind}","log":"{log}","prev":"{before}","t":"{time}","v":1}}"#);
            text.extend([line.as_bytes(), b"\n"].concat());
            fs::write(path, text).unwrap();
        }
    }

    /// Removes records from the end, and says how many are left.
    pub(super) fn shorten(&self, chance: &mut Chance) -> usize {
        let mut left = 0;
        self.records(|lines| {
            lines.truncate(lines.len() - chance.below(lines.len().min(12)));
            left = lines.len();
        });
        left
    }
}

/// Which epoch a line announces.
fn epoch_of(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(line).ok()?["epoch"]["n"].as_u64()
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
}

/// The heads of a file, each with the empty line behind it.
pub(super) fn heads_of(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut heads, mut head, mut empty) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        head.extend_from_slice(line);
        empty += usize::from(line == b"\n");
        if empty == 2 {
            heads.push(std::mem::take(&mut head));
            empty = 0;
        }
    }
    heads.extend((!head.is_empty()).then_some(head));
    heads
}

pub(super) fn size_of(head: &[u8]) -> Option<usize> {
    String::from_utf8_lossy(head).lines().nth(1)?.parse().ok()
}

/// Changes what a record says, or how; gives its place.
pub(super) fn edit(lines: &mut [Vec<u8>], chance: &mut Chance) -> Option<usize> {
    let at = chance.below(lines.len());
    let line = String::from_utf8_lossy(&lines[at]).into_owned();
    let edits = [
        ("allow", "alloy"),
        ("\"status\":\"ok\"", "\"status\":\"error\""),
        ("\"bytes\":0", "\"bytes\":-0"),
        ("\"bytes\":0", "\"bytes\":0.0"),
        ("\"bytes\":0", "\"bytes\":9007199254740992"),
        ("\"bytes\":0", "\"bytes\":9007199254740991"),
        ("\"bytes\":0", "\"bytes\":null"),
        ("\"bytes\":0", "\"bytes\":[[[[[[]]]]]]"),
        ("\"bytes\":0", "\"bytes\":[[[[[[[]]]]]]]"),
        ("\"bytes\":0", "\"\":0,\"bytes\":0"),
        ("\"bytes\":0", "\"bytes\":0,\"bytes\":0"),
        ("\\u0001", "\\u001"),
        ("\\u0001", "\\u001f\\n\\t"),
        ("\\u0001", "\\u007f"),
        ("\\u0001", "\u{7f}/"),
        ("\\u0001", "\\/"),
        ("\u{e9}", "\\u00e9"),
        ("\"v\":1", "\"v\":1 "),
        ("\"v\":1", "\"v\":true"),
        ("\"v\":1", "\"v\":2"),
        ("\"t\":\"2026-03-01", "\"t\":\"2026-02-29"),
        ("\"t\":\"2026-03-01", "\"t\":\"2026-02-28"),
        ("\"t\":\"2026-03-01", "\"t\":\"2027-03-01"),
        ("\"t\":\"2026-03-01", "\"t\":\"1969-03-01"),
        ("gw.example/audit/r1", "gw.example/audit/r2"),
        ("\"open\":true", "\"open\":false"),
        ("call.outcome", "call.out"),
        ("call.decision", "stop"),
        ("call.outcome", "start"),
        ("key.rotate", "key.rotated"),
        ("\"n\":", "\"n\":1"),
        ("{", "\u{feff}{"),
    ];
    let fitting: Vec<_> = edits.into_iter().filter(|(from, _)| line.contains(from)).collect();
    let (from, to) = chance.pick(&fitting)?;
    lines[at] = line.replacen(from, to, 1).into_bytes();
    Some(at)
}

/// Changes a record, and makes the chain behind it anew.
pub(super) fn edit_and_rechain(lines: &mut [Vec<u8>], chance: &mut Chance) {
    if let Some(at) = edit(lines, chance) {
        rechain(lines, at);
    }
}

/// Gives each line from `from` on its number: those before it, where it is the first its neighbour, say where they begin.
pub(super) fn renumber(lines: &mut [Vec<u8>], from: usize) {
    let number = |line: &[u8]| {
        let text = String::from_utf8_lossy(line).into_owned();
        let (_, rest) = text.split_once("\"i\":")?;
        rest.split_once(",\"kind\"")?.0.parse::<usize>().ok()
    };
    let first = lines.first().and_then(|line| number(line)).unwrap_or_default().saturating_sub(usize::from(from == 0));
    for (at, line) in lines.iter_mut().enumerate().skip(from) {
        set(line, "\"i\":", |_| (first + at).to_string(), ",\"kind\"");
    }
}

/// Gives each line behind `from` the hash of the one before.
pub(super) fn rechain(lines: &mut [Vec<u8>], from: usize) {
    for at in from.max(1)..lines.len() {
        let hash = Hash::leaf(&lines[at - 1]).to_string();
        set(&mut lines[at], "\"prev\":\"", |_| hash.clone(), "\",\"");
    }
}

/// Replaces what stands in a line between two marks.
fn set(line: &mut Vec<u8>, before: &str, value: impl Fn(&str) -> String, behind: &str) {
    let text = String::from_utf8_lossy(line).into_owned();
    let Some((head, rest)) = text.split_once(before) else { return };
    let Some((old, tail)) = rest.split_once(behind) else { return };
    *line = format!("{head}{before}{}{behind}{tail}", value(old)).into_bytes();
}

pub(super) fn change(from: &[PathBuf], chance: &mut Chance, how: impl FnOnce(&mut Vec<u8>, &mut Chance)) {
    let Some(path) = chance.pick(from) else { return };
    let mut bytes = fs::read(&path).unwrap();
    if !bytes.is_empty() {
        how(&mut bytes, chance);
        fs::write(path, bytes).unwrap();
    }
}

pub(super) fn flip(from: &[PathBuf], chance: &mut Chance) {
    change(from, chance, |bytes, chance| {
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
    });
}

pub(super) fn cut(from: &[PathBuf], chance: &mut Chance) {
    change(from, chance, |bytes, chance| bytes.truncate(bytes.len() - 1 - chance.below(bytes.len().min(900))));
}

pub(super) fn zero(from: &[PathBuf], chance: &mut Chance) {
    change(from, chance, |bytes, chance| {
        let start = chance.below(bytes.len());
        let end = bytes.len().min(start + 1 + chance.below(2_000));
        bytes[start..end].fill(0);
    });
}

pub(super) fn append(from: &[PathBuf], what: &[u8], chance: &mut Chance) {
    change(from, chance, |bytes, _| bytes.extend_from_slice(what));
}

pub(super) fn remove(from: &[PathBuf], chance: &mut Chance) {
    fs::remove_file(chance.pick(from).unwrap()).unwrap();
}

pub(super) fn rename(from: &[PathBuf], chance: &mut Chance) {
    let path = chance.pick(from).unwrap();
    let (stem, ending) = path.file_name().unwrap().to_str().unwrap().split_once('.').unwrap();
    let index = stem.parse::<usize>().unwrap() + chance.below(3) + 1;
    fs::rename(&path, path.with_file_name(format!("{index:013}.{ending}"))).unwrap();
}

pub(super) fn swap_files(from: &[PathBuf], chance: &mut Chance) {
    let (one, other) = (chance.pick(from).unwrap(), chance.pick(from).unwrap());
    let bytes = fs::read(&one).unwrap();
    fs::copy(&other, &one).unwrap();
    fs::write(other, bytes).unwrap();
}

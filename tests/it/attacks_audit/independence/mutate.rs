//! Ways to change a log that somebody who can write its directory has.

use std::fs;
use std::path::{Path, PathBuf};

use yett::tlog::{Checkpoint, Frontier, Hash, Note, Scheme, Signer};

use super::files;

/// Chance that comes again (`SplitMix64`).
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`; 0 where that is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end as u64).max(1)).unwrap()
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len())).cloned()
    }
}

type Mutation = fn(&mut Bundle, &mut Chance);

/// By name, so that a failure says what was done.
const MUTATIONS: [(&str, Mutation); 48] = [
    ("a bit of a segment is flipped", |bundle, chance| flip(&bundle.segments(), chance)),
    ("a bit of a file of heads is flipped", |bundle, chance| flip(&bundle.notes(), chance)),
    ("a record is edited", |bundle, chance| {
        bundle.records(|lines| {
            edit(lines, chance);
        });
    }),
    ("a record is edited and the chain made anew", |bundle, chance| {
        bundle.records(|lines| edit_and_rechain(lines, chance));
    }),
    ("a record is edited, the chain made anew and signed with another key", |bundle, chance| {
        bundle.records(|lines| edit_and_rechain(lines, chance));
        bundle.sign_anew(|_| true);
    }),
    ("a record is deleted", |bundle, chance| {
        bundle.records(|lines| drop(lines.remove(chance.below(lines.len()))));
    }),
    ("a record is deleted and the chain made anew", |bundle, chance| {
        bundle.records(|lines| {
            let at = chance.below(lines.len());
            lines.remove(at);
            renumber(lines, at);
            rechain(lines, at);
        });
    }),
    ("a record is inserted", |bundle, chance| {
        bundle.records(|lines| {
            let (at, to) = (chance.below(lines.len()), chance.below(lines.len()));
            let line = String::from_utf8_lossy(&lines[at]).replace(r#","v":1"#, r#","v":1,"w":true"#);
            lines.insert(to, line.into_bytes());
        });
    }),
    ("a record is inserted and the chain made anew", |bundle, chance| {
        bundle.records(|lines| {
            let at = chance.below(lines.len());
            lines.insert(at, lines[at].clone());
            renumber(lines, at);
            rechain(lines, at);
        });
    }),
    ("a record is repeated", |bundle, chance| {
        bundle.records(|lines| {
            let at = chance.below(lines.len());
            lines.insert(at, lines[at].clone());
        });
    }),
    ("two records change places", |bundle, chance| {
        bundle.records(|lines| {
            let (one, other) = (chance.below(lines.len()), chance.below(lines.len()));
            lines.swap(one, other);
        });
    }),
    ("two records change places and the chain is made anew", |bundle, chance| {
        bundle.records(|lines| {
            let (one, other) = (chance.below(lines.len()), chance.below(lines.len()));
            lines.swap(one, other);
            renumber(lines, 0);
            rechain(lines, 0);
        });
    }),
    ("a segment is removed", |bundle, chance| remove(&bundle.segments(), chance)),
    ("a segment is renamed", |bundle, chance| rename(&bundle.segments(), chance)),
    ("two segments change places", |bundle, chance| swap_files(&bundle.segments(), chance)),
    ("a segment is cut", |bundle, chance| cut(&bundle.segments(), chance)),
    ("a part of a segment is zero", |bundle, chance| zero(&bundle.segments(), chance)),
    ("room is made behind a segment", |bundle, chance| append(&bundle.segments(), &[0; 3], chance)),
    ("a torn record ends a segment", |bundle, chance| append(&bundle.segments(), b"{\"call\":\"c\",\0\0x", chance)),
    ("a line that is no record ends a segment", |bundle, chance| append(&bundle.segments(), b"{}\n", chance)),
    ("the last records are removed", |bundle, chance| {
        bundle.shorten(chance);
    }),
    ("the last records and their heads are removed", |bundle, chance| {
        let left = bundle.shorten(chance);
        bundle.heads(|heads| heads.retain(|head| size_of(head).is_some_and(|size| size <= left)));
    }),
    ("a head is removed", |bundle, chance| {
        bundle.heads(|heads| drop(heads.remove(chance.below(heads.len()))));
    }),
    ("all heads from one on are removed", |bundle, chance| bundle.heads(|heads| heads.truncate(chance.below(heads.len())))),
    ("two heads change places", |bundle, chance| {
        bundle.heads(|heads| {
            let (one, other) = (chance.below(heads.len()), chance.below(heads.len()));
            heads.swap(one, other);
        });
    }),
    ("a head is repeated elsewhere", |bundle, chance| {
        bundle.heads(|heads| {
            let (from, to) = (chance.below(heads.len()), chance.below(heads.len() + 1));
            heads.insert(to, heads[from].clone());
        });
    }),
    ("a digit of a head is changed", |bundle, chance| {
        bundle.heads(|heads| {
            let at = chance.below(heads.len());
            let digits: Vec<_> = (0..heads[at].len()).filter(|byte| heads[at][*byte].is_ascii_digit()).collect();
            heads[at][chance.pick(&digits).unwrap()] = b'0' + u8::try_from(chance.below(10)).unwrap();
        });
    }),
    ("a head is signed with another key of the same name", |bundle, chance| {
        let one = chance.below(bundle.count_heads());
        bundle.sign_anew(|at| at == one);
    }),
    ("a file of heads is removed", |bundle, chance| remove(&bundle.notes(), chance)),
    ("a file of heads is renamed", |bundle, chance| rename(&bundle.notes(), chance)),
    ("a file of heads is cut", |bundle, chance| cut(&bundle.notes(), chance)),
    ("a part of a file of heads is zero", |bundle, chance| zero(&bundle.notes(), chance)),
    ("two files of heads change places", |bundle, chance| swap_files(&bundle.notes(), chance)),
    ("a head is put before those of another file", |bundle, chance| {
        let head = chance.pick(&bundle.notes().iter().flat_map(|path| heads_of(path)).collect::<Vec<_>>()).unwrap();
        change(&bundle.notes(), chance, |bytes, _| *bytes = [head, bytes.clone()].concat());
    }),
    ("an old head is put behind the others, and the last records are removed", |bundle, chance| {
        bundle.shorten(chance);
        bundle.heads(|heads| heads.push(heads[chance.below(heads.len())].clone()));
    }),
    ("the last head of a file is moved before those of the next, and a record at the end is written anew", |bundle, chance| {
        if let [.., one, other] = bundle.notes().as_slice() {
            let mut heads = heads_of(one);
            let moved = heads.pop().unwrap_or_default();
            fs::write(one, heads.concat()).unwrap();
            fs::write(other, [moved, fs::read(other).unwrap()].concat()).unwrap();
            bundle.records(|lines| {
                let at = lines.len() - 1 - chance.below(3);
                lines[at] = String::from_utf8_lossy(&lines[at]).replace("ok", "no").into_bytes();
                rechain(lines, at);
            });
        }
    }),
    ("signatures of strangers are added to a head", |bundle, chance| {
        let lines = "\u{2014} stranger AAAAAAAA\n".repeat(chance.pick(&[1, 97, 98, 99, 100, 800]).unwrap());
        bundle.heads(|heads| {
            let head = chance.below(heads.len());
            let end = heads[head].len().saturating_sub(1);
            heads[head].splice(end..end, lines.into_bytes());
        });
    }),
    ("a bad signature of a known key is added to a head", |bundle, chance| {
        bundle.heads(|heads| {
            let (one, other) = (chance.below(heads.len()), chance.below(heads.len()));
            let lines = String::from_utf8_lossy(&heads[one]).into_owned();
            let line = lines.lines().find(|line| line.starts_with('\u{2014}')).unwrap_or_default().to_owned() + "\n";
            let end = heads[other].len().saturating_sub(1);
            heads[other].splice(end..end, line.into_bytes());
        });
    }),
    ("the first segments are removed", |bundle, chance| {
        let segments = bundle.segments();
        segments.iter().take(chance.below(segments.len())).for_each(|path| fs::remove_file(path).unwrap());
    }),
    ("all but record 0 is removed", |bundle, chance| {
        bundle.records(|lines| lines.truncate(1));
        bundle.segments().iter().skip(1).for_each(|path| fs::remove_file(path).unwrap());
        bundle.notes().iter().skip(1).for_each(|path| fs::remove_file(path).unwrap());
        bundle.heads(|heads| heads.truncate(1));
        cut(&bundle.notes(), chance);
    }),
    ("a bit beside the segments is flipped", |bundle, chance| flip(&bundle.beside(), chance)),
    ("a part of what is beside the segments is zero", |bundle, chance| zero(&bundle.beside(), chance)),
    ("what is beside the segments is cut", |bundle, chance| cut(&bundle.beside(), chance)),
    ("something beside the segments is removed", |bundle, chance| {
        if let Some(path) = chance.pick(&bundle.beside()) {
            fs::remove_file(path).unwrap();
        }
    }),
    ("a line beside the segments is repeated elsewhere", |bundle, chance| {
        change(&bundle.beside(), chance, |bytes, chance| {
            let mut lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let (from, to) = (chance.below(lines.len()), chance.below(lines.len() + 1));
            lines.insert(to, lines[from].clone());
            *bytes = lines.concat();
        });
    }),
    ("an epoch is removed, or written once more", |bundle, chance| {
        let text = fs::read_to_string(bundle.directory.join("epochs")).unwrap_or_default();
        let mut epochs: Vec<_> = text.split("c2sp.org/tlog-proof@v1\n").skip(1).collect();
        if let Some(epoch) = chance.pick(&epochs) {
            if chance.below(2) == 0 {
                epochs.remove(chance.below(epochs.len()));
            } else {
                epochs.push(epoch);
            }
            let proofs: Vec<_> = epochs.iter().map(|epoch| ["c2sp.org/tlog-proof@v1\n", epoch].concat()).collect();
            fs::write(bundle.directory.join("epochs"), proofs.concat()).unwrap();
        }
    }),
    ("a record is edited where a tile has its hash, and all behind it made anew", |bundle, chance| {
        bundle.records(|lines| edit_and_rechain(&mut lines[..], chance));
        bundle.sign_anew(|at| at == 0);
    }),
    ("all is removed but the directories", |bundle, _| {
        bundle.segments().iter().chain(&bundle.notes()).for_each(|path| fs::remove_file(path).unwrap());
    }),
];

/// Changes the log in `directory`, and says how: once, or twice.
pub(super) fn mutate(directory: &Path, chance: &mut Chance) -> String {
    let mut bundle = Bundle { directory: directory.to_owned(), heads_in: "checkpoints" };
    let mut done = Vec::new();
    for _ in 0..=usize::from(chance.below(4) == 0) {
        let (name, mutation) = chance.pick(&MUTATIONS).unwrap();
        let is_witnessed = directory.join("witnessed").is_dir() && chance.below(2) == 0;
        bundle.heads_in = if is_witnessed { "witnessed" } else { "checkpoints" };
        if !bundle.segments().is_empty() && bundle.count_heads() > 0 {
            mutation(&mut bundle, chance);
            done.push(format!("{name} ({})", bundle.heads_in));
        }
    }
    done.join(", and ")
}

/// A log that is about to be changed.
struct Bundle {
    directory: PathBuf,
    /// Which of the two directories of heads is meant.
    heads_in: &'static str,
}

impl Bundle {
    fn segments(&self) -> Vec<PathBuf> {
        files(&self.directory.join("seg"))
    }

    fn notes(&self) -> Vec<PathBuf> {
        files(&self.directory.join(self.heads_in))
    }

    /// Files that are neither: tiles, and what a range of records has for those before it.
    fn beside(&self) -> Vec<PathBuf> {
        let named = ["frontier", "epochs", "kept.jsonl"].map(|name| self.directory.join(name));
        let named = named.into_iter().filter(|path| path.exists());
        files(&self.directory.join("tile/0")).into_iter().chain(named).collect()
    }

    /// Changes the lines of all segments; each keeps the number it has, the last takes what is left.
    fn records(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let (mut lines, mut counts) = (Vec::new(), Vec::new());
        for path in self.segments() {
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
        for (path, count) in self.segments().into_iter().zip(counts) {
            let own: Vec<_> = lines.by_ref().take(count).collect();
            fs::write(path, joined(&own)).unwrap();
        }
        if let Some(last) = self.segments().pop() {
            let rest: Vec<_> = lines.collect();
            let bytes = [fs::read(&last).unwrap(), joined(&rest)].concat();
            fs::write(last, bytes).unwrap();
        }
    }

    fn count_heads(&self) -> usize {
        self.notes().iter().map(|path| heads_of(path).len()).sum()
    }

    /// Changes the heads of all files; each keeps the number it has, the last takes what is left.
    fn heads(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
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
    fn sign_anew(&self, which: impl Fn(usize) -> bool) {
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

    /// Removes records from the end, and says how many are left.
    fn shorten(&self, chance: &mut Chance) -> usize {
        let mut left = 0;
        self.records(|lines| {
            lines.truncate(lines.len() - chance.below(lines.len().min(12)));
            left = lines.len();
        });
        left
    }
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

fn size_of(head: &[u8]) -> Option<usize> {
    String::from_utf8_lossy(head).lines().nth(1)?.parse().ok()
}

/// Changes what a record says, or how; gives its place.
fn edit(lines: &mut [Vec<u8>], chance: &mut Chance) -> Option<usize> {
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
fn edit_and_rechain(lines: &mut [Vec<u8>], chance: &mut Chance) {
    if let Some(at) = edit(lines, chance) {
        rechain(lines, at);
    }
}

/// Gives each line from `from` on its number: those before it, where it is the first its neighbour, say where they begin.
fn renumber(lines: &mut [Vec<u8>], from: usize) {
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
fn rechain(lines: &mut [Vec<u8>], from: usize) {
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

fn change(from: &[PathBuf], chance: &mut Chance, how: impl FnOnce(&mut Vec<u8>, &mut Chance)) {
    let Some(path) = chance.pick(from) else { return };
    let mut bytes = fs::read(&path).unwrap();
    if !bytes.is_empty() {
        how(&mut bytes, chance);
        fs::write(path, bytes).unwrap();
    }
}

fn flip(from: &[PathBuf], chance: &mut Chance) {
    change(from, chance, |bytes, chance| {
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
    });
}

fn cut(from: &[PathBuf], chance: &mut Chance) {
    change(from, chance, |bytes, chance| bytes.truncate(bytes.len() - 1 - chance.below(bytes.len().min(900))));
}

fn zero(from: &[PathBuf], chance: &mut Chance) {
    change(from, chance, |bytes, chance| {
        let start = chance.below(bytes.len());
        let end = bytes.len().min(start + 1 + chance.below(2_000));
        bytes[start..end].fill(0);
    });
}

fn append(from: &[PathBuf], what: &[u8], chance: &mut Chance) {
    change(from, chance, |bytes, _| bytes.extend_from_slice(what));
}

fn remove(from: &[PathBuf], chance: &mut Chance) {
    fs::remove_file(chance.pick(from).unwrap()).unwrap();
}

fn rename(from: &[PathBuf], chance: &mut Chance) {
    let path = chance.pick(from).unwrap();
    let (stem, ending) = path.file_name().unwrap().to_str().unwrap().split_once('.').unwrap();
    let index = stem.parse::<usize>().unwrap() + chance.below(3) + 1;
    fs::rename(&path, path.with_file_name(format!("{index:013}.{ending}"))).unwrap();
}

fn swap_files(from: &[PathBuf], chance: &mut Chance) {
    let (one, other) = (chance.pick(from).unwrap(), chance.pick(from).unwrap());
    let bytes = fs::read(&one).unwrap();
    fs::copy(&other, &one).unwrap();
    fs::write(other, bytes).unwrap();
}

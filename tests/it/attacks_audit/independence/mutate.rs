//! Ways to change a log that somebody who can write its directory has.

use std::fs;
use std::path::Path;

use super::bundle::{
    Bundle, append, change, cut, edit, edit_and_rechain, flip, heads_of, rechain, remove, rename, renumber, size_of, swap_files,
    zero,
};

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

/// What may stand behind a `stop` that a head counts, and some of what may not.
const BEHIND_STOP: [&str; 5] = ["call.outcome", "clock.step", "key.rotate", "recovery", "tick"];
const NOT_BEHIND_STOP: [&str; 6] = ["call.decision", "config.change", "prune", "start", "stop", "tick."];

type Mutation = fn(&mut Bundle, &mut Chance);

/// By name, so that a failure says what was done.
const MUTATIONS: [(&str, Mutation); 50] = [
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
    ("records that a run begins with are put behind the last one", |bundle, chance| {
        let kinds: Vec<_> = (0..=chance.below(4)).filter_map(|_| chance.pick(&BEHIND_STOP)).collect();
        bundle.go_on(&kinds);
    }),
    ("a record that no run begins with is put behind the last one, among others", |bundle, chance| {
        let mut kinds: Vec<_> = (0..chance.below(4)).filter_map(|_| chance.pick(&BEHIND_STOP)).collect();
        kinds.insert(chance.below(kinds.len() + 1), chance.pick(&NOT_BEHIND_STOP).unwrap());
        bundle.go_on(&kinds);
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

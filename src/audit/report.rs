//! What verification found, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::fault::Fault;

/// Most gaps, warnings and intervals that are kept one by one; more are only counted.
const LISTED_MAX: usize = 100;

/// The answer in one word. The exit codes are those of SECURITY.md 2.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something was changed, removed, inserted or put in another order.
    Tampered,
    /// It could not be read.
    Unreadable,
    /// What is here is intact, but something that belongs to it is not here.
    Incomplete,
    /// Intact, with gaps that the log itself declares.
    Gaps,
    /// Intact, but nothing outside this directory confirms it: whoever can write all of it can rewrite all of it.
    Unanchored,
    /// Intact, and confirmed from outside.
    Verified,
}

impl Verdict {
    /// The exit code of `audit verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Tampered => 1,
            Self::Gaps => 2,
            Self::Unanchored => 3,
            Self::Unreadable => 4,
            Self::Incomplete => 5,
        }
    }

    /// The name in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Tampered => "tampered",
            Self::Gaps => "gaps",
            Self::Unanchored => "unanchored",
            Self::Unreadable => "unreadable",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Something an auditor should ask about although nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The record it is about.
    pub index: u64,
    /// One sentence.
    pub meaning: String,
}

/// Notes of one sort, with a bound on memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The first hundred.
    pub listed: Vec<Note>,
    /// How many there are in all.
    pub total: u64,
}

impl Notes {
    pub(crate) fn add(&mut self, index: u64, meaning: impl FnOnce() -> String) {
        self.total += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(Note { index, meaning: meaning() });
        }
    }
}

/// From this record on the log was kept in this durability mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeChange {
    /// The record that says so.
    pub index: u64,
    /// Its time.
    pub time: String,
    /// The mode.
    pub mode: String,
}

/// How far something outside the directory confirms a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// So many records.
    pub size: u64,
    /// Time of the last of them.
    pub time: String,
    /// It is a day or more before the end.
    pub stale: bool,
}

/// What was found in one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Where it is.
    pub directory: PathBuf,
    /// Its name, as head or records say.
    pub log: String,
    /// Segment files.
    pub segments: u64,
    /// Index of the first record that is here.
    pub first: u64,
    /// Records that were pruned, all before the first one here; of them hashes and heads were checked.
    pub pruned: u64,
    /// Records that were checked.
    pub records: u64,
    /// Hash hash of the last record that was checked.
    pub leaf: Option<String>,
    /// Records the newest head counts.
    pub head: Option<u64>,
    /// Root of the tree in that head, base64.
    pub root: Option<String>,
    /// How many heads there are.
    pub heads: u64,
    /// Heads whose keys were announced by records that are not here.
    pub unchecked_heads: u64,
    /// Records behind the newest head, covered by the chain alone.
    pub uncovered: u64,
    /// What confirms it.
    pub anchored: Option<Anchored>,
    /// The verifier key of epoch 0, which an auditor should know from elsewhere.
    pub key: Option<String>,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
    /// Bytes behind the last newline that the head does not count: a crash, or a writer at work.
    pub unfinished_bytes: u64,
    /// Tiles that are not what the leaves make: `audit repair` makes them again.
    pub damaged_tiles: u64,
    /// Declared gaps.
    pub gaps: Notes,
    /// What is worth knowing and changes no verdict.
    pub warnings: Notes,
    /// Durability modes in order.
    pub modes: Vec<ModeChange>,
    /// Records by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Decisions whose outcome is not written yet.
    pub open_calls: u64,
    /// Why nothing else is said of it.
    pub unreadable: Option<String>,
}

impl LogReport {
    /// The verdict on this log.
    pub fn verdict(&self) -> Verdict {
        if self.fault.is_some() {
            Verdict::Tampered
        } else if self.unreadable.is_some() {
            Verdict::Unreadable
        } else if self.lacks_beginning() || self.unfinished_bytes > 0 || self.heads == 0 {
            Verdict::Incomplete
        } else if self.gaps.total > 0 || self.damaged_tiles > 0 {
            Verdict::Gaps
        } else if self.anchored.as_ref().is_some_and(|anchored| !anchored.stale) {
            Verdict::Verified
        } else {
            Verdict::Unanchored
        }
    }

    /// Whether records before the first one are not here, and nothing says why.
    fn lacks_beginning(&self) -> bool {
        self.first > self.pruned
    }

    fn sentence(&self) -> String {
        match self.verdict() {
            Verdict::Tampered => {
                let fault = self.fault.as_ref();
                fault.map(|fault| format!("record {}: {}", fault.index, fault.reason)).unwrap_or_default()
            }
            Verdict::Unreadable => self.unreadable.clone().unwrap_or_default(),
            Verdict::Incomplete if self.lacks_beginning() => {
                format!("intact from record {} on; the records before it are not here", self.first)
            }
            Verdict::Incomplete if self.heads == 0 => "it was begun, and no head was made yet".to_owned(),
            Verdict::Incomplete => format!(
                "intact up to its last newline; {} bytes behind it are an unfinished line (a crash, or a writer at work)",
                self.unfinished_bytes
            ),
            Verdict::Gaps if self.gaps.total == 0 => {
                format!("intact, but derived data is damaged: {} tiles. `yett audit repair` makes them again", self.damaged_tiles)
            }
            Verdict::Gaps if self.pruned > 0 => format!(
                "intact from record {} on; of the records before it, which were pruned, the hashes are; {} declared gaps",
                self.first, self.gaps.total
            ),
            Verdict::Gaps => format!("intact, with {} declared gaps", self.gaps.total),
            Verdict::Unanchored if self.anchored.is_some() => {
                "intact, but what confirms it from outside is more than a day older than its end".to_owned()
            }
            Verdict::Unanchored => {
                "intact, unanchored: nothing outside this directory confirms it, so it is only as good as whoever can write it"
                    .to_owned()
            }
            Verdict::Verified => "intact, and confirmed from outside".to_owned(),
        }
    }

    fn json(&self) -> Value {
        let notes = |notes: &Notes| {
            let listed: Vec<_> = notes.listed.iter().map(|note| json!({"index": note.index, "meaning": note.meaning})).collect();
            json!({"listed": listed, "total": notes.total})
        };
        let modes: Vec<_> =
            self.modes.iter().map(|mode| json!({"index": mode.index, "mode": mode.mode, "time": mode.time})).collect();
        let fault = self.fault.as_ref().map(|fault| json!({"index": fault.index, "meaning": fault.reason.to_string()}));
        json!({
            "anchored": self.anchored.as_ref().map(|anchored| json!({"size": anchored.size, "stale": anchored.stale, "time": anchored.time})),
            "damaged_tiles": self.damaged_tiles,
            "directory": self.directory.to_string_lossy(),
            "fault": fault,
            "first": self.first,
            "gaps": notes(&self.gaps),
            "head": self.head,
            "heads": self.heads,
            "key": self.key,
            "kinds": self.kinds,
            "leaf": self.leaf,
            "log": self.log,
            "meaning": self.sentence(),
            "modes": modes,
            "open_calls": self.open_calls,
            "pruned": self.pruned,
            "records": self.records,
            "root": self.root,
            "segments": self.segments,
            "unchecked_heads": self.unchecked_heads,
            "uncovered": self.uncovered,
            "unfinished_bytes": self.unfinished_bytes,
            "verdict": self.verdict().as_str(),
            "warnings": notes(&self.warnings),
        })
    }
}

/// What was found in all logs under a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One for each log, by directory.
    pub logs: Vec<LogReport>,
}

impl Report {
    /// The worst verdict of all.
    pub fn verdict(&self) -> Verdict {
        // SECURITY: what could not be read is no better than what was read, or a log could be hidden behind a good one.
        let order =
            [Verdict::Tampered, Verdict::Unreadable, Verdict::Incomplete, Verdict::Gaps, Verdict::Unanchored, Verdict::Verified];
        let worst = order.into_iter().find(|verdict| self.logs.iter().any(|log| log.verdict() == *verdict));
        // A report without logs is never made; it must not be a good one either.
        worst.unwrap_or(Verdict::Incomplete)
    }

    /// The exit code of `audit verify`.
    pub fn exit_code(&self) -> u8 {
        self.verdict().exit_code()
    }

    /// Everything, as one line of JSON.
    pub fn to_json(&self) -> String {
        let logs: Vec<_> = self.logs.iter().map(LogReport::json).collect();
        json!({"exit": self.exit_code(), "logs": logs, "verdict": self.verdict().as_str()}).to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.logs.iter().try_for_each(|log| write!(f, "{log}"))
    }
}

impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What comes out of a log may come from anyone: nothing of it reaches a terminal unescaped.
        writeln!(f, "{} ({})", self.log.escape_debug(), self.directory.display())?;
        writeln!(f, "  {}: {}", self.verdict().as_str(), self.sentence().escape_debug())?;
        let checked = if self.fault.is_some() { "checked before that" } else { "checked" };
        writeln!(f, "  {} records in {} segments {checked}", self.records, self.segments)?;
        if let (Some(size), Some(root)) = (self.head, &self.root) {
            writeln!(f, "  {} signed heads, the newest over {size} records: {root}", self.heads)?;
        }
        if let Some(Anchored { size, time, .. }) = &self.anchored {
            writeln!(f, "  confirmed from outside: {size} records, up to {}", time.escape_debug())?;
        }
        if let Some(key) = &self.key {
            writeln!(f, "  key {}", key.escape_debug())?;
        }
        for (kind, count) in &self.kinds {
            writeln!(f, "    {count:>10} {kind}")?;
        }
        for mode in &self.modes {
            writeln!(f, "  mode {} from record {}, {}", mode.mode.escape_debug(), mode.index, mode.time.escape_debug())?;
        }
        if self.damaged_tiles > 0 && self.gaps.total > 0 {
            writeln!(f, "  {} damaged tiles: `yett audit repair` makes them again", self.damaged_tiles)?;
        }
        if self.open_calls > 0 {
            writeln!(f, "  {} calls without an outcome yet", self.open_calls)?;
        }
        for (word, notes) in [("gap", &self.gaps), ("note", &self.warnings)] {
            for note in &notes.listed {
                writeln!(f, "  {word} at record {}: {}", note.index, note.meaning.escape_debug())?;
            }
            let unlisted = notes.total.saturating_sub(u64::try_from(notes.listed.len()).unwrap_or(u64::MAX));
            if unlisted > 0 {
                writeln!(f, "  and {unlisted} more")?;
            }
        }
        Ok(())
    }
}

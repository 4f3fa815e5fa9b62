//! Finds what may be removed from the front of a log, and proves that nothing else has to be known of it than what stays.

use std::collections::HashSet;
use std::path::Path;

use jiff::Timestamp;

use super::super::canonical::canonical_members;
use super::super::layout::compressed_name;
use super::super::line::{Line, nested, plain};
use super::super::lines::{LineReader, RawLine};
use super::super::stamp::Stamp;
use super::super::tree::{ProveError, Prover, read_tile};
use super::super::verify::{SegmentFile, VerifyIo, segments};
use super::kept::{KINDS, Kept, KeptLine};
use super::record::{Ordered, Removal};
use crate::tlog::{Frontier, Hash, TILE_WIDTH, TileId};

/// Segments that always stay: what a start reads.
const NEEDED: usize = 2;

/// What may be removed.
#[derive(Debug)]
pub struct Question<'a> {
    /// From this record on, instead of the first that is here: for who only asks.
    pub from: Option<u64>,
    /// Segments with records of this time or later stay.
    pub before: Timestamp,
    /// Pseudonyms of callers under a legal hold: their records stay, and so all behind them.
    pub held: &'a HashSet<String>,
    /// Most segments.
    pub limit: usize,
}

/// Why what stays is not removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// It is not old enough.
    #[error("the next segment has records up to {0}")]
    Young(String),
    /// Somebody under a hold stands in it.
    #[error("record {record} is about {name}, who is under a legal hold: it stays, and all behind it")]
    Held {
        /// The first such record.
        record: u64,
        /// Whose it is.
        name: String,
    },
    /// A start needs it.
    #[error("the two newest segments always stay")]
    Newest,
    /// Its last hashes would be lost.
    #[error("the hashes of the next segment are not all in full tiles yet")]
    Tiles,
    /// As many as were asked for.
    #[error("there may be more")]
    More,
}

/// Why nothing may be removed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// What is first here is not what retention has left.
    #[error(
        "the log begins at record {first}, but the records before it were not pruned: they were removed by hand, so no `prune` record \
         can say why"
    )]
    Incomplete {
        /// The first record here.
        first: u64,
    },
    /// The records are not those that were signed.
    #[error(
        "record {0} is not what the tree over the log says: nothing is removed that could be evidence; see `yett audit verify`"
    )]
    Differs(u64),
    /// The tree cannot be read.
    #[error(transparent)]
    Tree(#[from] ProveError),
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] VerifyIo),
}

/// What is removed, and what is kept of it.
#[derive(Debug)]
pub struct Plan {
    /// `None`: nothing.
    pub removal: Option<Removal>,
    /// Why no more.
    pub stopped: Stopped,
    pub(super) kept: Vec<KeptLine>,
}

/// Reads what is old enough, and compares every line with its hash in the tree. Blocks on the disk.
pub fn plan(log: &Path, question: &Question<'_>) -> Result<Plan, PlanError> {
    let segments = segments(log)?;
    let here = segments.first().map_or(0, |segment| segment.first);
    let (covered, newest) = covered(log)?;
    if here > covered {
        return Err(PlanError::Incomplete { first: here });
    }
    let from = question.from.unwrap_or(here).max(here);
    let mut prover = Prover::newest(log)?;
    let mut planner = Planner { log, question, tree: beginning(&mut prover, from)?, newest, removal: None, kept: Vec::new() };
    let mut stopped = Stopped::Newest;
    let removable = segments.len().saturating_sub(NEEDED);
    for (segment, next) in
        segments.iter().zip(segments.iter().skip(1)).take(removable).filter(|(segment, _)| segment.first >= from)
    {
        if planner.removal.as_ref().is_some_and(|removal| removal.segments >= u64::try_from(question.limit).unwrap_or(u64::MAX)) {
            stopped = Stopped::More;
            break;
        }
        if next.first > prover.head().size {
            break;
        }
        if let Some(reason) = planner.segment(segment, next.first)? {
            stopped = reason;
            break;
        }
    }
    let Planner { mut removal, kept, tree, .. } = planner;
    if let Some(removal) = &mut removal {
        // Consistent with the newest signed head: so these hashes, which are those in the tiles, are the beginning of what was signed.
        let signed = beginning(&mut prover, removal.to)?;
        if signed.root() != removal.root || tree.size() != removal.to {
            return Err(PlanError::Differs(removal.to - 1));
        }
    }
    Ok(Plan { removal, stopped, kept })
}

/// Up to where `prune` records that were carried out cover the log, and the newest time among what they removed.
fn covered(log: &Path) -> Result<(u64, Stamp), VerifyIo> {
    let (mut covered, mut newest) = (0, Stamp::EPOCH);
    for line in Kept::all(log)? {
        let Some(raw) = Line::parse(&line.bytes).ok().and_then(|line| line.prune) else { continue };
        if let Some(ordered) = Ordered::read(raw, line.index) {
            covered = covered.max(ordered.to);
            nested(raw, |key, raw| {
                if key == "newest" {
                    newest = newest.max(plain(raw).and_then(Stamp::parse).unwrap_or(Stamp::EPOCH));
                }
            });
        }
    }
    Ok((covered, newest))
}

fn beginning(prover: &mut Prover, size: u64) -> Result<Frontier, PlanError> {
    if size == 0 { Ok(Frontier::new()) } else { Ok(prover.beginning(size)?.0) }
}

struct Planner<'a> {
    log: &'a Path,
    question: &'a Question<'a>,
    /// Over all records that are removed.
    tree: Frontier,
    /// The newest time of them.
    newest: Stamp,
    removal: Option<Removal>,
    kept: Vec<KeptLine>,
}

impl Planner<'_> {
    /// Takes a segment, unless there is a reason not to.
    fn segment(&mut self, segment: &SegmentFile, end: u64) -> Result<Option<Stopped>, PlanError> {
        if read_tile(self.log, TileId::full(0, (end - 1) / u64::from(TILE_WIDTH)))?.is_none() {
            return Ok(Some(Stopped::Tiles));
        }
        let mut found = Found { tree: self.tree.clone(), oldest: None, last: Stamp::EPOCH, kept: Vec::new() };
        if let Some(stopped) = self.read(segment.clone(), end, &mut found)? {
            return Ok(Some(stopped));
        }
        // A clock that was set back does not make records older than those before them; one that had jumped ahead for a while has no say.
        let newest = self.newest.max(found.last);
        if newest >= Stamp::from_timestamp(self.question.before) {
            return Ok(Some(Stopped::Young(newest.text())));
        }
        (self.newest, self.tree) = (newest, found.tree);
        self.kept.append(&mut found.kept);
        let before = self.removal.take();
        self.removal = Some(Removal {
            from: before.as_ref().map_or(segment.first, |before| before.from),
            to: end,
            segments: before.as_ref().map_or(0, |before| before.segments) + 1,
            bytes: before.as_ref().map_or(0, |before| before.bytes) + on_disk(self.log, segment),
            oldest: before.map_or_else(|| found.oldest.unwrap_or(Stamp::EPOCH).text(), |before| before.oldest),
            newest: newest.text(),
            root: self.tree.root(),
        });
        Ok(None)
    }

    fn read(&self, mut segment: SegmentFile, end: u64, found: &mut Found) -> Result<Option<Stopped>, PlanError> {
        let Some(lines) = segment.open(0)? else { return Err(PlanError::Differs(segment.first)) };
        let (mut lines, mut index, mut tile) = (LineReader::new(lines), segment.first, None);
        let failed = |source| VerifyIo::Read { path: segment.path.clone(), source };
        let before = Stamp::from_timestamp(self.question.before);
        while let Some(RawLine::Whole(bytes)) = lines.next_line().map_err(failed)? {
            let line = Line::parse(bytes).ok().filter(|line| line.index == index).ok_or(PlanError::Differs(index))?;
            if found.oldest.is_none() && line.time >= before {
                return Ok(Some(Stopped::Young(line.time.text())));
            }
            let leaf = Hash::leaf(bytes);
            let width = u64::from(TILE_WIDTH);
            if index.is_multiple_of(width) || tile.is_none() {
                tile = Some(read_tile(self.log, TileId::full(0, index / width))?.unwrap_or_default());
            }
            let at = usize::try_from(index % width).unwrap_or_default();
            if tile.as_ref().and_then(|tile| tile.as_chunks().0.get(at)).copied().map(Hash::new) != Some(leaf) {
                return Err(PlanError::Differs(index));
            }
            if let Some(name) = held(bytes, self.question.held) {
                return Ok(Some(Stopped::Held { record: index, name }));
            }
            if KINDS.iter().any(|kind| kind.as_str() == line.kind) {
                found.kept.push(KeptLine { index, bytes: bytes.to_vec() });
            }
            found.oldest.get_or_insert(line.time);
            found.last = line.time;
            found.tree.push(leaf);
            index += 1;
        }
        if index == end { Ok(None) } else { Err(PlanError::Differs(index)) }
    }
}

/// What was found in a segment.
struct Found {
    tree: Frontier,
    oldest: Option<Stamp>,
    last: Stamp,
    kept: Vec<KeptLine>,
}

/// Whoever of `held` stands in a record. What names nobody (an outcome) comes after what does.
fn held(line: &[u8], held: &HashSet<String>) -> Option<String> {
    if held.is_empty() {
        return None;
    }
    let mut found = None;
    let mut look = |name: &str| {
        if found.is_none() {
            found = held.get(name).cloned();
        }
    };
    let _ = canonical_members(line, |key, raw| {
        if matches!(key, "what" | "who") {
            nested(raw, |key, raw| match key {
                "sub" => drop(plain(raw).map(&mut look)),
                // Pseudonyms have no quotes of their own.
                "subs" => raw.split('"').skip(1).step_by(2).for_each(&mut look),
                _ => {}
            });
        }
    });
    found
}

/// Bytes of both its files: while one is compressed there are two.
fn on_disk(log: &Path, segment: &SegmentFile) -> u64 {
    let copy = log.join("seg").join(compressed_name(segment.first));
    let beside = if segment.compressed { 0 } else { std::fs::metadata(copy).map_or(0, |metadata| metadata.len()) };
    segment.bytes + beside
}

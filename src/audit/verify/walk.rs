//! One pass over one log: every line in its place, every head over the lines before it.

use std::io;
use std::path::{Path, PathBuf};

use super::super::chain::{Broken, Chain};
use super::super::fault::{Fault, FaultReason};
use super::super::line::{Line, NotRecord, frontier, is_one_batch};
use super::super::lines::{LineReader, RawLine};
use super::super::observe::Observer;
use super::super::recovery::UNCOVERED_MAX;
use super::super::report::LogReport;
use super::super::retention::Kept;
use super::anchors::{Anchors, Known};
use super::before::Before;
use super::behind_stop::BehindStop;
use super::blocks::Blocks;
use super::heads::{self, Heads, HeadsFile};
use super::pool::Pool;
use super::pruned::{Covered, is_pruned};
use super::tiles::Tiles;
use super::{FrameCheck, Patience, SegmentFile, VerifyIo, unreadable};
use crate::tlog::Hash;

/// See the module.
pub(super) struct Walk<'p> {
    pub(super) directory: PathBuf,
    pool: &'p Pool,
    pub(super) chain: Chain,
    pub(super) heads: Heads<'p>,
    tiles: Tiles,
    pub(super) anchors: Anchors<'p>,
    behind_stop: BehindStop,
    /// A file of heads that belongs to no segment.
    stray: Option<HeadsFile>,
    /// Records the newest head counts, as its file says before anything was checked.
    counted: u64,
    /// Keys announced since the last head.
    pub(super) announced: u32,
    pub(super) covered: Covered,
    /// A record was read.
    begun: bool,
    observer: Observer,
    report: LogReport,
    suspect: Option<Suspect>,
}

/// A record that does not follow its predecessor. Which of the two was changed, only the next record or a head can tell.
struct Suspect {
    index: u64,
    leaf: Hash,
    /// What it says its predecessor was.
    prev: Hash,
}

impl<'p> Walk<'p> {
    pub(super) fn new(
        directory: &Path,
        segments: &[SegmentFile],
        files: &[HeadsFile],
        pool: &'p Pool,
        trust: &'p Known,
    ) -> Result<Self, VerifyIo> {
        let first = segments.first().map_or(0, |segment| segment.first);
        let is_pruned = is_pruned(directory, first)?;
        // As the first record has it that anything is known of.
        let kept = if is_pruned { Kept::log_name(directory)? } else { None };
        let log = kept.or_else(|| segments.first().cloned().and_then(log_name));
        // Those of segments that were taken away from the front are nobody's to check.
        let present: Vec<_> = files.iter().filter(|file| is_pruned || file.segment >= first).cloned().collect();
        // Of segments that were pruned the files of heads are all that tells.
        let belongs = |file: &&HeadsFile| {
            (is_pruned && file.segment < first) || segments.iter().any(|segment| segment.first == file.segment)
        };
        let report = LogReport {
            directory: directory.to_owned(),
            segments: u64::try_from(segments.len()).unwrap_or(u64::MAX),
            first,
            pruned: if is_pruned { first } else { 0 },
            ..LogReport::default()
        };
        let mut walk = Self {
            directory: directory.to_owned(),
            pool,
            chain: if first == 0 || is_pruned { Chain::genesis(None) } else { Chain::from_middle(None, first) },
            counted: heads::newest_size(&present)?,
            stray: present.iter().find(|file| file.bytes > 0 && !belongs(file)).cloned(),
            heads: Heads::new(pool, present, log.clone()),
            tiles: Tiles::new(directory, first == 0 || is_pruned),
            anchors: Anchors::new(directory, trust, log, if is_pruned { 0 } else { first })?,
            behind_stop: BehindStop::default(),
            announced: 0,
            covered: Covered::default(),
            begun: false,
            observer: Observer::default(),
            report,
            suspect: None,
        };
        if !is_pruned {
            walk.go_on(Before::read(directory, first)?, first);
        }
        Ok(walk)
    }

    /// Begins in the middle of a log, with what a bundle says for the records before.
    fn go_on(&mut self, before: Before, first: u64) {
        match before.tree {
            None => {}
            Some(Err(reason)) => drop(self.fault(first, reason.into())),
            Some(Ok(tree)) => {
                self.heads.begin_behind(tree.clone());
                self.chain.tree = Some(tree);
            }
        }
        match before.epochs {
            None => {}
            Some(Err(reason)) => drop(self.fault(first, FaultReason::Epochs(reason))),
            Some(Ok(epochs)) => {
                if let Some(reason) = epochs.first().and_then(|keys| self.anchors.unknown(keys)) {
                    self.fault(first, reason);
                }
                let handed_over = epochs.handed_over_before(first).map(|(index, _)| index);
                self.announced = epochs.announced_before(first).map_or(0, |(index, _)| u32::from(Some(index) != handed_over));
                self.chain.log = epochs.first_key().map(|key| key.name().to_owned());
                self.chain.announced = epochs.announced_before(first).map(|(index, keys)| (index, keys.clone()));
                self.heads.go_on(epochs.first_key().map(ToString::to_string), epochs.handed_over_before(first));
            }
        }
    }

    /// What was pruned from before the first segment; false when there is no point in going on.
    pub(super) fn before(&mut self) -> Result<bool, VerifyIo> {
        if self.report.pruned > 0 { self.pruned(self.report.first) } else { Ok(true) }
    }

    /// Checks one segment, behind which the one of record `end` comes; false when there is no point in going on.
    pub(super) fn segment(
        &mut self,
        segment: &SegmentFile,
        end: Option<u64>,
        frame: Option<FrameCheck>,
    ) -> Result<bool, VerifyIo> {
        if self.report.fault.is_some() {
            return Ok(false);
        }
        let mut segment = segment.clone();
        let last = end.is_none();
        // A suspect is not counted yet.
        let next = self.chain.next + u64::from(self.suspect.is_some());
        if segment.first > next {
            return Ok(self.fault(next, FaultReason::Missing { index: next, last: segment.first - 1 }));
        }
        if segment.first < next {
            return Ok(self.fault(segment.first, FaultReason::Overlap { first: segment.first }));
        }
        // Of a suspect the heads it stands among can tell.
        if self.suspect.is_none()
            && let Some(reason) = self.heads.begin(segment.first, end.unwrap_or(u64::MAX))?
        {
            return Ok(self.fault(next, reason));
        }
        if self.suspect.is_none()
            && let Some(reason) = self.anchors.begin(segment.first, end.unwrap_or(u64::MAX))?
        {
            return Ok(self.fault(next, reason));
        }
        // SECURITY: of a frame that is not right as a whole no line is believed.
        if let Some(frame) = frame
            && let Err(reason) = frame.wait().unwrap_or_else(|| Err(died(&segment.path)))?
        {
            return Ok(self.fault(next, FaultReason::Frame(reason)));
        }
        let Some(lines) = segment.open(0)? else {
            return Ok(self.fault(next, FaultReason::NotAFile));
        };
        let mut blocks = Blocks::new(self.pool, lines);
        while let Some(block) = blocks.next_block().map_err(unreadable(&segment.path))? {
            for judged in block.lines() {
                if !self.line(judged.bytes, judged.line, judged.leaf)? {
                    return Ok(false);
                }
            }
        }
        let offset = blocks.offset();
        self.rest(segment, offset, last)
    }

    /// What stands behind the whole lines of a segment: room, what a crash has torn, or what nobody wrote.
    fn rest(&mut self, mut segment: SegmentFile, mut offset: u64, last: bool) -> Result<bool, VerifyIo> {
        let mut patience = Patience::new(&self.directory);
        loop {
            let Some(lines) = segment.open(offset)? else {
                return Ok(self.fault(self.chain.next, FaultReason::NotAFile));
            };
            let mut lines = LineReader::new(lines);
            let torn = loop {
                match lines.next_line().map_err(unreadable(&segment.path))? {
                    None => return Ok(true),
                    // The segment that grows ends in room made ahead; a sealed one has given it back.
                    Some(RawLine::Room) if last => return Ok(true),
                    Some(RawLine::Room) => return Ok(self.fault(self.chain.next, Broken::Torn.into())),
                    Some(RawLine::Whole(bytes)) => {
                        offset += u64::try_from(bytes.len() + 1).unwrap_or(u64::MAX);
                        if !self.line(bytes, Line::parse(bytes), Hash::leaf(bytes))? {
                            return Ok(false);
                        }
                    }
                    Some(RawLine::Torn(bytes)) if !is_one_batch(bytes) => {
                        return Ok(self.fault(self.chain.next, Broken::Torn.into()));
                    }
                    Some(RawLine::Torn(bytes)) => break u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                    Some(RawLine::Endless) => return Ok(self.fault(self.chain.next, Broken::Endless.into())),
                }
            };
            // Only behind everything that heads count can an unfinished line be the work of a crash.
            if !last || self.counted > self.chain.next {
                return Ok(self.fault(self.chain.next, Broken::Torn.into()));
            }
            if !patience.again() {
                self.report.unfinished_bytes = torn;
                return Ok(true);
            }
        }
    }

    fn line(&mut self, bytes: &[u8], line: Result<Line<'_>, NotRecord>, leaf: Hash) -> Result<bool, VerifyIo> {
        if self.suspect.is_some() && line.is_err() {
            // What is no record tells nothing of the one before it: a head may.
            return Ok(false);
        }
        if let Some(suspect) = self.suspect.take() {
            let follows = line.is_ok_and(|line| line.prev == suspect.leaf);
            let index = if follows { suspect.index.saturating_sub(1) } else { suspect.index };
            return Ok(self.fault(index, FaultReason::Changed));
        }
        let index = self.chain.next;
        let stray = self.stray.as_ref().map(|file| file.segment).filter(|segment| *segment <= index);
        if let Some(segment) = stray.or_else(|| self.anchors.stray(index)) {
            return Ok(self.fault(segment, FaultReason::HeadOrder { size: segment }));
        }
        let knew_tree = self.chain.tree.is_some();
        match line.map_err(Broken::from).and_then(|line| self.chain.accept_line(line, Some(leaf), bytes)) {
            Ok(line) => {
                self.report.records += 1;
                self.observer.record(&line, &mut self.report);
                self.covered.record(&line);
                if let Some(said) = line.tree.and_then(frontier).filter(|_| !knew_tree) {
                    self.heads.begin_behind(said);
                }
                self.behind_stop.record(index, line.kind);
                self.announced += u32::from(line.epoch.is_some());
                if self.announced > 1 {
                    return Ok(self.fault(index, Broken::Keys.into()));
                }
                let genesis = self.chain.announced.as_ref().filter(|_| line.epoch.is_some() && index == 0);
                if let Some(reason) = genesis.and_then(|(_, keys)| self.anchors.unknown(keys)) {
                    return Ok(self.fault(index, reason));
                }
                self.compare_head(index, leaf)
            }
            // Before record 0 there is none that could have been changed instead.
            Err(Broken::Previous) if index > 0 => {
                let prev = line.map_or(Hash::ZERO, |line| line.prev);
                self.suspect = Some(Suspect { index, leaf, prev });
                Ok(true)
            }
            Err(Broken::Previous) => Ok(self.fault(index, FaultReason::Changed)),
            Err(Broken::Index { found, follows }) if found > index && !follows => {
                Ok(self.fault(index, FaultReason::Missing { index, last: found - 1 }))
            }
            Err(Broken::Index { found, follows }) if found < index && !follows => Ok(self.fault(found, FaultReason::Duplicate)),
            Err(reason) => Ok(self.fault(index, reason.into())),
        }
    }

    pub(super) fn compare_head(&mut self, index: u64, leaf: Hash) -> Result<bool, VerifyIo> {
        self.tiles.record(leaf)?;
        let is_first = !std::mem::replace(&mut self.begun, true);
        let (heads, due) = (self.heads.count, self.heads.ahead().map(|head| head.root));
        let fault = self.heads.record(leaf, &self.chain)?;
        if self.heads.count > heads {
            self.announced = 0;
            self.covered.head();
            self.behind_stop.covered();
            // Neither the first record nor a bundle says the tree before: nobody can tell whether the head is right.
            if self.chain.tree.is_none() {
                return Ok(self.fault(index, Broken::Tree.into()));
            }
        }
        let (Some(FaultReason::HeadDiffers { size, .. }), Some(root)) = (&fault, due) else {
            let fault = fault.map_or_else(|| self.anchors.record(&self.chain, is_first), |fault| Ok(Some(fault)))?;
            return Ok(fault.is_none_or(|reason| self.fault(index, reason)));
        };
        // The head names a range; tiles from before the change may tell which record of it.
        let (good, since) = self.heads.since();
        let whole = good.size() + u64::try_from(since.len()).unwrap_or(u64::MAX) == *size;
        let changed = if whole { self.tiles.first_changed(good, since, root)? } else { None };
        Ok(fault.is_none_or(|reason| self.fault(changed.unwrap_or(index), reason)))
    }

    /// Keeps the first fault; that of a suspect comes before all behind it.
    pub(super) fn fault(&mut self, index: u64, reason: FaultReason) -> bool {
        if self.suspect.is_none() {
            self.report.fault.get_or_insert(Fault { index, reason });
        }
        false
    }

    pub(super) fn finish(mut self) -> LogReport {
        let next = self.chain.next;
        if let Some(Suspect { index, leaf, prev }) = self.suspect.take() {
            // Nobody follows: only a head that counts the suspect can clear it.
            let cleared = self.heads.clears(prev, leaf, index + 1);
            self.fault(if cleared { index - 1 } else { index }, FaultReason::Changed);
        }
        if self.report.fault.is_none() {
            self.judge_heads(next);
        }
        if self.report.pruned > 0 && self.report.fault.is_none() {
            self.judge_pruned();
        }
        self.report.anchored = self.anchors.anchored(self.chain.time);
        // Signatures were looked at beside the walk: a bad one stands before what ended it.
        if let Some((size, reason)) = self.heads.first_unsigned() {
            self.report.fault = Some(Fault { index: size - 1, reason: FaultReason::HeadUnsigned { size, reason } });
        }
        self.observer.end(&mut self.report);
        let (size, count) = (self.heads.size(), self.heads.count);
        self.report.head = (count > 0).then_some(size);
        self.report.heads = count;
        self.report.unchecked_heads = self.heads.unchecked;
        // Behind a changed record no tile is what the leaves make.
        self.report.damaged_tiles = if self.report.fault.is_none() { self.tiles.damaged } else { 0 };
        self.report.root = (count > 0).then(|| self.heads.root().base64());
        self.report.uncovered = next.saturating_sub(size.max(self.report.first));
        self.report.key = self.heads.genesis.take();
        self.report.log = self.chain.log.unwrap_or_default();
        self.report.leaf = self.chain.previous.filter(|_| self.report.records > 0).map(|leaf| leaf.to_string());
        self.report
    }

    /// Whether what is missing was to be removed.
    fn judge_pruned(&mut self) {
        let first = self.report.first;
        if let Some(index) = self.covered.judge(first, &mut self.report) {
            self.fault(index, FaultReason::NotPruned { index, last: first - 1 });
        }
    }

    /// Whether the heads fit the end of the records.
    fn judge_heads(&mut self, next: u64) {
        if self.counted > next {
            self.fault(next, FaultReason::Cut { size: self.counted });
        } else if let Some(reason) = self.anchors.beyond(next) {
            self.fault(next, reason);
        } else if let Some(segment) = self.stray.as_ref().map(|file| file.segment) {
            self.fault(segment.min(next), FaultReason::HeadOrder { size: segment });
        } else if self.heads.count == 0 && self.report.records > 1 {
            self.fault(self.report.first, FaultReason::HeadMissing);
        } else if next.saturating_sub(self.heads.size().max(self.report.first)) > UNCOVERED_MAX {
            self.fault(self.heads.size(), FaultReason::Uncovered);
        } else if let Some(index) = self.behind_stop.foreign() {
            self.fault(index, FaultReason::BehindStop);
        }
    }
}

/// The name that the first record of a segment gives the log.
fn log_name(mut segment: SegmentFile) -> Option<String> {
    // What cannot be read is judged when its turn comes.
    let mut lines = LineReader::new(segment.open(0).ok()??);
    match lines.next_line().ok()?? {
        RawLine::Whole(line) => Line::parse(line).ok().map(|line| line.log.to_owned()),
        RawLine::Torn(_) | RawLine::Room | RawLine::Endless => None,
    }
}

fn died(path: &Path) -> VerifyIo {
    unreadable(path)(io::Error::other("a thread of the verifier died"))
}

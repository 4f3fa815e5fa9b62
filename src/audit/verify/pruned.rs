//! Records that retention has removed: their hashes are in tiles, and some of their lines in `kept.jsonl`. Everything that is said about
//! heads holds for them as for others.

use super::super::chain::Broken;
use super::super::evidence::FRONTIER;
use super::super::fault::FaultReason;
use super::super::layout::KEPT;
use super::super::line::Line;
use super::super::report::LogReport;
use super::super::retention::{Kept, NextKept, Ordered};
use super::super::tree::read_tile;
use super::walk::Walk;
use super::{Opened, VerifyIo, regular_file};
use crate::tlog::{Hash, TILE_WIDTH, TileId};

/// Most `prune` records that are named.
const NAMED_MAX: usize = 100;

/// Whether a log that begins at record `first` says that the others were pruned.
pub(super) fn is_pruned(log: &std::path::Path, first: u64) -> Result<bool, VerifyIo> {
    let is_file = |name| Ok::<_, VerifyIo>(matches!(regular_file(&log.join(name))?, Opened::File(_)));
    Ok(first > 0 && is_file(KEPT)? && !is_file(FRONTIER)?)
}

/// What `prune` records cover, from record 0 on.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// By records under a head, and by those that wait for one.
    to: u64,
    then: u64,
    /// Those records, with what each covers.
    named: Vec<(u64, Ordered)>,
    waiting: Vec<(u64, Ordered)>,
}

impl Covered {
    /// Takes a record.
    pub(super) fn record(&mut self, line: &Line<'_>) {
        let ordered = line.prune.and_then(|raw| Ordered::read(raw, line.index));
        let Some(ordered) = ordered.filter(|ordered| ordered.from <= self.then) else { return };
        self.then = self.then.max(ordered.to);
        if self.named.len() + self.waiting.len() < NAMED_MAX {
            self.waiting.push((line.index, ordered));
        }
    }

    /// A head counts all records so far.
    pub(super) fn head(&mut self) {
        self.to = self.then;
        self.named.append(&mut self.waiting);
    }

    /// Tells what is covered of a log whose first record here is `first`; the first record that is not, if there is one.
    pub(super) fn judge(&self, first: u64, report: &mut LogReport) -> Option<u64> {
        for (index, Ordered { from, to }) in self.named.iter().filter(|(_, ordered)| ordered.from < first) {
            let last = (*to).min(first) - 1;
            report.gaps.add(*index, || format!("records {from} to {last} were pruned, as this record says"));
        }
        (self.to < first).then_some(self.to)
    }
}

impl Walk<'_> {
    /// Reads the records before `first`; false when there is no point in going on.
    pub(super) fn pruned(&mut self, first: u64) -> Result<bool, VerifyIo> {
        // Told first: whatever was taken besides is missed by others as well, and less plainly.
        let ordered = Kept::last_order(&self.directory)?.map_or(0, |ordered| ordered.to);
        if ordered < first {
            return Ok(self.fault(ordered, FaultReason::NotPruned { index: ordered, last: first - 1 }));
        }
        let Some(mut kept) = Kept::open(&self.directory)? else { return Ok(true) };
        let mut next = kept.next_line()?;
        let (mut starts, mut tile) = (self.heads.files_before(first).into_iter().peekable(), Vec::new());
        for index in 0..first {
            if next == NextKept::Damaged {
                return Ok(self.fault(index, FaultReason::Kept));
            }
            if let Some(start) = starts.next_if(|start| *start <= index) {
                let most = starts.peek().copied().unwrap_or(first);
                let reason = self.heads.begin(start, most)?;
                let reason = reason.map_or_else(|| self.anchors.begin(start, most), |reason| Ok(Some(reason)))?;
                if let Some(reason) = reason {
                    return Ok(self.fault(index, reason));
                }
            }
            if let Some(segment) = self.anchors.stray(index) {
                return Ok(self.fault(segment, FaultReason::HeadOrder { size: segment }));
            }
            let width = u64::from(TILE_WIDTH);
            if index.is_multiple_of(width) {
                match read_tile(&self.directory, TileId::full(0, index / width))? {
                    Some(bytes) => tile = bytes,
                    None => return Ok(self.fault(index, FaultReason::TileMissing)),
                }
            }
            let at = usize::try_from(index % width).unwrap_or_default();
            let leaf = tile.as_chunks().0.get(at).copied().map_or(Hash::ZERO, Hash::new);
            match &next {
                NextKept::Line(line) if line.index == index => {
                    if let Err(reason) = self.kept(&line.bytes, leaf) {
                        return Ok(self.fault(index, reason));
                    }
                    next = kept.next_line()?;
                    if next == NextKept::Damaged {
                        return Ok(self.fault(index + 1, FaultReason::Kept));
                    }
                }
                NextKept::Line(_) | NextKept::Damaged | NextKept::End if index == 0 => {
                    return Ok(self.fault(0, Broken::Keys.into()));
                }
                NextKept::Line(_) | NextKept::Damaged | NextKept::End => self.chain.accept_leaf(leaf),
            }
            if !self.compare_head(index, leaf)? {
                return Ok(false);
            }
        }
        // Copies of what is in the segments: lines of this log, and in order, all the same.
        while let NextKept::Line(line) = next {
            next = kept.next_line()?;
            if next == NextKept::Damaged {
                return Ok(self.fault(line.index + 1, FaultReason::Kept));
            }
        }
        Ok(true)
    }

    /// Takes a line of a pruned record.
    fn kept(&mut self, bytes: &[u8], leaf: Hash) -> Result<(), FaultReason> {
        if Hash::leaf(bytes) != leaf {
            return Err(FaultReason::Kept);
        }
        let line = Line::parse(bytes).map_err(Broken::from)?;
        self.chain.accept_kept(&line, leaf)?;
        self.covered.record(&line);
        self.announced += u32::from(line.epoch.is_some());
        if self.announced > 1 {
            return Err(Broken::Keys.into());
        }
        let genesis = self.chain.announced.as_ref().filter(|_| line.index == 0);
        genesis.and_then(|(_, keys)| self.anchors.unknown(keys)).map_or(Ok(()), Err)
    }
}

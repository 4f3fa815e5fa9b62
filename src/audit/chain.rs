//! Does a line follow its predecessor? The one rule that recovery, verification and the writer share.

use super::epoch::EpochKeys;
use super::line::{Line, NotRecord, frontier};
use super::stamp::Stamp;
use crate::tlog::{Frontier, Hash};

/// Where a log stands after some record.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// Name that every record must carry; learned from the first one when nobody knew it.
    pub(crate) log: Option<String>,
    /// Index the next record must have.
    pub(crate) next: u64,
    /// Hash hash the next record must name; `None` when reading begins in the middle of a log.
    pub(crate) previous: Option<Hash>,
    /// Time of the last record.
    pub(crate) time: Stamp,
    /// The tree over all records; `None` when reading begins in the middle of a log, up to the record that says it.
    pub(crate) tree: Option<Frontier>,
    /// The keys that were announced last, and by which record.
    pub(crate) announced: Option<(u64, EpochKeys)>,
}

/// Why a line cannot stand where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No newline within 64 KiB.
    #[error("no newline within 64 KiB")]
    Endless,
    /// The record claims another index.
    #[error("the record here says it is number {found}")]
    Index {
        /// The index it claims.
        found: u64,
        /// Does it name the right predecessor nevertheless?
        follows: bool,
    },
    /// The record belongs to another log.
    #[error("the record names another log")]
    Name,
    /// The predecessor's hash is not the one this record was written after.
    #[error("the record does not follow its predecessor: one of the two was changed")]
    Previous,
    /// Not a record.
    #[error("the line is not a record: {0}")]
    Record(#[from] NotRecord),
    /// Time runs backwards.
    #[error("the record is older than its predecessor without a `clock.step` record")]
    Time,
    /// A segment says another tree than the records before it make, or none.
    #[error("the tree it says is not that of the records before it")]
    Tree,
    /// Keys are announced out of order, or not at all.
    #[error("it does not announce the keys that must be announced here")]
    Keys,
    /// The line does not end in a newline.
    #[error("the line has no end")]
    Torn,
}

impl Chain {
    /// The start of a log.
    pub(crate) fn genesis(log: Option<String>) -> Self {
        Self { log, next: 0, previous: Some(Hash::ZERO), time: Stamp::EPOCH, tree: Some(Frontier::default()), announced: None }
    }

    /// The start of reading at a later record, whose own `prev` is taken on trust.
    pub(crate) fn from_middle(log: Option<String>, next: u64) -> Self {
        Self { log, next, previous: None, time: Stamp::EPOCH, tree: None, announced: None }
    }

    /// Takes the next line, given without its newline; on error the chain is as it was.
    pub(crate) fn accept<'a>(&mut self, bytes: &'a [u8]) -> Result<Line<'a>, Broken> {
        let line = Line::parse(bytes)?;
        self.accept_line(line, None, bytes)
    }

    /// The same for a line that was read before, whose leaf hash may be known.
    pub(crate) fn accept_line<'a>(&mut self, line: Line<'a>, leaf: Option<Hash>, bytes: &[u8]) -> Result<Line<'a>, Broken> {
        let follows = self.previous.is_none_or(|leaf| leaf == line.prev);
        if line.index != self.next {
            return Err(Broken::Index { found: line.index, follows });
        }
        if self.log.as_deref().is_some_and(|log| log != line.log) {
            return Err(Broken::Name);
        }
        if !follows {
            return Err(Broken::Previous);
        }
        // Where the clock was set back, the record that says so begins the new time.
        if line.time < self.time && line.kind != "clock.step" {
            return Err(Broken::Time);
        }
        let announced = self.announcement(&line)?;
        let said = self.said_tree(&line)?;
        if self.log.is_none() {
            self.log = Some(line.log.to_owned());
        }
        if self.tree.is_none() {
            self.tree = said;
        }
        if let Some(keys) = announced {
            self.announced = Some((line.index, keys));
        }
        let leaf = leaf.unwrap_or_else(|| Hash::leaf(bytes));
        if let Some(tree) = &mut self.tree {
            tree.push(leaf);
        }
        self.next += 1;
        self.previous = Some(leaf);
        self.time = line.time;
        Ok(line)
    }

    /// Takes a record of which nothing is here but its leaf hash.
    pub(crate) fn accept_leaf(&mut self, leaf: Hash) {
        if let Some(tree) = &mut self.tree {
            tree.push(leaf);
        }
        self.next += 1;
        self.previous = Some(leaf);
    }

    /// The same for one whose line was kept, and has that leaf hash: what it says about keys counts.
    pub(crate) fn accept_kept(&mut self, line: &Line<'_>, leaf: Hash) -> Result<(), Broken> {
        if self.log.as_deref().is_some_and(|log| log != line.log) {
            return Err(Broken::Name);
        }
        if let Some(keys) = self.announcement(line)? {
            self.announced = Some((line.index, keys));
        }
        self.log.get_or_insert_with(|| line.log.to_owned());
        self.accept_leaf(leaf);
        Ok(())
    }

    /// Keys that the record announces: the first record must, and each next epoch follows the one before.
    fn announcement(&self, line: &Line<'_>) -> Result<Option<EpochKeys>, Broken> {
        let Some(raw) = line.epoch else {
            return if line.index == 0 || line.kind == "key.rotate" { Err(Broken::Keys) } else { Ok(None) };
        };
        let keys = EpochKeys::read(raw, line.log).ok_or(Broken::Keys)?;
        let expected = match &self.announced {
            Some((_, before)) => before.number + 1,
            None if line.index == 0 => 0,
            // Whoever was in force before, record 0 announced the first.
            None => keys.number.max(1),
        };
        if keys.number == expected { Ok(Some(keys)) } else { Err(Broken::Keys) }
    }

    /// The tree that the record says; where both are known it is the one that its predecessors make.
    fn said_tree(&self, line: &Line<'_>) -> Result<Option<Frontier>, Broken> {
        let Some(raw) = line.tree else { return Ok(None) };
        let said = frontier(raw).filter(|said| said.size() == line.index).ok_or(Broken::Tree)?;
        match &self.tree {
            Some(tree) if *tree != said => Err(Broken::Tree),
            _ => Ok(Some(said)),
        }
    }
}

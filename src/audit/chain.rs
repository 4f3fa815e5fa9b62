//! Does a line follow its predecessor? The one rule that recovery, verification and the writer share.

use super::hash::Leaf;
use super::line::{Line, NotRecord};
use super::stamp::Stamp;

/// Where a log stands after some record.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// Name that every record must carry; learned from the first one when nobody knew it.
    pub(crate) log: Option<String>,
    /// Index the next record must have.
    pub(crate) next: u64,
    /// Leaf hash the next record must name; `None` when reading begins in the middle of a log.
    pub(crate) previous: Option<Leaf>,
    /// Time of the last record.
    pub(crate) time: Stamp,
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
    /// The line does not end in a newline.
    #[error("the line has no end")]
    Torn,
}

impl Chain {
    /// The start of a log.
    pub(crate) fn genesis(log: Option<String>) -> Self {
        Self { log, next: 0, previous: Some(Leaf::NONE), time: Stamp::EPOCH }
    }

    /// The start of reading at a later record, whose own `prev` is taken on trust.
    pub(crate) fn from_middle(log: Option<String>, next: u64) -> Self {
        Self { log, next, previous: None, time: Stamp::EPOCH }
    }

    /// Takes the next line, given without its newline; on error the chain is as it was.
    pub(crate) fn accept<'a>(&mut self, bytes: &'a [u8]) -> Result<Line<'a>, Broken> {
        let line = Line::parse(bytes)?;
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
        if self.log.is_none() {
            self.log = Some(line.log.to_owned());
        }
        self.next += 1;
        self.previous = Some(Leaf::of(bytes));
        self.time = line.time;
        Ok(line)
    }
}

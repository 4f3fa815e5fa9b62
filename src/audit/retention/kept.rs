//! `kept.jsonl`: the lines of pruned records that somebody must still read, as they were.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::super::layout::KEPT;
use super::super::line::Line;
use super::super::lines::{LineReader, RawLine};
use super::super::record::Kind;
use super::super::verify::{Opened, VerifyIo, regular_file, unreadable};
use super::record::Ordered;

/// Kinds of records that say what holds for ever: who signed, what was pruned, who was erased and who is held.
pub(crate) const KINDS: [Kind; 4] = [Kind::KeyRotate, Kind::Prune, Kind::Erasure, Kind::Hold];

/// Reads the file in order.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    lines: LineReader<BufReader<std::fs::File>>,
    /// The smallest index that the next line can have.
    least: u64,
    /// The name that the first line gives the log.
    log: Option<String>,
}

/// A line, without its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptLine {
    pub(crate) index: u64,
    pub(crate) bytes: Vec<u8>,
}

/// What stands in the file next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextKept {
    Line(KeptLine),
    /// No record, or not behind the one before.
    Damaged,
    End,
}

impl Kept {
    /// That of a log; `None` where there is none.
    pub(crate) fn open(log: &Path) -> Result<Option<Self>, VerifyIo> {
        let path = log.join(KEPT);
        let Opened::File(file) = regular_file(&path)? else { return Ok(None) };
        Ok(Some(Self { path, lines: LineReader::new(BufReader::new(file)), least: 0, log: None }))
    }

    /// The name that the file of a log gives it.
    pub(crate) fn log_name(log: &Path) -> Result<Option<String>, VerifyIo> {
        let Some(mut kept) = Self::open(log)? else { return Ok(None) };
        kept.next_line()?;
        Ok(kept.log)
    }

    pub(crate) fn next_line(&mut self) -> Result<NextKept, VerifyIo> {
        let raw = self.lines.next_line().map_err(unreadable(&self.path))?;
        let bytes = match raw {
            None => return Ok(NextKept::End),
            Some(RawLine::Whole(bytes)) => bytes,
            Some(RawLine::Torn(_) | RawLine::Room | RawLine::Endless) => return Ok(NextKept::Damaged),
        };
        let Some(line) = Line::parse(bytes).ok().filter(|line| line.index >= self.least) else {
            return Ok(NextKept::Damaged);
        };
        let index = line.index;
        if self.log.get_or_insert_with(|| line.log.to_owned()) != line.log {
            return Ok(NextKept::Damaged);
        }
        self.least = index + 1;
        Ok(NextKept::Line(KeptLine { index, bytes: bytes.to_vec() }))
    }

    /// What the last line of the file orders to be removed; `None` where it orders nothing. Nothing else of the file is looked at.
    pub(crate) fn last_order(log: &Path) -> Result<Option<Ordered>, VerifyIo> {
        let Some(mut kept) = Self::open(log)? else { return Ok(None) };
        let mut last = None;
        while let Some(raw) = kept.lines.next_line().map_err(unreadable(&kept.path))? {
            last = match raw {
                RawLine::Whole(bytes) => Line::parse(bytes).ok().and_then(|line| Ordered::read(line.prune?, line.index)),
                RawLine::Torn(_) | RawLine::Room | RawLine::Endless => return Ok(None),
            };
        }
        Ok(last)
    }

    /// The next line for who cannot go on without it: damage is an error.
    pub(crate) fn required(&mut self) -> Result<Option<KeptLine>, VerifyIo> {
        match self.next_line()? {
            NextKept::Line(line) => Ok(Some(line)),
            NextKept::End => Ok(None),
            NextKept::Damaged => Err(VerifyIo::Kept { path: self.path.clone(), least: self.least }),
        }
    }

    /// All lines of the file of a log.
    pub(crate) fn all(log: &Path) -> Result<Vec<KeptLine>, VerifyIo> {
        let Some(mut kept) = Self::open(log)? else { return Ok(Vec::new()) };
        std::iter::from_fn(|| kept.required().transpose()).collect()
    }
}

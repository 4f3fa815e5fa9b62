//! Reads chosen kinds of records from an index on: for what has to be done again because a record says so.
//!
//! Verifies nothing; a start has checked the end of its log, and `audit verify` checks all of it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use memchr::memmem::Finder;

use super::layout::Layout;
use super::line::Line;
use super::lines::{LineReader, RawLine};
use super::record::Kind;
use super::retention::{Kept, KeptLine};
use super::verify::{Lines, SegmentFile, VerifyIo, find_logs, segments};

/// A record of a wanted kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its index.
    pub index: u64,
    /// Its kind.
    pub kind: Kind,
    /// The line as stored.
    pub line: String,
}

/// Reads one log. Made by [`records_from`].
pub struct Records {
    /// Lines of records that were pruned, before the first segment.
    kept: vec::IntoIter<KeptLine>,
    segments: vec::IntoIter<SegmentFile>,
    open: Option<(PathBuf, LineReader<Lines>)>,
    wanted: Vec<(Kind, Finder<'static>)>,
    first: u64,
    next: u64,
}

/// The logs at or below a directory, by name.
pub fn logs_below(path: &Path) -> Result<Vec<(String, PathBuf)>, VerifyIo> {
    let named = |directory: PathBuf| (Layout::of(&directory).name, directory);
    Ok(find_logs(path)?.into_iter().map(named).collect())
}

/// Records of `kinds` in the log in `directory`, from the one with index `first` on, in order. Reads no segment that ends before it. Of
/// pruned records those are found that are kept.
pub fn records_from(directory: &Path, first: u64, kinds: &[Kind]) -> Result<Records, VerifyIo> {
    let mut segments = segments(directory)?;
    let here = segments.first().map_or(0, |segment| segment.first);
    // What is both kept and in a segment is read there.
    let kept = if first < here { Kept::all(directory)? } else { Vec::new() };
    let kept: Vec<_> = kept.into_iter().filter(|line| (first..here).contains(&line.index)).collect();
    let skipped = segments.iter().rposition(|segment| segment.first <= first).unwrap_or(0);
    segments.drain(..skipped);
    let finder = |kind: &Kind| Finder::new(&format!("\"kind\":\"{}\"", kind.as_str())).into_owned();
    let wanted = kinds.iter().map(|kind| (*kind, finder(kind))).collect();
    Ok(Records { kept: kept.into_iter(), segments: segments.into_iter(), open: None, wanted, first, next: 0 })
}

impl Records {
    /// Index after the last record that was read, wanted or not; at the end of the log, of the record that will be written next. Below
    /// the index to begin with, the log is shorter than that.
    pub fn next_index(&self) -> u64 {
        self.next
    }

    /// The next record of a wanted kind; `None` at the end of the log.
    pub fn next_record(&mut self) -> Result<Option<Found>, VerifyIo> {
        while let Some(line) = self.kept.next() {
            self.next = line.index + 1;
            if let Some(kind) = self.wanted(&line.bytes) {
                return Ok(Some(Found { index: line.index, kind, line: String::from_utf8_lossy(&line.bytes).into_owned() }));
            }
        }
        loop {
            let Some((path, lines)) = &mut self.open else {
                let Some(mut segment) = self.segments.next() else { return Ok(None) };
                let Some(lines) = segment.open(0)? else {
                    return Err(VerifyIo::Read { path: segment.path, source: io::ErrorKind::NotFound.into() });
                };
                self.open = Some((segment.path, LineReader::new(lines)));
                self.next = segment.first;
                continue;
            };
            let raw = lines.next_line().map_err(|source| VerifyIo::Read { path: path.clone(), source })?;
            let Some(RawLine::Whole(line)) = raw else {
                self.open = None;
                continue;
            };
            let index = self.next;
            self.next += 1;
            if index < self.first {
                continue;
            }
            if let Some(kind) = wanted(&self.wanted, line) {
                return Ok(Some(Found { index, kind, line: String::from_utf8_lossy(line).into_owned() }));
            }
        }
    }

    fn wanted(&self, line: &[u8]) -> Option<Kind> {
        wanted(&self.wanted, line)
    }
}

/// The kind of a line, if it is one of these. Most lines are of other kinds, and are not read any closer. A caller's text cannot hold
/// these bytes, since its quotes are escaped; a nested member might, so what is found is read before it is believed.
fn wanted(kinds: &[(Kind, Finder<'static>)], line: &[u8]) -> Option<Kind> {
    let mut found = kinds.iter().filter(|(_, finder)| finder.find(line).is_some()).map(|(kind, _)| *kind);
    found.find(|found| Line::parse(line).is_ok_and(|line| line.kind == found.as_str()))
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("first", &self.first).field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Disk, Draft, Log, Options};
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn records_of_a_kind_are_found_from_an_index_on_across_segments() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path(), "gw", "r1", crate::seal::Key::generate().unwrap());
        options.segment_bytes = 2_000;
        let (log, _) = Log::open(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
        let mut erasures = Vec::new();
        for n in 0..60 {
            let mut draft = Draft::new(if n % 7 == 0 { Kind::Erasure } else { Kind::Admin });
            // Neither in a text nor in a nested member does it make the record one of that kind.
            draft.object("what", |what| {
                what.text("kind", "erasure").text("text", "\"kind\":\"erasure\"");
            });
            let index = log.append(draft).wait().unwrap().index;
            if n % 7 == 0 {
                erasures.push(index);
            }
        }
        let end = log.durable();
        log.close();
        let [(name, directory)] = logs_below(dir.path()).unwrap().try_into().unwrap();
        assert_eq!(name, "gw/audit/r1");
        assert!(segments(&directory).unwrap().len() > 3, "a test of one segment says little");
        for first in 0..=end {
            let mut records = records_from(&directory, first, &[Kind::Hold, Kind::Erasure]).unwrap();
            let found: Vec<_> = std::iter::from_fn(|| records.next_record().unwrap()).map(|record| record.index).collect();
            let expected: Vec<_> = erasures.iter().copied().filter(|index| *index >= first).collect();
            assert_eq!((found, records.next_index()), (expected, end), "from {first}");
        }
        assert_eq!(records_from(&directory, end + 9, &[Kind::Erasure]).unwrap().next_record().unwrap(), None);
    }
}

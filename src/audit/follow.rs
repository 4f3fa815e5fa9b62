//! Reads a log that may be growing, on from a place that was kept: for whatever is derived from a log.
//!
//! What passes through: whole lines, in order, each with its place and whether it follows the one before. What it
//! guarantees: every such line once, as long as the last [`Cursor`] is given back; a log that was replaced behind the cursor is
//! [`FollowError::Replaced`], never read on; memory for one line. The newest lines may not be on the disk yet: whoever keeps what they say
//! across a power cut must ask for the whole log again. What it does not: it judges no log (a damaged one is read to its end,
//! and the damage told), and sees no change of lines behind the one the cursor names. That is [`verify`](super::verify)'s.

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::chain::{Broken, Chain};
use super::line::Line;
use super::lines::{LineReader, RawLine};
use super::stamp::Stamp;
use super::verify::{SegmentFile, VerifyIo, find_logs, segments};
use crate::tlog::{Checkpoint, Hash, Note};

/// Where a reader stands: behind one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Place of the next line in its log: in an intact log its index.
    pub position: u64,
    /// Index in the name of the segment that holds the last line.
    pub segment: u64,
    /// Where in it the last line begins.
    pub start: u64,
    /// Where it ends, newline included.
    pub end: u64,
    /// Its leaf hash, which stands for everything before.
    pub leaf: Hash,
}

impl Cursor {
    /// Before the first line.
    pub const BEGIN: Self = Self { position: 0, segment: 0, start: 0, end: 0, leaf: Hash::ZERO };
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed<'a> {
    /// Its place in the log: in an intact log its index.
    pub position: u64,
    /// The line without its newline.
    pub line: &'a [u8],
    /// Why it does not follow the line before.
    pub broken: Option<Broken>,
}

/// Why reading cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The line that the cursor names is not there.
    #[error("the log was replaced by another one")]
    Replaced,
    /// The disk failed, or permission is missing.
    #[error(transparent)]
    Read(#[from] VerifyIo),
}

/// Reads on. What is appended after [`Follower::resume`] is for the next one.
pub struct Follower {
    /// Those not begun yet.
    segments: VecDeque<SegmentFile>,
    first: u64,
    current: Option<Current>,
    cursor: Cursor,
    chain: Chain,
    line: Vec<u8>,
}

struct Current {
    file: SegmentFile,
    lines: LineReader<Box<dyn BufRead + Send>>,
    offset: u64,
}

/// The directories of the logs in and under `path`, in order.
pub fn logs(path: &Path) -> Result<Vec<PathBuf>, VerifyIo> {
    find_logs(path)
}

/// How many lines of a log are under a head, and so on the disk; `None` where nothing says so, as in a copy of the segments alone. There
/// may be a second's worth more.
pub fn durable(log: &Path) -> Option<u64> {
    let note = Note::parse(&fs::read(log.join("checkpoint")).ok()?).ok()?;
    Checkpoint::parse(note.unverified_text()).ok().map(|head| head.size)
}

impl Follower {
    /// Goes on behind `cursor` in the log in that directory.
    pub fn resume(log: &Path, cursor: Cursor) -> Result<Self, FollowError> {
        // In this order: what counts is there, and a segment that has another behind it is complete.
        let mut segments = VecDeque::from(segments(log)?);
        let first = segments.front().map_or(0, |segment| segment.first);
        let mut follower = Self {
            first,
            current: None,
            cursor,
            chain: if first == 0 { Chain::genesis(None) } else { Chain::from_middle(None, first) },
            line: Vec::new(),
            segments: VecDeque::new(),
        };
        if cursor.position > 0 {
            segments.retain(|segment| segment.first >= cursor.segment);
            let last = segments.pop_front().filter(|segment| segment.first == cursor.segment).ok_or(FollowError::Replaced)?;
            follower.find_last(last)?;
        }
        follower.segments = segments;
        Ok(follower)
    }

    /// Begins somewhere in its newest part: with the first whole segment among the last `bytes` of it, or with the last one.
    pub fn of_newest(log: &Path, bytes: u64) -> Result<Self, FollowError> {
        let mut follower = Self::resume(log, Cursor::BEGIN)?;
        let mut left = bytes;
        let length = |segment: &SegmentFile| fs::metadata(&segment.path).map_or(0, |file| file.len());
        let is_near = |segment: &&SegmentFile| {
            left = left.saturating_sub(length(segment));
            left > 0
        };
        let near = follower.segments.iter().rev().take_while(is_near).count().max(1);
        let far = follower.segments.len().saturating_sub(near);
        follower.segments.drain(..far);
        let begins = follower.segments.front().map_or(0, |segment| segment.first);
        if begins > 0 {
            follower.chain = Chain::from_middle(None, begins);
            follower.cursor.position = begins;
        }
        Ok(follower)
    }

    /// The next line; `None` when there is no more for now.
    pub fn next_line(&mut self) -> Result<Option<Followed<'_>>, FollowError> {
        loop {
            if self.current.is_none() {
                let Some(file) = self.segments.pop_front() else { return Ok(None) };
                self.current = Some(open(file, 0)?);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let read = current.lines.next_line();
            if let Some(RawLine::Whole(bytes)) = read.map_err(|source| unreadable(&current.file.path, source))? {
                self.line.clear();
                self.line.extend_from_slice(bytes);
                break;
            }
            // The last segment goes on some day; the end of any other is missed by the index of the line that follows.
            if self.segments.is_empty() {
                return Ok(None);
            }
            self.current = None;
        }
        Ok(self.take())
    }

    /// Where it stands.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Place of the first line that is still there.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Puts the line just read into the chain.
    fn take(&mut self) -> Option<Followed<'_>> {
        let current = self.current.as_mut()?;
        let position = self.cursor.position.max(current.file.first);
        let leaf = Hash::leaf(&self.line);
        let broken = self.chain.accept(&self.line).err();
        if broken.is_some() {
            // What comes behind it is judged by what is there, so that one break is told once.
            self.chain.next = position + 1;
            self.chain.previous = Some(leaf);
            self.chain.time = Line::parse(&self.line).map_or(self.chain.time, |line| line.time);
        }
        let start = current.offset;
        current.offset += length(&self.line);
        self.cursor = Cursor { position: position + 1, segment: current.file.first, start, end: current.offset, leaf };
        Some(Followed { position, line: &self.line, broken })
    }

    /// Reads the line that the cursor names once more.
    fn find_last(&mut self, file: SegmentFile) -> Result<(), FollowError> {
        let mut current = open(file, self.cursor.start)?;
        let read = current.lines.next_line().map_err(|source| unreadable(&current.file.path, source))?;
        let Some(RawLine::Whole(line)) = read else { return Err(FollowError::Replaced) };
        if Hash::leaf(line) != self.cursor.leaf || self.cursor.start.checked_add(length(line)) != Some(self.cursor.end) {
            return Err(FollowError::Replaced);
        }
        let time = Line::parse(line).map_or(Stamp::EPOCH, |line| line.time);
        let middle = Chain::from_middle(None, self.cursor.position);
        self.chain = Chain { previous: Some(self.cursor.leaf), time, ..middle };
        current.offset = self.cursor.end;
        self.current = Some(current);
        Ok(())
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

fn open(mut file: SegmentFile, offset: u64) -> Result<Current, FollowError> {
    match file.open(offset)? {
        Some(source) => Ok(Current { file, lines: LineReader::new(source), offset }),
        // Retention was faster.
        None => Err(FollowError::Replaced),
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> FollowError {
    FollowError::Read(VerifyIo::Read { path: path.to_owned(), source })
}

/// Of a line on disk.
fn length(line: &[u8]) -> u64 {
    u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(1)
}

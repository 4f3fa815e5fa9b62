//! Reads a segment in blocks of whole lines, and has the threads look at each while the next is read.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::ops::Range;

use memchr::{memchr, memchr_iter, memrchr};

use super::super::line::{Line, Marks, NotRecord};
use super::pool::{Pool, Promise};
use super::segments::Lines;
use crate::tlog::Hash;

/// Bytes read at once.
const BLOCK: usize = 1024 * 1024;

/// Lines that were looked at.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    lines: Vec<Looked>,
}

/// One line, as far as it can be judged by itself.
#[derive(Debug)]
struct Looked {
    place: Range<usize>,
    leaf: Hash,
    marks: Result<Marks, NotRecord>,
}

/// A line of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) leaf: Hash,
    pub(super) line: Result<Line<'a>, NotRecord>,
}

impl Block {
    fn look_at(bytes: Vec<u8>) -> Self {
        let mut lines = Vec::with_capacity(bytes.len() / 400);
        let mut start = 0;
        for end in memchr_iter(b'\n', &bytes) {
            let line = bytes.get(start..end).unwrap_or_default();
            let marks = Line::parse(line).map(|read| read.marks(line));
            lines.push(Looked { place: start..end, leaf: Hash::leaf(line), marks });
            start = end + 1;
        }
        Self { bytes, lines }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Judged<'_>> {
        self.lines.iter().map(|looked| {
            let bytes = self.bytes.get(looked.place.clone()).unwrap_or_default();
            Judged { bytes, leaf: looked.leaf, line: looked.marks.map(|marks| marks.line(bytes)) }
        })
    }
}

/// The blocks of one file, in order.
pub(super) struct Blocks<'a> {
    pool: &'a Pool,
    file: Lines,
    ahead: VecDeque<Promise<Block>>,
    /// Behind the last newline that was read.
    rest: Vec<u8>,
    /// Nothing more comes in blocks.
    ended: bool,
    /// Bytes of the blocks that were read.
    offset: u64,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(pool: &'a Pool, file: Lines) -> Self {
        Self { pool, file, ahead: VecDeque::new(), rest: Vec::new(), ended: false, offset: 0 }
    }

    /// The next block; `None` where something comes that is no whole line: the end of the file, a zero byte, a line too long. What that
    /// is, [`LineReader`](super::super::lines::LineReader) finds out from [`Blocks::offset`] on.
    pub(super) fn next_block(&mut self) -> io::Result<Option<Block>> {
        while !self.ended && self.ahead.len() < 2 * self.pool.width() {
            if let Some(bytes) = self.read()? {
                self.ahead.push_back(self.pool.submit(move || Block::look_at(bytes)));
            }
        }
        match self.ahead.pop_front() {
            None => Ok(None),
            Some(block) => block.wait().map(Some).ok_or_else(|| io::Error::other("a thread of the verifier died")),
        }
    }

    /// Where the lines of all blocks end.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = std::mem::take(&mut self.rest);
        let begun = bytes.len();
        bytes.reserve(BLOCK);
        let read = (&mut self.file).take(u64::try_from(BLOCK).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        let zero = memchr(0, bytes.get(begun..).unwrap_or_default()).map(|at| begun + at);
        self.ended = read == 0 || zero.is_some();
        let whole = memrchr(b'\n', bytes.get(..zero.unwrap_or(bytes.len())).unwrap_or_default()).map_or(0, |last| last + 1);
        if whole == 0 {
            // No line is as long as a block.
            self.ended = true;
            return Ok(None);
        }
        self.rest = bytes.split_off(whole);
        self.offset += u64::try_from(whole).unwrap_or(u64::MAX);
        Ok(Some(bytes))
    }
}

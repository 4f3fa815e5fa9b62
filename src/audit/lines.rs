//! Cuts a segment into lines without ever holding more than one of them.

use std::io::{self, BufRead};

use memchr::memchr2;

use super::canonical::LINE_MAX;
use super::writer::BATCH_BYTES;

/// Bytes after which a line is given up: far above what any writer of ours writes.
const GIVE_UP: usize = 4 * LINE_MAX;

/// The most that one torn batch can leave behind: its bytes, and one more line that was begun within the limit.
const TORN_MAX: usize = BATCH_BYTES + 2 * LINE_MAX;

/// What stands between two newlines. A zero byte is in no line: from the line it is met in to the end of the file nothing was
/// ever acknowledged. That is room made for later lines, and what a power cut left of the last batch, whose parts may reach
/// the disk in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawLine<'a> {
    /// A line that ended in a newline; given without it.
    Whole(&'a [u8]),
    /// The file ended before a newline, or before a zero byte; given up to the last byte that is not zero.
    Torn(&'a [u8]),
    /// Nothing but zero bytes up to the end of the file: room that was made ahead.
    Room,
    /// No newline within 64 KiB, or more behind a zero byte than a crash can leave. The rest of the file is not looked at.
    Endless,
}

/// Reads lines in order.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    source: R,
    line: Vec<u8>,
}

impl<R: BufRead> LineReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, line: Vec::with_capacity(4 * 1024) }
    }

    /// The next line; `None` at the end of the file.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<RawLine<'_>>> {
        self.line.clear();
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok((!self.line.is_empty()).then_some(RawLine::Torn(&self.line)));
            }
            let end = memchr2(b'\n', 0, available);
            let taken = end.unwrap_or(available.len());
            self.line.extend_from_slice(available.get(..taken).unwrap_or_default());
            if end.is_some_and(|end| available.get(end) == Some(&0)) {
                self.source.consume(taken);
                if self.line.len() > GIVE_UP {
                    return Ok(Some(RawLine::Endless));
                }
                return self.remainder();
            }
            let newline = end;
            self.source.consume(taken + usize::from(newline.is_some()));
            if self.line.len() > GIVE_UP {
                return Ok(Some(RawLine::Endless));
            }
            if newline.is_some() {
                return Ok(Some(RawLine::Whole(&self.line)));
            }
        }
    }
}

impl<R: BufRead> LineReader<R> {
    /// Everything up to the end of the file, without the zero bytes it ends in.
    fn remainder(&mut self) -> io::Result<Option<RawLine<'_>>> {
        let mut zeros = 0;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(Some(if self.line.is_empty() { RawLine::Room } else { RawLine::Torn(&self.line) }));
            }
            let used = available.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if used > 0 {
                if self.line.len() + zeros + used > TORN_MAX {
                    return Ok(Some(RawLine::Endless));
                }
                self.line.resize(self.line.len() + zeros, 0);
                self.line.extend_from_slice(available.get(..used).unwrap_or_default());
                zeros = 0;
            }
            let length = available.len();
            zeros += length - used;
            self.source.consume(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_torn_or_endless() {
        let mut lines = LineReader::new(io::BufReader::with_capacity(3, &b"ab\n\ncdefgh\ni"[..]));
        assert_eq!(lines.next_line().unwrap(), Some(RawLine::Whole(b"ab")));
        assert_eq!(lines.next_line().unwrap(), Some(RawLine::Whole(b"")));
        assert_eq!(lines.next_line().unwrap(), Some(RawLine::Whole(b"cdefgh")));
        assert_eq!(lines.next_line().unwrap(), Some(RawLine::Torn(b"i")));
        assert_eq!(lines.next_line().unwrap(), None);

        for capacity in [1, 3, 64] {
            let read = |bytes: &[u8]| {
                let mut lines = LineReader::new(io::BufReader::with_capacity(capacity, bytes));
                let mut read = Vec::new();
                while let Some(line) = lines.next_line().unwrap() {
                    read.push(match line {
                        RawLine::Whole(bytes) => format!("whole {}", bytes.escape_ascii()),
                        RawLine::Torn(bytes) => format!("torn {}", bytes.escape_ascii()),
                        RawLine::Room => "room".to_owned(),
                        RawLine::Endless => "endless".to_owned(),
                    });
                }
                read
            };
            assert_eq!(read(b"ab\n\0\0\0\0\0"), ["whole ab", "room"]);
            assert_eq!(read(b"ab\nc\0\0\0"), ["whole ab", "torn c"]);
            assert_eq!(read(b"ab\nc\0\0d\ne\n\0\0"), ["whole ab", "torn c\\x00\\x00d\\ne\\n"], "holes of a torn batch");
            assert_eq!(read(b"ab\n\0\0\0d\n"), ["whole ab", "torn \\x00\\x00\\x00d\\n"]);
            assert_eq!(read(b"\0\0\0"), ["room"]);
        }
        let mut far = vec![0; TORN_MAX];
        far.push(b'x');
        assert_eq!(LineReader::new(io::BufReader::new(&far[..])).next_line().unwrap(), Some(RawLine::Endless));

        let endless = vec![b'x'; 2 * GIVE_UP];
        let mut lines = LineReader::new(io::BufReader::new(&endless[..]));
        assert_eq!(lines.next_line().unwrap(), Some(RawLine::Endless));
    }
}

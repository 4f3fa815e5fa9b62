//! Cuts a segment into lines without ever holding more than one of them.

use std::io::{self, BufRead};

use super::canonical::LINE_MAX;

/// Bytes after which a line is given up: far above what any writer of ours writes.
const GIVE_UP: usize = 4 * LINE_MAX;

/// What stands between two newlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawLine<'a> {
    /// A line that ended in a newline; given without it.
    Whole(&'a [u8]),
    /// The file ended before a newline.
    Torn(&'a [u8]),
    /// No newline within 64 KiB. The rest of the file is not looked at.
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
            let newline = available.iter().position(|byte| *byte == b'\n');
            let taken = newline.unwrap_or(available.len());
            self.line.extend_from_slice(available.get(..taken).unwrap_or_default());
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

        let endless = vec![b'x'; 2 * GIVE_UP];
        let mut lines = LineReader::new(io::BufReader::new(&endless[..]));
        assert_eq!(lines.next_line().unwrap(), Some(RawLine::Endless));
    }
}

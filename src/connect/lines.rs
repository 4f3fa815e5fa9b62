//! Bytes to lines, bounded. Knows no JSON, does no I/O.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;

/// One line of the client, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// What was written.
    Text(Bytes),
    /// More than a message may be; it was thrown away as it came.
    TooLong,
}

/// The state of one stream of lines. Read into [`room`](Self::room), then call [`next_line`](Self::next_line) until it has no more.
#[derive(Debug)]
pub(super) struct Lines {
    longest: usize,
    buffer: BytesMut,
    /// So far the buffer holds no line end.
    scanned: usize,
    /// The rest of a line that is too long is still on its way.
    skipping: bool,
}

impl Lines {
    /// Of at most so many bytes each.
    pub(super) fn new(longest: usize) -> Self {
        Self { longest, buffer: BytesMut::new(), scanned: 0, skipping: false }
    }

    /// Where what comes is put: draw all lines before the next, then it holds one line and what was read at once at most.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        const READ: usize = 16 * 1024;
        self.buffer.reserve(READ);
        &mut self.buffer
    }

    /// The next line that says something, or `None` when more bytes are needed.
    pub(super) fn next_line(&mut self) -> Option<Line> {
        loop {
            let line = self.split()?;
            let text = line.strip_suffix(b"\r").unwrap_or(&line);
            if std::mem::take(&mut self.skipping) || text.len() > self.longest {
                return Some(Line::TooLong);
            }
            if !text.trim_ascii().is_empty() {
                return Some(Line::Text(line.slice_ref(text)));
            }
        }
    }

    fn split(&mut self) -> Option<Bytes> {
        let found = memchr(b'\n', self.buffer.get(self.scanned..).unwrap_or_default());
        let Some(found) = found else {
            self.scanned = self.buffer.len();
            // One more, for a carriage return.
            if self.skipping || self.scanned > self.longest.saturating_add(1) {
                self.skipping = true;
                self.scanned = 0;
                self.buffer.clear();
            }
            return None;
        };
        let line = self.buffer.split_to(self.scanned + found).freeze();
        self.buffer.advance(1);
        self.scanned = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a text that comes in pieces of `step` bytes.
    fn read(text: &str, longest: usize, step: usize) -> Vec<Line> {
        let (mut lines, mut found) = (Lines::new(longest), Vec::new());
        for piece in text.as_bytes().chunks(step) {
            lines.room().extend_from_slice(piece);
            found.extend(std::iter::from_fn(|| lines.next_line()));
            assert!(lines.buffer.len() <= longest + 1 + step, "the buffer is bounded");
        }
        found
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let text = |text: &'static str| Line::Text(Bytes::from_static(text.as_bytes()));
        let input = "{\"a\":1}\n\n  \r\n{}\r\n1234567890\n12345678901\n123456789012345678901234567890\nlast\nno end";
        let expected = [text("{\"a\":1}"), text("{}"), text("1234567890"), Line::TooLong, Line::TooLong, text("last")];
        for step in 1..=input.len() {
            assert_eq!(read(input, 10, step), expected, "in pieces of {step}");
        }
    }

    #[test]
    fn a_line_of_the_largest_size_may_end_in_a_carriage_return() {
        assert_eq!(read("12345\r\n", 5, 1), [Line::Text(Bytes::from_static(b"12345"))]);
        assert_eq!(read("123456\r\n", 5, 1), [Line::TooLong]);
    }
}

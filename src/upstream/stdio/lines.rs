//! A stream of bytes as lines, of which none is larger than it may be. Pure.

use bytes::{Buf as _, Bytes, BytesMut};

/// What is kept of a line that is too long, at its begin and at its end: enough to see whose it was.
const KEPT: usize = 4 << 10;

/// Cuts bytes into lines.
#[derive(Debug)]
pub struct Lines {
    longest: usize,
    unread: BytesMut,
    /// What of it holds no end of a line.
    searched: usize,
    /// The begin of a line that is too long, while its end is waited for.
    begin: Option<BytesMut>,
}

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// As it was written.
    Whole(Bytes),
    /// Its begin and its end.
    TooLong(Bytes),
}

impl Lines {
    /// Of at most so many bytes each.
    pub fn of_at_most(longest: usize) -> Self {
        Self { longest, unread: BytesMut::new(), searched: 0, begin: None }
    }

    /// Where bytes go that have come.
    pub fn room(&mut self) -> &mut BytesMut {
        self.unread.reserve(8 << 10);
        &mut self.unread
    }

    /// The next line, if all of it is there. Empty lines are passed over.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            let found = self.unread.get(self.searched..).and_then(|new| memchr::memchr(b'\n', new));
            let Some(length) = found.map(|found| found + self.searched) else {
                self.searched = self.unread.len();
                self.shorten();
                return None;
            };
            let line = self.take(length);
            self.unread.advance(1);
            self.searched = 0;
            match (self.begin.take(), line) {
                (Some(mut begin), end) => {
                    begin.extend_from_slice(b" ");
                    begin.extend_from_slice(end.get(end.len().saturating_sub(KEPT)..).unwrap_or_default());
                    return Some(Line::TooLong(begin.freeze()));
                }
                (None, line) if line.len() > self.longest => return Some(Line::TooLong(edges(&line))),
                (None, line) if line.iter().all(u8::is_ascii_whitespace) => {}
                (None, line) => return Some(Line::Whole(line)),
            }
        }
    }

    /// A copy, so that a line which is kept for long does not keep others.
    fn take(&mut self, length: usize) -> Bytes {
        let line = Bytes::copy_from_slice(self.unread.get(..length).unwrap_or_default());
        self.unread.advance(length.min(self.unread.len()));
        if self.unread.is_empty() {
            // Nothing is left of a large line but what it took.
            self.unread = BytesMut::new();
        }
        line
    }

    /// Drops the middle of a line that is too long already.
    fn shorten(&mut self) {
        if self.begin.is_none() && self.unread.len() > self.longest {
            self.begin = Some(self.unread.split_to(KEPT.min(self.unread.len())));
        }
        if self.begin.is_some() {
            let end = self.unread.split_off(self.unread.len().saturating_sub(KEPT));
            self.unread = BytesMut::from(&end[..]);
            self.searched = self.unread.len();
        }
    }
}

fn edges(line: &[u8]) -> Bytes {
    let begin = line.get(..KEPT).unwrap_or(line);
    let end = line.get(line.len().saturating_sub(KEPT)..).unwrap_or_default();
    [begin, b" ", end].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(longest: usize, pieces: &[&[u8]]) -> Vec<Line> {
        let mut lines = Lines::of_at_most(longest);
        let mut found = Vec::new();
        for piece in pieces {
            lines.room().extend_from_slice(piece);
            while let Some(line) = lines.next_line() {
                found.push(line);
            }
        }
        found
    }

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_are_cut_at_newlines_however_they_come() {
        let text = b"one\ntwo\r\n\n  \nthree\nrest";
        let expected = [whole("one"), whole("two\r"), whole("three")];
        assert_eq!(lines(10, &[text]), expected);
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(10, &single), expected);
    }

    #[test]
    fn the_bound_holds_to_the_byte() {
        assert_eq!(lines(3, &[b"abc\n"]), [whole("abc")]);
        assert_eq!(lines(3, &[b"abcd\nx\n"]), [Line::TooLong(Bytes::from_static(b"abcd abcd")), whole("x")]);
    }

    #[test]
    fn of_a_line_that_is_too_long_its_edges_are_kept_and_the_next_is_whole() {
        let long = [b"begin".as_slice(), &vec![b'x'; 1 << 20], b"end\nnext\n"].concat();
        for size in [1 << 10, 1 << 16, 1 << 21] {
            let pieces: Vec<&[u8]> = long.chunks(size).collect();
            let mut cut = lines(100, &pieces).into_iter();
            let Some(Line::TooLong(edges)) = cut.next() else { panic!("not too long") };
            assert!(edges.starts_with(b"begin") && edges.ends_with(b"end"), "{size}");
            assert!(edges.len() <= 2 * KEPT + 1, "{size}: {}", edges.len());
            assert_eq!(cut.collect::<Vec<_>>(), [whole("next")], "{size}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_room_than_its_edges() {
        let mut lines = Lines::of_at_most(1 << 10);
        for _ in 0..1_000 {
            lines.room().extend_from_slice(&[b'x'; 10_000]);
            assert_eq!(lines.next_line(), None);
            assert!(lines.unread.capacity() <= 64 << 10, "{}", lines.unread.capacity());
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_never_change_the_lines(text in proptest::collection::vec(proptest::sample::select(b"ab\n ".to_vec()), 0..200), size in 1_usize..9) {
            let told = |lines: Vec<Line>| -> Vec<Option<Bytes>> {
                let whole = |line| match line {
                    Line::Whole(line) => Some(line),
                    // What is kept of it depends on when it was found to be too long.
                    Line::TooLong(_) => None,
                };
                lines.into_iter().map(whole).collect()
            };
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            proptest::prop_assert_eq!(told(lines(7, &pieces)), told(lines(7, &[&text])));
        }
    }
}

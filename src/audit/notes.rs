//! Cuts a file of heads into notes, holding one of them at a time.
//!
//! Each note is followed by an empty line, and has one of its own between text and signatures.

use std::io::{self, BufRead};

/// Longest note in such a file: three lines, and two signatures of which one is ML-DSA-44, take 4 KiB.
const NOTE_MAX: usize = 16 * 1024;

/// What comes next in a file of heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawNote<'a> {
    /// Framed like a note; given without the empty line behind it.
    Whole(&'a [u8]),
    /// The file ends before a note does, or goes on for longer than a note can.
    Torn,
}

/// Reads notes in order.
#[derive(Debug)]
pub(crate) struct NoteReader<R> {
    source: R,
    note: Vec<u8>,
    /// Bytes of whole notes so far, their frames included.
    read: u64,
}

impl<R: BufRead> NoteReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, note: Vec::with_capacity(512), read: 0 }
    }

    /// Where the note after the last whole one begins.
    pub(crate) fn offset(&self) -> u64 {
        self.read
    }

    /// The next note; `None` at the end of the file.
    pub(crate) fn next_note(&mut self) -> io::Result<Option<RawNote<'_>>> {
        self.note.clear();
        let mut empty_lines = 0;
        while empty_lines < 2 {
            let start = self.note.len();
            let left = u64::try_from(NOTE_MAX - start.min(NOTE_MAX)).unwrap_or(0);
            let taken = io::Read::take(&mut self.source, left).read_until(b'\n', &mut self.note)?;
            if taken == 0 || self.note.last() != Some(&b'\n') {
                return Ok((!self.note.is_empty()).then_some(RawNote::Torn));
            }
            empty_lines += usize::from(taken == 1);
        }
        self.read += u64::try_from(self.note.len()).unwrap_or(u64::MAX);
        Ok(Some(RawNote::Whole(self.note.get(..self.note.len() - 1).unwrap_or_default())))
    }

    /// Everything that is left, behind a torn note: whether it says `name` at the beginning of a line, as another note would.
    pub(crate) fn goes_on(mut self, name: &str) -> io::Result<bool> {
        let begins = |bytes: &[u8]| {
            let mut found = memchr::memmem::find_iter(bytes, name.as_bytes());
            found.any(|at| at > 0 && bytes.get(at - 1) == Some(&b'\n'))
        };
        let mut window = std::mem::take(&mut self.note);
        loop {
            if begins(&window) {
                return Ok(true);
            }
            // The end of what was searched is searched again, for a name across the border.
            let keep = window.len().saturating_sub(name.len() + 1);
            window.drain(..keep);
            let available = self.source.fill_buf()?;
            if available.is_empty() {
                return Ok(false);
            }
            let length = available.len();
            window.extend_from_slice(available);
            self.source.consume(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_whole_or_torn() {
        let text = b"log\n1\nroot\n\n- sig\n\nlog\n2\nroot\n\n- sig\n- sig\n\nlog\n3\nro";
        for capacity in [1, 7, 100] {
            let mut notes = NoteReader::new(io::BufReader::with_capacity(capacity, &text[..]));
            assert_eq!(notes.next_note().unwrap(), Some(RawNote::Whole(b"log\n1\nroot\n\n- sig\n")));
            assert_eq!(notes.next_note().unwrap(), Some(RawNote::Whole(b"log\n2\nroot\n\n- sig\n- sig\n")));
            assert_eq!(notes.offset(), 44);
            assert_eq!(notes.next_note().unwrap(), Some(RawNote::Torn));
            assert!(!notes.goes_on("log").unwrap(), "the torn note itself is no other");
        }
        let endless = vec![b'x'; 3 * NOTE_MAX];
        assert_eq!(NoteReader::new(&endless[..]).next_note().unwrap(), Some(RawNote::Torn));
        assert_eq!(NoteReader::new(&b""[..]).next_note().unwrap(), None);
    }

    #[test]
    fn a_note_behind_a_damaged_one_is_seen() {
        let text = b"log\n1\nroot\n- sig\nlog\n2\nroot\n- sig\n";
        for capacity in [1, 7, 100] {
            let mut notes = NoteReader::new(io::BufReader::with_capacity(capacity, &text[..]));
            assert_eq!(notes.next_note().unwrap(), Some(RawNote::Torn));
            assert!(notes.goes_on("log").unwrap());
        }
    }
}

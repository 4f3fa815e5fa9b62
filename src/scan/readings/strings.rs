//! Strings that belong together, put together: items of a list, and the pieces of a stream, which have the same key.
//!
//! What is split between words is read in the raw text, since marks between words hide nothing from the rules. Here the pieces touch, so
//! that words that are split are whole again.

use super::GAP;
use super::way::{Rewritten, Writer};

/// What may stand between two pieces of a stream, in bytes: the frame of an event.
const FRAME: usize = 256;

/// A string between quotation marks.
#[derive(Clone, Copy)]
struct Piece<'t> {
    key: &'t str,
    start: usize,
    end: usize,
}

/// The pieces, joined; `None` where there are no two.
pub(super) fn joined(text: &str) -> Option<Rewritten<'_>> {
    let mut writer: Option<Writer<'_>> = None;
    let mut last: Option<Piece<'_>> = None;
    let (mut key, mut is_written) = ("", false);
    let mut at = 0;
    while let Some((start, end)) = string(text, at) {
        at = end + 1;
        let inner = text.get(start..end).unwrap_or_default();
        let behind = text.get(at..).unwrap_or_default();
        if behind.trim_start_matches(' ').starts_with(':') {
            key = inner;
            continue;
        }
        let piece = Piece { key: std::mem::take(&mut key), start, end };
        if let Some(before) = last.filter(|before| belong(text, before, &piece)) {
            let writer = writer.get_or_insert_with(|| Writer::new(text, 256));
            if !is_written {
                if !writer.text().is_empty() {
                    writer.replace(before.start.saturating_sub(1), GAP);
                }
                writer.keep(before.start, text.get(before.start..before.end).unwrap_or_default());
            }
            writer.keep(start, inner);
            is_written = true;
        } else {
            is_written = false;
        }
        last = Some(piece);
    }
    writer.map(Writer::finish)
}

/// The next string that begins at `from` or behind it: its first byte and the mark that closes it.
fn string(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let start = from + memchr::memchr(b'"', bytes.get(from..)?)? + 1;
    let mut at = start;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some((start, at));
        }
        at += 2;
    }
}

/// Whether two strings in a row are items of one list, summands of one text, or pieces of one stream.
fn belong(text: &str, before: &Piece<'_>, piece: &Piece<'_>) -> bool {
    let Some(between) = text.get(before.end + 1..piece.start.saturating_sub(1)).filter(|between| between.len() <= FRAME) else {
        return false;
    };
    let joins = |byte: u8| matches!(byte, b',' | b'+' | b'.' | b'\\' | b'(' | b')') || byte.is_ascii_whitespace();
    let items = between.bytes().all(joins) && between.contains([',', '+', '.', '\\']);
    items || (!piece.key.is_empty() && piece.key == before.key && between.contains(['}', '\n']))
}

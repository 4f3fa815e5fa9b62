//! From a place in a condition's text to the place in the file.
//!
//! YAML may have changed the text on the way: lines folded, quotes undone, indentation cut off. The two are laid beside each other
//! character by character, which needs no knowledge of how the text was written beyond its quotes.

use std::iter::Peekable;
use std::str::Chars;

use super::tokens::Span;
use crate::yaml::{Node, Place, Report, Scalar, Style};

/// Where `span` of the condition stands; the whole scalar, if that cannot be said for sure.
pub(super) fn place(node: &Node, scalar: &Scalar, span: Span, report: &Report) -> Place {
    let found = report.text_of(node.place.file).and_then(|source| {
        let positions = positions(source, (node.place.line, node.place.column), scalar)?;
        let before = |offset: usize| scalar.text.get(..offset).map(|text| text.chars().count());
        let (first, behind) = (before(span.start)?, before(span.end)?);
        let start = *positions.get(first)?;
        // The end of a stretch stands behind its last character, not before the next, which may be lines below.
        let end = match behind.checked_sub(1).filter(|last| *last >= first) {
            Some(last) => positions.get(last).map(|(line, column)| (*line, column + 1))?,
            None => (start.0, start.1 + 1),
        };
        Some((start, end))
    });
    match found {
        Some(((line, column), (end_line, end_column))) => Place { file: node.place.file, line, column, end_line, end_column },
        None => node.place,
    }
}

/// Line and column of every character of the scalar's text, and of its end.
fn positions(source: &str, start: (usize, usize), scalar: &Scalar) -> Option<Vec<(usize, usize)>> {
    if scalar.written.is_some() {
        return None;
    }
    let mut cursor = Cursor { chars: source.chars().peekable(), line: 1, column: 1 };
    while (cursor.line, cursor.column) < start {
        cursor.advance()?;
    }
    let quote = match scalar.style {
        Style::Block => {
            cursor.skip_header();
            None
        }
        Style::Plain => None,
        Style::Quoted => cursor.advance(),
    };
    let mut positions = Vec::with_capacity(scalar.text.len() + 1);
    for wanted in scalar.text.chars() {
        positions.push(cursor.find(wanted, quote)?);
    }
    positions.push((cursor.line, cursor.column));
    Some(positions)
}

struct Cursor<'s> {
    chars: Peekable<Chars<'s>>,
    line: usize,
    column: usize,
}

impl Cursor<'_> {
    fn advance(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        // A carriage return ends a line too, unless the line feed that does so follows.
        if c == '\n' || (c == '\r' && self.chars.peek() != Some(&'\n')) {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    /// `|` or `>` and what stands behind it, if the scalar is placed there.
    fn skip_header(&mut self) {
        if matches!(self.chars.peek(), Some('|' | '>')) {
            let line = self.line;
            while self.line == line && self.advance().is_some() {}
        }
    }

    fn skip_space(&mut self) {
        while self.chars.peek().is_some_and(|c| c.is_whitespace()) {
            self.advance();
        }
    }

    /// The place of the next character of the text, which is passed.
    fn find(&mut self, wanted: char, quote: Option<char>) -> Option<(usize, usize)> {
        loop {
            let at = (self.line, self.column);
            let Some(found) = self.chars.peek().copied() else {
                // The line break that YAML puts behind the last line, whether there is one or not.
                return wanted.is_whitespace().then_some(at);
            };
            if quote == Some('"') && found == '\\' {
                if self.escape()? {
                    return Some(at);
                }
            } else if found == wanted {
                self.advance();
                if quote == Some('\'') && wanted == '\'' {
                    self.advance();
                }
                return Some(at);
            } else if found.is_whitespace() {
                // A line break that became a space, or indentation that became nothing.
                if wanted.is_whitespace() {
                    self.skip_space();
                    return Some(at);
                }
                self.advance();
            } else {
                // Empty lines in front, which the place of a block leaves out.
                return wanted.is_whitespace().then_some(at);
            }
        }
    }

    /// Passes an escape of a text in double quotes. Whether it stands for a character: one before a line break does not.
    fn escape(&mut self) -> Option<bool> {
        self.advance()?;
        let more = match self.advance()? {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '\n' | '\r' => {
                self.skip_space();
                return Some(false);
            }
            _ => 0,
        };
        for _ in 0..more {
            self.advance()?;
        }
        Some(true)
    }
}

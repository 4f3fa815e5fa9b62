//! The other texts that a text holds: what stands in it encoded, split, misspelt or turned round, each read as a text of its own.
//!
//! The raw text is always the first. Each of the others has a way back: whatever is found in it is told with the bytes of the original
//! that stand for it; of what is encoded as a whole (base64, hexadecimal, gzip) these are all its letters.
//!
//! SECURITY: what is made is bounded by [`FACTOR`] times the texts of a message and [`FREE`], whatever they are; beyond that nothing more is made, and
//! that is said. Encodings within encodings are followed [`DEPTH`] deep. What is changed in place is shown with [`CONTEXT`] bytes around
//! it and not with the whole text, so that one `&amp;` in a long page does not cost a second page.

mod blobs;
mod escapes;
mod inflate;
mod known;
mod strings;
mod turned;
mod words;

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::normalize::{Normalized, normalize};
use super::way::{Rewritten, Writer};

/// How many bytes are made for each of a text, and for any message, however short.
const FACTOR: usize = 4;
const FREE: usize = 64 << 10;

/// How deep encodings are followed.
const DEPTH: u8 = 3;

/// How much is shown on both sides of a change. A rule that needs a change reaches hardly further.
const CONTEXT: usize = 192;

/// Stands where something is left out: no rule reads across it, and no line begins behind it.
const GAP: &str = ". ";

/// From a stretch of a reading to the bytes of the original text that stand for it.
pub type Way<'w> = dyn Fn(Range<usize>) -> Range<usize> + 'w;

/// One reading of a text.
pub(super) struct View<'v> {
    /// The readable form.
    pub readable: &'v Normalized<'v>,
    way: &'v Way<'v>,
}

impl View<'_> {
    /// The bytes of the original text that stand for a stretch of the readable one.
    pub(super) fn original(&self, span: Range<usize>) -> Range<usize> {
        self.concealed(self.readable.rewritten.original(span))
    }

    /// The same for a stretch of the text before it was made readable.
    pub(super) fn concealed(&self, span: Range<usize>) -> Range<usize> {
        (self.way)(span)
    }
}

/// Signs that a text has to be read in yet another way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    /// Words that are rare unless they are turned by thirteen letters.
    pub rot13: bool,
    /// The same, from their end.
    pub backwards: bool,
}

/// Shows every reading of `text` to `visit`. Whether all of it could be shown.
pub(super) fn each(text: &str, left: &mut Room, visit: &mut dyn FnMut(&View<'_>) -> Hints) -> bool {
    let mut look = Look { visit, left: left.0.saturating_add(text.len().saturating_mul(FACTOR)), complete: true };
    look.at(text, &|span| span, 0, Kind::Whole);
    left.0 = look.left;
    look.complete
}

/// How many bytes may still be made. One for all texts of a message, or many short ones would have what is free as often.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(FREE)
    }
}

/// Shows every reading of `text` but the text itself to `visit`, with the bytes of the original that stand for a stretch of it: for whoever
/// looks for something else than orders.
pub fn other_readings(text: &str, visit: &mut dyn FnMut(&str, &Way<'_>)) {
    let mut is_first = true;
    each(text, &mut Room::default(), &mut |view| {
        if !std::mem::take(&mut is_first) {
            visit(view.readable.rewritten.text(), &|span| view.original(span));
        }
        Hints::default()
    });
}

/// What a reading came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A text, or something decoded: it may hold anything.
    Whole,
    /// Joined pieces, corrected or turned words: these are read, and no more is made of them.
    Last,
}

struct Look<'l> {
    visit: &'l mut dyn FnMut(&View<'_>) -> Hints,
    left: usize,
    complete: bool,
}

impl Look<'_> {
    fn at(&mut self, text: &str, way: &Way<'_>, depth: u8, kind: Kind) {
        let readable = normalize(text);
        let hints = (self.visit)(&View { readable: &readable, way });
        if kind == Kind::Last {
            return;
        }
        let readable = &readable.rewritten;
        let back = |span| way(readable.original(span));
        let text = readable.text();
        let mut numbers = Vec::new();
        self.rewritten(words::corrected(text, &mut numbers), &back, depth, Kind::Last);
        if depth < DEPTH {
            for span in numbers {
                if let Some(letters) = text.get(span.clone()).and_then(|row| blobs::numbers(row, self.left)) {
                    self.made(&letters, &|_| back(span.clone()), depth + 1, Kind::Whole);
                }
            }
        }
        self.rewritten(strings::joined(text), &back, depth, Kind::Last);
        if hints.rot13 {
            self.made(&turned::rot13(text), &back, depth, Kind::Last);
        }
        if hints.backwards {
            let mirrored = |span: Range<usize>| {
                let place = |at: usize| text.len().saturating_sub(at);
                back(place(span.end)..place(span.start))
            };
            self.made(&turned::backwards(text), &mirrored, depth, Kind::Last);
        }
        if depth < DEPTH {
            self.rewritten(escapes::decoded(text), &back, depth + 1, Kind::Whole);
            let complete = blobs::each(text, self.left, &mut |encoded, decoded| {
                self.made(decoded, &|_| back(encoded.clone()), depth + 1, Kind::Whole);
                self.left
            });
            self.complete &= complete;
        }
    }

    fn rewritten(&mut self, made: Option<Rewritten<'_>>, back: &Way<'_>, depth: u8, kind: Kind) {
        if let Some(made) = made {
            self.made(made.text(), &|span| back(made.original(span)), depth, kind);
        }
    }

    fn made(&mut self, text: &str, way: &Way<'_>, depth: u8, kind: Kind) {
        match self.left.checked_sub(text.len()) {
            Some(left) => {
                self.left = left;
                self.at(text, way, depth, kind);
            }
            None => self.complete = false,
        }
    }
}

/// Changes a text in places, and shows these with what stands around them.
struct Patches<'a> {
    text: &'a str,
    writer: Option<Writer<'a>>,
    /// Up to where the text is dealt with.
    done: usize,
}

impl<'a> Patches<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, writer: None, done: 0 }
    }

    /// Puts `new` in the place of `old`, which lies behind everything replaced before.
    fn replace(&mut self, old: Range<usize>, new: &str) {
        let mut writer = self.writer.take().unwrap_or_else(|| Writer::new(self.text, 2 * CONTEXT));
        let from = self.text.floor_char_boundary(old.start.saturating_sub(CONTEXT));
        let until = self.text.ceil_char_boundary(self.done.saturating_add(CONTEXT));
        let is_first = writer.text().is_empty();
        if is_first || until >= from {
            let start = if is_first { from } else { self.done };
            if start > 0 && is_first {
                writer.replace(0, GAP);
            }
            writer.keep(start, self.text.get(start..old.start).unwrap_or_default());
        } else {
            writer.keep(self.done, self.text.get(self.done..until).unwrap_or_default());
            writer.replace(until, GAP);
            writer.keep(from, self.text.get(from..old.start).unwrap_or_default());
        }
        writer.replace(old.start, new);
        self.done = old.end;
        self.writer = Some(writer);
    }

    /// The changed text, if there is any.
    fn finish(self) -> Option<Rewritten<'a>> {
        let mut writer = self.writer?;
        let until = self.text.ceil_char_boundary(self.done.saturating_add(CONTEXT)).min(self.text.len());
        writer.keep(self.done, self.text.get(self.done..until).unwrap_or_default());
        if until < self.text.len() {
            writer.replace(until, GAP);
        }
        Some(writer.finish())
    }
}

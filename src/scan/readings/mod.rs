//! The other texts that a text holds: what stands in it encoded, split, misspelt or turned round, each read as a text of its own.
//!
//! The raw text is always the first. Each of the others has a way back: whatever is found in it is told with the bytes of the original
//! that stand for it; of what is encoded as a whole (base64, hexadecimal, gzip) these are all its letters.
//!
//! SECURITY: what is made is bounded by `FACTOR` times the texts of a message and `FREE`, whatever they are; beyond that nothing more is made, and
//! that is said. Encodings within encodings are followed `DEPTH` deep. What is changed in place is shown with `CONTEXT` bytes around
//! it and not with the whole text, so that one `&amp;` in a long page does not cost a second page.

mod blobs;
mod escapes;
mod inflate;
mod known;
mod normalize;
mod strings;
mod turned;
mod way;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use normalize::{Normalized, normalize};
use way::{Rewritten, Writer};

pub(super) use normalize::Means;

use super::vocabulary::is_of_protocol;

/// How many bytes are made for each of a text, and for any message, however short.
const FACTOR: usize = 4;
const FREE: usize = 64 << 10;

/// How deep encodings are followed.
const DEPTH: u8 = 3;

/// How much is shown on both sides of a change. A rule that needs a change reaches hardly further.
const CONTEXT: usize = 192;

/// Stands where something is left out: no rule reads across it, and no line begins behind it.
const GAP: &str = ". ";

/// Whether letters stand for a text, as base64, hexadecimal digits or in a form that is compressed.
pub fn holds_text(letters: &str) -> bool {
    blobs::is_text(letters.as_bytes())
}

/// A text as a model reads it: without what is invisible, and with plain letters for odd ones.
pub fn plain(text: &str) -> String {
    normalize(text).rewritten.text().to_owned()
}

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
    show(text, left, &mut Reader::Orders(visit))
}

/// Shows what else `text` says to `visit`: for whoever looks for values, which are not misspelt, and stand in no words. Whether all of it could
/// be shown.
pub fn values(text: &str, left: &mut Room, visit: &mut dyn FnMut(&Reading<'_>)) -> bool {
    is_of_protocol(text) || show(text, left, &mut Reader::Values(visit))
}

fn show(text: &str, left: &mut Room, reader: &mut Reader<'_>) -> bool {
    let mut look = Look { reader, left: left.0.saturating_add(text.len().saturating_mul(FACTOR)), complete: true };
    look.at(text, &|span| span, Level { depth: 0, is_inside: false }, Origin::Itself);
    left.0 = look.left;
    look.complete
}

/// How many bytes may still be made. One for all texts of a message, or many short ones would have what is free as often.
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(FREE)
    }
}

/// Another text that a text holds.
pub struct Reading<'r> {
    /// What it says.
    pub text: &'r str,
    /// How it stands there.
    pub origin: Origin,
    /// Whether it stands in something that is encoded as a whole, so that no stretch of the original stands for a part of it.
    pub is_inside: bool,
    way: &'r Way<'r>,
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: what it says may be a secret.
        f.debug_struct("Reading").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Reading<'_> {
    /// The bytes of the original text that stand for a stretch of this one.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        (self.way)(span)
    }
}

/// What a reading came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A text, without what is invisible, and with plain letters for odd ones.
    Itself,
    /// Escapes undone, piece by piece.
    Escaped,
    /// Something decoded as a whole.
    Encoded,
    /// Strings that belong together.
    Joined,
    /// Words put right, or turned.
    Words,
}

impl Origin {
    /// Whether it may hold anything that a text may hold. Joined pieces, corrected or turned words are read, and no more is made of them.
    fn is_whole(self) -> bool {
        match self {
            Self::Encoded | Self::Escaped | Self::Itself => true,
            Self::Joined | Self::Words => false,
        }
    }
}

/// Who reads.
enum Reader<'l> {
    Orders(&'l mut dyn FnMut(&View<'_>) -> Hints),
    Values(&'l mut dyn FnMut(&Reading<'_>)),
}

impl Reader<'_> {
    fn read(&mut self, text: &str, readable: &Normalized<'_>, way: &Way<'_>, is_inside: bool, origin: Origin) -> Option<Hints> {
        match self {
            Self::Orders(visit) => Some(visit(&View { readable, way })),
            Self::Values(visit) => {
                if origin != Origin::Itself {
                    visit(&Reading { text, origin, is_inside, way });
                }
                if readable.rewritten.is_changed() {
                    let back = |span| way(readable.rewritten.original(span));
                    visit(&Reading { text: readable.rewritten.text(), origin, is_inside, way: &back });
                }
                None
            }
        }
    }
}

/// Where a reading stands.
#[derive(Clone, Copy)]
struct Level {
    depth: u8,
    is_inside: bool,
}

impl Level {
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    fn inside(self) -> Self {
        Self { is_inside: true, ..self.deeper() }
    }
}

struct Look<'l, 'r> {
    reader: &'l mut Reader<'r>,
    left: usize,
    complete: bool,
}

impl Look<'_, '_> {
    fn at(&mut self, text: &str, way: &Way<'_>, level: Level, origin: Origin) {
        let readable = normalize(text);
        let hints = self.reader.read(text, &readable, way, level.is_inside, origin);
        if !origin.is_whole() {
            return;
        }
        let readable = &readable.rewritten;
        let back = |span| way(readable.original(span));
        let text = readable.text();
        if let Some(hints) = hints {
            self.words(text, &back, level, hints);
        }
        self.rewritten(strings::joined(text), &back, level, Origin::Joined);
        if level.depth < DEPTH {
            self.rewritten(escapes::decoded(text), &back, level.deeper(), Origin::Escaped);
            let complete = blobs::each(text, self.left, &mut |encoded, decoded| {
                self.made(decoded, &|_| back(encoded.clone()), level.inside(), Origin::Encoded);
                self.left
            });
            self.complete &= complete;
        }
    }

    /// What only orders are written in.
    fn words(&mut self, text: &str, back: &Way<'_>, level: Level, hints: Hints) {
        let mut numbers = Vec::new();
        self.rewritten(words::corrected(text, &mut numbers), back, level, Origin::Words);
        if level.depth < DEPTH {
            for span in numbers {
                if let Some(letters) = text.get(span.clone()).and_then(|row| blobs::numbers(row, self.left)) {
                    self.made(&letters, &|_| back(span.clone()), level.inside(), Origin::Encoded);
                }
            }
        }
        if hints.rot13 {
            self.made(&turned::rot13(text), back, level, Origin::Words);
        }
        if hints.backwards {
            let mirrored = |span: Range<usize>| {
                let place = |at: usize| text.len().saturating_sub(at);
                back(place(span.end)..place(span.start))
            };
            self.made(&turned::backwards(text), &mirrored, level, Origin::Words);
        }
    }

    fn rewritten(&mut self, made: Option<Rewritten<'_>>, back: &Way<'_>, level: Level, origin: Origin) {
        if let Some(made) = made {
            self.made(made.text(), &|span| back(made.original(span)), level, origin);
        }
    }

    fn made(&mut self, text: &str, way: &Way<'_>, level: Level, origin: Origin) {
        match self.left.checked_sub(text.len()) {
            Some(left) => {
                self.left = left;
                self.at(text, way, level, origin);
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

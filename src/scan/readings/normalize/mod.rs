//! The text as a model reads it: what is invisible is gone, what is smuggled is spelt out, look-alikes are plain letters.
//!
//! Invisible and formatting characters are dropped; tag characters and runs of variation selectors are decoded to the ASCII they
//! carry; compatibility letters (full-width, mathematical, circled, small capitals) and accented Latin become ASCII; Cyrillic and Greek
//! letters become Latin only in words that mix scripts, so that prose in those scripts stays readable; text under a right-to-left override
//! is turned round; terminal escapes are dropped. Case is kept for ASCII (patterns ignore it) and lowered elsewhere.
//!
//! Plain ASCII without control characters, which is most traffic, is borrowed as it is. Misses: whole words of look-alikes. What is encoded
//! or misspelt is for the other readings.

mod look_alikes;
mod reader;

use std::ops::Range;

use super::way::Rewritten;

/// The readable form of a text.
#[derive(Clone, Debug)]
pub(in crate::scan) struct Normalized<'a> {
    /// The text, with the way back.
    pub(in crate::scan) rewritten: Rewritten<'a>,
    /// What was hidden, in order.
    pub concealed: Vec<Concealed>,
}

/// A stretch that somebody took pains to hide from people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::scan) struct Concealed {
    /// How.
    pub means: Means,
    /// Bytes of the original text.
    pub span: Range<usize>,
    /// How many characters were hidden.
    pub length: usize,
}

/// A way to hide text from people but not from a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scan) enum Means {
    /// Tag characters (outside emoji flags) or runs of variation selectors.
    Unicode,
    /// The terminal's "conceal" attribute, or a command to it that sets the clipboard.
    Terminal,
}

/// Makes `text` readable. Linear in its length.
pub(super) fn normalize(text: &str) -> Normalized<'_> {
    let plain = text.bytes().fold(true, |plain, byte| plain & !is_special(byte));
    if plain { Normalized { rewritten: Rewritten::unchanged(text), concealed: Vec::new() } } else { reader::read(text) }
}

fn is_special(byte: u8) -> bool {
    byte >= 0x7F || (byte < 0x20 && byte != b'\n' && byte != b'\t' && byte != b'\r')
}

#[cfg(test)]
mod tests;

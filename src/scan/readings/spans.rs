//! Where words stand in a text: rows of letters of ASCII, of what may be read as one, and of whatever is no ASCII.
//!
//! Most texts are words and what stands between them, so this is asked of each byte: sixty-four at a time, without a branch for any.

use std::ops::Range;

/// Bytes that are looked at at once.
const BLOCK: usize = 64;

/// One in each byte, and its high bit.
const EACH: u64 = u64::MAX / 0xFF;
const HIGH: u64 = EACH * 0x80;

/// A row of such bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) span: Range<usize>,
    /// Whether it is of letters of ASCII alone.
    pub(super) is_plain: bool,
}

/// All of them, in their order.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = Word> {
    let mut blocks = Blocks { text, at: 0, words: 0, odd: 0 };
    blocks.load(0);
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = blocks.next(at)?;
        let mut is_plain = true;
        let mut from = start;
        // Over the ends of blocks.
        let end = loop {
            let (words, odd, offset) = (blocks.words, blocks.odd, from - blocks.at);
            let length = usize::try_from((!words >> offset).trailing_zeros()).unwrap_or_default().min(BLOCK - offset);
            is_plain &= odd >> offset & ones(length) == 0;
            from += length;
            if offset + length < BLOCK || !blocks.load(from) {
                break from;
            }
        };
        at = end;
        Some(Word { span: start..end.min(text.len()), is_plain })
    })
}

/// So many low bits.
fn ones(count: usize) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

/// The block at hand.
struct Blocks<'t> {
    text: &'t [u8],
    at: usize,
    /// Which of its bytes belong to words, and which of these are no letters of ASCII, the first in the lowest bit.
    words: u64,
    odd: u64,
}

impl Blocks<'_> {
    /// Where the next word begins, from `from` on, which lies in the block at hand or right behind it.
    #[inline]
    fn next(&mut self, mut from: usize) -> Option<usize> {
        loop {
            if from >= self.at + BLOCK && !self.load(from) {
                return None;
            }
            let found = self.words >> (from - self.at);
            if found != 0 {
                return Some(from + usize::try_from(found.trailing_zeros()).unwrap_or_default());
            }
            from = self.at + BLOCK;
        }
    }

    /// Goes on to the block that begins at `at`. Whether there is one.
    fn load(&mut self, at: usize) -> bool {
        let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) else { return false };
        (self.at, self.words, self.odd) = (at, 0, 0);
        if let Some(block) = rest.first_chunk::<BLOCK>() {
            self.read(block);
        } else {
            let mut last = [0; BLOCK];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            self.read(&last);
        }
        true
    }

    fn read(&mut self, block: &[u8; BLOCK]) {
        for (number, bytes) in block.chunks_exact(8).enumerate() {
            let word = bytes.try_into().map_or(0, u64::from_le_bytes);
            let letters = letters(word);
            let odd = word & HIGH | digits(word) | [b'!', b'@', b'$'].iter().fold(0, |any, mark| any | equal(word, *mark));
            self.words |= gathered(letters | odd) << (8 * number);
            self.odd |= gathered(odd) << (8 * number);
        }
    }
}

/// The high bit of each byte that is a letter of ASCII.
#[inline]
fn letters(word: u64) -> u64 {
    within(word | (EACH * 0x20), b'a', b'z')
}

#[inline]
fn digits(word: u64) -> u64 {
    within(word, b'0', b'9')
}

/// The high bit of each byte from `first` to `last`, both of ASCII.
#[inline]
fn within(word: u64, first: u8, last: u8) -> u64 {
    let low = word & (EACH * 0x7F);
    let from = low + EACH * u64::from(0x80 - first);
    let beyond = low + EACH * u64::from(0x7F - last);
    from & !beyond & !word & HIGH
}

/// The high bit of each byte that is this one, of ASCII.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    within(word, byte, byte)
}

/// The high bits of eight bytes, that of the first in the lowest bit.
#[inline]
fn gathered(high: u64) -> u64 {
    // Each factor moves the bit of one byte to its place in the highest byte, and none meets another.
    (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(text: &[u8]) -> Vec<Word> {
        let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'!' | b'@' | b'$');
        let mut found: Vec<Word> = Vec::new();
        for (at, byte) in text.iter().enumerate().filter(|(_, byte)| belongs(byte)) {
            let is_plain = byte.is_ascii_alphabetic();
            match found.last_mut().filter(|word| word.span.end == at) {
                Some(word) => {
                    word.span.end = at + 1;
                    word.is_plain &= is_plain;
                }
                None => found.push(Word { span: at..at + 1, is_plain }),
            }
        }
        found
    }

    #[test]
    fn a_word_may_end_with_a_block_or_with_the_text() {
        for length in [0, 1, 63, 64, 65, 127, 128, 129, 200] {
            for text in
                ["a".repeat(length), " ".repeat(length), format!("{} b", "a".repeat(length)), format!("{}é", " ".repeat(length))]
            {
                assert_eq!(words(text.as_bytes()).collect::<Vec<_>>(), naive(text.as_bytes()), "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn words_are_found_as_by_looking_at_each_byte(text in prop::collection::vec(prop_oneof![any::<u8>(), b'a'..=b'z', Just(b' ')], 0..300)) {
            prop_assert_eq!(words(&text).collect::<Vec<_>>(), naive(&text));
        }
    }
}

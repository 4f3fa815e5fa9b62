//! Where words stand in a text.
//!
//! Most texts are words and what stands between them, so this is asked of each byte: sixty-four at a time, without a branch for any.

use std::ops::Range;

/// Bytes that are looked at at once.
const BLOCK: usize = 64;

/// One in each byte, and its high bit.
const EACH: u64 = u64::MAX / 0xFF;
const HIGH: u64 = EACH * 0x80;

/// A row of bytes that belong to one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) span: Range<usize>,
    /// Whether none of them is odd; see whoever asks for which are.
    pub(super) is_plain: bool,
}

/// Calls `visit` with each row of letters of ASCII, of what may be read as one, and of whatever is no ASCII; all but the first are odd.
#[inline]
pub(super) fn words(text: &[u8], visit: impl FnMut(Word)) {
    let read = |word| {
        let odd = word & HIGH | digits(word) | [b'!', b'@', b'$'].iter().fold(0, |any, mark| any | equal(word, *mark));
        [letters(word) | odd, odd]
    };
    rows(text, read, visit);
}

/// Calls `visit` with each row of letters and digits of ASCII.
#[inline]
pub(super) fn alphanumeric(text: &[u8], mut visit: impl FnMut(Range<usize>)) {
    rows(text, |word| [letters(word) | digits(word), 0], |row| visit(row.span));
}

/// Rows by what `read` makes of eight bytes: the high bit of each that belongs to a row, and of each that is odd.
#[inline]
fn rows(text: &[u8], read: impl Fn(u64) -> [u64; 2], mut visit: impl FnMut(Word)) {
    // The row that goes on from the last block.
    let mut begun: Option<Word> = None;
    let (mut at, mut rest) = (0, text);
    while !rest.is_empty() {
        let [mut words, odd] = if let Some(block) = rest.first_chunk::<BLOCK>() {
            masks(block, &read)
        } else {
            let mut last = [0; BLOCK];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            masks(&last, &read)
        };
        if let Some(word) = &mut begun {
            let length = words.trailing_ones();
            word.span.end += length as usize;
            word.is_plain &= odd & ones(length) == 0;
        }
        if words != u64::MAX
            && let Some(word) = begun.take()
        {
            words &= words.wrapping_add(1);
            visit(word);
        }
        while words != 0 && begun.is_none() {
            let start = words.trailing_zeros();
            let length = (words >> start).trailing_ones();
            let span = at + start as usize..at + (start + length) as usize;
            let word = Word { span, is_plain: odd >> start & ones(length) == 0 };
            if start + length < u64::BITS {
                visit(word);
            } else {
                begun = Some(word);
            }
            // The bit that is added runs through the row, and falls behind it.
            words &= words.wrapping_add(1 << start);
        }
        at += BLOCK;
        rest = rest.get(BLOCK..).unwrap_or_default();
    }
    if let Some(word) = begun {
        visit(word);
    }
}

/// So many low bits.
#[inline]
fn ones(count: u32) -> u64 {
    if count < u64::BITS { (1 << count) - 1 } else { u64::MAX }
}

/// Which bytes of a block belong to rows, and which of these are odd, the first in the lowest bit.
#[inline]
fn masks(block: &[u8; BLOCK], read: &impl Fn(u64) -> [u64; 2]) -> [u64; 2] {
    let mut masks = [0; 2];
    for (number, bytes) in block.chunks_exact(8).enumerate() {
        let high = read(bytes.try_into().map_or(0, u64::from_le_bytes));
        masks.iter_mut().zip(high).for_each(|(mask, high)| *mask |= gathered(high) << (8 * number));
    }
    masks
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

    fn found(text: &[u8]) -> Vec<Word> {
        let mut found = Vec::new();
        words(text, |word| found.push(word));
        found
    }

    #[test]
    fn a_word_may_end_with_a_block_or_with_the_text() {
        for length in [0, 1, 63, 64, 65, 127, 128, 129, 200] {
            for text in [
                "a".repeat(length),
                " ".repeat(length),
                format!("{} b", "a".repeat(length)),
                format!("{}é", " ".repeat(length)),
                format!("{}!", "a".repeat(length)),
            ] {
                assert_eq!(found(text.as_bytes()), naive(text.as_bytes()), "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn words_are_found_as_by_looking_at_each_byte(text in prop::collection::vec(prop_oneof![any::<u8>(), b'a'..=b'z', Just(b' ')], 0..300)) {
            prop_assert_eq!(found(&text), naive(&text));
            let split = text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|row| !row.is_empty());
            let mut rows = Vec::new();
            alphanumeric(&text, |row| rows.extend(text.get(row)));
            prop_assert_eq!(rows, split.collect::<Vec<_>>());
        }
    }
}

//! Where words stand in a text.
//!
//! Most texts are words and what stands between them, so this is asked of each byte: sixty-four at a time, without a branch for any.

use std::ops::Range;

use wide::u8x16;

/// Bytes whose bits stand in one number, and those that are looked at at once.
const BLOCK: usize = 64;
const ROW: usize = 16;

/// From this length on a word is told of, whatever stands in it.
pub(super) const LONG: usize = 5;

/// A row of bytes that belong to one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) span: Range<usize>,
    /// Whether all of it are letters of ASCII.
    pub(super) is_plain: bool,
    /// Where the word before ends; 0 where there is none.
    pub(super) before: usize,
}

/// Calls `visit` with each row of letters of ASCII, of what may be read as one, and of whatever is no ASCII, that is not like most: one that is
/// [`LONG`], stands alone as one byte, is not all letters, or has white space before it that is more than a space. Others may be among them.
#[inline]
pub(super) fn unusual(text: &[u8], mut visit: impl FnMut(Word)) {
    let read = |bytes| {
        let odd = within(bytes, 0x80, u8::MAX) | are_digits(bytes) | one_of(bytes, b"!@$");
        [are_letters(bytes) | odd, odd, equal(bytes, b' '), within(bytes, b'\t', b'\r')]
    };
    // The row that goes on from the last block, and where the last one before this block ends.
    let (mut begun, mut goes_on, mut last) = (Word { span: 0..0, is_plain: true, before: 0 }, 0, 0);
    let (mut is_space, mut is_wide) = (0, 0);
    blocks(text, read, |at, [words, odd, space, white]| {
        if goes_on & !words == 1 {
            last = at;
        }
        let gaps = !words;
        let wide = white | space & (space << 1 | is_space) | is_wide;
        // What is added to a row of ones runs through it, and stands behind it: here behind a gap, at the first byte of a word.
        let of_wide = gaps.wrapping_add(wide & gaps) | is_wide;
        let long = words & words >> 1 & words >> 2 & words >> 3 & words >> 4;
        let alone = words & !(words << 1) & !(words >> 1);
        // And here behind a word, wherever in it the mark stands. What began before this block is not known as well.
        let marked = words & (odd | of_wide | long | alone | goes_on);
        let row = |start: u32, behind: u32| {
            let before = words & ones(start);
            Word {
                span: at + start as usize..at + behind as usize,
                is_plain: odd >> start & ones(behind - start) == 0,
                before: if before == 0 { last } else { at + (u64::BITS - before.leading_zeros()) as usize },
            }
        };
        rows(words, (words.wrapping_add(marked) | goes_on) & gaps, |start, behind| {
            let mut row = row(start, behind);
            if start == 0 && goes_on == 1 {
                row =
                    Word { span: begun.span.start..row.span.end, is_plain: begun.is_plain && row.is_plain, before: begun.before };
            }
            visit(row);
        });
        let start = u64::BITS - words.leading_ones();
        if start == 0 && goes_on == 1 {
            begun.is_plain &= odd == 0;
        } else if start < u64::BITS {
            begun = row(start, u64::BITS);
        }
        goes_on = words >> (u64::BITS - 1);
        let behind = u64::BITS - words.leading_zeros();
        if behind > 0 {
            last = at + behind as usize;
        }
        (is_space, is_wide) = (space >> (u64::BITS - 1), u64::from(wide & !ones(behind) != 0));
    });
}

/// Calls `visit` with each row of letters and digits of ASCII, and whether what stands before it parts: whether there is a byte that is `hard`, or
/// one that is `soft` and does not stand there alone.
#[inline]
pub(super) fn alphanumeric(text: &[u8], hard: &[u8], soft: &[u8], mut visit: impl FnMut(Range<usize>, bool)) {
    let read = |bytes| [are_letters(bytes) | are_digits(bytes), one_of(bytes, hard), one_of(bytes, soft)];
    // The row that goes on from the last block; what is to be known of the gap that does.
    let (mut begun, mut goes_on) = ((0, false), 0);
    let (mut parts, mut is_gap, mut is_soft) = (0, 0, 0);
    blocks(text, read, |at, [words, hard, soft]| {
        let gaps = !words;
        let beside_another = gaps << 1 | is_gap | gaps >> 1;
        let parting = gaps & (hard | soft & beside_another | is_soft | parts);
        let parted = gaps.wrapping_add(parting) | parts;
        rows(words, (words << 1 | goes_on) & gaps, |start, behind| {
            let is_first = start == 0 && goes_on == 1;
            let (start, is_parted) = if is_first { begun } else { (at + start as usize, parted >> start & 1 == 1) };
            visit(start..at + behind as usize, is_parted);
        });
        let start = u64::BITS - words.leading_ones();
        if start < u64::BITS && !(start == 0 && goes_on == 1) {
            begun = (at + start as usize, parted >> start & 1 == 1);
        }
        goes_on = words >> (u64::BITS - 1);
        let behind = u64::BITS - words.leading_zeros();
        (parts, is_gap) = (u64::from(parting & !ones(behind) != 0), gaps >> (u64::BITS - 1));
        is_soft = (soft & gaps) >> (u64::BITS - 1);
    });
}

/// Calls `visit` with the first bit of rows of ones, and the bit behind them, for each of `ends` that is such a one.
#[inline]
fn rows(ones: u64, mut ends: u64, mut visit: impl FnMut(u32, u32)) {
    while ends != 0 {
        let end = ends.trailing_zeros();
        ends &= ends - 1;
        visit(end - (ones << (u64::BITS - 1 - end) << 1).leading_ones(), end);
    }
}

/// Bytes of a text for which [`starts`] tells at once where words begin.
pub(super) const AT_ONCE: usize = BLOCK;

/// Calls `visit` with each place that is [`AT_ONCE`] behind the last, and with where a row of letters and digits of ASCII begins from there on, a
/// bit each.
#[inline]
pub(super) fn starts(text: &[u8], visit: impl FnMut(usize, u64)) {
    beginnings(text, |bytes| are_letters(bytes) | are_digits(bytes), visit);
}

/// The same of rows of digits.
#[inline]
pub(super) fn digits(text: &[u8], visit: impl FnMut(usize, u64)) {
    beginnings(text, are_digits, visit);
}

#[inline]
fn beginnings(text: &[u8], belongs: impl Fn(u8x16) -> u8x16, mut visit: impl FnMut(usize, u64)) {
    let mut goes_on = 0;
    blocks(
        text,
        |bytes| [belongs(bytes)],
        |at, [all]| {
            visit(at, all & !(all << 1 | goes_on));
            goes_on = all >> (u64::BITS - 1);
        },
    );
}

/// Calls `visit` with where each block begins, and for each of what `read` makes of its bytes, the bits of those that are this, the first in the
/// lowest. Behind the end of the text stand zeros, one at least, so that whatever ends with it ends in a block.
#[inline]
fn blocks<const MASKS: usize>(text: &[u8], read: impl Fn(u8x16) -> [u8x16; MASKS], mut visit: impl FnMut(usize, [u64; MASKS])) {
    let (mut at, mut rest) = (0, text);
    loop {
        let last;
        let (block, behind) = if let Some((block, behind)) = rest.split_first_chunk::<BLOCK>() {
            (block, Some(behind))
        } else {
            let mut bytes = [0; BLOCK];
            bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            last = bytes;
            (&last, None)
        };
        visit(at, masks(block, &read));
        let Some(behind) = behind else { break };
        at += BLOCK;
        rest = behind;
    }
}

/// So many low bits.
#[inline]
fn ones(count: u32) -> u64 {
    if count < u64::BITS { (1 << count) - 1 } else { u64::MAX }
}

#[inline]
fn masks<const MASKS: usize>(block: &[u8; BLOCK], read: &impl Fn(u8x16) -> [u8x16; MASKS]) -> [u64; MASKS] {
    let mut masks = [0; MASKS];
    let (rows, _) = block.as_chunks::<ROW>();
    for (number, bytes) in rows.iter().enumerate() {
        let of_row = read(u8x16::new(*bytes));
        masks.iter_mut().zip(of_row).for_each(|(mask, all)| *mask |= u64::from(all.to_bitmask()) << (ROW * number));
    }
    masks
}

/// Which bytes are letters of ASCII.
#[inline]
fn are_letters(bytes: u8x16) -> u8x16 {
    within(bytes | u8x16::splat(0x20), b'a', b'z')
}

#[inline]
fn are_digits(bytes: u8x16) -> u8x16 {
    within(bytes, b'0', b'9')
}

/// Which bytes are from `first` to `last`.
#[inline]
fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let place = bytes - u8x16::splat(first);
    place.simd_eq(place.min(u8x16::splat(last - first)))
}

#[inline]
fn equal(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

/// Which bytes are one of these.
#[inline]
fn one_of(bytes: u8x16, all: &[u8]) -> u8x16 {
    all.iter().fold(u8x16::splat(0), |some, byte| some | equal(bytes, *byte))
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
            if let Some(word) = found.last_mut().filter(|word| word.span.end == at) {
                word.span.end = at + 1;
                word.is_plain &= is_plain;
            } else {
                let before = found.last().map_or(0, |word| word.span.end);
                found.push(Word { span: at..at + 1, is_plain, before });
            }
        }
        found
    }

    fn is_unusual(text: &[u8], word: &Word) -> bool {
        let gap = &text[word.before..word.span.start];
        let is_wide = gap.iter().any(|byte| matches!(byte, b'\t'..=b'\r')) || gap.windows(2).any(|two| two == b"  ");
        word.span.len() == 1 || word.span.len() >= LONG || !word.is_plain || is_wide
    }

    /// That all are found that have to be, and what else is found is a word.
    fn is_right(text: &[u8]) -> bool {
        let (all, mut found) = (naive(text), Vec::new());
        unusual(text, |word| found.push(word));
        let must = all.iter().filter(|word| is_unusual(text, word));
        let is_sorted = found.is_sorted_by_key(|word| word.span.start);
        is_sorted && must.clone().all(|word| found.contains(word)) && found.iter().all(|word| all.contains(word))
    }

    #[test]
    fn a_word_may_end_with_a_block_or_with_the_text() {
        for length in [0, 1, 4, 5, 58, 59, 60, 62, 63, 64, 65, 127, 128, 129, 200] {
            for text in [
                "a".repeat(length),
                " ".repeat(length),
                format!("{} b", "a".repeat(length)),
                format!("{} bcd efghi", " ".repeat(length)),
                format!("{}\nbcd", "a".repeat(length)),
                format!("{}é", " ".repeat(length)),
                format!("{}!", "a".repeat(length)),
            ] {
                assert!(is_right(text.as_bytes()), "{text:?}");
            }
        }
    }

    /// Rows of letters and digits, each with whether what stands before it parts.
    fn parted(text: &[u8], hard: &[u8], soft: &[u8]) -> Vec<(Range<usize>, bool)> {
        let mut found = Vec::new();
        let mut end = 0;
        while let Some(start) = text[end..].iter().position(u8::is_ascii_alphanumeric).map(|at| end + at) {
            let gap = &text[end..start];
            let has = |marks: &[u8]| gap.iter().any(|byte| marks.contains(byte));
            let is_parted = has(hard) || (has(soft) && gap.len() > 1);
            end = text[start..].iter().position(|byte| !byte.is_ascii_alphanumeric()).map_or(text.len(), |length| start + length);
            found.push((start..end, is_parted));
        }
        found
    }

    proptest! {
        #[test]
        fn words_are_found_as_by_looking_at_each_byte(
            text in prop::collection::vec(prop_oneof![1 => any::<u8>(), 8 => b'a'..=b'z', 3 => Just(b' '), 1 => Just(b'\n'), 1 => Just(b'.')], 0..300),
        ) {
            prop_assert!(is_right(&text));
            let (mut rows, mut begun) = (Vec::new(), Vec::new());
            alphanumeric(&text, b"\n", b".", |row, is_parted| rows.push((row, is_parted)));
            prop_assert_eq!(&rows, &parted(&text, b"\n", b"."));
            starts(&text, |at, starts| begun.extend((0..BLOCK).filter(|bit| starts >> bit & 1 == 1).map(|bit| at + bit)));
            prop_assert_eq!(begun, rows.iter().map(|(row, _)| row.start).collect::<Vec<_>>());
        }
    }
}

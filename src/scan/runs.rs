//! Where numbers and long runs of base64 begin in a text.

use std::ops::Range;

use super::spans;

/// The least letters of base64 in a row that are an anchor.
pub(super) const BASE64: usize = 20;

/// How many letters in a row are asked about at once.
const PROBE: usize = 8;

/// Calls `visit` with the place of each group of digits, until it refuses, and with whether it begins a number: the further groups of one
/// belong to its first.
pub(super) fn digits<E>(text: &[u8], mut visit: impl FnMut(usize, bool) -> Result<(), E>) -> Result<(), E> {
    let mut all = Ok(());
    spans::digits(text, |at, mut starts| {
        while starts != 0 && all.is_ok() {
            let start = at + starts.trailing_zeros() as usize;
            starts &= starts - 1;
            all = visit(start, !continues(text, start));
        }
    });
    all
}

/// Calls `visit` with the beginning of each run of letters of base64 that is long enough, until it refuses.
pub(super) fn base64<E>(text: &[u8], mut visit: impl FnMut(usize) -> Result<(), E>) -> Result<(), E> {
    let mut at = 0;
    while let Some(run) = next_base64(text, at, BASE64) {
        visit(run.start)?;
        at = run.end;
    }
    Ok(())
}

/// The first run of so many letters of base64, eight at least, from `from` on: what stands before that belongs to none.
pub(super) fn next_base64(text: &[u8], from: usize, least: usize) -> Option<Range<usize>> {
    // So far apart a long run covers one of the probes, so that some of a text is never looked at.
    let step = least + 1 - PROBE;
    let mut at = from;
    loop {
        let (probe, behind) = text.get(at..)?.split_first_chunk::<PROBE>()?;
        if has_blank(u64::from_le_bytes(*probe)) || !probe.iter().all(|byte| is_base64(*byte)) {
            at += step;
            continue;
        }
        let before = text.get(from..at)?.iter().rev().take_while(|byte| is_base64(**byte)).count();
        let end = at + PROBE + behind.iter().position(|byte| !is_base64(*byte)).unwrap_or(behind.len());
        if end - (at - before) >= least {
            return Some(at - before..end);
        }
        at = end + 1;
    }
}

/// Whether a byte of a word is one that most texts are full of and no letter of base64: what stands before `+` in ASCII, as spaces and quotation
/// marks do, or behind all of it.
#[inline]
fn has_blank(word: u64) -> bool {
    (word.wrapping_sub(EACH * u64::from(b'+')) & !word | word) & (EACH * 0x80) != 0
}

#[inline]
pub(super) fn is_base64(byte: u8) -> bool {
    LETTERS.get(usize::from(byte)).copied().unwrap_or_default()
}

#[expect(clippy::indexing_slicing, reason = "built by the compiler, which would stop at a mistake")]
const LETTERS: [bool; 256] = {
    let mut letters = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        letters[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'=' | b'-');
        byte += 1;
    }
    letters
};

/// One in each byte.
const EACH: u64 = u64::MAX / 0xFF;

/// Whether digits are a further group of a number: behind one separator and a digit.
fn continues(text: &[u8], start: usize) -> bool {
    let separator = start.checked_sub(1).and_then(|at| text.get(at));
    let digit = start.checked_sub(2).and_then(|at| text.get(at));
    matches!(separator, Some(b' ' | b'-' | b'.' | b'/')) && digit.is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(find: impl FnOnce(&mut dyn FnMut(usize) -> Result<(), ()>) -> Result<(), ()>) -> Vec<usize> {
        let mut found = Vec::new();
        let read = find(&mut |at| {
            found.push(at);
            Ok(())
        });
        assert!(read.is_ok());
        found
    }

    fn numbers(text: &[u8]) -> Vec<usize> {
        all(|visit| digits(text, |at, begins| if begins { visit(at) } else { Ok(()) }))
    }

    #[test]
    fn of_a_number_each_group_is_visited_and_which_is_the_first_is_said() {
        let mut groups = Vec::new();
        digits::<()>(b"4111 1111-11, 2", |at, begins| {
            groups.push((at, begins));
            Ok(())
        })
        .unwrap();
        assert_eq!(groups, [(0, true), (5, false), (10, false), (14, true)]);
    }

    #[test]
    fn a_number_is_visited_where_it_begins_and_its_groups_are_not() {
        for (text, expected) in [
            ("", vec![]),
            ("1", vec![0]),
            ("a12 b", vec![1]),
            ("4111 1111-1111.1111/1 2", vec![0]),
            ("1  2", vec![0, 3]),
            ("12345678901234567,1", vec![0, 18]),
            ("1a2b3c4d5e6f7a8b9c", vec![0, 2, 4, 6, 8, 10, 12, 14, 16]),
            ("       7", vec![7]),
            ("\u{661}\u{ff11}9", vec![5]),
        ] {
            assert_eq!(numbers(text.as_bytes()), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_found_as_by_looking_at_each_byte(text in "[0-9 .a]{0,60}") {
            let text = text.as_bytes();
            let begins = |at: &usize| text[*at].is_ascii_digit() && (*at == 0 || !text[at - 1].is_ascii_digit()) && !continues(text, *at);
            prop_assert_eq!(numbers(text), (0..text.len()).filter(begins).collect::<Vec<_>>());
        }

        #[test]
        fn runs_of_base64_are_found_as_by_splitting_the_text(lengths in prop::collection::vec(0_usize..45, 0..12), end in 0_usize..45) {
            let mut text: String = lengths.iter().map(|length| "aZ0+/_=-".chars().cycle().take(*length).chain(['.']).collect::<String>()).collect();
            text += &"b".repeat(end);
            let mut expected = Vec::new();
            let mut start = 0;
            for word in text.split('.') {
                expected.extend((word.len() >= BASE64).then_some(start));
                start += word.len() + 1;
            }
            prop_assert_eq!(all(|visit| base64(text.as_bytes(), visit)), expected);
        }
    }
}

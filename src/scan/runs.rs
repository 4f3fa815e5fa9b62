//! Where numbers and long runs of base64 begin in a text.

/// The least letters of base64 in a row that are an anchor.
pub(super) const BASE64: usize = 20;

/// How many letters in a row are asked about at once, and how far apart: a run of [`BASE64`] has one such place in it.
const PROBE: usize = 8;
const STEP: usize = BASE64 + 1 - PROBE;

/// Calls `visit` with the place of each group of digits, until it refuses, and with whether it begins a number: the further groups of one
/// belong to its first.
pub(super) fn digits<E>(text: &[u8], mut visit: impl FnMut(usize, bool) -> Result<(), E>) -> Result<(), E> {
    let (mut at, mut rest) = (0, text);
    // Whether the byte before the word is a digit, as the high bit of the lowest byte.
    let mut before = 0;
    while !rest.is_empty() {
        let bytes = if let Some(bytes) = rest.first_chunk::<8>() {
            *bytes
        } else {
            let mut last = [0; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            last
        };
        let digits = are_digits(u64::from_le_bytes(bytes));
        let mut starts = digits & !(digits << 8 | before);
        before = digits >> 56;
        while starts != 0 {
            let start = at + usize::try_from(starts.trailing_zeros() / 8).unwrap_or_default();
            starts &= starts - 1;
            visit(start, !continues(text, start))?;
        }
        at += 8;
        rest = rest.get(8..).unwrap_or_default();
    }
    Ok(())
}

/// Calls `visit` with the beginning of each run of letters of base64 that is long enough, until it refuses.
pub(super) fn base64<E>(text: &[u8], mut visit: impl FnMut(usize) -> Result<(), E>) -> Result<(), E> {
    let mut at = 0;
    // A long run covers one of the probes, so that a third of a text is never looked at.
    while let Some((probe, behind)) = text.get(at..).and_then(|rest| rest.split_first_chunk::<PROBE>()) {
        // Without a branch, eight are one at the speed of vectors.
        if !probe.iter().fold(true, |all, byte| all & is_base64(*byte)) {
            at += STEP;
            continue;
        }
        let before = text.get(..at).unwrap_or_default();
        let start = before.iter().rposition(|byte| !is_base64(*byte)).map_or(0, |last| last + 1);
        let end = at + PROBE + behind.iter().position(|byte| !is_base64(*byte)).unwrap_or(behind.len());
        if end - start >= BASE64 {
            visit(start)?;
        }
        at = end + 1;
    }
    Ok(())
}

#[inline]
pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'=' | b'-')
}

/// The high bit of each byte that is a digit.
#[inline]
fn are_digits(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xFF;
    // What is left of a digit is below ten, so 118 more do not reach the high bit.
    let low = word ^ (EACH * 0x30);
    !(((low & (EACH * 0x7F)) + EACH * 118) | low) & (EACH * 0x80)
}

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
        fn digits_are_what_the_standard_library_calls_digits(bytes in any::<[u8; 8]>()) {
            let word = are_digits(u64::from_le_bytes(bytes)).to_le_bytes();
            prop_assert_eq!(word.map(|byte| byte == 0x80), bytes.map(|byte| byte.is_ascii_digit()));
        }

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

//! Digit runs and the single separators people write between them.

use std::ops::Range;

/// What stands between two groups of digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gap {
    Space,
    Dash,
}

/// The digits that begin at `start`.
pub(super) fn at(bytes: &[u8], start: usize) -> Range<usize> {
    start..end_of_run(bytes, start)
}

/// Where the digits that begin at `at` end; `at` itself when there are none.
pub(super) fn end_of_run(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
}

/// The separator that begins at `at`, and its length in bytes.
pub(super) fn gap_at(bytes: &[u8], at: usize) -> Option<(Gap, usize)> {
    gap_of(bytes.get(at..)?.first_chunk::<3>(), bytes.get(at..)?.first_chunk::<2>(), bytes.get(at).copied())
}

/// The separator that ends at `at`, and its length in bytes.
pub(super) fn gap_before(bytes: &[u8], at: usize) -> Option<(Gap, usize)> {
    let head = bytes.get(..at)?;
    gap_of(head.last_chunk::<3>(), head.last_chunk::<2>(), head.last().copied())
}

fn gap_of(three: Option<&[u8; 3]>, two: Option<&[u8; 2]>, one: Option<u8>) -> Option<(Gap, usize)> {
    match one {
        Some(b' ') => return Some((Gap::Space, 1)),
        Some(b'-') => return Some((Gap::Dash, 1)),
        Some(byte) if byte.is_ascii() => return None,
        Some(_) => {}
        None => return None,
    }
    match (two, three) {
        // No-break space.
        (Some([0xC2, 0xA0]), _) => Some((Gap::Space, 2)),
        // Figure space and narrow no-break space.
        (_, Some([0xE2, 0x80, 0x87 | 0xAF])) => Some((Gap::Space, 3)),
        // Hyphen to horizontal bar, and the minus sign.
        (_, Some([0xE2, 0x80, 0x90..=0x95] | [0xE2, 0x88, 0x92])) => Some((Gap::Dash, 3)),
        _ => None,
    }
}

pub(super) fn is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

pub(super) fn is_alphanumeric(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

/// The kind of separator before `at` when it hangs on yet another digit.
pub(super) fn chained_before(bytes: &[u8], at: usize) -> Option<Gap> {
    let (gap, length) = gap_before(bytes, at)?;
    (at.checked_sub(length + 1).is_some_and(|before| is_digit(bytes, before))).then_some(gap)
}

/// The kind of separator at `at` when yet another digit follows it.
pub(super) fn chained_after(bytes: &[u8], at: usize) -> Option<Gap> {
    let (gap, length) = gap_at(bytes, at)?;
    is_digit(bytes, at + length).then_some(gap)
}

/// Whether a number may begin at `at`: not inside a word, and not the fraction of a decimal number.
pub(super) fn starts_cleanly(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return true };
    let fraction = bytes.get(before) == Some(&b'.') && before.checked_sub(1).is_some_and(|digit| is_digit(bytes, digit));
    !is_alphanumeric(bytes, before) && !fraction
}

/// Whether a number may end at `at`: not inside a word, and not the integer part of a decimal number.
pub(super) fn ends_cleanly(bytes: &[u8], at: usize) -> bool {
    let fraction = bytes.get(at) == Some(&b'.') && is_digit(bytes, at + 1);
    !is_alphanumeric(bytes, at) && !fraction
}

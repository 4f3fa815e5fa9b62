//! The letters and digits of a value, without what people write between them.
//!
//! A detector's pattern says where separators may stand; here only what no number has is refused: a separator that is not one of
//! the number's own, two in a row, one at either end. A value of one repeated character is refused too: several sums pass on it,
//! and it is always a placeholder.

/// Up to `MAX` capital letters and digits.
pub(super) struct Text<const MAX: usize> {
    bytes: [u8; MAX],
    length: usize,
}

impl<const MAX: usize> Text<MAX> {
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Letters, as capitals, and digits of `value`, with single bytes of `between` allowed between them.
pub(super) fn text<const MAX: usize>(value: &[u8], between: &[u8]) -> Option<Text<MAX>> {
    let mut text = Text { bytes: [0; MAX], length: 0 };
    let mut rest = value;
    let mut after_letter = false;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte.is_ascii_alphanumeric() {
            *text.bytes.get_mut(text.length)? = byte.to_ascii_uppercase();
            text.length += 1;
            (after_letter, rest) = (true, tail);
        } else {
            let (gap, tail) = gap(rest)?;
            if !after_letter || !between.contains(&gap) {
                return None;
            }
            (after_letter, rest) = (false, tail);
        }
    }
    (after_letter && !is_repeated(text.bytes())).then_some(text)
}

/// Exactly `N` capital letters and digits.
pub(super) fn code<const N: usize>(value: &[u8], between: &[u8]) -> Option<[u8; N]> {
    let text: Text<N> = text(value, between)?;
    (text.length == N).then_some(text.bytes)
}

/// Up to `MAX` digits, as their values.
pub(super) fn numerals<const MAX: usize>(value: &[u8], between: &[u8]) -> Option<Text<MAX>> {
    let text: Text<MAX> = text(value, between)?;
    let all = text.bytes().iter().all(u8::is_ascii_digit);
    all.then(|| Text { bytes: text.bytes.map(|digit| digit.wrapping_sub(b'0')), length: text.length })
}

/// Exactly `N` digits, as their values.
pub(super) fn digits<const N: usize>(value: &[u8], between: &[u8]) -> Option<[u8; N]> {
    values(&code::<N>(value, between)?)
}

/// The values of ASCII digits, when there are exactly `N` and nothing else.
pub(super) fn values<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let text: &[u8; N] = text.try_into().ok()?;
    text.iter().all(u8::is_ascii_digit).then(|| text.map(|digit| digit - b'0'))
}

/// The number that decimal digits write.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(*digit))
}

/// 0 to 9 for a digit, 10 to 35 for a letter: the values of ISO 7064, ISO 13616 and ICAO 9303.
pub(super) fn base36(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(36)
}

/// Whether one kind of separator stands wherever one stands.
pub(super) fn is_evenly_separated(value: &[u8]) -> bool {
    let mut first = None;
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte.is_ascii_alphanumeric() {
            continue;
        }
        let Some((gap, tail)) = gap_with(byte, tail) else { return false };
        rest = tail;
        if *first.get_or_insert(gap) != gap {
            return false;
        }
    }
    true
}

fn gap(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, tail) = rest.split_first()?;
    gap_with(first, tail)
}

/// The separator that `first` begins, as the ASCII byte it stands for, and what follows it.
fn gap_with(first: u8, tail: &[u8]) -> Option<(u8, &[u8])> {
    match (first, tail) {
        // No-break space; figure space and narrow no-break space.
        (0xC2, [0xA0, tail @ ..]) | (0xE2, [0x80, 0x87 | 0xAF, tail @ ..]) => Some((b' ', tail)),
        // Hyphen to horizontal bar, and the minus sign.
        (0xE2, [0x80, 0x90..=0x95, tail @ ..] | [0x88, 0x92, tail @ ..]) => Some((b'-', tail)),
        (0..=0x7F, tail) => Some((first, tail)),
        (0x80..=0xFF, _) => None,
    }
}

fn is_repeated(text: &[u8]) -> bool {
    matches!(text, [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|byte| byte == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_stand_alone_and_inside() {
        assert_eq!(digits::<4>(b"12-34", b"-"), Some([1, 2, 3, 4]));
        assert_eq!(digits::<4>(b"1-2-3-4", b"-"), Some([1, 2, 3, 4]));
        assert_eq!(digits::<4>("12\u{a0}3\u{2011}4".as_bytes(), b" -"), Some([1, 2, 3, 4]));
        assert_eq!(code::<3>(b"a1b", b""), Some(*b"A1B"));
        for odd in ["-1234", "1234-", "12--34", "12.34", "123", "12345", "12 34", "12\u{661}34", "", "-", "12a4", "1111"] {
            assert_eq!(digits::<4>(odd.as_bytes(), b"-"), None, "{odd}");
        }
    }

    #[test]
    fn one_kind_of_separator_is_told_from_two() {
        assert!(is_evenly_separated(b"123-45-6789") && is_evenly_separated(b"123456789") && is_evenly_separated(b""));
        assert!(is_evenly_separated("1\u{2011}2-3".as_bytes()));
        assert!(!is_evenly_separated(b"123-45 6789") && !is_evenly_separated(b"1\xff2"));
    }

    #[test]
    fn numbers_and_letters_have_their_values() {
        assert_eq!(number(&[0, 4, 2]), 42);
        assert_eq!((base36(b'0'), base36(b'A'), base36(b'Z'), base36(b'<')), (Some(0), Some(10), Some(35), None));
    }
}

//! United Kingdom and Ireland.

use super::super::read::{Text, code, digits, text, values};
use super::super::sums::weighted;

/// British national insurance number. HMRC, NIM39110: prefixes that are not used, six digits, a suffix A to D. No check digit.
pub(in super::super) fn gb_nino(value: &[u8]) -> bool {
    const UNUSED: &[[u8; 2]] = &[*b"BG", *b"GB", *b"KN", *b"NK", *b"NT", *b"TN", *b"ZZ"];
    let Some([first, second, digits @ .., suffix]) = code::<9>(value, b" -") else { return false };
    let letters = first.is_ascii_uppercase() && second.is_ascii_uppercase() && matches!(suffix, b'A'..=b'D');
    let barred = b"DFIQUV".contains(&first) || b"DFIQUVO".contains(&second) || UNUSED.contains(&[first, second]);
    letters && !barred && values::<6>(&digits).is_some()
}

/// British NHS number. NHS Data Dictionary, "NHS NUMBER": weights 10 to 2, modulo 11; also Scotland's CHI and Northern Ireland's
/// H&C number.
pub(in super::super) fn gb_nhs(value: &[u8]) -> bool {
    let sum = |digits: [u8; 10]| weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    digits(value, b" -").is_some_and(|digits| sum(digits).is_multiple_of(11))
}

/// Irish personal public service number. Department of Social Protection, "PPS number": seven digits, a letter modulo 23, since
/// 2013 a second letter that is part of the sum; before, `W`, `T` or `X` marked a spouse and were not.
pub(in super::super) fn ie_pps(value: &[u8]) -> bool {
    let Some((digits, letter, second)) = pps(value) else { return false };
    let extra = match second {
        Some(letter @ b'A'..=b'I') => u32::from(letter - b'A' + 1) * 9,
        Some(b'W' | b'T' | b'X') | None => 0,
        Some(_) => return false,
    };
    let sum = weighted(&digits, &[8, 7, 6, 5, 4, 3, 2]) + extra;
    b"WABCDEFGHIJKLMNOPQRSTUV".get((sum % 23) as usize) == Some(&letter)
}

fn pps(value: &[u8]) -> Option<([u8; 7], u8, Option<u8>)> {
    let text: Text<9> = text(value, b"")?;
    let (digits, letters) = text.bytes().split_at_checked(7)?;
    let (letter, second) = letters.split_first()?;
    Some((values(digits)?, *letter, second.first().copied()))
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, has_one_last_letter, refuses};
    use super::*;

    #[test]
    fn insurance_numbers_have_a_prefix_in_use() {
        accepts(gb_nino, &["AB123456C", "AB 12 34 56 C", "ab123456d", "ZY123456A", "JG103759A"]);
        refuses(
            gb_nino,
            &[
                "QQ123456C",
                "DA123456A",
                "AO123456A",
                "AD123456A",
                "BG123456A",
                "GB123456A",
                "NT123456A",
                "ZZ123456A",
                "AB123456E",
                "AB123456",
                "A1123456C",
                "AB12345C",
                "AB  123456C",
                "AB1234567",
                "AAAAAAAAA",
            ],
        );
    }

    #[test]
    fn health_numbers_are_multiples_of_eleven() {
        // The NHS's own example.
        accepts(gb_nhs, &["943 476 5919", "9434765919", "943-476-5919", "9876543210"]);
        catches_every_wrong_digit(gb_nhs, "9434765919");
        refuses(gb_nhs, &["0000000000", "943 476 591", "943.476.5919", "94347659190"]);
    }

    #[test]
    fn irish_numbers_end_in_a_letter_or_two() {
        accepts(ie_pps, &["1234567T", "1234567FA", "6433435F", "1234567tw", "6433435OA"]);
        catches_every_wrong_digit(ie_pps, "1234567T");
        catches_every_wrong_digit(ie_pps, "1234567FA");
        has_one_last_letter(ie_pps, "1234567T");
        refuses(ie_pps, &["12345678", "1234567", "1234567FZ", "1234567FAA", "A234567T", "12345671", "0000000000"]);
    }
}

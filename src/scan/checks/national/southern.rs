//! Australia and South Africa.

use super::super::date::{is_short_date, pairs};
use super::super::read::digits;
use super::super::sums::{luhn, weighted};

/// Australian tax file number. Income Tax Assessment Act 1936, 202; ATO, "TFN validation algorithm": a multiple of eleven.
pub(in super::super) fn au_tfn(value: &[u8]) -> bool {
    let sum = |digits: [u8; 9]| weighted(&digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]);
    digits(value, b" -").is_some_and(|digits| sum(digits).is_multiple_of(11))
}

/// Australian Medicare card number. AIHW, metadata item 270101: eight digits from 2 to 6 on, a check digit, the issue of the
/// card, and perhaps which person on the card.
pub(in super::super) fn au_medicare(value: &[u8]) -> bool {
    let card = digits::<11>(value, b" -/").and_then(|digits| digits.first_chunk::<10>().copied());
    card.or_else(|| digits::<10>(value, b" -")).is_some_and(|digits| {
        let [first, .., check, issue] = digits;
        let sum = weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9]);
        matches!(first, 2..=6) && issue != 0 && sum % 10 == u32::from(check)
    })
}

/// South African identity number. Identification Act 68 of 1997: date, serial, citizenship 0 to 2, a digit, Luhn.
pub(in super::super) fn za_id(value: &[u8]) -> bool {
    digits::<13>(value, b" ").is_some_and(|digits| {
        let [.., citizenship, _, _] = digits;
        let dated = pairs(&digits).is_some_and(|[year, month, day]| is_short_date(year, month, day));
        dated && citizenship <= 2 && luhn(&digits)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, catches_wrong_digits, refuses};
    use super::*;

    #[test]
    fn tax_file_numbers_are_multiples_of_eleven() {
        // The ATO's specimen.
        accepts(au_tfn, &["123 456 782", "123456782", "123-456-782"]);
        catches_every_wrong_digit(au_tfn, "123456782");
        refuses(au_tfn, &["000000000", "12345678", "1234567822", "123.456.782"]);
    }

    #[test]
    fn medicare_cards_have_a_digit_before_their_issue() {
        accepts(au_medicare, &["2123 45670 1", "2123456701", "21234567011", "2123 45670 1/2"]);
        catches_wrong_digits(au_medicare, "2123456701", &[9]);
        refuses(au_medicare, &["2123456700", "1123456791", "7123456751", "0000000000", "212345670"]);
    }

    #[test]
    fn south_african_numbers_have_a_date_and_luhns_digit() {
        accepts(za_id, &["8001015009087", "800101 5009 087"]);
        catches_every_wrong_digit(za_id, "8001015009087");
        refuses(za_id, &["8013015009083", "8001325009082", "0000000000000", "800101500908"]);
    }
}

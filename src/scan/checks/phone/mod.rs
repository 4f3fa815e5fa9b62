//! Telephone numbers: international ones by the plan of their country, national ones where the form is telling enough.
//!
//! Ranges that regulators keep for fiction (`555 0100`, `020 7946 0xxx`, `01 99 00 xx xx`) pass: they are written where numbers
//! are.

mod plans;

use super::read::{Text, numerals};

/// `+` or `00`, a country code, and a number of the length and with a first digit that the country has.
pub(super) fn phone_e164(value: &[u8]) -> bool {
    let international = value.strip_prefix(b"+").or_else(|| value.strip_prefix(b"00"));
    let digits = international.and_then(|rest| digits(rest, true));
    digits.is_some_and(|digits| is_planned(digits.bytes()).unwrap_or(false))
}

fn is_planned(digits: &[u8]) -> Option<bool> {
    let length = match *digits.first_chunk::<2>()? {
        [1 | 7, _] => 1,
        [tens, ones] if plans::TWO_DIGITS.contains(&(u16::from(tens) * 10 + u16::from(ones))) => 2,
        _ => 3,
    };
    let (code, number) = digits.split_at_checked(length)?;
    let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(*digit));
    // Many write the 0 that only callers inside the country dial.
    let domestic = number.strip_prefix(&[0]).is_some_and(|number| is_subscriber(code, number));
    Some(domestic || is_subscriber(code, number))
}

fn is_subscriber(code: u16, number: &[u8]) -> bool {
    let first = number.first().copied().unwrap_or(0) + b'0';
    let length = number.len();
    let planned = plans::DETAILED.iter().any(|(known, firsts, fewest, most)| {
        *known == code && firsts.as_bytes().contains(&first) && (*fewest..=*most).contains(&length)
    });
    let other = || plans::OTHERS.iter().any(|(fewest, most, codes)| (*fewest..=*most).contains(&length) && codes.contains(&code));
    if code == 1 { is_nanp(number) } else { planned || other() }
}

/// The digits of a number as people write it: separators, and one pair of parentheses. `(0)` is not dialled from abroad.
fn digits(value: &[u8], from_abroad: bool) -> Option<Text<15>> {
    const BETWEEN: &[u8] = b" -./";
    let Some(open) = value.iter().position(|byte| *byte == b'(') else { return numerals(value, BETWEEN) };
    let (head, tail) = value.split_at_checked(open)?;
    let close = tail.iter().position(|byte| *byte == b')')?;
    let (inside, rest) = (tail.get(1..close)?, tail.get(close + 1..)?);
    let not_dialled = from_abroad && inside == b"0";
    let rest = if not_dialled && head.ends_with(b" ") { rest.strip_prefix(b" ").unwrap_or(rest) } else { rest };
    numerals(&[head, if not_dialled { b"" } else { inside }, rest].concat(), BETWEEN)
}

/// United States, Canada and their neighbours: NANPA, ATIS-0300055 (areas) and ATIS-0300051 (exchanges): area and exchange begin
/// with 2 to 9 and do not end in 11, no area has 9 in the middle or is 37x or 96x.
pub(super) fn phone_nanp(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"+").unwrap_or(value);
    digits(value, false).is_some_and(|digits| match digits.bytes() {
        [1, number @ ..] if number.len() == 10 => is_nanp(number),
        number => number.len() == 10 && is_nanp(number),
    })
}

fn is_nanp(number: &[u8]) -> bool {
    let [area @ 2..=9, middle, end, 2..=9, rest @ ..] = number else { return false };
    let service = (*middle, *end) == (1, 1) || rest.starts_with(&[1, 1]);
    let reserved = *middle == 9 || matches!((area, middle), (3, 7) | (9, 6));
    !service && !reserved && rest.len() == 6
}

/// United Kingdom, from inside: Ofcom, "National Telephone Numbering Plan": ten digits behind the 0, nine in some areas.
pub(super) fn phone_gb(value: &[u8]) -> bool {
    digits(value, false).is_some_and(|digits| match digits.bytes() {
        [0, 1, rest @ ..] => matches!(rest.len(), 8 | 9),
        [0, 7, 1..=9, rest @ ..] => rest.len() == 8,
        [0, 2 | 3 | 8, rest @ ..] => rest.len() == 9,
        _ => false,
    })
}

/// Germany, from inside: Bundesnetzagentur, "Nummernplan Rufnummern": mobile 15, 16 and 17, areas from 2 on; up to eleven digits
/// behind the 0.
pub(super) fn phone_de(value: &[u8]) -> bool {
    digits(value, false).is_some_and(|digits| match digits.bytes() {
        [0, 1, 5..=7, rest @ ..] => matches!(rest.len(), 8 | 9),
        [0, 2..=9, rest @ ..] => (6..=10).contains(&rest.len()),
        _ => false,
    })
}

/// France, from inside: ARCEP, décision 2018-0881: nine digits behind the 0. Five pairs that go up by equal steps are a list.
pub(super) fn phone_fr(value: &[u8]) -> bool {
    digits(value, false).is_some_and(|digits| match digits.bytes() {
        [0, 1..=9, rest @ ..] => rest.len() == 8 && !is_count(digits.bytes()),
        _ => false,
    })
}

fn is_count(digits: &[u8]) -> bool {
    let mut pairs = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |number, digit| number * 10 + i32::from(*digit)));
    let mut last = pairs.next().unwrap_or(0);
    let mut step = None;
    pairs.all(|pair| {
        let next = pair - last;
        last = pair;
        *step.get_or_insert(next) == next
    })
}

#[cfg(test)]
mod tests {
    use super::super::proof::{accepts, refuses};
    use super::*;

    /// Numbers that regulators keep for fiction, and switchboards of the ITU and of regulators.
    #[test]
    fn international_numbers_fit_the_plan_of_their_country() {
        accepts(
            phone_e164,
            &[
                "+12025550123",
                "+1 202-555-0123",
                "+1 (202) 555-0123",
                "+1.202.555.0123",
                "+44 20 7946 0958",
                "+442079460958",
                "+44 (0)20 7946 0958",
                "+44 (0) 20 7946 0958",
                "+44 7700 900123",
                "+49 30 23125 123",
                "+49 171 3920012",
                "+33 1 99 00 12 34",
                "+33199001234",
                "+41 22 730 5111",
                "+61 491 570 156",
                "+353 20 915 1234",
                "+46 8 465 004 12",
                "+39 06 69812345",
                "0041 22 730 5111",
                "+55 11 91234-5678",
                "+81 3-1234-5678",
                "+86 138 0013 8000",
                "+91 98765 43210",
                "+352 28 228 228",
                "+372 667 2000",
            ],
        );
    }

    #[test]
    fn numbers_that_no_country_has_do_not() {
        refuses(
            phone_e164,
            &[
                "+1 102 555 0123",
                "+1 202 155 0123",
                "+1 202 911 0123",
                "+1 211 555 0123",
                "+1 296 555 0123",
                "+1 202 555 012",
                "+1 202 555 01234",
                "+44 20 7946 095",
                "+44 00 7946 0958",
                "+45 1234 5678",
                "+65 1234 5678",
                "+999 12345678",
                "+210 12345678",
                "+0 123456789",
                "+",
                "",
                "+1",
                "2025550123",
                "+12025550123 2024",
                "++12025550123",
                "+1 (202 5550123",
                "+1 202) 5550123",
                "+1  202 555 0123",
                "+00000000000",
                "+1_202_555_0123",
                "+1500000",
                "+10000000000",
            ],
        );
    }

    #[test]
    fn north_american_numbers_have_an_area_and_an_exchange() {
        accepts(
            phone_nanp,
            &[
                "(202) 555-0123",
                "202-555-0123",
                "202.555.0123",
                "202 555 0123",
                "2025550123",
                "1-202-555-0123",
                "+1 202 555 0123",
            ],
        );
        refuses(
            phone_nanp,
            &[
                "123-456-7890",
                "202-055-0123",
                "211-555-0123",
                "202-511-0123",
                "292-555-0123",
                "370-555-0123",
                "960-555-0123",
                "202-555-012",
                "0202-555-0123",
                "2-202-555-0123",
                "(202)) 555-0123",
                "222-222-2222",
                "0000000000",
            ],
        );
    }

    #[test]
    fn national_numbers_begin_with_a_zero() {
        accepts(phone_gb, &["020 7946 0958", "07700 900123", "0117 496 0123", "(020) 7946 0958", "01632 960123", "016977 1234"]);
        refuses(phone_gb, &["20 7946 0958", "020 7946 095", "07000 900123", "09012 345678", "020 7946 09589", "00000000000"]);
        accepts(phone_de, &["030 23125 123", "(030) 23125-123", "0171 3920012", "0171/3920012", "0221/4710123", "03375 123456"]);
        refuses(phone_de, &["30 23125123", "0100 123456", "0180", "030 1234", "030 2312512345678", "0000000000"]);
        accepts(phone_fr, &["01 99 00 12 34", "01.99.00.12.34", "0199001234", "06-39-98-12-34"]);
        refuses(
            phone_fr,
            &["01 02 03 04 05", "02 04 06 08 10", "1 99 00 12 34", "01 99 00 12 3", "00 99 00 12 34", "0000000000"],
        );
    }

    /// Codes stand once, either with details or without, and are read whole.
    #[test]
    fn plans_do_not_contradict_each_other() {
        let detailed: std::collections::BTreeSet<u16> = plans::DETAILED.iter().map(|(code, ..)| *code).collect();
        let mut others: Vec<u16> = plans::OTHERS.iter().flat_map(|(.., codes)| codes.iter().copied()).collect();
        let count = others.len();
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), count);
        let two: Vec<u16> = detailed.iter().copied().filter(|code| (10..100).contains(code)).collect();
        assert_eq!(two, plans::TWO_DIGITS);
        let all: Vec<String> = detailed.iter().chain(&others).map(u16::to_string).collect();
        for code in &all {
            assert!(all.iter().filter(|other| code.starts_with(other.as_str())).count() == 1, "{code}");
        }
    }
}

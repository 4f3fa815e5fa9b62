//! What settles doubt about a match: its neighbours, and what every detector spares.

use std::ops::Range;

use super::detector::Edges;
use crate::checksum::{base62, crc32};

/// Parts of values that are written where a secret would stand.
const PLACEHOLDERS: [&[u8]; 11] =
    [b"example", b"placeholder", b"your-", b"your_", b"****", b"redacted", b"changeme", b"<", b"${", b"{{", b"...."];

/// The same, of which chance makes a part of a value in another case.
const IN_THIS_CASE: [&[u8]; 2] = [b"xxxx", b"XXXX"];

/// Parts of what is written where the letters of a value would stand.
const BLANKS: [&[u8]; 10] = [b"xxxx", b"XXXX", b"****", b"....", b"<", b"${", b"{{", b"your-", b"your_", b"0000000000"];

/// What is said of a value that was taken out: that it was a secret, one of a policy's own, or its kind.
const STAND_INS: &[&[u8]] = &[
    b"secret",
    b"redacted",
    b"card",
    b"crypto_address",
    b"date_of_birth",
    b"device_id",
    b"email",
    b"health_id",
    b"iban",
    b"ip_address",
    b"mac_address",
    b"national_id",
    b"phone",
    b"tax_id",
    b"travel_document",
    b"us_ssn",
];

/// How many letters in a row, each the next of the one before, are somebody's hand on a keyboard.
const IN_ORDER: usize = 9;

/// Whether nothing touches `start..end` that belongs to a longer word.
pub(super) fn stands_alone(text: &[u8], start: usize, end: usize, edges: Edges) -> bool {
    !touches(text, start.checked_sub(1), edges) && !touches(text, Some(end), edges)
}

/// Whether what stands at `at`, beside a match, belongs to a longer word.
pub(super) fn touches(text: &[u8], at: Option<usize>, edges: Edges) -> bool {
    at.and_then(|at| text.get(at)).is_some_and(|byte| edges.holds(*byte))
}

/// Whether a value was taken out, and this is what the gateway left of it: `[card]`, `[card *1234]`, `[card #...]`.
pub(super) fn is_stand_in(value: &[u8]) -> bool {
    memchr::memchr_iter(b'[', value).any(|at| {
        let rest = value.get(at + 1..).unwrap_or_default();
        let after = STAND_INS.iter().find_map(|name| rest.strip_prefix(*name));
        // A pattern may end its value at the space.
        matches!(after, Some([] | [b']', ..] | [b' ', b'*' | b'#', ..]))
    })
}

/// Whether what stands behind a prefix is only there to show where a value would: such a value is told by its prefix, so nothing else speaks
/// against it.
pub(super) fn is_blank(value: &[u8]) -> bool {
    BLANKS.iter().any(|part| value.windows(part.len()).any(|window| window == *part))
}

/// Whether a value is written where one would stand: of one letter, letters in their order, or a word that says so.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let contains = |part: &&[u8]| value.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    let is_written = |part: &&[u8]| value.windows(part.len()).any(|window| window == *part);
    is_of_one_letter(value) || PLACEHOLDERS.iter().any(contains) || IN_THIS_CASE.iter().any(is_written) || is_in_order(value)
}

pub(super) fn is_of_one_letter(value: &[u8]) -> bool {
    let mut letters = value.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let first = letters.next();
    letters.all(|letter| Some(letter) == first)
}

/// Whether a part of a text is a word of it: `sin` is none of `using`, and `heroku` one of `HEROKU_KEY` and of `myHerokuKey`.
pub(super) fn is_word(text: &[u8], part: Range<usize>) -> bool {
    let at = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().unwrap_or(b' ');
    let (before, first) = (at(part.start.checked_sub(1)), at(Some(part.start)));
    let (last, after) = (at(part.end.checked_sub(1)), at(Some(part.end)));
    let goes_on = |one: u8, two: u8| {
        (one.is_ascii_lowercase() && two.is_ascii_lowercase()) || (one.is_ascii_uppercase() && two.is_ascii_uppercase())
    };
    let is_inside = goes_on(before, first) || (before.is_ascii_uppercase() && first.is_ascii_lowercase());
    !is_inside && !goes_on(last, after)
}

fn is_in_order(value: &[u8]) -> bool {
    let mut run = 1;
    value.windows(2).any(|pair| {
        let next = matches!(pair, [one, two] if one.checked_add(1) == Some(*two) && two.is_ascii_alphanumeric());
        run = if next { run + 1 } else { 1 };
        run >= IN_ORDER
    })
}

/// Thirty letters behind a prefix, and their CRC-32 with it in six of base 62: GitHub Engineering, "Behind GitHub's new authentication token
/// formats" (2021), as npm's tokens do.
pub(super) fn github_crc32(value: &[u8]) -> bool {
    let body = value.iter().rposition(|byte| *byte == b'_').and_then(|at| value.get(at + 1..)).unwrap_or(value);
    let Some((letters, sum)) = body.split_at_checked(30) else { return false };
    sum == base62(crc32(letters))
}

/// An id of 12, a secret of 32, and the CRC-32 of all before it: `yett keys create`.
pub(super) fn yett_crc32(value: &[u8]) -> bool {
    value.len().checked_sub(6).and_then(|at| value.split_at_checked(at)).is_some_and(|(body, sum)| sum == base62(crc32(body)))
}

#[cfg(test)]
mod tests {
    use super::super::Catalogue;
    use super::*;

    #[test]
    fn what_people_write_in_the_place_of_a_secret_is_none() {
        for value in
            ["aaaaaaaaaa", "0000-0000", "abcdefghij0", "x1234567890", "AKIAIOSFODNN7EXAMPLE", "ghp_xxxx0", "${TOKEN}", ""]
        {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        for value in ["9f86d081884c7d65", "AKIAQ3EGRAN2PL5KZT7M", "a1b2c3d4"] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_the_gateway_left_of_a_value_is_none() {
        for value in ["[secret]", "x[us_ssn *1234]", "[redacted #abcdefghijklmnop]", "'[iban]'"] {
            assert!(is_stand_in(value.as_bytes()), "{value}");
        }
        for value in ["[]", "[Secret]", "[a]", "a[0]b1c2", "pa[ss]word12", "[secretly", "secret]", ""] {
            assert!(!is_stand_in(value.as_bytes()), "{value}");
        }
        let pii = Catalogue::built_in().unwrap().named("pii").unwrap();
        for kind in pii.map(|row| row.detector().kind) {
            assert!(is_stand_in(format!("[{kind}]").as_bytes()), "{kind}");
        }
    }

    #[test]
    fn a_word_is_no_part_of_another() {
        for (text, part, word) in [
            ("using", "sin", false),
            ("company", "pan", false),
            ("SIN: 1", "SIN", true),
            ("my_sin=1", "sin", true),
            ("HEROKU_API_KEY", "HEROKU", true),
            ("myHerokuKey", "Heroku", true),
            ("BSN123", "BSN", true),
            ("ISIN", "SIN", false),
            ("Sinus", "Sin", false),
        ] {
            let start = text.find(part).unwrap();
            assert_eq!(is_word(text.as_bytes(), start..start + part.len()), word, "{text}");
        }
    }

    #[test]
    fn neighbours_that_belong_to_a_longer_word_are_seen_on_both_sides() {
        for (text, token, word, digit) in [
            ("(secret)", true, true, true),
            ("-secret ", false, true, true),
            (" secretx", false, false, true),
            ("1secret", false, false, false),
        ] {
            let start = text.find("secret").unwrap();
            let alone = |edges| stands_alone(text.as_bytes(), start, start + 6, edges);
            assert_eq!(
                (alone(Edges::Token), alone(Edges::Word), alone(Edges::Digit), alone(Edges::None)),
                (token, word, digit, true),
                "{text}"
            );
        }
    }
}

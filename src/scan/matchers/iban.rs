//! International bank account numbers: ISO 13616-1, check digits by ISO 7064 MOD 97-10, lengths of the SWIFT IBAN Registry.
//!
//! Written without a break or in groups of four, all capitals or none. Misses: other groupings, hyphens, countries
//! that joined the registry later than the table. The bank's own check digits inside are not looked at.

use std::ops::Range;

use super::runs::{self, Gap};

/// Fifteen characters with separators of up to three bytes.
pub(super) const OUTLINE: &str = r"[A-Za-z]{2}[0-9]{2}[0-9A-Za-z \x80-\xFF]{11}";

/// Length of the whole number, and the countries that use it.
const LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// The account number whose check digits begin at `start`.
pub(super) fn at(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let run = runs::at(bytes, start);
    let start = run.start.checked_sub(2)?;
    let country: &[u8; 2] = bytes.get(start..run.start)?.first_chunk()?;
    if run.len() < 2 || !country.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    if start.checked_sub(1).is_some_and(|before| runs::is_alphanumeric(bytes, before)) {
        return None;
    }
    let length = length(*country)?;
    let capitals = country.iter().all(u8::is_ascii_uppercase);
    if !capitals && !country.iter().all(u8::is_ascii_lowercase) {
        return None;
    }
    let end = read(bytes, start, length, capitals)?;
    (!runs::is_alphanumeric(bytes, end)).then_some(start..end)
}

fn length(country: [u8; 2]) -> Option<usize> {
    let place = place(country[0].to_ascii_uppercase(), country[1].to_ascii_uppercase());
    COUNTRIES.get(place).copied().filter(|length| *length > 0).map(usize::from)
}

/// The same by the letters of a country: digits behind two letters stand everywhere, and each asks.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "built by the compiler, which would stop at a mistake"
)]
const COUNTRIES: [u8; 26 * 26] = {
    let mut countries = [0; 26 * 26];
    let mut at = 0;
    while at < LENGTHS.len() {
        let (length, codes) = LENGTHS[at];
        let codes = codes.as_bytes();
        let mut code = 0;
        while code < codes.len() {
            countries[place(codes[code], codes[code + 1])] = length as u8;
            code += 3;
        }
        at += 1;
    }
    countries
};

/// Where a country stands in the table; two capital letters.
const fn place(first: u8, second: u8) -> usize {
    (first.wrapping_sub(b'A') as usize) * 26 + second.wrapping_sub(b'A') as usize
}

/// Reads `length` characters, checks them as they come, and answers where they end.
fn read(bytes: &[u8], start: usize, length: usize, capitals: bool) -> Option<usize> {
    let mut at = start;
    let mut head = 0;
    let mut rest = 0;
    for place in 0..length {
        if place > 0
            && place % 4 == 0
            && let Some((Gap::Space, gap)) = runs::gap_at(bytes, at)
        {
            at += gap;
        }
        let byte = *bytes.get(at)?;
        let fits = byte.is_ascii_digit() || if capitals { byte.is_ascii_uppercase() } else { byte.is_ascii_lowercase() };
        if !fits {
            return None;
        }
        // The first four characters are checked after all others.
        let remainder = if place < 4 { &mut head } else { &mut rest };
        *remainder = fold(*remainder, byte);
        at += 1;
    }
    // Two letters are two digits each and the check digits one each: six places.
    ((rest * 1_000_000 + head) % 97 == 1).then_some(at)
}

/// The check digits of an account of that country; both in capitals.
pub(crate) fn check_digits(country: &[u8], account: &[u8]) -> u32 {
    98 - account.iter().chain(country).chain(b"00").fold(0, |remainder, byte| fold(remainder, *byte))
}

fn fold(remainder: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.to_ascii_uppercase() - b'A') + 10) % 97,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn registry_examples_are_seen() {
        for number in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "de89370400440532013000",
            "GB29NWBK60161331926819",
            "GB29 NWBK 6016 1331 9268 19",
            "FR1420041010050500013M02606",
            "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S",
            "CH9300762011623852957",
            "NL91ABNA0417164300",
            "SA0380000000608010167519",
        ] {
            assert_eq!(found("iban", number), [number], "{number}");
            let inside = format!("IBAN {number} and BIC");
            assert_eq!(found("iban", &inside), [number], "{inside}");
        }
    }

    #[test]
    fn look_alikes_stay_clean() {
        for text in [
            "DE89370400440532013001",  // check digits
            "DE8937040044053201300",   // too short
            "DE893704004405320130000", // too long
            "XX89370400440532013000",  // no such country
            "ADE89370400440532013000", // inside a word
            "De89370400440532013000",  // mixed case
            "DE89 370400440532013000 1x 33 4",
            "GB29nwbk60161331926819",
        ] {
            let hits = found("iban", text);
            assert!(hits.is_empty() || text.contains("DE89 3704004"), "{text}: {hits:?}");
        }
    }
}

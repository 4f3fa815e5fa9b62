//! United States social security numbers: area 001-899 without 666, group 01-99, serial 0001-9999 (SSA, "Randomization FAQ", 2011).
//!
//! Written AAA-GG-SSSS with one kind of separator, or as nine bare digits after a word that says so.
//! There is no check digit: any number of that form counts. Misses: bare digits without the word (a JSON value whose key says it),
//! other separators, the last four digits alone, ITIN (area 9xx).

use std::ops::Range;

use super::runs;

/// Nine digits with separators of up to three bytes.
pub(super) const OUTLINE: &str = r"[0-9]{3}[0-9 \x80-\xFF-]{6}";

/// How far before nine bare digits the word may stand.
const REACH: usize = 32;
const WORDS: &[&[u8]] =
    &[b"ssn", b"social security", b"social_security", b"social-security", b"socialsecurity", b"soc. sec", b"soc sec"];

/// The number whose first group of digits begins at `start`.
pub(super) fn at(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let run = &runs::at(bytes, start);
    match run.len() {
        3 => grouped(bytes, run),
        9 => bare(bytes, run),
        _ => None,
    }
}

fn grouped(bytes: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    let (gap, length) = runs::gap_at(bytes, run.end)?;
    let middle = run.end + length;
    let middle = middle..runs::end_of_run(bytes, middle);
    let (second, length) = runs::gap_at(bytes, middle.end)?;
    let serial = middle.end + length;
    let serial = serial..runs::end_of_run(bytes, serial);
    let shape = middle.len() == 2 && serial.len() == 4 && second == gap;
    let alone = runs::chained_before(bytes, run.start) != Some(gap) && runs::chained_after(bytes, serial.end) != Some(gap);
    let valid = issued(bytes.get(run.clone())?, bytes.get(middle)?, bytes.get(serial.clone())?);
    (shape && alone && valid && bounded(bytes, run.start, serial.end)).then_some(run.start..serial.end)
}

fn bare(bytes: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    let (area, rest) = bytes.get(run.clone())?.split_at_checked(3)?;
    let (group, serial) = rest.split_at_checked(2)?;
    let alone = runs::chained_before(bytes, run.start).is_none() && runs::chained_after(bytes, run.end).is_none();
    let named = || says_so(bytes.get(run.start.saturating_sub(REACH)..run.start).unwrap_or_default());
    (alone && issued(area, group, serial) && bounded(bytes, run.start, run.end) && named()).then(|| run.clone())
}

fn bounded(bytes: &[u8], start: usize, end: usize) -> bool {
    let international = start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'+');
    !international && runs::starts_cleanly(bytes, start) && runs::ends_cleanly(bytes, end)
}

fn issued(area: &[u8], group: &[u8], serial: &[u8]) -> bool {
    area < b"900".as_slice() && area != b"000" && area != b"666" && group != b"00" && serial != b"0000"
}

fn says_so(before: &[u8]) -> bool {
    WORDS.iter().any(|word| {
        before.windows(word.len()).enumerate().any(|(at, window)| {
            let glued = at.checked_sub(1).is_some_and(|left| before.get(left).is_some_and(u8::is_ascii_lowercase));
            // "userSsn" says it, "lessness" does not.
            window.eq_ignore_ascii_case(word) && !(glued && window.first().is_some_and(u8::is_ascii_lowercase))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn grouped_numbers_are_seen() {
        for number in ["123-45-6789", "123 45 6789", "123\u{2011}45\u{2011}6789", "001-01-0001", "899-99-9999", "078-05-1120"] {
            assert_eq!(found("us_ssn", number), [number]);
            let inside = format!("SSN={number}; born 1980");
            assert_eq!(found("us_ssn", &inside), [number], "{inside}");
        }
        assert_eq!(found("us_ssn", "5 123-45-6789 7"), ["123-45-6789"]);
        assert_eq!(found("us_ssn", "123-45-6789,219-09-9999."), ["123-45-6789", "219-09-9999"]);
    }

    #[test]
    fn bare_digits_need_the_word() {
        for text in ["SSN: 123456789", "social security number is 123456789", "userSsn=123456789", "my_ssn 123456789"] {
            assert_eq!(found("us_ssn", text), ["123456789"], "{text}");
        }
        for text in [
            "123456789",
            "order 123456789",
            "lessness 123456789",
            "ssn (see the note far below in this text) 123456789",
            "ssn 1234567890",
        ] {
            assert!(found("us_ssn", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn look_alikes_stay_clean() {
        for text in [
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "123-00-4567",
            "123-45-0000",
            "123-45-67890",
            "1123-45-6789",
            "123-456-7890",
            "123-45 6789",
            "+123-45-6789",
            "12-123-45-6789",
            "123-45-6789-1",
            "9 123 45 6789",
            "123 45 6789 10",
            "x123-45-6789",
            "0.123-45-6789",
            "2026-11-2110",
        ] {
            assert!(found("us_ssn", text).is_empty(), "{text}");
        }
    }
}

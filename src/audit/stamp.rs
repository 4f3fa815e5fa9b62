//! Times as they stand in a record: RFC 3339, UTC, microseconds, always 27 characters.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;

/// Microseconds since 1970, the grain of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(i64);

impl Stamp {
    /// Earlier than any record: the form has no years before 1970.
    pub(crate) const EPOCH: Self = Self(0);

    /// The instant, cut to microseconds; times before 1970 become 1970, since the form cannot say them.
    pub(crate) fn from_timestamp(time: Timestamp) -> Self {
        Self(time.as_microsecond().max(0))
    }

    /// Microseconds from `earlier` to `self`; negative when `self` is the earlier one.
    pub(crate) fn micros_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The 27 characters.
    pub(crate) fn text(self) -> String {
        let time = Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::MAX);
        let mut text = String::with_capacity(27);
        // Writing to a String cannot fail; a stamp left empty would be refused by the reader, not believed.
        let _ = DateTimePrinter::new().precision(Some(6)).print_timestamp(&time, &mut text);
        text
    }

    /// Reads exactly `2026-11-21T03:00:00.341132Z`; every other spelling of the same instant is refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 27] = text.as_bytes().try_into().ok()?;
        let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
        if punctuation.iter().any(|&(at, mark)| bytes.get(at) != Some(&mark)) {
            return None;
        }
        let number = |from: usize, to: usize| -> Option<i32> {
            let digits = bytes.get(from..to)?;
            digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i32::from(digit - b'0')))
        };
        let small = |from: usize| -> Option<i8> { i8::try_from(number(from, from + 2)?).ok() };
        let year = i16::try_from(number(0, 4)?).ok().filter(|year| *year >= 1970)?;
        let nanos = number(20, 26)? * 1_000;
        let civil = DateTime::new(year, small(5)?, small(8)?, small(11)?, small(14)?, small(17)?, nanos).ok()?;
        Some(Self(TimeZone::UTC.to_timestamp(civil).ok()?.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_parse_are_inverse() {
        for text in ["1970-01-01T00:00:00.000000Z", "2026-11-21T03:00:00.341132Z", "2024-02-29T23:59:59.999999Z"] {
            assert_eq!(Stamp::parse(text).map(Stamp::text).as_deref(), Some(text));
        }
    }

    #[test]
    fn other_spellings_and_impossible_dates_are_refused() {
        for text in [
            "2026-11-21T03:00:00.34113Z",
            "2026-11-21t03:00:00.341132Z",
            "2026-11-21T03:00:00.341132z",
            "2026-11-21T03:00:00.341132+",
            "2026-02-30T03:00:00.341132Z",
            "2026-11-21T24:00:00.341132Z",
            "2026-11-21T03:00:60.341132Z",
            "1969-11-21T03:00:00.341132Z",
            "2026-11-21T03:00:00.+41132Z",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}

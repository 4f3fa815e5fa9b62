//! Quantities as operators write them: `30s`, `4MiB`, `120/min`.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::yaml::{Invalid, Node, Report, scalar};

const NOT_A_DURATION: Invalid =
    Invalid::new("is not a duration", "write a whole number and a unit: `250ms`, `10s`, `15m`, `1h`, `30d`");
const NOT_A_SIZE: Invalid = Invalid::new("is not a size", "write a whole number and a unit: `512B`, `64KiB`, `4MiB`, `1GiB`");
const NOT_A_RATE: Invalid = Invalid::new("is not a rate", "write calls per period: `5/s`, `120/min`, `1000/h`, `5000/day`");

/// So many calls in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// At least one.
    pub(crate) calls: u32,
    /// One second, minute, hour or day.
    pub(crate) period: Duration,
}

/// `250ms 10s 15m 1h 30d`
pub(crate) fn duration(text: &str) -> Result<Duration, Invalid> {
    let (count, unit) = split(text).ok_or(NOT_A_DURATION)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(NOT_A_DURATION),
    };
    count.checked_mul(milliseconds).map(Duration::from_millis).ok_or(NOT_A_DURATION)
}

/// `512B 64KiB 4MiB 1GiB`, in bytes.
pub(crate) fn size(text: &str) -> Result<usize, Invalid> {
    let (count, unit) = split(text).ok_or(NOT_A_SIZE)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        // 4MB is 4,000,000 bytes to some and 4,194,304 to others.
        _ => return Err(NOT_A_SIZE),
    };
    count.checked_mul(bytes).and_then(|bytes| usize::try_from(bytes).ok()).ok_or(NOT_A_SIZE)
}

/// `5/s 120/min 1000/h 5000/day`
pub(crate) fn rate(text: &str) -> Result<Rate, Invalid> {
    let (calls, unit) = split(text).ok_or(NOT_A_RATE)?;
    let seconds = match unit {
        "/s" => 1,
        "/min" => 60,
        "/h" => 3_600,
        "/day" => 86_400,
        _ => return Err(NOT_A_RATE),
    };
    match u32::try_from(calls) {
        Ok(calls) if calls > 0 => Ok(Rate { calls, period: Duration::from_secs(seconds) }),
        Ok(_) | Err(_) => Err(Invalid::new("is not a rate that can be kept", "from 1 to 4294967295 calls in a period")),
    }
}

/// A reader of a quantity that must lie within `range`; `limits` is the range in words.
pub(crate) fn within<T: PartialOrd>(
    parse: impl Fn(&str) -> Result<T, Invalid>,
    range: RangeInclusive<T>,
    limits: &'static str,
) -> impl Fn(&Node, &mut Report) -> Option<T> {
    move |node, report| {
        let scalar = scalar(node, report)?;
        let invalid = match parse(&scalar.text) {
            Ok(value) if range.contains(&value) => return Some(value),
            Ok(_) => Invalid::new("is out of range", limits),
            Err(invalid) => invalid,
        };
        report.error(node.place, format!("{} {}", scalar.shown(), invalid.problem)).hint(invalid.hint);
        None
    }
}

/// The leading digits and what follows them.
fn split(text: &str) -> Option<(u64, &str)> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let count = text.strip_suffix(unit)?.parse().ok()?;
    Some((count, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_number_and_one_unit() {
        for (text, milliseconds) in
            [("250ms", 250), ("10s", 10_000), ("15m", 900_000), ("1h", 3_600_000), ("30d", 2_592_000_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "+1s",
            "1 s",
            "10S",
            "1h30m",
            "1w",
            "1s ",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(text), Err(NOT_A_DURATION), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        for (text, bytes) in [("512B", 512), ("64KiB", 65_536), ("4MiB", 4_194_304), ("1GiB", 1 << 30)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["4MB", "4M", "64kib", "64", "KiB", "18446744073709551615GiB"] {
            assert_eq!(size(text), Err(NOT_A_SIZE), "{text}");
        }
    }

    #[test]
    fn rates_count_calls_per_period() {
        assert_eq!(rate("120/min"), Ok(Rate { calls: 120, period: Duration::from_mins(1) }));
        assert_eq!(rate("5/s"), Ok(Rate { calls: 5, period: Duration::from_secs(1) }));
        assert_eq!(rate("1000/h"), Ok(Rate { calls: 1000, period: Duration::from_hours(1) }));
        for text in ["0/s", "5", "5/", "/s", "5/m", "5 / s", "1.5/s", "4294967296/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}

//! Windows of quotas, aligned to UTC.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long a quota lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// From full minute to full minute.
    Minute,
    /// From full hour to full hour.
    Hour,
    /// From midnight to midnight, UTC.
    Day,
    /// From Monday to Monday, UTC.
    Week,
    /// From the first of a month to the first of the next, UTC.
    Month,
}

impl Window {
    /// The window that a second lies in: its first second, and the first one after it.
    pub fn around(self, second: i64) -> (i64, i64) {
        let second = second.max(0);
        let fixed = |length: i64, offset: i64| {
            let start = second - (second + offset).rem_euclid(length);
            (start, start + length)
        };
        match self {
            Self::Minute => fixed(MINUTE, 0),
            Self::Hour => fixed(HOUR, 0),
            Self::Day => fixed(DAY, 0),
            // 1970 began on a Thursday.
            Self::Week => fixed(7 * DAY, 3 * DAY),
            Self::Month => month(second).unwrap_or_else(|| fixed(31 * DAY, 0)),
        }
    }

    /// The shortest it can be, in seconds.
    pub(super) fn shortest(self) -> i64 {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 28 * DAY,
        }
    }

    /// The longest it can be, in seconds.
    pub fn longest(self) -> u64 {
        match self {
            Self::Minute => MINUTE.unsigned_abs(),
            Self::Hour => HOUR.unsigned_abs(),
            Self::Day => DAY.unsigned_abs(),
            Self::Week => 7 * DAY.unsigned_abs(),
            Self::Month => 31 * DAY.unsigned_abs(),
        }
    }
}

/// `None` at the end of the calendar.
fn month(second: i64) -> Option<(i64, i64)> {
    let first = Offset::UTC.to_datetime(Timestamp::from_second(second).ok()?).date().first_of_month();
    let midnight = |date: Date| Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok().map(Timestamp::as_second);
    Some((midnight(first)?, midnight(first.checked_add(1.month()).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn windows_begin_and_end_where_the_calendar_says() {
        for (window, at, start, end) in [
            (Window::Minute, "2026-02-28T23:59:59Z", "2026-02-28T23:59:00Z", "2026-03-01T00:00:00Z"),
            (Window::Minute, "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-01T00:01:00Z"),
            (Window::Hour, "2026-11-29T12:34:56Z", "2026-11-29T12:00:00Z", "2026-11-29T13:00:00Z"),
            (Window::Day, "2026-11-29T23:59:59Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Window::Week, "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Window::Week, "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"),
            (Window::Month, "2026-02-28T23:59:59Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            (Window::Month, "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            (Window::Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Window::Month, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z"),
        ] {
            assert_eq!(window.around(second(at)), (second(start), second(end)), "{window:?} around {at}");
        }
        assert_eq!(Window::Month.around(-5), Window::Month.around(0));
        let (start, end) = Window::Month.around(i64::MAX / 4);
        assert!(start < end, "a clock beyond the calendar");
    }
}

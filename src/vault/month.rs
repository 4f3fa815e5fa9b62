//! Calendar months, UTC: what a key lasts, and what expires.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// A month of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

/// Text that names no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a month such as 2026-11")]
pub struct NotAMonth;

impl Month {
    /// The month in which `time` lies.
    pub fn of(time: Timestamp) -> Self {
        let date = time.to_zoned(TimeZone::UTC).date();
        Self { year: date.year(), month: date.month() }
    }

    /// The newest month whose last moment lies `keep` or longer before `now`; `None` when no month is that old.
    pub fn expired_at(now: Timestamp, keep: Duration) -> Option<Self> {
        let keep = SignedDuration::try_from(keep).ok()?;
        let then = Self::of(now.checked_sub(keep).ok()?);
        // `then` itself has not ended `keep` ago.
        let before = Date::new(then.year, then.month, 1).ok()?.checked_sub(1.month()).ok()?;
        Some(Self { year: before.year(), month: before.month() })
    }

    /// Its year, as pseudonyms count.
    pub(super) fn year(self) -> i64 {
        i64::from(self.year)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = NotAMonth;

    fn from_str(text: &str) -> Result<Self, NotAMonth> {
        let (year, month) = text.split_once('-').ok_or(NotAMonth)?;
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(NotAMonth);
        }
        let month = Self { year: year.parse().map_err(|_range| NotAMonth)?, month: month.parse().map_err(|_range| NotAMonth)? };
        if (1..=12).contains(&month.month) { Ok(month) } else { Err(NotAMonth) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_expires_when_all_of_it_is_old_enough() {
        let expired = |now: &str, days: u64| {
            let month = Month::expired_at(now.parse().unwrap(), Duration::from_hours(24 * days));
            month.map(|month| month.to_string()).unwrap()
        };
        assert_eq!(expired("2026-12-01T00:00:00Z", 0), "2026-11");
        assert_eq!(expired("2026-11-30T23:59:59Z", 0), "2026-10");
        assert_eq!(expired("2026-12-31T00:00:00Z", 30), "2026-11", "30 days after its last moment");
        assert_eq!(expired("2026-12-30T23:59:59Z", 30), "2026-10");
        assert_eq!(expired("2026-01-15T00:00:00Z", 20), "2025-11");
        assert_eq!(expired("2033-12-02T00:00:00Z", 2557), "2026-11", "seven years");
    }

    #[test]
    fn text_and_month_are_inverse() {
        assert_eq!("2026-11".parse::<Month>().unwrap().to_string(), "2026-11");
        for bad in ["", "2026", "2026-00", "2026-13", "2026-1", "+026-01", "2026-11-01"] {
            assert_eq!(bad.parse::<Month>(), Err(NotAMonth), "{bad}");
        }
    }
}

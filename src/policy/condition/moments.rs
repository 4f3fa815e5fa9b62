//! Points and stretches of time, and time zones, as texts: one reading for the policy and for what comes with a call.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

/// A point in time by RFC 3339, which is narrower than what [`Timestamp`] reads: with a `T`, seconds and an offset.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    let offset = time.find(['Z', '+', '-'])?;
    let (clock, offset) = (time.get(..offset)?, time.get(offset..)?);
    let shape = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text
                .bytes()
                .zip(pattern.bytes())
                .all(|(found, wanted)| if wanted == b'0' { found.is_ascii_digit() } else { found == wanted })
    };
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let good = shape(date, "0000-00-00")
        && shape(seconds, "00:00:00")
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && (offset == "Z" || shape(offset, "+00:00") || shape(offset, "-00:00"));
    if good { text.parse().ok() } else { None }
}

/// A stretch of time: `1h30m`, `-2.5s`, `300ms`.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut nanos: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (amount, tail) = (rest.get(..end)?, rest.get(end..)?);
        let unit_end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = (tail.get(..unit_end)?, tail.get(unit_end..)?);
        let unit: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        nanos = nanos.checked_add(part(amount, unit)?)?;
        rest = tail;
    }
    let nanos = if negative { -nanos } else { nanos };
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Some(SignedDuration::new(i64::try_from(seconds).ok()?, i32::try_from(rest).ok()?))
}

/// `amount` of a unit in nanoseconds; what is smaller than one is cut off.
fn part(amount: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let read = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    read(whole)?.checked_mul(unit)?.checked_add(read(fraction)?.checked_mul(unit)? / scale)
}

/// A time zone of the database that is built in: a decision depends on no file of the machine it is made on.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    zones().get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}

/// The names of all time zones.
pub(super) fn zone_names() -> Vec<String> {
    zones().available().map(|name| name.as_str().to_owned()).collect()
}

fn zones() -> TimeZoneDatabase {
    TimeZoneDatabase::bundled()
}

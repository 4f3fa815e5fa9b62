//! Days of the calendar, and days on which somebody alive may have been born.

/// The last year that a birth may have. There is no clock here: a check gives the same answer whenever it is asked, and a few
/// years too many cost less precision than a pass that depends on the day.
const LATEST: u32 = 2030;
/// Numbers that carry a century go back to the oldest people in the registers they were made from.
const EARLIEST: u32 = 1800;

/// Whether the Gregorian calendar has that day.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Whether a register may hold somebody born on that day.
pub(super) fn is_birth(year: u32, month: u32, day: u32) -> bool {
    (EARLIEST..=LATEST).contains(&year) && is_date(year, month, day)
}

/// Whether some century has that day; 2000 was the one with a leap day.
pub(super) fn is_short_date(year: u32, month: u32, day: u32) -> bool {
    is_date(2000 + year % 100, month, day)
}

/// The first six digits as three numbers of two, as birth dates stand in most national numbers.
pub(super) fn pairs(digits: &[u8]) -> Option<[u32; 3]> {
    let mut pairs = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |number, digit| number * 10 + u32::from(*digit)));
    Some([pairs.next()?, pairs.next()?, pairs.next()?])
}

/// The first eight digits as year, month and day.
pub(super) fn long(digits: &[u8]) -> Option<[u32; 3]> {
    let (century, rest) = digits.split_first_chunk::<2>()?;
    let [year, month, day] = pairs(rest)?;
    let century = century.iter().fold(0, |number, digit| number * 10 + u32::from(*digit));
    Some([century * 100 + year, month, day])
}

/// A whole date of birth: ISO 8601, basic or extended, or day and month in either order before the year, one separator throughout.
pub(super) fn date_of_birth(value: &[u8]) -> bool {
    is_whole_birth(value).unwrap_or(false)
}

fn is_whole_birth(value: &[u8]) -> Option<bool> {
    let [first, second, third] = parts(value)?;
    let year_first = first.len() == 4;
    let (year, day) = if year_first { (first, third) } else { (third, first) };
    let whole = year.len() == 4 && [second, day].iter().all(|part| part.len() <= 2);
    let (year, month, day) = (decimal(year)?, decimal(second)?, decimal(day)?);
    // 03/12/1985 is a day in March or in December, depending on the country.
    let is_day = is_date(year, month, day) || (!year_first && is_date(year, day, month));
    Some(whole && is_day && (1900..=LATEST).contains(&year))
}

fn parts(value: &[u8]) -> Option<[&[u8]; 3]> {
    let Some(gap) = value.iter().find(|byte| !byte.is_ascii_digit()) else {
        let (year, rest) = value.split_at_checked(4)?;
        let (month, day) = rest.split_at_checked(2)?;
        return (day.len() == 2).then_some([year, month, day]);
    };
    let mut groups = value.split(|byte| byte == gap);
    let parts = [groups.next()?, groups.next()?, groups.next()?];
    (b"-/. ".contains(gap) && groups.next().is_none()).then_some(parts)
}

/// No part of a date is longer than a year.
fn decimal(part: &[u8]) -> Option<u32> {
    let step = |number, byte: &u8| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'));
    (1..=4).contains(&part.len()).then(|| part.iter().try_fold(0, step))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_gregorian() {
        assert!(is_date(2000, 2, 29) && is_date(2024, 2, 29) && is_date(1999, 12, 31));
        assert!(!is_date(1900, 2, 29) && !is_date(2023, 2, 29) && !is_date(1999, 4, 31));
        assert!(!is_date(1999, 0, 1) && !is_date(1999, 13, 1) && !is_date(1999, 1, 0));
        assert!(is_birth(1800, 1, 1) && !is_birth(1799, 12, 31) && !is_birth(LATEST + 1, 1, 1));
        assert!(is_short_date(0, 2, 29) && !is_short_date(1, 2, 29));
        assert_eq!(pairs(&[1, 2, 0, 3, 8, 5, 7]), Some([12, 3, 85]));
        assert_eq!(pairs(&[1, 2, 0, 3, 8]), None);
        assert_eq!(long(&[1, 9, 8, 5, 0, 3, 1, 2]), Some([1985, 3, 12]));
    }

    #[test]
    fn dates_of_birth_are_whole_days_of_the_last_hundred_odd_years() {
        for date in ["1985-03-12", "19850312", "12.03.1985", "12/3/1985", "03/25/1985", "1985/03/12", "12 03 1985", "29-02-2000"]
        {
            assert!(date_of_birth(date.as_bytes()), "{date}");
        }
        for date in [
            "1899-12-31",
            "2031-01-01",
            "1985-13-12",
            "1985-03-32",
            "31.04.1985",
            "29.02.2001",
            "1985-25-03",
            "25/25/1985",
            "12.03.85",
            "1985-03/12",
            "1985--12",
            "1985-03-12-1",
            "12_03_1985",
            "00.00.1985",
            "0000-00-00",
            "00000000",
            "11111111",
            "1985031",
            "198503123",
            "",
            "-",
            "1985-03-1x",
            "99999999999-03-12",
            "001.03.1985",
        ] {
            assert!(!date_of_birth(date.as_bytes()), "{date}");
        }
    }
}

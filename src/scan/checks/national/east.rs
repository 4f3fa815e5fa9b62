//! Poland, Czechia and Slovakia, Hungary, Romania.

use super::super::date::{is_birth, pairs};
use super::super::read::{digits, number};
use super::super::sums::weighted;

/// Polish register number. Ustawa o ewidencji ludności, art. 15: date with the century in the month, weights 1, 3, 7, 9.
pub(in super::super) fn pl_pesel(value: &[u8]) -> bool {
    digits::<11>(value, b" ").is_some_and(|digits| is_pesel(&digits).unwrap_or(false))
}

fn is_pesel(digits: &[u8; 11]) -> Option<bool> {
    let [year, month, day] = pairs(digits)?;
    let century = match month / 20 {
        4 => 1800,
        later => 1900 + later * 100,
    };
    let sum = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    Some(is_birth(century + year, month % 20, day) && sum.is_multiple_of(10))
}

/// Czech or Slovak birth number. Zákon 133/2000 Sb., § 13; zákon 301/1995 Z. z.: date (women plus 50; plus 20 where a day ran out,
/// since 2004), serial; since 1954 ten digits that are a multiple of eleven, or end in 0 where the rest leaves 10.
pub(in super::super) fn cz_rodne_cislo(value: &[u8]) -> bool {
    let long = digits::<10>(value, b"/").is_some_and(|digits| is_long_birth_number(&digits).unwrap_or(false));
    long || digits::<9>(value, b"/").is_some_and(|digits| is_short_birth_number(&digits).unwrap_or(false))
}

fn is_long_birth_number(digits: &[u8; 10]) -> Option<bool> {
    let [year, month, day] = pairs(digits)?;
    let year = year + if year >= 54 { 1900 } else { 2000 };
    let month = month % 50;
    let month = if year >= 2004 && month > 20 { month - 20 } else { month };
    let [body @ .., last] = digits;
    let exception = number(body) % 11 == 10 && *last == 0;
    Some(is_birth(year, month, day) && (number(digits).is_multiple_of(11) || exception))
}

/// Nine digits, given out until 1953, have no check digit.
fn is_short_birth_number(digits: &[u8; 9]) -> Option<bool> {
    let [year, month, day] = pairs(digits)?;
    let serial = digits.last_chunk::<3>()?;
    Some(year <= 53 && number(serial) != 0 && is_birth(1900 + year, month % 50, day))
}

/// Hungarian social insurance number. 1996. évi XX. törvény: weights 3 and 7.
pub(in super::super) fn hu_taj(value: &[u8]) -> bool {
    digits::<9>(value, b" -").is_some_and(|digits| {
        let [.., check] = digits;
        weighted(&digits, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == u32::from(check)
    })
}

/// Hungarian tax identification of a person. 1996. évi XX. törvény: 8, the days since 1 January 1867, serial, a digit modulo 11.
pub(in super::super) fn hu_adoazonosito(value: &[u8]) -> bool {
    // 1 January 2031.
    const LATEST_DAY: u64 = 59_900;
    digits::<10>(value, b" -").is_some_and(|digits| {
        let [kind, d1, d2, d3, d4, d5, .., check] = digits;
        let sum = weighted(&digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        kind == 8 && number(&[d1, d2, d3, d4, d5]) < LATEST_DAY && sum % 11 == u32::from(check)
    })
}

/// Romanian personal code. Legea 105/1996; OUG 97/2005: sex and century, date, county, serial, a digit modulo 11 with 10 as 1.
pub(in super::super) fn ro_cnp(value: &[u8]) -> bool {
    digits::<13>(value, b" ").is_some_and(|digits| is_cnp(&digits).unwrap_or(false))
}

fn is_cnp(digits: &[u8; 13]) -> Option<bool> {
    let [kind, date @ .., check] = *digits;
    let [year, month, day] = pairs(&date)?;
    let century = match kind {
        3 | 4 => 1800,
        5 | 6 => 2000,
        // Foreign residents: the century is not told.
        7 | 8 if year <= 30 => 2000,
        1..=9 => 1900,
        _ => return None,
    };
    let sum = weighted(digits, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    let expected = if sum == 10 { 1 } else { sum };
    Some(is_birth(century + year, month, day) && expected == u32::from(check))
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, catches_wrong_digits, refuses};
    use super::*;

    #[test]
    fn polish_numbers_keep_the_century_in_the_month() {
        // The ministry's specimens: 1944, and 2002 with a month of 27.
        accepts(pl_pesel, &["44051401359", "02070803628"]);
        catches_every_wrong_digit(pl_pesel, "44051401359");
        let of = |date: &str| (0..10).any(|check| pl_pesel(format!("{date}0135{check}").as_bytes()));
        assert!(of("022708") && of("448514") && !of("441314") && !of("440532") && !of("444514"));
        refuses(pl_pesel, &["00000000000", "4405140135", "440514-01359"]);
    }

    #[test]
    fn czech_numbers_are_multiples_of_eleven_since_1954() {
        accepts(cz_rodne_cislo, &["780123/3540", "7801233540", "710319/2745", "520101/001", "525101001"]);
        catches_wrong_digits(cz_rodne_cislo, "7103192745", &[]);
        // 2004 and later: month plus 20, women plus 70.
        let of = |date: &str| (0..10_000).any(|tail| cz_rodne_cislo(format!("{date}/{tail:04}").as_bytes()));
        assert!(of("052101") && of("057101") && !of("782101") && !of("781301") && !of("780132"));
        refuses(cz_rodne_cislo, &["000000/0000", "710319-2745", "710319/27455", "540101001", "520101000", "710319//2745"]);
    }

    #[test]
    fn hungarian_numbers_have_their_sums() {
        accepts(hu_taj, &["111 111 110", "111111110", "123456788"]);
        catches_every_wrong_digit(hu_taj, "123456788");
        accepts(hu_adoazonosito, &["8071592153"]);
        catches_every_wrong_digit(hu_adoazonosito, "8071592153");
        refuses(hu_taj, &["000000000", "12345678", "1234567888"]);
        refuses(hu_adoazonosito, &["7071592151", "8999999990", "0000000000", "807159215"]);
    }

    #[test]
    fn romanian_codes_have_a_date_and_a_digit() {
        accepts(ro_cnp, &["1630615123457"]);
        catches_wrong_digits(ro_cnp, "1630615123457", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        refuses(ro_cnp, &["0630615123457", "1631315123457", "0000000000000", "163061512345"]);
    }
}

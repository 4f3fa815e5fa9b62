//! Sweden, Denmark, Finland, Norway.

use super::super::date::{is_birth, is_short_date, long, pairs};
use super::super::read::{digits, number, values};
use super::super::sums::{luhn, weighted};

/// Swedish personal identity or co-ordination number (day plus 60). Folkbokföringslagen 18 §; Skatteverket SKV 704: date, serial,
/// Luhn over the ten last digits; `+` for those past a hundred; the century may be written out.
pub(in super::super) fn se_personnummer(value: &[u8]) -> bool {
    let short = digits::<10>(value, b"-+")
        .filter(|digits| pairs(digits).is_some_and(|[year, month, day]| is_short_date(year, month, unshifted(day, 60))));
    let whole = || {
        let digits = digits::<12>(value, b"-")?;
        let [year, month, day] = long(&digits)?;
        is_birth(year, month, unshifted(day, 60)).then(|| digits.last_chunk::<10>().copied())?
    };
    short.or_else(whole).is_some_and(|digits| luhn(&digits))
}

/// A day or month with the mark of a special number taken off.
fn unshifted(part: u32, mark: u32) -> u32 {
    if part > mark { part - mark } else { part }
}

/// Danish civil registration number. CPR-kontoret, "Personnummeret i CPR": date, and a seventh digit that tells the century. The
/// sum modulo 11 is not asked for: numbers given out since 1 October 2007 need not have it.
pub(in super::super) fn dk_cpr(value: &[u8]) -> bool {
    digits::<10>(value, b"- ").is_some_and(|digits| is_cpr(&digits).unwrap_or(false))
}

fn is_cpr(digits: &[u8; 10]) -> Option<bool> {
    let [day, month, year] = pairs(digits)?;
    let [.., seventh, _, _, _] = *digits;
    let century = match (seventh, year) {
        (0..=3, _) | (4 | 9, 37..) => 1900,
        (4 | 9, _) | (5..=8, ..=57) => 2000,
        _ => 1800,
    };
    Some(is_birth(century + year, month, day))
}

/// Finnish personal identity code. Valtioneuvoston asetus 128/2010, amended 690/2022: date, sign of the century, number, check
/// character modulo 31. 900 to 999 are used inside one organisation and for tests.
pub(in super::super) fn fi_hetu(value: &[u8]) -> bool {
    is_hetu(value).unwrap_or(false)
}

fn is_hetu(value: &[u8]) -> Option<bool> {
    let [date @ .., sign, n1, n2, n3, check] = *value.first_chunk::<11>()?;
    let (date, serial) = (values::<6>(&date)?, values::<3>(&[n1, n2, n3])?);
    let century = match sign.to_ascii_uppercase() {
        b'+' => 1800,
        b'-' | b'U'..=b'Y' => 1900,
        b'A'..=b'F' => 2000,
        _ => return None,
    };
    let [day, month, year] = pairs(&date)?;
    let remainder = (number(&date) * 1000 + number(&serial)) % 31;
    let expected = b"0123456789ABCDEFHJKLMNPRSTUVWXY".get(usize::try_from(remainder).ok()?)?;
    let given = number(&serial) >= 2 && is_birth(century + year, month, day);
    Some(given && check.to_ascii_uppercase() == *expected && value.len() == 11)
}

/// Norwegian birth number, D-number (day plus 40) or H-number (month plus 40). Folkeregisterforskriften 2-2-1; Skatteetaten: two
/// check digits modulo 11. From 2032 on the first may have other remainders; no such number is given out yet.
pub(in super::super) fn no_fodselsnummer(value: &[u8]) -> bool {
    digits::<11>(value, b" ").is_some_and(|digits| is_fodselsnummer(&digits).unwrap_or(false))
}

fn is_fodselsnummer(digits: &[u8; 11]) -> Option<bool> {
    let [day, month, year] = pairs(digits)?;
    let dated = is_short_date(year, unshifted(month, 40), unshifted(day, 40));
    let first = weighted(digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11;
    let second = weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11;
    Some(dated && first == 0 && second == 0)
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, catches_wrong_digits, refuses};
    use super::*;

    #[test]
    fn swedish_numbers_have_luhns_digit_and_a_date() {
        // Skatteverket's specimen; as written for somebody past a hundred; a co-ordination number of its SKV 707.
        accepts(se_personnummer, &["811228-9874", "8112289874", "19811228-9874", "198112289874", "121212+1212", "701063-2391"]);
        catches_every_wrong_digit(se_personnummer, "811228-9874");
        // The century is not part of the sum.
        catches_wrong_digits(se_personnummer, "198112289874", &[0, 1]);
        refuses(
            se_personnummer,
            &["811328-9873", "17811228-9874", "20991228-9874", "811228--9874", "0000000000", "81122-89874x"],
        );
    }

    #[test]
    fn danish_numbers_are_dates_only() {
        // CPR-kontoret's specimens, one of them without the old sum.
        accepts(dk_cpr, &["070761-4285", "0707614285", "211062-5629", "010101-0001"]);
        refuses(dk_cpr, &["320161-4285", "071361-4285", "290201-0001", "0000000000", "070761-428", "070761--4285"]);
        // 2057 is in the future, 1858 is not.
        assert!(!dk_cpr(b"010157-5000") && dk_cpr(b"010158-5000"));
    }

    #[test]
    fn finnish_codes_have_a_sign_and_a_character() {
        // DVV's specimens, old and new signs.
        accepts(fi_hetu, &["131052-308T", "131052Y308T", "010594Y9032", "131052-308t"]);
        catches_every_wrong_digit(fi_hetu, "131052-308T");
        refuses(
            fi_hetu,
            &["131052308T", "131052G308T", "131352-308T", "131052-001T", "131052-308TT", "131052-308G", "", "00000000000"],
        );
    }

    #[test]
    fn norwegian_numbers_have_two_digits() {
        accepts(no_fodselsnummer, &["15108695088", "151086 95088"]);
        catches_every_wrong_digit(no_fodselsnummer, "15108695088");
        refuses(no_fodselsnummer, &["00000000000", "1510869508", "151086-95088", "151086950888"]);
        let shifted = |day: &str| (0..100_000).any(|tail| no_fodselsnummer(format!("{day}{tail:05}").as_bytes()));
        assert!(shifted("551086") && shifted("155086") && !shifted("321086") && !shifted("151386"));
    }
}

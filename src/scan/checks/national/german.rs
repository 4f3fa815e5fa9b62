//! Germany, Austria, Switzerland.

use super::super::date::pairs;
use super::super::read::{base36, code, digits};
use super::super::sums::{mod_11_10, weighted};

/// German tax identification number. Abgabenordnung 139b; Bundeszentralamt für Steuern, "Steuerliche Identifikationsnummer,
/// Aufbau": no leading zero; of the first ten digits one comes twice or three times (not three in a row) and no other more than
/// once; ISO 7064 MOD 11,10.
pub(in super::super) fn de_steuer_id(value: &[u8]) -> bool {
    digits::<11>(value, b" -/").is_some_and(|digits| digits.first() != Some(&0) && repeats_one(&digits) && mod_11_10(&digits))
}

fn repeats_one(digits: &[u8; 11]) -> bool {
    let [body @ .., _] = digits;
    let mut counts = [0_u8; 10];
    for digit in body {
        if let Some(count) = counts.get_mut(usize::from(*digit)) {
            *count += 1;
        }
    }
    let mut repeated = counts.iter().filter(|count| **count > 1);
    let in_a_row = body.windows(3).any(|three| matches!(three, [a, b, c] if a == b && b == c));
    matches!((repeated.next(), repeated.next()), (Some(2 | 3), None)) && !in_a_row
}

/// German identity card or passport: serial number of nine and its check digit. Personalausweisverordnung and BSI TR-03127:
/// digits and the letters `CFGHJKLMNPRTVWXYZ`, weights 7, 3, 1. Cards begin with L to Y, passports with C to K.
pub(in super::super) fn de_id_card(value: &[u8]) -> bool {
    code::<10>(value, b" ").is_some_and(|serial| is_serial(&serial).unwrap_or(false))
}

fn is_serial(serial: &[u8; 10]) -> Option<bool> {
    let [body @ .., check] = serial;
    let known = body.iter().all(|byte| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte));
    let first = body.first()?.is_ascii_uppercase();
    // A number of letters only is a word.
    let mixed = body.iter().any(u8::is_ascii_digit);
    let mut sum = 0;
    for (byte, weight) in body.iter().zip([7, 3, 1].iter().cycle()) {
        sum += base36(*byte)? * weight;
    }
    Some(known && first && mixed && char::from(*check).to_digit(10) == Some(sum % 10))
}

/// Austrian social insurance number. ASVG 31(4); Dachverband, "Versicherungsnummer": serial of three, check digit modulo 11, date
/// of birth (months 13 to 15 where a day's serials ran out).
pub(in super::super) fn at_svnr(value: &[u8]) -> bool {
    digits::<10>(value, b" ").is_some_and(|digits| is_svnr(&digits).unwrap_or(false))
}

fn is_svnr(digits: &[u8; 10]) -> Option<bool> {
    let [first, _, _, check, date @ ..] = digits;
    let [day, month, _] = pairs(date)?;
    let sum = weighted(digits, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    let dated = (1..=31).contains(&day) && (1..=15).contains(&month);
    Some(*first != 0 && dated && sum % 11 == u32::from(*check))
}

/// Swiss social insurance number. AHVV 133; ZAS, "AHV-Nummer": 756, then as EAN-13 (GS1 General Specifications, 7.9).
pub(in super::super) fn ch_ahv(value: &[u8]) -> bool {
    digits::<13>(value, b". ").is_some_and(|digits| {
        let sum = weighted(&digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
        digits.starts_with(&[7, 5, 6]) && sum.is_multiple_of(10)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, refuses};
    use super::*;

    #[test]
    fn german_tax_numbers_repeat_one_digit() {
        // BZSt's test numbers: one digit twice, and three times.
        accepts(de_steuer_id, &["86095742719", "47036892816", "65929970489", "86 095 742 719"]);
        for number in ["86095742719", "65929970489"] {
            catches_every_wrong_digit(de_steuer_id, number);
        }
        let with_digit = |body: &str| (0..10).any(|check| de_steuer_id(format!("{body}{check}").as_bytes()));
        assert!(with_digit("1123456789") && with_digit("1213145678"));
        // All different; two pairs; three in a row; four times; zero first.
        for body in ["1234567890", "1122345678", "1112345678", "1213141567", "0123456788"] {
            assert!(!with_digit(body), "{body}");
        }
        refuses(de_steuer_id, &["00000000000", "8609574271", "860957427190", "86.095.742.719"]);
    }

    #[test]
    fn german_cards_have_a_serial_and_a_digit() {
        // Serials of the specimens that the ministry prints.
        accepts(de_id_card, &["T220001293", "L01X00T471", "C01X00T478"]);
        catches_every_wrong_digit(de_id_card, "T220001293");
        refuses(de_id_card, &["T22000129", "1220001293", "B220001290", "TAAAAAAAA0", "LMNPRTVWX0", "0000000000", "T22000129A"]);
    }

    #[test]
    fn austrian_numbers_hold_a_date() {
        // ASVG's usual example: 1 January 1980.
        accepts(at_svnr, &["1237 010180", "1237010180"]);
        catches_every_wrong_digit(at_svnr, "1237010180");
        refuses(at_svnr, &["0000000000", "0237010180", "1237320180", "1237011680", "1237 0101 8"]);
    }

    #[test]
    fn swiss_numbers_are_ean_13_of_country_756() {
        accepts(ch_ahv, &["756.9217.0769.85", "7569217076985", "756.1234.5678.97"]);
        catches_every_wrong_digit(ch_ahv, "7569217076985");
        refuses(ch_ahv, &["4006381333931", "756.9217.0769.8", "756-9217-0769-85", "0000000000000"]);
    }
}

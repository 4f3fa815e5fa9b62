//! India, China, Japan, Korea, Singapore, Hong Kong, Turkey.

use super::super::date::{is_birth, long, pairs};
use super::super::read::{base36, code, digits, number, text, values};
use super::super::sums::{mod_11_2, verhoeff, weighted};

/// Indian Aadhaar number. UIDAI, "Aadhaar numbering scheme": not 0 or 1 first, no palindrome, Verhoeff.
pub(in super::super) fn in_aadhaar(value: &[u8]) -> bool {
    digits::<12>(value, b" -").is_some_and(|digits| {
        let palindrome = digits.iter().eq(digits.iter().rev());
        matches!(digits, [2..=9, ..]) && !palindrome && verhoeff(&digits)
    })
}

/// Indian permanent account number. Income-tax Rules 1962, 114; Income Tax Department: three letters, kind of holder, initial, a
/// number from 0001 on, a letter whose computation is not public.
pub(in super::super) fn in_pan(value: &[u8]) -> bool {
    let Some([a, b, c, kind, initial, n1, n2, n3, n4, last]) = code::<10>(value, b"") else { return false };
    let letters = [a, b, c, initial, last].iter().all(u8::is_ascii_uppercase);
    let serial = values::<4>(&[n1, n2, n3, n4]).is_some_and(|serial| number(&serial) != 0);
    letters && b"ABCFGHJLPT".contains(&kind) && serial
}

/// Chinese resident identity number. GB 11643-1999: division, date, serial, ISO 7064 MOD 11-2.
pub(in super::super) fn cn_resident_id(value: &[u8]) -> bool {
    code::<18>(value, b"").is_some_and(|text| is_resident_id(&text).unwrap_or(false))
}

fn is_resident_id(text: &[u8; 18]) -> Option<bool> {
    let [body @ .., check] = text;
    let digits: [u8; 17] = values(body)?;
    let [_, _, _, _, _, _, date @ ..] = digits;
    let [year, month, day] = long(&date)?;
    let check = if *check == b'X' { 10 } else { u8::try_from(char::from(*check).to_digit(10)?).ok()? };
    let all = digits.iter().copied().chain([check]);
    let mut values = [0; 18];
    values.iter_mut().zip(all).for_each(|(slot, value)| *slot = value);
    Some(matches!(digits, [1..=9, ..]) && is_birth(year, month, day) && mod_11_2(&values))
}

/// Japanese individual number. 総務省令 85 (2014), 5: weights 2 to 7 and 2 to 6 from the right, modulo 11.
pub(in super::super) fn jp_my_number(value: &[u8]) -> bool {
    digits::<12>(value, b" -").is_some_and(|digits| {
        let [.., check] = digits;
        let remainder = weighted(&digits, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        u32::from(check) == if remainder < 2 { 0 } else { 11 - remainder }
    })
}

/// Korean resident registration number. 주민등록법 시행규칙 2: date, sex and century, then place, serial and a digit modulo 11 until
/// October 2020, and nothing but chance since. Foreigners (5 to 8) were renumbered in the same way: no digit is asked of them.
pub(in super::super) fn kr_rrn(value: &[u8]) -> bool {
    digits::<13>(value, b"-").is_some_and(|digits| is_rrn(&digits).unwrap_or(false))
}

fn is_rrn(digits: &[u8; 13]) -> Option<bool> {
    let [year, month, day] = pairs(digits)?;
    let [_, _, _, _, _, _, kind, .., check] = *digits;
    let year = year
        + match kind {
            1 | 2 | 5 | 6 => 1900,
            3 | 4 | 7 | 8 => 2000,
            _ => return None,
        };
    let by_chance = kind >= 5 || (year, month) >= (2020, 10);
    let sum = weighted(digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    Some(is_birth(year, month, day) && (by_chance || (11 - sum % 11) % 10 == u32::from(check)))
}

/// Singapore identity number. National Registration Act; ICA: letter for kind and century, seven digits, a letter modulo 11.
pub(in super::super) fn sg_nric(value: &[u8]) -> bool {
    let Some([kind, body @ .., letter]) = code::<9>(value, b"") else { return false };
    let (offset, letters) = match kind {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return false,
    };
    let place = |digits: [u8; 7]| (weighted(&digits, &[2, 7, 6, 5, 4, 3, 2]) + offset) % 11;
    values::<7>(&body).is_some_and(|digits| letters.get(place(digits) as usize) == Some(&letter))
}

/// Hong Kong identity card number. Registration of Persons Regulations (Cap. 177A); Immigration Department: one or two letters,
/// six digits, a check character modulo 11 (A for ten), usually in parentheses.
pub(in super::super) fn hk_hkid(value: &[u8]) -> bool {
    let (bare, between): (&[u8], &[u8]) = match value {
        [bare @ .., b')'] if bare.iter().nth_back(1) == Some(&b'(') => (bare, b"("),
        bare => (bare, b""),
    };
    text::<9>(bare, between).is_some_and(|id| is_hkid(id.bytes()).unwrap_or(false))
}

fn is_hkid(id: &[u8]) -> Option<bool> {
    let (head, [d1, d2, d3, d4, d5, d6, check]) = id.split_last_chunk::<7>()?;
    // A single letter has a space before it, which counts 36.
    let (first, second) = match head {
        [second] => (36, letter(*second)?),
        [first, second] => (letter(*first)?, letter(*second)?),
        _ => return None,
    };
    let digits = values::<6>(&[*d1, *d2, *d3, *d4, *d5, *d6])?;
    let check = base36(*check).filter(|value| *value <= 10)?;
    let sum = first * 9 + second * 8 + weighted(&digits, &[7, 6, 5, 4, 3, 2]) + check;
    Some(sum.is_multiple_of(11))
}

fn letter(byte: u8) -> Option<u32> {
    base36(byte).filter(|value| *value >= 10)
}

/// Turkish identity number. Nüfus Hizmetleri Kanunu 5490, 46; NVİ: two digits over odd and even places.
pub(in super::super) fn tr_tckn(value: &[u8]) -> bool {
    digits::<11>(value, b" ").is_some_and(|digits| {
        let [first, .., tenth, last] = digits;
        // Odd places times seven less even places; nine is minus one.
        let sum = weighted(&digits, &[7, 9, 7, 9, 7, 9, 7, 9, 7]);
        let all = weighted(&digits, &[1; 10]);
        first != 0 && sum % 10 == u32::from(tenth) && all % 10 == u32::from(last)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, has_one_last_letter, refuses};
    use super::*;

    #[test]
    fn indian_numbers() {
        // UIDAI's test numbers.
        accepts(in_aadhaar, &["9999 4105 7058", "999971658847", "9999-3311-9405"]);
        catches_every_wrong_digit(in_aadhaar, "999941057058");
        refuses(in_aadhaar, &["000000000000", "123412341234", "9999 4105 705", "9999.4105.7058"]);
        accepts(in_pan, &["ABCPE1234F", "AFZPK7190K", "abcpe1234f"]);
        refuses(in_pan, &["ABCDE1234F", "ABCPE0000F", "ABCP11234F", "ABCPE12345", "ABCPE1234", "ABC PE1234F"]);
        let palindrome = (2..10).flat_map(|a| (0..100_000).map(move |rest| format!("{a}{rest:05}")));
        for head in palindrome.step_by(997) {
            let both: String = head.chars().chain(head.chars().rev()).collect();
            assert!(!in_aadhaar(both.as_bytes()), "{both}");
        }
    }

    #[test]
    fn chinese_numbers_may_end_in_x() {
        // GB 11643-1999, Annex A.
        accepts(cn_resident_id, &["11010519491231002X", "440524188001010014", "11010519491231002x"]);
        catches_every_wrong_digit(cn_resident_id, "440524188001010014");
        refuses(
            cn_resident_id,
            &["110105194913310020", "01010519491231002X", "11010519491231002", "X1010519491231002X", "000000000000000000"],
        );
    }

    #[test]
    fn japanese_numbers_have_a_digit_modulo_eleven() {
        accepts(jp_my_number, &["123456789018", "1234 5678 9018"]);
        // A remainder of 0 and of 1 are both written 0: every wrong last digit is seen.
        let fitting = (0..10).filter(|digit| jp_my_number(format!("12345678901{digit}").as_bytes())).count();
        assert_eq!(fitting, 1);
        refuses(jp_my_number, &["000000000000", "12345678901", "123456789012", "1234567890188"]);
    }

    #[test]
    fn korean_numbers_have_a_digit_until_october_2020() {
        let fitting = |head: &str| (0..10).filter(|check| kr_rrn(format!("{head}{check}").as_bytes())).count();
        assert_eq!(fitting("900101-123456"), 1);
        assert_eq!(fitting("200930-312345"), 1);
        assert_eq!(fitting("201001-312345"), 10);
        assert_eq!(fitting("900101-512345"), 10);
        assert_eq!(fitting("901301-123456") + fitting("900132-123456") + fitting("900101-923456"), 0);
        refuses(kr_rrn, &["0000000000000", "900101 1234568", "900101-123456"]);
    }

    #[test]
    fn cities_end_in_a_letter_or_a_character() {
        // Numbers worked out in the authorities' explanations.
        accepts(sg_nric, &["S1234567D", "T1234567J", "F1234567N", "G1234567X", "M1234567K", "s1234567d"]);
        for number in ["S1234567D", "G1234567X", "M1234567K"] {
            catches_every_wrong_digit(sg_nric, number);
            has_one_last_letter(sg_nric, number);
        }
        refuses(sg_nric, &["A1234567D", "S1234567", "S12345678", "S123456D", "00000000D"]);
        accepts(hk_hkid, &["A123456(3)", "A1234563", "AB987654(3)", "G123456(A)"]);
        catches_every_wrong_digit(hk_hkid, "A123456(3)");
        refuses(
            hk_hkid,
            &["A123456(4)", "A12345(3)", "1123456(3)", "ABC123456(3)", "A123456(3", "A123456(B)", "(A123456)3", "()"],
        );
    }

    #[test]
    fn turkish_numbers_have_two_digits() {
        accepts(tr_tckn, &["10000000146", "17291716060"]);
        catches_every_wrong_digit(tr_tckn, "10000000146");
        refuses(tr_tckn, &["00000000000", "01000000012", "1000000014", "100000001466"]);
    }
}

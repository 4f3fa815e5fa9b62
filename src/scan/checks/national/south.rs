//! Spain, Italy, Portugal, Greece.

use super::super::date::{is_short_date, pairs};
use super::super::read::{base36, code, digits, number, values};
use super::super::sums::{luhn, weighted};

/// Spanish identity number. Real Decreto 1553/2005 and Ministerio del Interior, "Cálculo del dígito de control": eight digits and
/// the letter of their remainder modulo 23.
pub(in super::super) fn es_dni(value: &[u8]) -> bool {
    let Some([body @ .., letter]) = code::<9>(value, b" .-") else { return false };
    values::<8>(&body).is_some_and(|digits| letter_of(number(&digits)) == Some(letter))
}

/// Spanish number of foreigners. Real Decreto 557/2011: X, Y or Z count as 0, 1, 2 before seven digits, and the same letter.
pub(in super::super) fn es_nie(value: &[u8]) -> bool {
    let Some([first, body @ .., letter]) = code::<9>(value, b" .-") else { return false };
    let leading = match first {
        b'X' => 0,
        b'Y' => 10_000_000,
        b'Z' => 20_000_000,
        _ => return false,
    };
    values::<7>(&body).is_some_and(|digits| letter_of(leading + number(&digits)) == Some(letter))
}

fn letter_of(number: u64) -> Option<u8> {
    b"TRWAGMYFPDXBNJZSQVHLCKE".get((number % 23) as usize).copied()
}

/// Italian tax code of a person. Decreto ministeriale 23 dicembre 1976: name, year, month letter, day (women plus 40), place,
/// check letter; digits may be letters where two people share a code (omocodia).
pub(in super::super) fn it_codice_fiscale(value: &[u8]) -> bool {
    code::<16>(value, b" ").is_some_and(|text| is_codice(&text).unwrap_or(false))
}

fn is_codice(text: &[u8; 16]) -> Option<bool> {
    let [n1, n2, n3, n4, n5, n6, _, _, month, d1, d2, place, p1, p2, p3, check] = *text;
    let names = [n1, n2, n3, n4, n5, n6, place, check].iter().all(u8::is_ascii_uppercase);
    let day = omocode(d1)? * 10 + omocode(d2)?;
    let digits = [p1, p2, p3].iter().all(|byte| omocode(*byte).is_some());
    let years = text.get(6..8)?.iter().all(|byte| omocode(*byte).is_some());
    let dated = b"ABCDEHLMPRST".contains(&month) && matches!(day, 1..=31 | 41..=71);
    let (body, _) = text.split_at_checked(15)?;
    let mut sum = 0;
    for (byte, place) in body.iter().zip(0..) {
        sum += if place % 2 == 0 { odd_place(*byte)? } else { even_place(*byte)? };
    }
    Some(names && digits && years && dated && u32::from(check - b'A') == sum % 26)
}

/// A digit, or the letter that stands for it.
fn omocode(byte: u8) -> Option<u32> {
    let letter = || b"LMNPQRSTUV".iter().zip(0..).find(|(letter, _)| **letter == byte).map(|(_, digit)| digit);
    char::from(byte).to_digit(10).or_else(letter)
}

/// 0 to 9 for digits, 0 to 25 for letters.
fn even_place(byte: u8) -> Option<u32> {
    base36(byte).map(|value| if value < 10 { value } else { value - 10 })
}

/// The decree's table for the first, third, ... place.
fn odd_place(byte: u8) -> Option<u32> {
    const VALUES: [u32; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    VALUES.get(usize::try_from(even_place(byte)?).ok()?).copied()
}

/// Portuguese taxpayer number. Decreto-Lei 14/2013: weights 9 to 2, modulo 11; first digits of people and of organisations.
pub(in super::super) fn pt_nif(value: &[u8]) -> bool {
    digits::<9>(value, b" .").is_some_and(|digits| {
        let [first, second, .., check] = digits;
        let given = match first {
            1..=3 | 5 | 6 | 8 => true,
            4 => second == 5,
            7 => !matches!(second, 3 | 6),
            9 => matches!(second, 0 | 1 | 8 | 9),
            _ => false,
        };
        let remainder = weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        given && u32::from(check) == if remainder < 2 { 0 } else { 11 - remainder }
    })
}

/// Greek taxpayer number. AADE: powers of two, modulo 11, modulo 10.
pub(in super::super) fn gr_afm(value: &[u8]) -> bool {
    digits::<9>(value, b" ").is_some_and(|digits| {
        let [.., check] = digits;
        weighted(&digits, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == u32::from(check)
    })
}

/// Greek social security number. IDIKA, "AMKA": date of birth, serial, Luhn.
pub(in super::super) fn gr_amka(value: &[u8]) -> bool {
    digits::<11>(value, b" ").is_some_and(|digits| {
        let dated = pairs(&digits).is_some_and(|[day, month, year]| is_short_date(year, month, day));
        dated && luhn(&digits)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, has_one_last_letter, refuses};
    use super::*;

    #[test]
    fn spanish_numbers_end_in_the_letter_of_their_remainder() {
        accepts(es_dni, &["12345678Z", "12345678-z", "12.345.678-Z", "54362315K"]);
        accepts(es_nie, &["X1234567L", "Y1234567X", "Z1234567R", "x-1234567-l"]);
        for (check, number) in [(es_dni as fn(&[u8]) -> bool, "12345678Z"), (es_nie, "X1234567L")] {
            catches_every_wrong_digit(check, number);
            has_one_last_letter(check, number);
        }
        refuses(es_dni, &["123456789", "1234567Z", "12345678", "X1234567L", "00000000Z0", "12345678ZZ", "12345678I"]);
        refuses(es_nie, &["W1234567L", "12345678Z", "X123456L", "X12345678"]);
    }

    #[test]
    fn italian_codes_have_a_letter_from_two_tables() {
        // The Agenzia's usual specimen, and the same with three digits written as letters.
        accepts(it_codice_fiscale, &["RSSMRA85T10A562S", "rssmra85t10a562s", "RCCMNL83S18D969H"]);
        catches_every_wrong_digit(it_codice_fiscale, "RCCMNL83S18D969H");
        has_one_last_letter(it_codice_fiscale, "RSSMRA85T10A562S");
        let omocode = ('A'..='Z').filter(|letter| it_codice_fiscale(format!("RSSMRAURT1LAR6N{letter}").as_bytes())).count();
        assert_eq!(omocode, 1);
        refuses(
            it_codice_fiscale,
            &[
                "RSSMRA85T32A562S",
                "RSSMRA85F10A562S",
                "RSSMRA85T10A562",
                "RSSMR185T10A562S",
                "RSSMRA85T10A562SS",
                "RSSMRAA5T10A562S",
            ],
        );
    }

    #[test]
    fn portuguese_numbers_are_modulo_eleven() {
        accepts(pt_nif, &["123456789", "501964843", "501 964 843", "299999998"]);
        catches_every_wrong_digit(pt_nif, "123456789");
        refuses(pt_nif, &["000000000", "12345678", "1234567899", "400000009", "012345671"]);
    }

    #[test]
    fn greek_numbers_have_their_sums() {
        accepts(gr_afm, &["094259216", "023456780"]);
        catches_every_wrong_digit(gr_afm, "094259216");
        accepts(gr_amka, &["01013099997"]);
        catches_every_wrong_digit(gr_amka, "01013099997");
        refuses(gr_afm, &["000000000", "0942592166", "09425921"]);
        refuses(gr_amka, &["32013099997", "01133099995", "00000000000", "0101309999"]);
    }
}

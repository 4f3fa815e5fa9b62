//! Canada, Mexico, Brazil.

use super::super::date::{is_birth, pairs};
use super::super::read::{code, digits, values};
use super::super::sums::{luhn, weighted};

/// Canadian social insurance number. Employment and Social Development Canada, "SIN Code of Practice": nine digits, Luhn. 0 begins
/// numbers of the Revenue Agency for those without one and 8 those of businesses: they stand in the same places and pass.
pub(in super::super) fn ca_sin(value: &[u8]) -> bool {
    digits::<9>(value, b" -").is_some_and(|digits| luhn(&digits))
}

/// Mexican population register code. Instructivo normativo para la asignación de la CURP (DOF 18-10-2021): letters of the name,
/// date, sex, state, inner consonants, a digit (births to 1999) or letter (later), a check digit.
pub(in super::super) fn mx_curp(value: &[u8]) -> bool {
    is_curp(value).unwrap_or(false)
}

fn is_curp(value: &[u8]) -> Option<bool> {
    const STATES: &str = "AS BC BS CC CL CM CS CH DF DG GT GR HG JC MC MN MS NT NL OC PL QT QR SP SL SR TC TS TL VZ YN ZS NE";
    let curp: [u8; 18] = code(value, b"")?;
    let [n1, n2, n3, n4, date @ .., sex, s1, s2, c1, c2, c3, series, check] = curp;
    let date: [u8; 6] = values(&date)?;
    let [year, month, day] = pairs(&date)?;
    let century = if series.is_ascii_digit() { 1900 } else { 2000 };
    let letters = [n1, n2, n3, n4, c1, c2, c3].iter().all(u8::is_ascii_uppercase);
    let state = STATES.split(' ').any(|state| state.as_bytes() == [s1, s2]);
    let fits = letters && state && matches!(sex, b'H' | b'M' | b'X') && is_birth(century + year, month, day);
    let sum = curp.iter().zip((2..=18).rev()).map(|(byte, weight)| curp_value(*byte) * weight).sum::<u32>();
    Some(fits && check.is_ascii_digit() && (sum + u32::from(check - b'0')).is_multiple_of(10))
}

/// `Ñ` has a place of its own between N and O, though it is never written.
fn curp_value(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        _ => u32::from(byte.saturating_sub(b'A')) + 11,
    }
}

/// Brazilian taxpayer number of a person. Receita Federal, IN RFB 1548/2015: two check digits modulo 11.
pub(in super::super) fn br_cpf(value: &[u8]) -> bool {
    digits::<11>(value, b".- ").is_some_and(|digits| {
        let [.., first, second] = digits;
        let tail = |weights: &[u32]| weighted(&digits, weights) * 10 % 11 % 10;
        tail(&[10, 9, 8, 7, 6, 5, 4, 3, 2]) == u32::from(first) && tail(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == u32::from(second)
    })
}

/// Brazilian company number; since July 2026 its first twelve places may be letters, which count as their ASCII code less 48.
/// Receita Federal, IN RFB 2119/2022, Annex XV as amended by IN RFB 2229/2024.
pub(in super::super) fn br_cnpj(value: &[u8]) -> bool {
    let Some(text) = code::<14>(value, b"./-") else { return false };
    let [.., first, second] = text;
    let values = text.map(|byte| byte.wrapping_sub(b'0'));
    let tail = |weights: &[u32]| weighted(&values, weights) * 10 % 11 % 10;
    let tail_first = tail(&[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
    let tail_second = tail(&[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
    let written = |byte: u8| char::from(byte).to_digit(10);
    written(first) == Some(tail_first) && written(second) == Some(tail_second)
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, catches_wrong_digits, refuses};
    use super::*;

    #[test]
    fn canadian_numbers_have_luhns_digit() {
        // The specimen that Canada prints, and one of its series 1.
        accepts(ca_sin, &["046 454 286", "046-454-286", "046454286", "130692544"]);
        catches_every_wrong_digit(ca_sin, "046454286");
        refuses(ca_sin, &["000000000", "046.454.286", "04645428", "0464542861"]);
    }

    #[test]
    fn mexican_codes_have_a_date_a_state_and_a_digit() {
        accepts(mx_curp, &["HEGG560427MVZRRL04", "BOXW310820HNERXN09"]);
        // Even weights modulo ten: a digit that is off by five is not seen everywhere, the last one is.
        catches_wrong_digits(mx_curp, "BOXW310820HNERXN09", &[4, 5, 6, 7, 8, 9, 16]);
        refuses(
            mx_curp,
            &[
                "BOXW311320HNERXN09",
                "BOXW310820ZNERXN09",
                "BOXW310820HXXRXN09",
                "BOXW310820HNERXN0A",
                "B0XW310820HNERXN09",
                "BOXW310820HNERXNA9",
                "",
                "000000000000000000",
            ],
        );
    }

    #[test]
    fn brazilian_people_have_two_digits() {
        accepts(br_cpf, &["529.982.247-25", "52998224725", "111.444.777-35"]);
        catches_every_wrong_digit(br_cpf, "52998224725");
        refuses(br_cpf, &["111.111.111-11", "00000000000", "529.982.247-2", "529..982.247-25", "529982247255"]);
    }

    #[test]
    fn brazilian_companies_have_two_digits_and_may_have_letters() {
        // The second is the Receita Federal's own example of the new form.
        accepts(br_cnpj, &["11.222.333/0001-81", "12.ABC.345/01DE-35", "11222333000181"]);
        catches_every_wrong_digit(br_cnpj, "11222333000181");
        refuses(br_cnpj, &["00.000.000/0000-00", "11.222.333/0001-8A", "11.222.333/0001-8", "12.ABC.345/01DE-3X"]);
    }
}

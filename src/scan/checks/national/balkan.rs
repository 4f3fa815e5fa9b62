//! Bulgaria, Croatia, Slovenia.

use super::super::date::{is_birth, pairs};
use super::super::read::{digits, number};
use super::super::sums::{mod_11_10, weighted};

/// Bulgarian civil number. Наредба РД-02-20-9 (2012): date with the century in the month, weights modulo 11, modulo 10.
pub(in super::super) fn bg_egn(value: &[u8]) -> bool {
    digits::<10>(value, b" ").is_some_and(|digits| is_egn(&digits).unwrap_or(false))
}

fn is_egn(digits: &[u8; 10]) -> Option<bool> {
    let [year, month, day] = pairs(digits)?;
    let century = match month / 20 {
        0 => 1900,
        1 => 1800,
        _ => 2000,
    };
    let [.., check] = *digits;
    let sum = weighted(digits, &[2, 4, 8, 5, 10, 9, 7, 3, 6]);
    Some(month < 60 && is_birth(century + year, month % 20, day) && sum % 11 % 10 == u32::from(check))
}

/// Croatian personal number. Zakon o osobnom identifikacijskom broju (NN 60/2008): ISO 7064 MOD 11,10.
pub(in super::super) fn hr_oib(value: &[u8]) -> bool {
    digits::<11>(value, b" ").is_some_and(|digits| mod_11_10(&digits))
}

/// Slovenian personal number. Zakon o centralnem registru prebivalstva, 7. člen: date, register 50 to 59, serial, weights modulo
/// 11; a remainder that would take 10 is written 0 in some registers of the old federation, and passes.
pub(in super::super) fn si_emso(value: &[u8]) -> bool {
    digits::<13>(value, b" ").is_some_and(|digits| is_emso(&digits).unwrap_or(false))
}

fn is_emso(digits: &[u8; 13]) -> Option<bool> {
    let [day, month, _] = pairs(digits)?;
    let [_, _, _, _, y1, y2, y3, register, .., check] = *digits;
    // Three digits of the year: 9xx and 8xx before 2000, 0xx after.
    let year = u32::try_from(number(&[y1, y2, y3])).ok()?;
    let year = year + if year >= 800 { 1000 } else { 2000 };
    let sum = weighted(digits, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    Some(register == 5 && is_birth(year, month, day) && (11 - sum % 11) % 11 % 10 == u32::from(check))
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, catches_wrong_digits, refuses};
    use super::*;

    #[test]
    fn bulgarian_numbers_keep_the_century_in_the_month() {
        accepts(bg_egn, &["7523169263", "6101057509", "8032056031"]);
        refuses(bg_egn, &["7513169263", "7563169263", "0000000000", "752316926", "7523 1692 633"]);
        // Remainder ten is written as 0: the last digit is seen always, another one nearly always.
        catches_wrong_digits(bg_egn, "7523169263", &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn croatian_numbers_are_modulo_eleven_and_ten() {
        accepts(hr_oib, &["33392005961", "69435151530"]);
        catches_every_wrong_digit(hr_oib, "33392005961");
        refuses(hr_oib, &["00000000000", "3339200596", "333920059611", "333-92005961"]);
    }

    #[test]
    fn slovenian_numbers_have_a_register() {
        accepts(si_emso, &["0101006500006"]);
        // 0 stands for two remainders.
        catches_wrong_digits(si_emso, "0101006500006", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        refuses(si_emso, &["3201006500006", "0101006710001", "0000000000000", "010100650000"]);
    }
}

//! Check digits that several numbers share. All take digits as their values, the check digit last.

/// ISO/IEC 7812-1, Annex B: every second digit from the right is doubled, and 9 taken off what passes 9.
pub(super) fn luhn(digits: &[u8]) -> bool {
    luhn_sum(digits).is_multiple_of(10)
}

/// The sum that has to be a multiple of ten.
pub(super) fn luhn_sum(digits: &[u8]) -> u32 {
    let value = |(digit, place): (&u8, u32)| match (u32::from(*digit), place % 2) {
        (digit, 0) => digit,
        (digit, _) if digit > 4 => digit * 2 - 9,
        (digit, _) => digit * 2,
    };
    digits.iter().rev().zip(0..).map(value).sum()
}

/// Digits times weights, added up.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// J. Verhoeff, "Error Detecting Decimal Codes" (1969): every single wrong digit and every swap of neighbours is seen.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    let step = |sum: u8, (digit, place): (&u8, usize)| turn(sum, permuted(*digit, place));
    digits.iter().rev().zip(0..).fold(0, step) == 0
}

/// Composition in the group of the turns and flips of a pentagon: 0 to 4 are turns, 5 to 9 flips.
fn turn(first: u8, second: u8) -> u8 {
    match (first < 5, second < 5) {
        (true, true) => (first + second) % 5,
        (true, false) => 5 + (first + second) % 5,
        (false, true) => 5 + (first + 10 - second) % 5,
        (false, false) => (first + 5 - second) % 5,
    }
}

/// The permutation of Verhoeff's scheme, applied `place` times; the eighth time gives every digit back.
fn permuted(digit: u8, place: usize) -> u8 {
    const ONCE: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    (0..place % 8).fold(digit, |digit, _| ONCE.get(usize::from(digit)).copied().unwrap_or(digit))
}

/// ISO/IEC 7064, hybrid system MOD 11,10.
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((check, rest)) = digits.split_last() else { return false };
    let product = rest.iter().fold(10, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (product + u32::from(*check)) % 10 == 1
}

/// ISO/IEC 7064, pure system MOD 11-2. The last value may be 10, which is written `X`.
pub(super) fn mod_11_2(values: &[u8]) -> bool {
    let fold = |remainder, value: &u8| (remainder * 2 + u32::from(*value)) % 11;
    // The last character counts once, all others twice for each place behind them.
    values.split_last().is_some_and(|(check, rest)| (rest.iter().fold(0, fold) * 2 + u32::from(*check)) % 11 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| if byte == b'X' { 10 } else { byte - b'0' }).collect()
    }

    /// Of all ten last digits one fits, and no other digit anywhere does.
    fn catches_every_wrong_digit(check: fn(&[u8]) -> bool, text: &str) {
        let right = values(text);
        assert!(check(&right), "{text}");
        for place in 0..right.len() {
            for other in (0..10).filter(|other| *other != right[place]) {
                let mut wrong = right.clone();
                wrong[place] = other;
                assert!(!check(&wrong), "{wrong:?}");
            }
        }
    }

    #[test]
    fn published_examples_fit_and_wrong_digits_do_not() {
        catches_every_wrong_digit(luhn, "79927398713"); // ISO/IEC 7812-1
        catches_every_wrong_digit(verhoeff, "2363"); // Verhoeff's own
        catches_every_wrong_digit(mod_11_10, "07945"); // ISO/IEC 7064: 0794 has check digit 5
        catches_every_wrong_digit(mod_11_2, "07940"); // ISO/IEC 7064: 0794 has check digit 0
        catches_every_wrong_digit(mod_11_2, "079X"); // ISO/IEC 7064: 079 has check character X
    }

    #[test]
    fn verhoeff_sees_swapped_neighbours() {
        let right = values("234123412346");
        assert!(verhoeff(&right));
        for place in 1..right.len() {
            let mut wrong = right.clone();
            wrong.swap(place - 1, place);
            assert!(wrong == right || !verhoeff(&wrong), "{place}");
        }
    }

    #[test]
    fn nothing_has_no_check_digit() {
        assert!(!mod_11_10(&[]) && !mod_11_2(&[]));
    }
}

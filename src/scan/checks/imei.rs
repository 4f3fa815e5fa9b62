//! Handsets: Luhn's digit.

use super::read;
use super::sums::luhn;

/// The number of a mobile handset: 3GPP TS 23.003, 6.2.1 and Annex B.
pub(super) fn imei(value: &[u8]) -> bool {
    read::digits::<15>(value, b" -").is_some_and(|digits| luhn(&digits))
}

#[cfg(test)]
mod tests {
    use super::super::proof::{accepts, catches_every_wrong_digit, refuses};
    use super::*;

    #[test]
    fn handsets_have_luhns_digit() {
        accepts(imei, &["490154203237518", "49-015420-323751-8", "35 209900 176148 1"]);
        catches_every_wrong_digit(imei, "490154203237518");
        refuses(imei, &["000000000000000", "49015420323751", "4901542032375180", "49.015420.323751.8"]);
    }
}

//! Payment cards (Luhn's digit, and a beginning that a network gives out) and handsets (Luhn's digit).

use super::read::{self, is_evenly_separated};
use super::sums::luhn;
use crate::scan::registers::is_card;

/// A number that a network may have issued; groups of three digits and more, with one kind of separator.
pub(super) fn payment_card(value: &[u8]) -> bool {
    let groups = value.split(|byte| matches!(byte, b' ' | b'-'));
    let grouped = groups.map(<[u8]>::len).all(|length| length >= 3);
    let digits = read::numerals::<19>(value, b" -");
    grouped && is_evenly_separated(value) && digits.is_some_and(|digits| is_issued(digits.bytes()) && luhn(digits.bytes()))
}

fn is_issued(digits: &[u8]) -> bool {
    digits.first_chunk::<6>().is_some_and(|prefix| is_card(read::number(prefix), digits.len()))
}

/// The number of a mobile handset: 3GPP TS 23.003, 6.2.1 and Annex B.
pub(super) fn imei(value: &[u8]) -> bool {
    read::digits::<15>(value, b" -").is_some_and(|digits| luhn(&digits))
}

#[cfg(test)]
mod tests {
    use super::super::proof::{accepts, catches_every_wrong_digit, refuses};
    use super::*;

    /// Test numbers that networks and their processors publish.
    const PUBLISHED: &[&str] = &[
        "4111111111111111",
        "4222222222222",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "30569309025904",
        "3056 930902 5904",
        "3530111333300000",
        "6200000000000005",
        "6759649826438453",
        "2200000000000053",
    ];

    #[test]
    fn test_cards_of_the_networks_pass() {
        accepts(payment_card, PUBLISHED);
        accepts(payment_card, &["4111\u{a0}1111\u{a0}1111\u{a0}1111"]);
        for card in PUBLISHED {
            catches_every_wrong_digit(payment_card, card);
        }
    }

    #[test]
    fn numbers_that_no_network_gave_out_do_not() {
        refuses(
            payment_card,
            &[
                "1111111111111117", // Luhn fits, no such range
                "411111111111116",  // Visa of 15 digits
                "3400000000000000000",
                "0000000000000000",
                "4444444444444444",
                "4111-1111 1111-1111",
                "4111 1111 1111 111 1",
                "0.4111111111111111",
                "4111.1111.1111.1111",
                "41-11111111-111111",
                "4111--1111--1111--1111",
                "411111111111111a",
                "41111111111111111111",
                "4111 1111 1111 1111 22",
            ],
        );
    }

    #[test]
    fn handsets_have_luhns_digit() {
        accepts(imei, &["490154203237518", "49-015420-323751-8", "35 209900 176148 1"]);
        catches_every_wrong_digit(imei, "490154203237518");
        refuses(imei, &["000000000000000", "49015420323751", "4901542032375180", "49.015420.323751.8"]);
    }
}

//! Payment cards (Luhn's digit, and a beginning that a network gives out) and handsets (Luhn's digit).

use super::read::{self, is_evenly_separated};
use super::sums::luhn;

/// First and last six digits of a range, and the lengths in use there: ISO/IEC 7812-2 ranges as the networks print them.
const ISSUERS: &[(u64, u64, &[usize])] = &[
    (220_000, 220_499, &[16, 17, 18, 19]),             // Mir
    (222_100, 272_099, &[16]),                         // Mastercard
    (300_000, 305_999, &[14, 16, 17, 18, 19]),         // Diners Club
    (309_500, 309_599, &[14, 16, 17, 18, 19]),         // Diners Club
    (340_000, 349_999, &[15]),                         // American Express
    (352_800, 358_999, &[16, 17, 18, 19]),             // JCB
    (360_000, 369_999, &[14, 16, 17, 18, 19]),         // Diners Club
    (370_000, 379_999, &[15]),                         // American Express
    (380_000, 399_999, &[14, 16, 17, 18, 19]),         // Diners Club
    (400_000, 499_999, &[13, 16, 19]),                 // Visa
    (500_000, 509_999, &[13, 14, 15, 16, 17, 18, 19]), // Maestro, Verve, RuPay, Elo
    (510_000, 559_999, &[16]),                         // Mastercard
    (560_000, 589_999, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (601_100, 601_199, &[16, 17, 18, 19]),             // Discover
    (606_282, 606_282, &[16]),                         // Hipercard
    (606_985, 608_500, &[16]),                         // RuPay
    (620_000, 629_999, &[16, 17, 18, 19]),             // UnionPay
    (630_400, 630_499, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (636_000, 639_999, &[16]),                         // InstaPayment, Maestro
    (644_000, 659_999, &[16, 17, 18, 19]),             // Discover, RuPay, Elo
    (670_000, 679_999, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (810_000, 817_199, &[16, 17, 18, 19]),             // UnionPay
    (817_200, 820_199, &[16]),                         // RuPay
    (979_200, 979_289, &[16]),                         // Troy
];

/// A number that a network may have issued; groups of three digits and more, with one kind of separator.
pub(super) fn payment_card(value: &[u8]) -> bool {
    let groups = value.split(|byte| matches!(byte, b' ' | b'-'));
    let grouped = groups.map(<[u8]>::len).all(|length| length >= 3);
    let digits = read::numerals::<19>(value, b" -");
    grouped && is_evenly_separated(value) && digits.is_some_and(|digits| is_issued(digits.bytes()) && luhn(digits.bytes()))
}

fn is_issued(digits: &[u8]) -> bool {
    let Some(prefix) = digits.first_chunk::<6>().map(|prefix| read::number(prefix)) else { return false };
    let issuer = ISSUERS.iter().find(|(first, last, _)| (*first..=*last).contains(&prefix));
    issuer.is_some_and(|(_, _, lengths)| lengths.contains(&digits.len()))
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

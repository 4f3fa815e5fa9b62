//! Payment card numbers: 13 to 19 digits, ISO/IEC 7812-1 check digit (Luhn), an issuer that numbers cards that way.
//!
//! Digits may be grouped by one separator, always the same. Issuer ranges: ISO/IEC 7812 registers as printed by the networks
//! (Visa, Mastercard 2017 expansion, Amex, Discover, Diners, JCB, `UnionPay`, Maestro, Mir, `RuPay`, Troy).
//! Misses: dots, slashes or line breaks between groups, groups of one or two digits, numbers split over two strings, digits in other scripts,
//! private-label cards. One in ten random numbers of the right length and range passes Luhn: an id of that shape is taken for a card.

use std::ops::Range;

use super::runs::{self, Gap};

/// Thirteen digits with separators of up to three bytes.
pub(super) const OUTLINE: &str = r"[0-9]{3}[0-9 \x80-\xFF-]{10}";

const LONGEST: usize = 19;
const GROUPS: usize = 8;

/// Groupings that are taken for a card even when more groups follow or precede ("4111 1111 1111 1111 12 27").
const PRINTED: &[&[usize]] = &[&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];

/// First and last six digits of a range, and the lengths in use there.
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

/// The card number whose first group of digits begins at `start`.
pub(super) fn at(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let run = &runs::at(bytes, start);
    // No group of a card is shorter at its beginning.
    if run.len() < 3 || !runs::starts_cleanly(bytes, run.start) {
        return None;
    }
    let before = runs::chained_before(bytes, run.start);
    if before == Some(Gap::Dash) {
        return None;
    }
    let number = Groups::read(bytes, run);
    (1..=number.count).rev().find_map(|count| {
        let end = *number.ends.get(count - 1)?;
        let lengths = number.lengths.get(..count)?;
        let whole = before.is_none() && count == number.count && number.complete;
        let loose = number.gap != Some(Gap::Dash) && (count == 1 || PRINTED.contains(&lengths));
        let grouped = lengths.split_last().is_some_and(|(_, rest)| rest.iter().all(|length| *length >= 3));
        let digits = number.digits.get(..lengths.iter().sum())?;
        let fits = (whole && grouped) || loose;
        (fits && closes(bytes, end) && is_issued(digits) && luhn(digits)).then_some(run.start..end)
    })
}

fn closes(bytes: &[u8], end: usize) -> bool {
    runs::ends_cleanly(bytes, end) && runs::chained_after(bytes, end) != Some(Gap::Dash)
}

/// Groups of digits joined by one kind of separator, as many as a card number can hold.
struct Groups {
    digits: [u8; LONGEST],
    lengths: [usize; GROUPS],
    ends: [usize; GROUPS],
    count: usize,
    gap: Option<Gap>,
    /// Whether nothing more hangs on.
    complete: bool,
}

impl Groups {
    fn read(bytes: &[u8], run: &Range<usize>) -> Self {
        let mut groups =
            Self { digits: [0; LONGEST], lengths: [0; GROUPS], ends: [0; GROUPS], count: 0, gap: None, complete: false };
        let mut filled = 0;
        let mut group = run.clone();
        loop {
            let slots = groups.digits.get_mut(filled..filled + group.len());
            let slot = groups.lengths.get_mut(groups.count).zip(groups.ends.get_mut(groups.count));
            let (Some(slots), Some((length, end)), Some(source)) = (slots, slot, bytes.get(group.clone())) else {
                break;
            };
            slots.copy_from_slice(source);
            (*length, *end) = (group.len(), group.end);
            filled += group.len();
            groups.count += 1;
            let next = runs::gap_at(bytes, group.end).filter(|(_, length)| runs::is_digit(bytes, group.end + length));
            let Some((gap, length)) = next.filter(|(gap, _)| *gap == *groups.gap.get_or_insert(*gap)) else {
                groups.complete = true;
                break;
            };
            let _ = gap;
            let start = group.end + length;
            group = start..runs::end_of_run(bytes, start);
        }
        groups
    }
}

fn is_issued(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(6).fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let issuer = ISSUERS.iter().find(|(first, last, _)| (*first..=*last).contains(&prefix));
    issuer.is_some_and(|(_, _, lengths)| lengths.contains(&digits.len()))
}

/// Whether the check digit fits.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip(0..)
        .map(|(digit, place)| match (u32::from(digit - b'0'), place % 2) {
            (value, 0) => value,
            (value, _) if value > 4 => value * 2 - 9,
            (value, _) => value * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn every_network_and_grouping_is_seen() {
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "4222222222222",
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
        ] {
            assert_eq!(found("card", number), [number], "{number}");
            let inside = format!("card: {number}, exp 12/27");
            assert_eq!(found("card", &inside), [number], "{inside}");
        }
    }

    #[test]
    fn neighbours_do_not_hide_a_card() {
        assert_eq!(found("card", "7 4111 1111 1111 1111 12 27"), ["4111 1111 1111 1111"]);
        assert_eq!(found("card", "a,4111111111111111,5555555555554444"), ["4111111111111111", "5555555555554444"]);
        assert_eq!(found("card", "Paid with 4111111111111111."), ["4111111111111111"]);
        assert_eq!(found("card", "visa-4111111111111111"), ["4111111111111111"]);
    }

    #[test]
    fn look_alikes_stay_clean() {
        for text in [
            "4111111111111112",       // check digit
            "1732147200000",          // milliseconds
            "1732147200000000",       // microseconds
            "0.4111111111111111",     // fraction
            "4111111111111111.5",     // decimal number
            "14111111111111111111",   // longer run
            "41111111111111111111",   // longer run
            "a4111111111111111",      // inside a word
            "4111111111111111b",      // inside a word
            "12-4111-1111-1111-1111", // part of a longer id
            "4111-1111-1111-1111-22", // part of a longer id
            "4111--1111--1111--1111", // two separators
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "0000000000000000",
            "550e8400-e29b-41d4-a716-446655440000",
            "+49 30 901820 1234 5678",
        ] {
            assert!(found("card", text).is_empty(), "{text}");
        }
    }
}

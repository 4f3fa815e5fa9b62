//! Payment card numbers: 13 to 19 digits, ISO/IEC 7812-1 check digit (Luhn), an issuer that numbers cards that way.
//!
//! Digits may be grouped by one separator, always the same. Issuer ranges: ISO/IEC 7812 registers as printed by the networks
//! (Visa, Mastercard 2017 expansion, Amex, Discover, Diners, JCB, `UnionPay`, Maestro, Mir, `RuPay`, Troy).
//! Misses: dots, slashes or line breaks between groups, groups of one or two digits, numbers split over two strings, digits in other scripts,
//! private-label cards. One in ten random numbers of the right length and range passes Luhn: an id of that shape is taken for a card.

use std::ops::Range;

use super::runs::{self, Gap};
use crate::scan::registers::is_card;

const LONGEST: usize = 19;
const GROUPS: usize = 8;

/// Groupings that are taken for a card even when more groups follow or precede ("4111 1111 1111 1111 12 27").
const PRINTED: &[&[usize]] = &[&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];

/// The card number whose first group of digits is `run`.
pub(super) fn at(bytes: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    if !runs::starts_cleanly(bytes, run.start) {
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
    is_card(prefix, digits.len())
}

/// Whether the check digit fits.
pub(in crate::layers::dlp) fn luhn(digits: &[u8]) -> bool {
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
    use super::super::Detector;
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
            assert_eq!(found(Detector::Card, number), [number], "{number}");
            let inside = format!("card: {number}, exp 12/27");
            assert_eq!(found(Detector::Card, &inside), [number], "{inside}");
        }
    }

    #[test]
    fn neighbours_do_not_hide_a_card() {
        assert_eq!(found(Detector::Card, "7 4111 1111 1111 1111 12 27"), ["4111 1111 1111 1111"]);
        assert_eq!(found(Detector::Card, "a,4111111111111111,5555555555554444"), ["4111111111111111", "5555555555554444"]);
        assert_eq!(found(Detector::Card, "Paid with 4111111111111111."), ["4111111111111111"]);
        assert_eq!(found(Detector::Card, "visa-4111111111111111"), ["4111111111111111"]);
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
            assert!(found(Detector::Card, text).is_empty(), "{text}");
        }
    }
}

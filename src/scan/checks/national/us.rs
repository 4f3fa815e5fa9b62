//! United States: tax numbers, numbers of the health system.

use super::super::read::{code, digits, is_evenly_separated, number, values};
use super::super::sums::{luhn_sum, weighted};

/// Taxpayer number of those who have no social security number. IRS, IRM 3.21.263: area 9xx, group 50-65, 70-88, 90-92, 94-99.
pub(in super::super) fn us_itin(value: &[u8]) -> bool {
    let fits = |digits: [u8; 9]| {
        let [area, _, _, tens, ones, ..] = digits;
        area == 9 && matches!(number(&[tens, ones]), 50..=65 | 70..=88 | 90..=92 | 94..=99)
    };
    is_evenly_separated(value) && digits(value, b" -").is_some_and(fits)
}

/// Employer identification number. IRS, "How EINs are assigned and valid EIN prefixes": these are not. No check digit.
pub(in super::super) fn us_ein(value: &[u8]) -> bool {
    const UNUSED: &[u64] = &[0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97];
    let fits = |digits: [u8; 9]| {
        let [tens, ones, serial @ ..] = digits;
        !UNUSED.contains(&number(&[tens, ones])) && number(&serial) != 0
    };
    digits(value, b" -").is_some_and(fits)
}

/// National provider identifier. CMS, "Requirements for NPI and NPI check digit" (2004): Luhn over `80840` and the number; the
/// prefix adds 24. Begins with 1 (people) or 2 (organisations).
pub(in super::super) fn us_npi(value: &[u8]) -> bool {
    let fits = |digits: [u8; 10]| matches!(digits, [1 | 2, ..]) && (luhn_sum(&digits) + 24).is_multiple_of(10);
    digits(value, b" -").is_some_and(fits)
}

/// Registration of a prescriber. 21 CFR 1301 and the DEA Diversion Control Division's "DEA number": a letter for the kind, the
/// initial of the name (or 9), seven digits; the first, third and fifth and twice the others end in the seventh.
pub(in super::super) fn us_dea(value: &[u8]) -> bool {
    const KINDS: &[u8] = b"ABCDEFGHJKLMPRSTUX";
    let Some([kind, initial, digits @ ..]) = code::<9>(value, b" -") else { return false };
    let letters = KINDS.contains(&kind) && (initial == b'9' || initial.is_ascii_uppercase());
    let fits = |digits: [u8; 7]| {
        let [body @ .., check] = digits;
        weighted(&body, &[1, 2, 1, 2, 1, 2]) % 10 == u32::from(check) && number(&body) != 0
    };
    letters && values(&digits).is_some_and(fits)
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, refuses};
    use super::*;

    #[test]
    fn taxpayers_without_one_have_a_group_of_their_own() {
        accepts(us_itin, &["900-70-0000", "912-50-1234", "999-99-1234", "912651234", "912 88 1234", "912-92-1234"]);
        refuses(
            us_itin,
            &["912-49-1234", "912-66-1234", "912-69-1234", "912-89-1234", "912-93-1234", "812-70-1234", "912-70 1234"],
        );
    }

    #[test]
    fn employers_have_a_prefix_in_use() {
        accepts(us_ein, &["12-3456789", "98-7654321", "123456789"]);
        refuses(us_ein, &["00-1234567", "07-1234567", "89-1234567", "97-1234567", "12-0000000", "12-345678", "1234-56789-"]);
    }

    #[test]
    fn providers_have_luhns_digit_with_the_prefix_80840() {
        accepts(us_npi, &["1234567893"]);
        catches_every_wrong_digit(us_npi, "1234567893");
        // With the prefix written out, the usual sum fits.
        assert_eq!(luhn_sum(&[8, 0, 8, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 3]) % 10, 0);
        refuses(us_npi, &["3234567891", "0000000000", "123456789", "1234567890", "12345678931"]);
    }

    #[test]
    fn prescribers_have_two_letters_and_a_sum() {
        accepts(us_dea, &["AB1234563", "F91234563", "ab1234563"]);
        // Weights 1 and 2 modulo ten: a digit under a 2 that is off by five is not seen.
        assert!(us_dea(b"AB1734563"));
        refuses(
            us_dea,
            &["AB1234560", "IB1234563", "NB1234563", "A11234563", "AB0000000", "AB123456", "AB12345633", "1B1234563"],
        );
    }
}

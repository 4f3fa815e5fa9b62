//! The machine-readable zone of passports, visas and identity cards: ICAO Doc 9303, part 3 (check digits), parts 4 to 6 (layouts).

use std::ops::Range;

use super::read::base36;

const LONGEST: usize = 90;

/// A part with its own check digit: where it stands, and where its digit does.
type Field = (Range<usize>, usize);

/// Two lines of 44: passports. Number, birth, expiry and personal number of the second line; then all of them together.
const TD3: &[Field] = &[(44..53, 53), (57..63, 63), (65..71, 71), (72..86, 86)];
const TD3_WHOLE: (&[Range<usize>], usize) = (&[44..54, 57..64, 65..87], 87);
/// Two lines of 36: cards of the middle size, and visas of that size (which have no check digit over all).
const TD2: &[Field] = &[(36..45, 45), (49..55, 55), (57..63, 63)];
const TD2_WHOLE: (&[Range<usize>], usize) = (&[36..46, 49..56, 57..71], 71);
/// Three lines of 30: cards of the size of a payment card.
const TD1: &[Field] = &[(5..14, 14), (30..36, 36), (38..44, 44)];
const TD1_WHOLE: (&[Range<usize>], usize) = (&[5..30, 30..37, 38..45, 48..59], 59);

/// The lines of a travel document, one after the other, with line breaks or spaces between them.
pub(super) fn mrz(value: &[u8]) -> bool {
    let zone: Vec<u8> = value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(LONGEST + 1).collect();
    let (fields, (parts, check)) = match zone.len() {
        88 => (TD3, TD3_WHOLE),
        72 => (TD2, TD2_WHOLE),
        90 => (TD1, TD1_WHOLE),
        _ => return false,
    };
    let kind = zone.first().is_some_and(|kind| matches!(kind, b'P' | b'V' | b'I' | b'A' | b'C'));
    let visa = zone.first() == Some(&b'V');
    // A visa has no number in the optional data and no check digit over all: part 7.
    let fields = if visa { fields.get(..3).unwrap_or_default() } else { fields };
    kind && fields.iter().all(|(part, at)| is_checked(&zone, part, *at)) && (visa || ends_in(&zone, parts, check))
}

/// `<` stands for the check digit of a part that is empty, or of a document number that goes on in the optional data.
fn is_checked(zone: &[u8], part: &Range<usize>, at: usize) -> bool {
    let filler = zone.get(at) == Some(&b'<');
    let empty = zone.get(part.clone()).is_some_and(|part| part.iter().all(|byte| *byte == b'<'));
    (filler && (empty || part.start == 5)) || ends_in(zone, std::slice::from_ref(part), at)
}

fn ends_in(zone: &[u8], parts: &[Range<usize>], at: usize) -> bool {
    let digit = zone.get(at).and_then(|byte| char::from(*byte).to_digit(10));
    digit.is_some() && sum(zone, parts) == digit
}

/// Part 3, 4.9: values times 7, 3, 1 and again, modulo ten; over several parts as if they stood together.
fn sum(zone: &[u8], parts: &[Range<usize>]) -> Option<u32> {
    let mut weights = [7, 3, 1].iter().cycle();
    let mut sum = 0;
    for part in parts {
        for byte in zone.get(part.clone())? {
            sum += value(*byte)? * weights.next()?;
        }
    }
    Some(sum % 10)
}

fn value(byte: u8) -> Option<u32> {
    if byte == b'<' { Some(0) } else { base36(byte).filter(|_| !byte.is_ascii_lowercase()) }
}

#[cfg(test)]
mod tests {
    use super::super::proof::{accepts, catches_every_wrong_digit, refuses};
    use super::*;

    // The specimen of ICAO Doc 9303: part 4 (TD3), part 6 (TD2), part 5 (TD1).
    const PASSPORT: &str = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
    const CARD: &str = "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6";
    const SMALL: &str = "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<";

    #[test]
    fn specimens_pass_and_wrong_digits_do_not() {
        accepts(mrz, &[PASSPORT, CARD, SMALL, &PASSPORT.replace('\n', "\r\n"), &PASSPORT.replace('\n', " ")]);
        for zone in [PASSPORT, CARD, SMALL] {
            catches_every_wrong_digit(mrz, zone);
        }
    }

    #[test]
    fn visas_have_no_check_digit_over_all() {
        // Part 7: MRV-A and MRV-B.
        accepts(
            mrz,
            &[
                "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL8988901C4XXX4009078F96121096ZE184226B<<<<<<",
                "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nL8988901C4XXX4009078F9612109<<<<<<<<",
            ],
        );
    }

    #[test]
    fn a_long_number_goes_on_in_the_optional_data() {
        // Part 5, note j: D23145890734 is written D23145890<7349; only the digit over all covers it.
        accepts(mrz, &["I<UTOD23145890<7349<<<<<<<<<<<\n3407127M9507122UTO<<<<<<<<<<<2\nSTEVENSON<<PETER<JOHN<<<<<<<<<"]);
    }

    #[test]
    fn look_alikes_do_not_pass() {
        refuses(
            mrz,
            &[
                "",
                "<",
                &"<".repeat(88),
                &"0".repeat(88),
                &"P".repeat(72),
                &PASSPORT.to_lowercase(),
                // No check digit over all, and a letter that has no value.
                &SMALL.replacen("<<<<<<6", "<<\u{e9}<<<", 1),
                PASSPORT.trim_start_matches('P'),
                &PASSPORT.replacen('P', "X", 1),
                &PASSPORT.replace('U', "\u{dc}"),
            ],
        );
    }
}

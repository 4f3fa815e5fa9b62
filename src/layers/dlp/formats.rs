//! How a token looks: like its value, so that whoever checks the form of the one takes the other. Pure; chance is handed in.
//!
//! | kind | stays | the token is never a live number, because |
//! | --- | --- | --- |
//! | card | length, separators, check digit | it begins with 5610: Bankcard, a scheme that closed in 2006 |
//! | IBAN | country, length, place of letters, case, check digits | of at least 10^11 accounts of that form nearly none exist |
//! | SSN | separators, what the SSA's rules ask for | its area (734-749, 773-899) was given to nobody before June 2011 |
//! | e-mail | that it is an address | `.invalid` is no domain (RFC 2606) |
//! | all others | nothing: `tok_<kind>_` and 26 letters and digits of base 32 | nothing begins so |
//!
//! Of SSNs what is said is not all: since 2011 numbers of these areas are given out, to new-born children and newcomers, so a token may be
//! somebody's number. No form of an SSN that its rules accept is free of that.

use std::ops::Range;

use crate::scan::{check_digits, luhn};
use crate::vault::canonical_token;

/// Base 32 without what looks alike: RFC 4648 in small letters.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A Bankcard number begins so.
const CARD: &str = "5610";

/// Domain of tokens of addresses.
const DOMAIN: &str = "@token.invalid";

/// Letters and digits of base 32 that nobody guesses: in an address, and in a token without form.
const LOCAL: usize = 20;
const OPAQUE: usize = 26;

const PREFIX: &str = "tok_";

/// Longest token without form: prefix, kind, underscore, letters.
const LONGEST: usize = 64;

/// Kinds whose tokens look like their values, and what is common to all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Form {
    Card,
    Email,
    Iban,
    /// A token without form: nobody expects one.
    Opaque,
    UsSsn,
}

impl Form {
    /// Of a kind of values.
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "card" => Self::Card,
            "email" => Self::Email,
            "iban" => Self::Iban,
            "us_ssn" => Self::UsSsn,
            _ => Self::Opaque,
        }
    }
}

/// Gives random numbers; `None` when there are none.
pub(super) type Chance<'c> = &'c mut dyn FnMut() -> Option<u64>;

/// A value without what differs between spellings of it. Of a secret every byte counts.
pub(super) fn normal(form: Form, text: &str) -> String {
    match form {
        Form::Opaque => text.to_owned(),
        Form::Card | Form::Email | Form::Iban | Form::UsSsn => canonical_token(text),
    }
}

/// The value as it is kept. An address comes back as it was first written; what separates digits is taken from where they are written.
pub(super) fn kept(form: Form, text: &str) -> String {
    match form {
        Form::Email | Form::Opaque => text.to_owned(),
        Form::Card | Form::Iban | Form::UsSsn => canonical_token(text),
    }
}

/// A token for a value of that kind, in canonical form.
pub(super) fn draw(kind: &str, normal: &str, chance: Chance<'_>) -> Option<String> {
    match kind {
        "card" => card(normal.len(), chance),
        "email" => Some(letters(LOCAL, chance)? + DOMAIN),
        "iban" => iban(normal, chance),
        "us_ssn" => us_ssn(chance),
        _ => Some(format!("{PREFIX}{kind}_{}", letters(OPAQUE, chance)?)),
    }
}

/// `new` in the layout of `old`: what is no letter and no digit stays, and letters are small where they were.
pub(super) fn in_layout_of(form: Form, old: &str, new: &str) -> String {
    match form {
        Form::Email | Form::Opaque => new.to_owned(),
        Form::Card | Form::Iban | Form::UsSsn => {
            let small = old.bytes().any(|byte| byte.is_ascii_lowercase());
            let mut new = new.chars().map(|letter| if small { letter.to_ascii_lowercase() } else { letter });
            let laid = |letter: char| if letter.is_ascii_alphanumeric() { new.next() } else { Some(letter) };
            old.chars().filter_map(laid).collect()
        }
    }
}

/// Hands every text that has the form of a token without form to `visit`.
pub(super) fn opaque(text: &str, mut visit: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    for start in memchr::memmem::find_iter(bytes, PREFIX) {
        let glued = start.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(is_word);
        let word = bytes.get(start..).unwrap_or_default();
        let word = word.get(..word.iter().take(LONGEST + 1).take_while(|byte| is_word(byte)).count()).unwrap_or_default();
        let body = word.len().checked_sub(OPAQUE).and_then(|at| word.split_at_checked(at));
        let fits = body.is_some_and(|(kind, body)| kind.ends_with(b"_") && body.iter().all(|byte| BASE32.contains(byte)));
        if !glued && fits && word.len() <= LONGEST {
            visit(start..start + word.len());
        }
    }
}

/// Whether a whole text is nine digits: a number whose name stands elsewhere. Only a token is looked for in it.
pub(super) fn is_bare_number(text: &str) -> bool {
    text.len() == 9 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn us_ssn(chance: Chance<'_>) -> Option<String> {
    const AREAS: [Range<u64>; 2] = [734..750, 773..900];
    let mut area = below(AREAS.iter().map(|areas| areas.end - areas.start).sum(), chance)?;
    let areas = AREAS.iter().find(|areas| {
        let size = areas.end - areas.start;
        area < size || {
            area -= size;
            false
        }
    })?;
    let (area, group, serial) = (areas.start + area, 1 + below(99, chance)?, 1 + below(9_999, chance)?);
    Some(format!("{area:03}{group:02}{serial:04}"))
}

fn card(length: usize, chance: Chance<'_>) -> Option<String> {
    let mut number = CARD.to_owned();
    while number.len() + 1 < length {
        number.push(digit(chance)?);
    }
    (b'0'..=b'9').map(|check| format!("{number}{}", char::from(check))).find(|number| luhn(number.as_bytes()))
}

fn iban(normal: &str, chance: Chance<'_>) -> Option<String> {
    let (country, account) = (normal.get(..2)?, normal.get(4..)?);
    let account =
        account
            .bytes()
            .map(|byte| {
                if byte.is_ascii_digit() {
                    digit(chance)
                } else {
                    Some(char::from(b'A' + u8::try_from(below(26, chance)?).ok()?))
                }
            })
            .collect::<Option<String>>()?;
    Some(format!("{country}{:02}{account}", check_digits(country.as_bytes(), account.as_bytes())))
}

fn letters(count: usize, chance: Chance<'_>) -> Option<String> {
    (0..count).map(|_| BASE32.get(usize::try_from(below(32, chance)?).ok()?).map(|byte| char::from(*byte))).collect()
}

fn digit(chance: Chance<'_>) -> Option<char> {
    char::from_digit(u32::try_from(below(10, chance)?).ok()?, 10)
}

/// A number below `end`; of 2^64 the last few are a little rarer, which nobody can measure.
fn below(end: u64, chance: Chance<'_>) -> Option<u64> {
    chance().map(|number| number % end)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::scan::{Catalogue, Effort, Found, Scanner};

    static EVERYTHING: LazyLock<Scanner> = LazyLock::new(|| {
        let names = ["card", "email", "iban", "us_ssn", "aws_access_key"];
        Catalogue::built_in().unwrap().scanner(names, []).unwrap()
    });

    fn find(text: &str, wanted: impl Fn(&str) -> bool) -> Vec<Found> {
        let mut matches = Vec::new();
        EVERYTHING.find(text, &EVERYTHING.set(|row| wanted(row.detector().kind)), &mut Effort::default(), &mut matches).unwrap();
        matches
    }

    /// The one thing of that form that is found in `text`, and its kind.
    fn found(form: Form, text: &str) -> Option<(&'static str, Range<usize>)> {
        let matches = find(text, |kind| Form::of(kind) == form);
        match matches.as_slice() {
            [one] => Some((one.kind, one.start..one.end)),
            _ => None,
        }
    }

    fn chance(seed: u64) -> impl FnMut() -> Option<u64> {
        let mut state = seed;
        move || {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            Some(mixed ^ (mixed >> 31))
        }
    }

    const SURROUNDINGS: [(&str, &str); 5] =
        [("", ""), ("ssn: ", ", born 1980"), ("\"", "\"."), ("(", ") and"), ("Größe=", ";\n")];

    /// Where `value` stood the same form finds its token, with the same bounds but for an address's, and the way back is exact.
    fn stands_for(form: Form, value: &str, seed: u64) {
        for (before, after) in SURROUNDINGS {
            let text = format!("{before}{value}{after}");
            let Some((kind, span)) = found(form, &text) else {
                assert!(form == Form::UsSsn && is_bare_number(value), "{text}: the test shows nothing");
                continue;
            };
            assert_eq!(text.get(span.clone()), Some(value));
            let token = draw(kind, &normal(form, value), &mut chance(seed)).unwrap();
            let laid = in_layout_of(form, value, &token);
            assert_ne!(laid, value);
            assert_eq!(canonical_token(&laid), token, "it is found by what is written");
            let text = format!("{before}{laid}{after}");
            if form == Form::Opaque {
                let mut spans = Vec::new();
                opaque(&text, |span| spans.push(span));
                let [span] = spans.as_slice() else { panic!("{text}: {spans:?}") };
                assert_eq!(*span, before.len()..before.len() + laid.len(), "{text}");
                let matches = find(&text, |_| true);
                assert!(matches.is_empty(), "{text}: {matches:?}");
                continue;
            }
            assert_eq!(found(form, &text), Some((kind, before.len()..before.len() + laid.len())), "{text}");
            if form != Form::Email {
                let shape = |text: &str| -> String {
                    let one = |letter: char| match letter {
                        '0'..='9' => '9',
                        'a'..='z' => 'a',
                        'A'..='Z' => 'A',
                        other => other,
                    };
                    text.chars().map(one).collect()
                };
                assert_eq!(shape(&laid), shape(value), "length, classes and separators");
                assert_eq!(in_layout_of(form, &laid, &kept(form, value)), value);
            }
        }
    }

    proptest! {
        #[test]
        fn an_ssn(area in 1_u32..900, group in 1_u32..100, serial in 1_u32..10_000, gap in "[ -]|\u{2011}|", seed: u64) {
            prop_assume!(area != 666);
            stands_for(Form::UsSsn, &format!("{area:03}{gap}{group:02}{gap}{serial:04}"), seed);
        }

        #[test]
        fn a_card(which in 0_usize..12, gap in "[ -]|\u{a0}|", seed: u64) {
            let groups: &[&str] = [
                &["4111", "1111", "1111", "1111"][..], &["5555", "5555", "5555", "4444"], &["2223", "0031", "2200", "3222"],
                &["3782", "822463", "10005"], &["6011", "1111", "1111", "1117"], &["3056", "930902", "5904"],
                &["3530", "1113", "3330", "0000"], &["6200", "0000", "0000", "0005"], &["6759", "6498", "2643", "8453"],
                &["2200", "0000", "0000", "0053"], &["4222", "2222", "22222"], &["5610", "0000", "0000", "0001"],
            ][which];
            stands_for(Form::Card, &groups.join(&gap), seed);
        }

        #[test]
        fn an_iban(which in 0_usize..9, grouped: bool, small: bool, seed: u64) {
            let iban = [
                "DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606", "NO9386011117947",
                "MT84MALT011000012345MTLCAST001S", "CH9300762011623852957", "NL91ABNA0417164300", "SA0380000000608010167519",
                "BE68539007547034",
            ][which];
            let groups: Vec<_> = iban.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap()).collect();
            let text = if grouped { groups.join(" ") } else { iban.to_owned() };
            stands_for(Form::Iban, &if small { text.to_lowercase() } else { text }, seed);
        }

        #[test]
        fn an_address(local in "[a-zA-Z][a-zA-Z0-9._%+]{0,20}[a-z0-9]", domain in "[a-z]{1,10}\\.(com|de|example)", seed: u64) {
            prop_assume!(!local.contains(".."));
            stands_for(Form::Email, &format!("{local}@{domain}"), seed);
        }

        #[test]
        fn a_secret(body in "[A-Z2-7]{15}Q", seed: u64) {
            stands_for(Form::Opaque, &format!("AKIA{body}"), seed);
        }
    }

    #[test]
    fn what_only_looks_like_a_token_without_form_is_none() {
        let good = format!("tok_private_key_{}", "a2".repeat(13));
        for text in [
            good.replace("tok_", "token_"),
            format!("x{good}"),
            format!("{good}a2"),
            format!("{good}A"),
            good.replace("a2", "a1"),
            good.to_uppercase(),
            good.replace("_key_", "_key"),
            format!("tok_{}", "a2".repeat(13).replace("a2a2a2a2a2a2a2a2", "")),
            "tok_".repeat(100),
        ] {
            opaque(&text, |span| panic!("{text}: {span:?}"));
        }
    }
}

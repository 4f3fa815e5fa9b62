//! International bank account numbers: ISO 13616-1, lengths of the SWIFT IBAN Registry.

use super::read::{Text, base36, text};
use super::sums::fold_97;
use crate::scan::registers::iban_length;

/// The check digits fit, for a country that has accounts of that length; all capitals or none.
pub(super) fn iban(value: &[u8]) -> bool {
    let capitals = value.iter().any(u8::is_ascii_uppercase);
    let small = value.iter().any(u8::is_ascii_lowercase);
    !(capitals && small) && is_account(value).unwrap_or(false)
}

fn is_account(value: &[u8]) -> Option<bool> {
    let text: Text<34> = text(value, b" -")?;
    let [first, second, tens, ones, account @ ..] = text.bytes() else { return None };
    let listed = iban_length([*first, *second]) == Some(text.bytes().len());
    let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    // The first four characters are checked after all others.
    let moved = account.iter().chain([first, second, tens, ones]);
    let remainder = moved.map(|byte| base36(*byte)).try_fold(0, |remainder, value| Some(fold_97(remainder, value?)))?;
    // ISO 7064 gives check digits 02 to 98; 00, 01 and 99 leave the same remainders as 97, 98 and 02.
    Some(listed && digits && remainder == 1 && (2..=98).contains(&(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::super::proof::{accepts, catches_every_wrong_digit, refuses};
    use super::*;

    /// Examples of the SWIFT IBAN Registry.
    const REGISTRY: &[&str] = &[
        "DE89370400440532013000",
        "GB29NWBK60161331926819",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "CH9300762011623852957",
        "NL91ABNA0417164300",
        "SA0380000000608010167519",
        "BE68539007547034",
        "ES9121000418450200051332",
        "IT60X0542811101000000123456",
        "PL61109010140000071219812874",
        "SE4550000000058398257466",
        "AT611904300234573201",
        "DK5000400440116243",
        "FI2112345600000785",
        "BR1800360305000010009795493C1",
        "LC55HEMM000100010012001200023015",
    ];

    #[test]
    fn registry_examples_pass_and_wrong_digits_do_not() {
        accepts(iban, REGISTRY);
        accepts(iban, &["DE89 3704 0044 0532 0130 00", "de89370400440532013000", "GB29-NWBK-6016-1331-9268-19"]);
        for account in REGISTRY {
            catches_every_wrong_digit(iban, account);
        }
    }

    /// The remainder by long division of the whole number, digit by digit as text.
    #[test]
    fn the_remainder_is_that_of_long_division() {
        for account in REGISTRY {
            let (head, tail) = account.split_at(4);
            let written: String = format!("{tail}{head}").chars().map(|c| c.to_digit(36).unwrap().to_string()).collect();
            let remainder = written.bytes().fold(0, |left, digit| (left * 10 + u32::from(digit - b'0')) % 97);
            assert_eq!(remainder, 1, "{account}");
        }
    }

    #[test]
    fn look_alikes_do_not_pass() {
        refuses(
            iban,
            &[
                "XX89370400440532013000",
                "DE8937040044053201300",
                "DE893704004405320130000",
                "De89370400440532013000",
                "GB29nwbk60161331926819",
                "DE00000000000000000000",
                "DE89.3704.0044",
                "DE",
                "",
                "0000000000000000000000",
                "DE893704004405320130--00",
                "DEA9370400440532013000",
            ],
        );
    }
}

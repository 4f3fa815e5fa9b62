//! France, Belgium, the Netherlands, Luxembourg.

use super::super::date::{is_birth, long, pairs};
use super::super::read::{code, digits, number, values};
use super::super::sums::{luhn, verhoeff, weighted};

/// French social security number with its key. INSEE, "NIR"; décret 82-103: sex, year, month (20, 30-42 and 50-99 where unknown),
/// department, commune, order; 97 less the number modulo 97. In Corsica 2A counts as 19 and 2B as 18.
pub(in super::super) fn fr_nir(value: &[u8]) -> bool {
    is_nir(value).unwrap_or(false)
}

fn is_nir(value: &[u8]) -> Option<bool> {
    let mut text: [u8; 15] = code(value, b" .-")?;
    let [sex, _, _, m1, m2, department @ ..] = text;
    let counted: Option<&[u8; 2]> = match department.get(..2)? {
        b"00" => return Some(false),
        b"2A" => Some(b"19"),
        b"2B" => Some(b"18"),
        _ => None,
    };
    if let Some(counted) = counted {
        text.get_mut(5..7)?.copy_from_slice(counted);
    }
    let digits: [u8; 15] = values(&text)?;
    let (body, key) = digits.split_last_chunk::<2>()?;
    let month = number(&values::<2>(&[m1, m2])?);
    let fits = matches!(sex, b'1'..=b'4' | b'7' | b'8') && matches!(month, 1..=12 | 20 | 30..=42 | 50..=99);
    Some(fits && number(body) % 97 + number(key) == 97)
}

/// Belgian national register number, and the numbers of those who are not in it (month plus 20 or 40). Arrêté royal 3 avril 1984:
/// date, serial, 97 less the first nine digits modulo 97, with a 2 before them for births since 2000.
pub(in super::super) fn be_rrn(value: &[u8]) -> bool {
    digits::<11>(value, b" .-").is_some_and(|digits| is_rrn(&digits).unwrap_or(false))
}

fn is_rrn(digits: &[u8; 11]) -> Option<bool> {
    let (body, key) = digits.split_last_chunk::<2>()?;
    let [year, month, day] = pairs(body)?;
    let serial = number(body.last_chunk::<3>()?);
    let (body, key) = (number(body), number(key));
    let born = [(1900, 0), (2000, 2_000_000_000)].iter().any(|(century, before)| {
        // Month and day are zero where they are not known.
        let unknown = day <= 31 && (month % 20 == 0 || day == 0) && month % 20 <= 12;
        97 - (before + body) % 97 == key && (unknown || is_birth(century + year, month % 20, day))
    });
    Some(born && month < 60 && (1..=998).contains(&serial))
}

/// Dutch citizen service number. Besluit BSN; Logius, "elfproef": weights 9 to 2 and -1, a multiple of eleven.
pub(in super::super) fn nl_bsn(value: &[u8]) -> bool {
    digits::<9>(value, b" .-").is_some_and(|digits| {
        let [.., check] = digits;
        weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 == u32::from(check)
    })
}

/// Luxembourg identification number. Loi du 19 juin 2013 relative à l'identification des personnes physiques: date, serial, Luhn's
/// digit of the first eleven, then Verhoeff's digit of the first eleven.
pub(in super::super) fn lu_matricule(value: &[u8]) -> bool {
    digits::<13>(value, b" ").is_some_and(|digits| is_matricule(&digits).unwrap_or(false))
}

fn is_matricule(digits: &[u8; 13]) -> Option<bool> {
    let [year, month, day] = long(digits)?;
    let [with_first @ .., second] = *digits;
    let mut with_second = with_first;
    *with_second.last_mut()? = second;
    Some(is_birth(year, month, day) && luhn(&with_first) && verhoeff(&with_second))
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_every_wrong_digit, catches_wrong_digits, refuses};
    use super::*;

    #[test]
    fn french_numbers_end_in_a_key() {
        // INSEE's and the Assurance maladie's specimens.
        accepts(fr_nir, &["2 55 08 14 168 025 38", "255081416802538", "184127645108946"]);
        catches_every_wrong_digit(fr_nir, "255081416802538");
        refuses(
            fr_nir,
            &["555081416802532", "255131416802590", "25508141680253", "2550814168025381", "000000000000097", "2550800168025", ""],
        );
    }

    #[test]
    fn corsica_counts_as_19_and_18() {
        let key = |body: u64| 97 - body % 97;
        for (letters, digits) in [("2A", "19"), ("2B", "18")] {
            let body: u64 = format!("15402{digits}004006").parse().unwrap();
            assert!(fr_nir(format!("15402{letters}004006{:02}", key(body)).as_bytes()), "{letters}");
        }
        refuses(fr_nir, &["1540 22C 004 006 86", "154022C00400686"]);
    }

    #[test]
    fn belgian_numbers_tell_the_centuries_apart() {
        accepts(be_rrn, &["85.07.30-033.28", "85073003328"]);
        catches_every_wrong_digit(be_rrn, "85073003328");
        // The same day in 2000: the key of 2 and the nine digits.
        let late = format!("00010100{}{:02}", 1, 97 - 2_000_101_001_u64 % 97);
        accepts(be_rrn, &[&late]);
        let bis = format!("854730033{:02}", 97 - 854_730_033_u64 % 97);
        let unknown = format!("850000033{:02}", 97 - 850_000_033_u64 % 97);
        accepts(be_rrn, &[&bis, &unknown]);
        let no_day = format!("850732033{:02}", 97 - 850_732_033_u64 % 97);
        let no_serial = format!("850730000{:02}", 97 - 850_730_000_u64 % 97);
        refuses(be_rrn, &[&no_day, &no_serial, "00000000097", "8507300332", "850730033288"]);
    }

    #[test]
    fn dutch_numbers_pass_the_test_of_eleven() {
        // Logius's test numbers.
        accepts(nl_bsn, &["111222333", "123456782", "1112.22.333"]);
        catches_every_wrong_digit(nl_bsn, "111222333");
        refuses(nl_bsn, &["000000000", "111111111", "11122233", "1112223330", "111 222  333"]);
    }

    #[test]
    fn luxembourg_has_two_digits_of_two_kinds() {
        accepts(lu_matricule, &["1893120105732"]);
        catches_wrong_digits(lu_matricule, "1893120105732", &[]);
        refuses(lu_matricule, &["1893130105732", "0000000000000", "189312010573"]);
    }
}

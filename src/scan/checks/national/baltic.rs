//! Estonia, Lithuania, Latvia.

use super::super::date::{is_birth, is_short_date, pairs};
use super::super::read::digits;
use super::super::sums::weighted;

/// Estonian isikukood (EVS 585:2007) and Lithuanian asmens kodas (Lietuvos Respublikos gyventojų registro įstatymas, 8): century
/// and sex, date, serial, a digit modulo 11 with a second round of weights.
pub(in super::super) fn ee_lt_personal_code(value: &[u8]) -> bool {
    digits::<11>(value, b" ").is_some_and(|digits| is_personal_code(&digits).unwrap_or(false))
}

fn is_personal_code(digits: &[u8; 11]) -> Option<bool> {
    let [century, date @ .., check] = *digits;
    let [year, month, day] = pairs(&date)?;
    let born = match century {
        1 | 2 => 1800,
        3 | 4 => 1900,
        5 | 6 => 2000,
        _ => return None,
    };
    let rounds = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 1], [3, 4, 5, 6, 7, 8, 9, 1, 2, 3]];
    let expected = rounds.iter().map(|weights| weighted(digits, weights) % 11).find(|sum| *sum < 10).unwrap_or(0);
    Some(is_birth(born + year, month, day) && u32::from(check) == expected)
}

/// Latvian personas kods. Ministru kabineta noteikumi 2018 (Fizisko personu reģistra likums, 6): date and century digit, or, since
/// July 2017, 32 and no date; a digit modulo 11.
pub(in super::super) fn lv_personas_kods(value: &[u8]) -> bool {
    digits::<11>(value, b"-").is_some_and(|digits| is_personas_kods(&digits).unwrap_or(false))
}

fn is_personas_kods(digits: &[u8; 11]) -> Option<bool> {
    let [day, month, year] = pairs(digits)?;
    let [.., century, _, _, _, check] = *digits;
    let dated = day == 32 || (century <= 2 && is_short_date(year, month, day));
    let sum = 1 + weighted(digits, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9]);
    Some(dated && sum % 11 % 10 == u32::from(check))
}

#[cfg(test)]
mod tests {
    use super::super::super::proof::{accepts, catches_wrong_digits, refuses};
    use super::*;

    #[test]
    fn estonian_and_lithuanian_codes_share_their_sum() {
        accepts(ee_lt_personal_code, &["37605030299", "33309240064"]);
        refuses(ee_lt_personal_code, &["07605030299", "77605030299", "37613030299", "37605320299", "00000000000", "3760503029"]);
        // Remainder ten falls to a second round, and there to 0: not every wrong digit is seen, but every wrong last one.
        let fitting = (0..10).filter(|digit| ee_lt_personal_code(format!("3760503029{digit}").as_bytes())).count();
        assert_eq!(fitting, 1);
    }

    #[test]
    fn latvian_codes_have_a_date_or_32() {
        accepts(lv_personas_kods, &["161175-19997", "16117519997", "328673-00679"]);
        catches_wrong_digits(lv_personas_kods, "161175-19997", &[]);
        refuses(
            lv_personas_kods,
            &["331175-19997", "161375-19997", "161175-9997", "00000000000", "161175 19997", "161175-39997"],
        );
    }
}

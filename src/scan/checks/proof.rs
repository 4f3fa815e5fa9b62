//! What the tests of every check ask for.

use super::Check;

pub(super) fn accepts(check: Check, values: &[&str]) {
    for value in values {
        assert!(check(value.as_bytes()), "refused: {value}");
    }
}

pub(super) fn refuses(check: Check, values: &[&str]) {
    for value in values {
        assert!(!check(value.as_bytes()), "accepted: {value}");
    }
}

/// No other digit in any place of `value` passes: what a sum over all digits promises.
pub(super) fn catches_every_wrong_digit(check: Check, value: &str) {
    catches_wrong_digits(check, value, &[]);
}

/// The same, for a sum that does not cover the bytes at `uncovered`.
pub(super) fn catches_wrong_digits(check: Check, value: &str, uncovered: &[usize]) {
    assert!(check(value.as_bytes()), "refused: {value}");
    let covered = value.bytes().enumerate().filter(|(place, byte)| byte.is_ascii_digit() && !uncovered.contains(place));
    for (place, right) in covered {
        for other in (b'0'..=b'9').filter(|other| *other != right) {
            let mut wrong = value.as_bytes().to_vec();
            wrong[place] = other;
            assert!(!check(&wrong), "accepted: {}", String::from_utf8_lossy(&wrong));
        }
    }
}

/// Of the letters A to Z exactly one fits at the last place.
pub(super) fn has_one_last_letter(check: Check, value: &str) {
    let (head, last) = value.split_at(value.len() - 1);
    let fitting: Vec<_> = ('A'..='Z').filter(|letter| check(format!("{head}{letter}").as_bytes())).collect();
    assert_eq!(fitting, last.chars().collect::<Vec<_>>(), "{value}");
}

//! Numbers as all formats of this module write them: ASCII decimal, one spelling for each.

use super::tree::MAX_SIZE;

/// Reads a number of at most 2^63-1: digits only, no sign, no leading zero but in `0` itself.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits_only = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits_only || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= MAX_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("20852163"), Some(20_852_163));
        assert_eq!(decimal("9223372036854775807"), Some(MAX_SIZE));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "0x1", "9223372036854775808", "99999999999999999999", "١"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }
}

//! The number grammar of RFC 8259 section 6, and whether a double can hold the number.

use super::ParseError;

/// Digits before the point that are finite whatever they are: the largest double has 309.
const SAFE_DIGITS: usize = 308;

/// Reads the number that starts at `start`; returns the offset of the byte after it.
///
/// No value is computed on the common path: the digits stay what they are, and only an exponent or several hundred digits
/// can make a number infinite.
pub(super) fn scan(text: &str, start: usize) -> Result<usize, ParseError> {
    let bytes = text.as_bytes();
    let negative = bytes.get(start) == Some(&b'-');
    let integer = start + usize::from(negative);
    let mut end = digits(bytes, integer);
    let integer_digits = end - integer;
    let leading_zero = integer_digits > 1 && bytes.get(integer) == Some(&b'0');
    if integer_digits == 0 || leading_zero {
        return Err(ParseError::BadNumber { offset: integer + usize::from(leading_zero) });
    }
    if bytes.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = digits(bytes, fraction);
        if end == fraction {
            return Err(ParseError::BadNumber { offset: end });
        }
    }
    let mut may_overflow = integer_digits > SAFE_DIGITS;
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = matches!(bytes.get(end + 1), Some(b'+' | b'-'));
        let shrinks = bytes.get(end + 1) == Some(&b'-');
        let exponent = end + 1 + usize::from(signed);
        end = digits(bytes, exponent);
        if end == exponent {
            return Err(ParseError::BadNumber { offset: end });
        }
        // Two exponent digits add at most 99 places: no overflow from fewer than 209 digits.
        may_overflow |= !shrinks && (end - exponent > 2 || integer_digits + 100 > SAFE_DIGITS);
    }
    if may_overflow && !is_finite(text, start, end) {
        return Err(ParseError::NumberNotFinite { offset: start });
    }
    Ok(end)
}

#[cold]
fn is_finite(text: &str, start: usize, end: usize) -> bool {
    text.get(start..end).and_then(|number| number.parse::<f64>().ok()).is_some_and(f64::is_finite)
}

fn digits(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_grammar_are_read_to_their_end() {
        for number in ["0", "-0", "7", "-12", "1.10", "0.0", "1e5", "1E+05", "1e-999999999999999999999", "0e99999", "1.7e308"] {
            assert_eq!(scan(&format!("  {number},"), 2), Ok(2 + number.len()), "{number}");
        }
        let long = "9".repeat(308);
        assert_eq!(scan(&long, 0), Ok(308));
    }

    #[test]
    fn malformed_numbers_are_refused_where_they_break() {
        for (number, offset) in
            [("01", 1), ("-01", 2), ("-", 1), ("-x", 1), ("1.", 2), ("1.e5", 2), ("1e", 2), ("1e+", 3), ("00", 1)]
        {
            assert_eq!(scan(number, 0), Err(ParseError::BadNumber { offset }), "{number}");
        }
    }

    #[test]
    fn numbers_that_no_double_can_hold_are_refused() {
        let digits = "9".repeat(309);
        let shifted = format!("{}e99", "9".repeat(300));
        for number in ["1e400", "-1e309", "1.8e308", "1e99999999999999999999", digits.as_str(), shifted.as_str()] {
            assert_eq!(scan(number, 0), Err(ParseError::NumberNotFinite { offset: 0 }), "{number}");
        }
    }
}

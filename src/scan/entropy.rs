//! How random a text looks.

/// Shannon entropy of the bytes, in bits a byte; 0 of none.
#[expect(clippy::cast_precision_loss, reason = "values are short")]
pub(super) fn bits_a_byte(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let all = bytes.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / all).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_shannon_says() {
        assert!(bits_a_byte(b"").abs() < 1e-9 && bits_a_byte(b"aaaa").abs() < 1e-9);
        assert!((bits_a_byte(b"abab") - 1.0).abs() < 1e-9);
        assert!((bits_a_byte(b"0123456789abcdef") - 4.0).abs() < 1e-9);
    }
}

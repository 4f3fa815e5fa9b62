//! Check characters of tokens: CRC-32 in base 62, as GitHub's tokens and our own keys end in them, so that a scanner tells a token
//! from a look-alike without asking its issuer.

/// Digits of base 62: digits before capitals before small letters.
pub(crate) const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Six digits of base 62.
pub(crate) fn base62(mut value: u32) -> [u8; 6] {
    let mut text = [b'0'; 6];
    for letter in text.iter_mut().rev() {
        *letter = ALPHABET.get((value % 62) as usize).copied().unwrap_or(b'0');
        value /= 62;
    }
    text
}

/// CRC-32 (ISO 3309, ITU-T V.42), bit by bit: it runs over fifty bytes a token.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(&base62(0), b"000000");
        assert_eq!(&base62(u32::MAX), b"4gfFC3");
    }
}

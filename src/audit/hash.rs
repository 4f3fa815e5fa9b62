//! Leaf hashes: RFC 6962 section 2.1, domain byte 0x00, over the bytes of a line as stored.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// Hash of one record: SHA-256(0x00 || line without its newline).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leaf([u8; 32]);

impl Leaf {
    /// What the first record of a log names as its predecessor, and the head of an empty log.
    pub const NONE: Self = Self([0; 32]);

    /// The leaf hash of a line, given without its newline.
    pub fn of(line: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        // The domain byte that keeps a leaf from ever being read as an inner node of the tree to come.
        context.update(&[0x00]);
        context.update(line);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    /// Reads 64 lower-case hexadecimal digits, and nothing else.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// The 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> [u8; 64] {
        let mut hex = [b'0'; 64];
        let (pairs, _) = hex.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            *pair = [letter(byte >> 4), letter(byte & 0x0f)];
        }
        hex
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 of whole bytes, for what is not a leaf: cut strings and quarantined bytes.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Leaf(digest).to_string()
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

fn letter(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leaf_of_an_empty_line_is_the_one_of_rfc_6962() {
        let expected = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(Leaf::of(b"").to_string(), expected);
        assert_eq!(Leaf::from_hex(expected.as_bytes()), Some(Leaf::of(b"")));
        assert_eq!(Leaf::of(b"").hex(), expected.as_bytes());
    }

    #[test]
    fn only_64_lower_case_digits_are_a_hash() {
        let (hex, short) = ("0".repeat(64), "0".repeat(63));
        assert_eq!(Leaf::from_hex(hex.as_bytes()), Some(Leaf::NONE));
        for bad in ["", &short, &format!("{hex}0"), &format!("{short}A"), &format!("{short}g")] {
            assert_eq!(Leaf::from_hex(bad.as_bytes()), None, "{bad}");
        }
    }
}

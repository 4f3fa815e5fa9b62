//! SHA-256 tree hashes of RFC 6962 section 2.1 and their two spellings, hexadecimal and base64.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Bytes in a hash.
pub const HASH_LEN: usize = 32;

/// One hash of the tree: of a leaf, of an inner node, or of a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; HASH_LEN]);

impl Hash {
    /// All zero bits: what the first record of a log names as its predecessor. No input is known to hash to it.
    pub const ZERO: Self = Self([0; HASH_LEN]);

    /// A hash from its bytes.
    pub const fn new(bytes: [u8; HASH_LEN]) -> Self {
        Self(bytes)
    }

    /// A hash from a slice, if it has the right length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Plain SHA-256, with no domain byte.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::from_digest(digest(&SHA256, bytes).as_ref())
    }

    /// Hash of one entry: SHA-256(0x00 || entry). The byte keeps an entry from being read as an inner node.
    pub fn leaf(entry: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[0x00]);
        context.update(entry);
        Self::from_digest(context.finish().as_ref())
    }

    /// Hash of an inner node: SHA-256(0x01 || left || right).
    pub fn node(left: Self, right: Self) -> Self {
        let mut bytes = [0x01; 1 + 2 * HASH_LEN];
        let (_, children) = bytes.split_at_mut(1);
        let (first, second) = children.split_at_mut(HASH_LEN);
        first.copy_from_slice(&left.0);
        second.copy_from_slice(&right.0);
        Self::sha256(&bytes)
    }

    /// The root of a tree without leaves: SHA-256 of nothing.
    pub fn empty_root() -> Self {
        Self::sha256(&[])
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_LEN] {
        &self.0
    }

    /// Reads 64 lower-case hexadecimal digits, and nothing else.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; HASH_LEN];
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
    pub fn hex(&self) -> [u8; 2 * HASH_LEN] {
        let mut hex = [b'0'; 2 * HASH_LEN];
        let (pairs, _) = hex.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            *pair = [letter(byte >> 4), letter(byte & 0x0f)];
        }
        hex
    }

    /// Reads the one canonical base64 spelling of 32 bytes: padded, and no stray bits in the last letter.
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_slice(&STANDARD.decode(text).ok()?)
    }

    /// The 44 letters of canonical base64.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    fn from_digest(digest: &[u8]) -> Self {
        let mut bytes = [0; HASH_LEN];
        bytes.copy_from_slice(digest);
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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
    fn empty_leaf_empty_root_and_node_are_those_of_rfc_6962() {
        let leaf = Hash::leaf(b"");
        assert_eq!(leaf.to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(Hash::empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let node = Hash::node(leaf, Hash::leaf(&[0x00]));
        assert_eq!(node.to_string(), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    }

    #[test]
    fn only_64_lower_case_digits_are_a_hash() {
        let (hex, short) = ("0".repeat(64), "0".repeat(63));
        assert_eq!(Hash::from_hex(hex.as_bytes()), Some(Hash::ZERO));
        for bad in ["", &short, &format!("{hex}0"), &format!("{short}A"), &format!("{short}g")] {
            assert_eq!(Hash::from_hex(bad.as_bytes()), None, "{bad}");
        }
        let leaf = Hash::leaf(b"line");
        assert_eq!(Hash::from_hex(&leaf.hex()), Some(leaf));
    }

    #[test]
    fn only_canonical_base64_is_a_hash() {
        let leaf = Hash::leaf(b"line");
        assert_eq!(Hash::from_base64(&leaf.base64()), Some(leaf));
        let zero = Hash::ZERO.base64();
        for bad in [
            zero.replace("A=", "B="),
            zero.replace('=', ""),
            format!("{zero} "),
            format!("A{zero}"),
            zero.replacen("AAAA", "", 1),
        ] {
            assert_eq!(Hash::from_base64(&bad), None, "{bad}");
        }
    }
}

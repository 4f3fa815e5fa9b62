//! Keys: whom a limit counts, as a hash that tells nothing.

use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};

/// 128 bits that stand for whatever was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub(super) u64, pub(super) u64);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Makes keys. Its own secrets are drawn at the start: nobody outside can find two callers with one key, or a key for a shard of their
/// choice.
#[derive(Debug, Default)]
pub struct Keyer {
    first: RandomState,
    second: RandomState,
}

impl Keyer {
    /// With fresh secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key of these parts in this order. Each goes in with its length, so that no two lists are the same bytes.
    pub fn key<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Key {
        let (mut first, mut second) = (self.first.build_hasher(), self.second.build_hasher());
        for part in parts {
            for hasher in [&mut first, &mut second] {
                hasher.write_u64(part.len() as u64);
                hasher.write(part);
            }
        }
        Key(first.finish(), second.finish())
    }
}

impl Key {
    /// A part of it, to tell a few things of one key apart.
    #[expect(clippy::cast_possible_truncation, reason = "a part is what is wanted")]
    pub fn short(self) -> u32 {
        self.0 as u32
    }

    /// Its bytes, as a part of other keys.
    pub fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (first, second) = bytes.split_at_mut(8);
        first.copy_from_slice(&self.0.to_le_bytes());
        second.copy_from_slice(&self.1.to_le_bytes());
        bytes
    }
}

/// Passes on what is a hash already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let keyer = Keyer::new();
        let key = |parts: &[&str]| keyer.key(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["ab"]), key(&["ab", ""]));
        assert_ne!(key(&["a"]), Keyer::new().key([b"a".as_slice()]), "another process has other keys");
    }
}

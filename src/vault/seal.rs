//! AES-256-GCM under keys of chance, each sealed text bound to what it is and whose.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;

use super::VaultError;
use crate::master_key::random_bytes;
use crate::secret::Secret;

const KEY: usize = 32;
const NONCE: usize = 12;

/// A key that seals texts and other keys.
///
/// Nonces are random: at 2^32 texts under one key they might meet, and no key here sees a millionth of that (one caller's month,
/// or the callers of one tenant).
#[derive(Debug)]
pub(super) struct Key {
    bytes: Secret<Vec<u8>>,
    cipher: RandomizedNonceKey,
}

impl Key {
    /// A new one.
    pub(super) fn generate() -> Result<Self, VaultError> {
        let bytes = random_bytes::<KEY>().ok_or(VaultError::Random)?;
        Self::new(Secret::new(bytes.to_vec()))
    }

    /// From 32 bytes.
    pub(super) fn new(bytes: Secret<Vec<u8>>) -> Result<Self, VaultError> {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, bytes.expose()).map_err(|_unspecified| VaultError::Sealed("a key"))?;
        Ok(Self { bytes, cipher })
    }

    /// Nonce, ciphertext and tag in one piece.
    pub(super) fn seal(&self, label: &Label, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut text = plain.to_vec();
        let nonce = self.cipher.seal_in_place_append_tag(Aad::from(&label.bytes), &mut text);
        let nonce = nonce.map_err(|_unspecified| VaultError::Sealed(label.what))?;
        let mut sealed = Vec::with_capacity(NONCE + text.len());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// What was sealed under this key and this label; an error for anything else.
    pub(super) fn open(&self, label: &Label, sealed: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        let broken = || VaultError::Sealed(label.what);
        let (nonce, text) = sealed.split_at_checked(NONCE).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_unspecified| broken())?;
        let mut text = text.to_vec();
        let length = self.cipher.open_in_place(nonce, Aad::from(&label.bytes), &mut text).map_err(|_unspecified| broken())?.len();
        text.truncate(length);
        Ok(Secret::new(text))
    }

    /// `inner`, sealed under this key.
    pub(super) fn wrap(&self, label: &Label, inner: &Self) -> Result<Vec<u8>, VaultError> {
        self.seal(label, inner.bytes.expose())
    }

    /// The key that was wrapped so.
    pub(super) fn unwrapped(&self, label: &Label, wrapped: &[u8]) -> Result<Self, VaultError> {
        Self::new(self.open(label, wrapped)?)
    }

    /// The bytes of another key for one use, made from this one.
    pub(super) fn derived(&self, label: &str) -> Secret<Vec<u8>> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.bytes.expose());
        Secret::new(hmac::sign(&key, label.as_bytes()).as_ref().to_vec())
    }

    /// The bytes, for what is no cipher.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }
}

/// What is sealed, and whose it is: associated data. So nobody who writes `vault.db` can pass one caller's text for another's.
pub(super) struct Label {
    what: &'static str,
    bytes: Vec<u8>,
}

impl Label {
    /// Each part with its length before it: no two lists of parts give the same bytes.
    pub(super) fn new(what: &'static str, whose: &[&[u8]]) -> Self {
        let mut bytes = b"yett vault 1".to_vec();
        for part in [what.as_bytes()].iter().chain(whose) {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Self { what, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_under_its_key_and_label_and_under_no_other() {
        let (key, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        let label = Label::new("identity", &[b"ab", b"c"]);
        let sealed = key.seal(&label, b"ada").unwrap();
        assert_eq!(key.open(&label, &sealed).unwrap().expose(), b"ada");
        assert!(other.open(&label, &sealed).is_err(), "another key");
        for label in [Label::new("identity", &[b"a", b"bc"]), Label::new("content", &[b"ab", b"c"])] {
            assert!(key.open(&label, &sealed).is_err(), "another label");
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&label, &changed).is_err(), "byte {at}");
            assert!(key.open(&label, &sealed[..at]).is_err(), "cut at {at}");
        }
        assert_ne!(sealed, key.seal(&label, b"ada").unwrap(), "nonces are new each time");
    }

    #[test]
    fn a_wrapped_key_is_the_key() {
        let (parent, child) = (Key::generate().unwrap(), Key::generate().unwrap());
        let label = Label::new("key", &[]);
        let wrapped = parent.wrap(&label, &child).unwrap();
        assert_eq!(parent.unwrapped(&label, &wrapped).unwrap().bytes(), child.bytes());
        assert!(!wrapped.windows(8).any(|window| child.bytes().starts_with(window)));
    }
}

//! AES-256-GCM under keys of chance, each sealed text bound to what it is and whose.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, RandomizedNonceKey, UnboundKey};
use aws_lc_rs::hmac;

use crate::master_key::random_bytes;
use crate::secret::Secret;

const KEY: usize = 32;
const NONCE: usize = 12;

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed under another key, for something else, or changed by somebody.
    #[error("{0} does not open under its key")]
    Broken(&'static str),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

/// A key that seals texts and other keys.
///
/// Nonces are random: at 2^32 texts under one key they might meet, and no key here sees a millionth of that (one caller's month,
/// or the callers of one tenant).
#[derive(Debug)]
pub struct Key {
    bytes: Secret<Vec<u8>>,
    cipher: RandomizedNonceKey,
}

impl Key {
    /// A new one.
    pub fn generate() -> Result<Self, SealError> {
        let bytes = random_bytes::<KEY>().ok_or(SealError::Random)?;
        Self::new(Secret::new(bytes.to_vec()))
    }

    /// From 32 bytes.
    pub fn new(bytes: Secret<Vec<u8>>) -> Result<Self, SealError> {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, bytes.expose()).map_err(|_unspecified| SealError::Broken("a key"))?;
        Ok(Self { bytes, cipher })
    }

    /// Nonce, ciphertext and tag in one piece.
    pub fn seal(&self, label: &Label, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = plain.to_vec();
        let nonce = self.cipher.seal_in_place_append_tag(Aad::from(&label.bytes), &mut text);
        let nonce = nonce.map_err(|_unspecified| SealError::Broken(label.what))?;
        let mut sealed = Vec::with_capacity(NONCE + text.len());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// What was sealed under this key and this label; an error for anything else.
    pub fn open(&self, label: &Label, sealed: &[u8]) -> Result<Secret<Vec<u8>>, SealError> {
        let broken = || SealError::Broken(label.what);
        let (nonce, text) = sealed.split_at_checked(NONCE).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_unspecified| broken())?;
        let mut text = text.to_vec();
        let length = self.cipher.open_in_place(nonce, Aad::from(&label.bytes), &mut text).map_err(|_unspecified| broken())?.len();
        text.truncate(length);
        Ok(Secret::new(text))
    }

    /// `inner`, sealed under this key.
    pub fn wrap(&self, label: &Label, inner: &Self) -> Result<Vec<u8>, SealError> {
        self.seal(label, inner.bytes.expose())
    }

    /// The key that was wrapped so.
    pub fn unwrapped(&self, label: &Label, wrapped: &[u8]) -> Result<Self, SealError> {
        Self::new(self.open(label, wrapped)?)
    }

    /// The bytes of another key for one use, made from this one.
    pub fn derived(&self, label: &str) -> Secret<Vec<u8>> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.bytes.expose());
        Secret::new(hmac::sign(&key, label.as_bytes()).as_ref().to_vec())
    }

    /// The bytes, for what is no cipher.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }
}

/// A key under which the same text with the same label is sealed to the same bytes each time, for what has to be recognised again.
///
/// AES-256-GCM-SIV (RFC 8452) with one nonce: what that gives away is which texts are equal, and nothing else.
pub struct StableKey(LessSafeKey);

impl StableKey {
    /// From 32 bytes.
    pub fn new(bytes: &Secret<Vec<u8>>) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, bytes.expose()).map_err(|_unspecified| SealError::Broken("a key"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Ciphertext and tag in one piece.
    pub fn seal(&self, label: &Label, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = plain.to_vec();
        let sealed = self.0.seal_in_place_append_tag(Self::nonce(), Aad::from(&label.bytes), &mut text);
        sealed.map_err(|_unspecified| SealError::Broken(label.what))?;
        Ok(text)
    }

    /// What was sealed under this key and this label; an error for anything else.
    pub fn open(&self, label: &Label, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = sealed.to_vec();
        let opened = self.0.open_in_place(Self::nonce(), Aad::from(&label.bytes), &mut text);
        let length = opened.map_err(|_unspecified| SealError::Broken(label.what))?.len();
        text.truncate(length);
        Ok(text)
    }

    fn nonce() -> Nonce {
        Nonce::assume_unique_for_key([0; NONCE])
    }
}

impl fmt::Debug for StableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StableKey")
    }
}

/// What is sealed, and whose it is: associated data. So nobody who writes `vault.db` can pass one caller's text for another's.
#[derive(Clone, Debug)]
pub struct Label {
    what: &'static str,
    bytes: Vec<u8>,
}

impl Label {
    /// The bytes, to be hashed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Each part with its length before it: no two lists of parts give the same bytes.
    pub fn new(what: &'static str, whose: &[&[u8]]) -> Self {
        let mut bytes = b"yett seal 1".to_vec();
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
    fn a_stable_key_seals_the_same_to_the_same_and_nothing_else() {
        let key = |byte| StableKey::new(&Secret::new(vec![byte; KEY])).unwrap();
        let label = Label::new("task", &[b"ada"]);
        let sealed = key(1).seal(&label, b"t1").unwrap();
        assert_eq!(sealed, key(1).seal(&label, b"t1").unwrap());
        assert_eq!(key(1).open(&label, &sealed).unwrap(), b"t1");
        for other in [key(1).seal(&label, b"t2"), key(1).seal(&Label::new("task", &[b"eve"]), b"t1"), key(2).seal(&label, b"t1")]
        {
            assert_ne!(sealed, other.unwrap());
        }
        assert!(key(2).open(&label, &sealed).is_err() && key(1).open(&Label::new("task", &[b"eve"]), &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key(1).open(&label, &changed).is_err() && key(1).open(&label, &sealed[..at]).is_err(), "byte {at}");
        }
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

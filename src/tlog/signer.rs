//! Private keys that sign notes. Each is 32 random bytes, from which the key pair follows; that seed is what is sealed and stored.
//!
//! What it guarantees: the seed is zeroed when the signer is dropped or the copy that [`Signer::secret`] gave is, and is never
//! printed. What it does not do: encrypt. Whoever stores a secret seals it first.

use std::fmt;

use aws_lc_rs::{
    rand,
    signature::{Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING, PqdsaKeyPair},
};
use zeroize::Zeroizing;

use super::key::{KeyError, Scheme, VerifierKey};

/// Bytes in a seed, whatever the scheme.
pub const SEED_LEN: usize = 32;

/// A key pair that signs under a name.
pub struct Signer {
    key: VerifierKey,
    pair: Pair,
    seed: Zeroizing<[u8; SEED_LEN]>,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    MlDsa44(PqdsaKeyPair),
}

/// The signature could not be made: the cryptographic library refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library refused to sign")]
pub struct SignError;

impl Signer {
    /// A new random key.
    pub fn generate(name: &str, scheme: Scheme) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        rand::fill(seed.as_mut()).map_err(|_no_randomness| KeyError::Crypto)?;
        Self::from_seed(name, scheme, &seed)
    }

    /// The key that follows from a seed.
    pub fn from_seed(name: &str, scheme: Scheme, seed: &[u8; SEED_LEN]) -> Result<Self, KeyError> {
        let (pair, key) = match scheme {
            Scheme::Ed25519 | Scheme::CosignatureV1 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_rejected| KeyError::Crypto)?;
                let key = VerifierKey::new(name, scheme, pair.public_key().as_ref())?;
                (Pair::Ed25519(pair), key)
            }
            Scheme::MlDsa44 => {
                let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed).map_err(|_rejected| KeyError::Crypto)?;
                let key = VerifierKey::new(name, scheme, pair.public_key().as_ref())?;
                (Pair::MlDsa44(pair), key)
            }
        };
        Ok(Self { key, pair, seed: Zeroizing::new(*seed) })
    }

    /// Reads what [`Signer::secret`] wrote.
    pub fn from_secret(name: &str, secret: &[u8]) -> Result<Self, KeyError> {
        let (byte, seed) = secret.split_first().ok_or(KeyError::Length)?;
        let scheme = Scheme::from_byte(*byte).ok_or(KeyError::Scheme(*byte))?;
        Self::from_seed(name, scheme, seed.try_into().map_err(|_wrong_length| KeyError::Length)?)
    }

    /// Type byte and seed: all it takes to sign as this key.
    pub fn secret(&self) -> Zeroizing<Vec<u8>> {
        let mut secret = Zeroizing::new(Vec::with_capacity(1 + SEED_LEN));
        secret.push(self.key.scheme().byte());
        secret.extend_from_slice(self.seed.as_ref());
        secret
    }

    /// The public half.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Signs exactly `message`. Which message a scheme signs is said in [`cosignature`](super::cosignature).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.pair {
            Pair::Ed25519(pair) => {
                pair.try_sign(message).map(|signature| signature.as_ref().to_vec()).map_err(|_refused| SignError)
            }
            Pair::MlDsa44(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                pair.sign(message, &mut signature).map_err(|_refused| SignError)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::Hash;

    const SCHEMES: [Scheme; 3] = [Scheme::Ed25519, Scheme::CosignatureV1, Scheme::MlDsa44];

    #[test]
    fn a_secret_read_back_is_the_same_key() {
        for scheme in SCHEMES {
            let signer = Signer::generate("log.example", scheme).unwrap();
            let read_back = Signer::from_secret("log.example", &signer.secret()).unwrap();
            assert_eq!(read_back.key(), signer.key());
            assert!(signer.key().is_signed(b"message", &read_back.sign(b"message").unwrap()), "{scheme:?}");
            assert!(!signer.key().is_signed(b"massage", &read_back.sign(b"message").unwrap()), "{scheme:?}");
            assert_eq!(signer.key().to_string().parse(), Ok(signer.key().clone()));
        }
    }

    #[test]
    fn the_first_key_of_rfc_8032_follows_from_its_seed() {
        let seed = Hash::from_hex(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let public = Hash::from_hex(b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let signer = Signer::from_seed("log.example", Scheme::Ed25519, seed.as_bytes()).unwrap();
        assert_eq!(signer.key().public(), public.as_bytes());
        assert_eq!(signer.sign(b"").unwrap()[..4], [0xe5, 0x56, 0x43, 0x00]);
    }

    #[test]
    fn a_cut_or_foreign_secret_is_refused() {
        let secret = Signer::generate("log.example", Scheme::Ed25519).unwrap().secret();
        assert_eq!(Signer::from_secret("log.example", &[]).unwrap_err(), KeyError::Length);
        assert_eq!(Signer::from_secret("log.example", &secret[..32]).unwrap_err(), KeyError::Length);
        assert_eq!(Signer::from_secret("log.example", &[&[0x02], &secret[1..]].concat()).unwrap_err(), KeyError::Scheme(2));
        assert_eq!(Signer::from_secret("log example", &secret).unwrap_err(), KeyError::Name);
    }

    #[test]
    fn the_seed_is_never_printed() {
        let signer = Signer::from_seed("log.example", Scheme::Ed25519, &[0xa5; 32]).unwrap();
        let printed = format!("{signer:?}");
        assert!(!printed.contains("165") && !printed.to_lowercase().contains("a5a5"), "{printed}");
    }
}

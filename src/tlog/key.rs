//! Verifier keys of signed notes: `name+id+base64(type || public key)`.
//!
//! What it guarantees: a key that was read names a known signature type, is as long as that type's keys are, and carries the
//! id that follows from name, type and key. What it does not say: whose key it is. That is the business of whoever pins it.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, ML_DSA_44, UnparsedPublicKey, VerificationAlgorithm};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::hash::Hash;

/// Longest key name: what an ML-DSA-44 signature can cover.
pub const NAME_MAX: usize = 255;

/// How a key signs a note: the signature types this module knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// 0x01: Ed25519 over the text of the note.
    Ed25519,
    /// 0x04: Ed25519 over time and text, `cosignature/v1`.
    CosignatureV1,
    /// 0x06: ML-DSA-44 over time, signer's name and the tree head, `subtree/v1`.
    MlDsa44,
}

impl Scheme {
    /// The signature type byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    /// The scheme of a signature type byte.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::CosignatureV1),
            0x06 => Some(Self::MlDsa44),
            _ => None,
        }
    }

    /// Bytes in a public key.
    pub const fn public_len(self) -> usize {
        match self {
            Self::Ed25519 | Self::CosignatureV1 => 32,
            Self::MlDsa44 => 1312,
        }
    }

    /// Whether a signature says when it was made.
    pub const fn is_timestamped(self) -> bool {
        !matches!(self, Self::Ed25519)
    }

    fn algorithm(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ed25519 | Self::CosignatureV1 => &ED25519,
            Self::MlDsa44 => &ML_DSA_44,
        }
    }
}

/// Four bytes that tell the keys of one name apart. Not a hash to rely on: collisions are easy to make and harmless.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    fn of(name: &str, scheme: Scheme, public: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(name.len() + 2 + public.len());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&[b'\n', scheme.byte()]);
        bytes.extend_from_slice(public);
        let [a, b, c, d, ..] = *Hash::sha256(&bytes).as_bytes();
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key that signs notes under a name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    scheme: Scheme,
    id: KeyId,
    public: Box<[u8]>,
}

/// Why something is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not canonical base64.
    #[error("the key is not canonical base64")]
    Base64,
    /// The cryptographic library refused to make or use the key.
    #[error("the key pair could not be made")]
    Crypto,
    /// Not `name+id+key`.
    #[error("a verifier key has the form name+id+key")]
    Form,
    /// Not eight lower-case hexadecimal digits.
    #[error("the key id is not eight lower-case hexadecimal digits")]
    Id,
    /// The id does not follow from name and key.
    #[error("the key id does not belong to this name and key")]
    IdMismatch,
    /// A key of the wrong length for its type.
    #[error("the key has the wrong length for its type")]
    Length,
    /// A name that a note could not carry.
    #[error("a key name is 1 to {NAME_MAX} bytes without spaces, control characters or plus signs")]
    Name,
    /// A signature type this module does not know.
    #[error("unknown signature type 0x{0:02x}")]
    Scheme(u8),
}

impl VerifierKey {
    /// A key from its parts.
    pub fn new(name: &str, scheme: Scheme, public: &[u8]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        if public.len() != scheme.public_len() {
            return Err(KeyError::Length);
        }
        Ok(Self { name: name.to_owned(), scheme, id: KeyId::of(name, scheme, public), public: public.into() })
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it signs.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What tells it apart from other keys of its name.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The public key, without its type byte.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Whether this key made `signature` over exactly `message`. Which message a scheme signs is said in
    /// [`cosignature`](super::cosignature).
    pub(crate) fn is_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.scheme.algorithm(), &self.public).verify(message, signature).is_ok()
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // Base64 has plus signs of its own, names have none.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        if id.len() != 8 || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(KeyError::Id);
        }
        let bytes = STANDARD.decode(key).map_err(|_not_canonical| KeyError::Base64)?;
        let (byte, public) = bytes.split_first().ok_or(KeyError::Length)?;
        let scheme = Scheme::from_byte(*byte).ok_or(KeyError::Scheme(*byte))?;
        let key = Self::new(name, scheme, public)?;
        if key.id.to_string() != id {
            return Err(KeyError::IdMismatch);
        }
        Ok(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(1 + self.public.len());
        bytes.push(self.scheme.byte());
        bytes.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{} ({:?})", self.name, self.id, self.scheme)
    }
}

/// Whether a note can carry this name in a signature line.
pub(crate) fn is_key_name(name: &str) -> bool {
    let fits = |letter: char| letter != '+' && !letter.is_whitespace() && !letter.is_control();
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the Go checksum database.
    const SUMDB: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    #[test]
    fn a_key_of_the_world_outside_reads_and_writes_back() {
        let key: VerifierKey = SUMDB.parse().unwrap();
        assert_eq!((key.name(), key.scheme(), key.id().to_string().as_str()), ("sum.golang.org", Scheme::Ed25519, "033de0ae"));
        assert_eq!(key.to_string(), SUMDB);
    }

    #[test]
    fn the_key_id_depends_on_name_type_and_key() {
        let ids = [
            ("a", Scheme::Ed25519, [1; 32]),
            ("b", Scheme::Ed25519, [1; 32]),
            ("a", Scheme::CosignatureV1, [1; 32]),
            ("a", Scheme::Ed25519, [2; 32]),
        ]
        .map(|(name, scheme, public)| VerifierKey::new(name, scheme, &public).unwrap().id());
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{ids:?}");
        }
    }

    #[test]
    fn every_malformed_key_has_its_own_reason() {
        let spelled = |byte: u8, len: usize| {
            let mut bytes = vec![byte];
            bytes.resize(1 + len, 7);
            format!("name+00000000+{}", STANDARD.encode(bytes))
        };
        let cases = [
            (String::new(), KeyError::Form),
            ("name".to_owned(), KeyError::Form),
            ("name+033de0ae".to_owned(), KeyError::Form),
            (SUMDB.replace("033de0ae", "033DE0AE"), KeyError::Id),
            (SUMDB.replace("033de0ae", "33de0ae"), KeyError::Id),
            (SUMDB.replace("033de0ae", "033de0af"), KeyError::IdMismatch),
            (SUMDB.replace("sum.", "sun."), KeyError::IdMismatch),
            (SUMDB.replace("sum.", "sum "), KeyError::Name),
            (SUMDB.replace("sum.", "sum\u{a0}"), KeyError::Name),
            (SUMDB.replace("sum.golang.org", ""), KeyError::Name),
            (format!("{SUMDB}="), KeyError::Base64),
            (format!("{SUMDB}\n"), KeyError::Base64),
            ("name+00000000+".to_owned(), KeyError::Length),
            (spelled(0x01, 31), KeyError::Length),
            (spelled(0x06, 32), KeyError::Length),
            (spelled(0x02, 32), KeyError::Scheme(0x02)),
        ];
        for (text, reason) in cases {
            assert_eq!(text.parse::<VerifierKey>(), Err(reason), "{text:?}");
        }
    }
}

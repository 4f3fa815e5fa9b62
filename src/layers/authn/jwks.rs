//! The public keys of an issuer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;

/// Most keys of one set, and its largest size (SECURITY.md section 5).
const MAX_KEYS: usize = 100;
const MAX_SIZE: u64 = 1024 * 1024;

/// Why a key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The file cannot be read.
    #[error("cannot read the key set `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Too large, or too many keys.
    #[error("the key set `{}` is larger than 1 MiB or has more than 100 keys", .0.display())]
    TooLarge(PathBuf),
    /// Not a JWK set. RFC 7517, section 5.
    #[error("`{}` is not a JWK set", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// No key of it can verify a signature.
    #[error("the key set `{}` has no usable signing key with a `kid`", .0.display())]
    Empty(PathBuf),
    /// Two keys share a name.
    #[error("the key set `{}` has two keys named `{kid}`", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The name.
        kid: String,
    },
}

/// Verification keys by `kid`.
#[derive(Debug)]
pub struct KeySet {
    keys: HashMap<String, VerificationKey>,
}

/// One key, and the algorithms it may be used with.
pub(super) struct VerificationKey {
    pub(super) key: DecodingKey,
    algorithms: Vec<Algorithm>,
}

impl std::fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerificationKey").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

impl VerificationKey {
    /// Whether a token may name `algorithm` together with this key: the key decides, not the token.
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }
}

impl KeySet {
    /// Reads a JWK set. Keys that cannot verify (symmetric, for encryption, without `kid`, of an unknown kind) are left out.
    pub fn read(path: &Path) -> Result<Self, JwksError> {
        let failed = |source| JwksError::Read { path: path.to_owned(), source };
        if fs::metadata(path).map_err(failed)?.len() > MAX_SIZE {
            return Err(JwksError::TooLarge(path.to_owned()));
        }
        let text = fs::read(path).map_err(failed)?;
        let unparsed = |source| JwksError::Parse { path: path.to_owned(), source };
        let mut set: Value = serde_json::from_slice(&text).map_err(unparsed)?;
        let list = match set.get_mut("keys").map(Value::take) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        if list.len() > MAX_KEYS {
            return Err(JwksError::TooLarge(path.to_owned()));
        }
        let mut keys = HashMap::new();
        for entry in list {
            let Some((kid, key)) = usable(entry) else { continue };
            if keys.insert(kid.clone(), key).is_some() {
                return Err(JwksError::Duplicate { path: path.to_owned(), kid });
            }
        }
        if keys.is_empty() {
            return Err(JwksError::Empty(path.to_owned()));
        }
        Ok(Self { keys })
    }

    pub(super) fn get(&self, kid: &str) -> Option<&VerificationKey> {
        self.keys.get(kid)
    }
}

fn usable(mut entry: Value) -> Option<(String, VerificationKey)> {
    // RFC 9864 names the curve in `alg`; the library knows the older name of the same thing only.
    if entry.get("alg").and_then(Value::as_str) == Some("Ed25519") {
        *entry.get_mut("alg")? = Value::from("EdDSA");
    }
    let jwk: Jwk = serde_json::from_value(entry).ok()?;
    let kid = jwk.common.key_id.clone()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let family = key.family();
    if family == AlgorithmFamily::Hmac {
        // SECURITY: a symmetric "public" key would let anybody who reads the set sign tokens.
        return None;
    }
    let algorithms = match jwk.common.key_algorithm {
        Some(named) => vec![algorithm(named).filter(|named| family.algorithms().contains(named))?],
        None => family.algorithms().to_vec(),
    };
    Some((kid, VerificationKey { key, algorithms }))
}

fn algorithm(named: KeyAlgorithm) -> Option<Algorithm> {
    named.to_string().parse().ok()
}

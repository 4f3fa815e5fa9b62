//! One JWK set: bytes in, verification keys out. RFC 7517, RFC 7518.
//!
//! Whoever answers for the issuer is trusted with its keys, but not with our memory, our CPU or our idea of what a key is.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::{Map, Value};

use crate::protocol::json::{Document, Limits};

/// Largest set, and most keys in it (SECURITY.md section 5).
pub(super) const MAX_SIZE: usize = 1024 * 1024;
const MAX_KEYS: usize = 100;

/// RSA moduli that are used: below is too weak, above costs more per signature than a caller should be able to make us pay.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Members that only the holder of a private key has. RFC 7518, sections 6.2.2 and 6.3.2; RFC 8037, section 2.
const PRIVATE: [&str; 8] = ["d", "dp", "dq", "oth", "p", "priv", "q", "qi"];

/// Why bytes are no key set that can be used.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// Larger than any honest set.
    #[error("it is larger than 1 MiB or has more than 100 keys")]
    TooLarge,
    /// Not strict JSON: not an object, cut short, or with a member that stands twice.
    #[error("it is not strict JSON")]
    Json,
    /// No list of keys. RFC 7517, section 5.
    #[error("it is not a JWK set: it has no list `keys`")]
    NoKeys,
    /// No key of it can verify a signature.
    #[error("it has no usable signing key with a `kid`")]
    Empty,
    /// Two keys share a name.
    #[error("it has two keys named {0:?}")]
    Duplicate(String),
    /// The private half of a key is in it: whoever has read it can sign.
    #[error("it holds private key material (the key {0:?}): its issuer has leaked that key")]
    Private(String),
}

/// Verification keys by `kid`.
#[derive(Debug)]
pub struct KeySet {
    keys: HashMap<String, VerificationKey>,
    left_out: usize,
}

/// One key, and the algorithms it may be used with.
pub(crate) struct VerificationKey {
    key: DecodingKey,
    algorithms: Vec<Algorithm>,
}

impl std::fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerificationKey").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

impl VerificationKey {
    /// Whether a token may name `algorithm` together with this key: the key decides, not the token.
    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether `signature`, in base64url as tokens have it, is this key's over `signed`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &str) -> bool {
        // An error is a signature or key of another form than the algorithm's: not a good signature either.
        jsonwebtoken::crypto::verify(signature, signed, &self.key, algorithm).unwrap_or(false)
    }
}

impl KeySet {
    /// Reads a JWK set. Keys that cannot verify (symmetric, for encryption, without `kid`, too weak or too large, of an unknown
    /// kind) are left out; a set that says two things at once, or that holds a private key, is refused whole.
    pub fn parse(bytes: &Bytes) -> Result<Self, SetError> {
        if bytes.len() > MAX_SIZE {
            return Err(SetError::TooLarge);
        }
        // Strict before lenient: `serde_json` keeps the last of two equal members, another reader the first.
        Document::parse(bytes.clone(), Limits::default()).map_err(|_unused| SetError::Json)?;
        let mut set: Value = serde_json::from_slice(bytes).map_err(|_unused| SetError::Json)?;
        let Some(Value::Array(list)) = set.get_mut("keys").map(Value::take) else {
            return Err(SetError::NoKeys);
        };
        if list.len() > MAX_KEYS {
            return Err(SetError::TooLarge);
        }
        let (mut keys, mut left_out) = (HashMap::new(), 0);
        for entry in list {
            if let Some(members) = entry.as_object().filter(|members| is_private(members)) {
                let kid = members.get("kid").and_then(Value::as_str).unwrap_or_default();
                return Err(SetError::Private(kid.chars().take(64).collect()));
            }
            let Some((kid, key)) = usable(entry) else {
                left_out += 1;
                continue;
            };
            if keys.insert(kid.clone(), key).is_some() {
                return Err(SetError::Duplicate(kid.chars().take(64).collect()));
            }
        }
        if keys.is_empty() {
            return Err(SetError::Empty);
        }
        Ok(Self { keys, left_out })
    }

    /// The key of that name.
    pub(crate) fn get(&self, kid: &str) -> Option<&VerificationKey> {
        self.keys.get(kid)
    }

    /// How many keys can be used.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many were left out.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }
}

fn is_private(members: &Map<String, Value>) -> bool {
    PRIVATE.iter().any(|name| members.contains_key(*name))
}

fn usable(mut entry: Value) -> Option<(String, VerificationKey)> {
    // RFC 9864 names the curve in `alg`; the library knows the older name of the same thing only.
    if entry.get("alg").and_then(Value::as_str) == Some("Ed25519") {
        *entry.get_mut("alg")? = Value::from("EdDSA");
    }
    if entry.get("kty").and_then(Value::as_str) == Some("RSA") && !is_sound_rsa(&entry) {
        return None;
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

/// A modulus within [`RSA_BITS`], and an odd exponent of at most 32 bits. Both decide what one check of a signature costs.
fn is_sound_rsa(entry: &Value) -> bool {
    let number = |name| {
        let text = entry.get(name).and_then(Value::as_str)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let leading = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(leading..).map(<[u8]>::to_vec)
    };
    let (Some(modulus), Some(exponent)) = (number("n"), number("e")) else {
        return false;
    };
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    let exponent_is_sound = match exponent.as_slice() {
        [] | [1] | [_, _, _, _, _, ..] => false,
        [.., last] => last % 2 == 1,
    };
    RSA_BITS.contains(&bits) && exponent_is_sound
}

fn algorithm(named: KeyAlgorithm) -> Option<Algorithm> {
    named.to_string().parse().ok()
}

#[cfg(test)]
#[path = "vector_tests.rs"]
mod vector_tests;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(set: &Value) -> Result<KeySet, SetError> {
        KeySet::parse(&Bytes::from(set.to_string()))
    }

    fn rsa(kid: &str, bits: usize, exponent: &[u8]) -> Value {
        let mut modulus = vec![0xff_u8; bits.div_ceil(8)];
        modulus[0] = 0xff_u8 >> (bits.div_ceil(8) * 8 - bits);
        json!({ "kty": "RSA", "kid": kid, "use": "sig", "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent) })
    }

    fn ed(kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "Ed25519", "x": URL_SAFE_NO_PAD.encode([9; 32]) })
    }

    #[test]
    fn keys_that_can_verify_are_kept_and_others_left_out() {
        let set = parse(&json!({ "keys": [
            ed("good"), rsa("2048", 2048, &[1, 0, 1]), rsa("8192", 8192, &[3]),
            rsa("2047", 2047, &[1, 0, 1]), rsa("8193", 8193, &[1, 0, 1]), rsa("16384", 16_384, &[1, 0, 1]),
            rsa("one", 2048, &[1]), rsa("even", 2048, &[1, 0, 0]), rsa("none", 2048, &[]), rsa("huge", 2048, &[1; 33]),
            { "kty": "oct", "kid": "shared", "k": "c2VjcmV0" }, { "kty": "OKP", "crv": "X25519", "kid": "x", "x": "AA" },
            { "kty": "RSA", "kid": "enc", "use": "enc", "n": "AQAB", "e": "AQAB" }, 7, null, {},
        ] }))
        .unwrap();
        let mut kids: Vec<_> = set.keys.keys().map(String::as_str).collect();
        kids.sort_unstable();
        assert_eq!(kids, ["2048", "8192", "good"]);
        assert_eq!((set.len(), set.left_out()), (3, 13));
    }

    #[test]
    fn a_set_that_is_none_is_refused() {
        let mut private = ed("leaked");
        private["d"] = "AAAA".into();
        assert!(matches!(parse(&json!({ "keys": [ed("a"), private] })), Err(SetError::Private(kid)) if kid == "leaked"));
        assert!(matches!(parse(&json!({ "keys": [ed("a"), ed("a")] })), Err(SetError::Duplicate(kid)) if kid == "a"));
        assert!(matches!(parse(&json!({ "keys": [] })), Err(SetError::Empty)));
        assert!(matches!(parse(&json!({ "keys": [rsa("small", 1024, &[1, 0, 1])] })), Err(SetError::Empty)));
        for other in [json!({}), json!([]), json!({ "keys": {} }), json!({ "keys": null })] {
            assert!(matches!(parse(&other), Err(SetError::NoKeys)), "{other}");
        }
        let names: Vec<_> = (0..=MAX_KEYS).map(|number| ed(&number.to_string())).collect();
        assert!(parse(&json!({ "keys": names[1..] })).is_ok());
        assert!(matches!(parse(&json!({ "keys": names })), Err(SetError::TooLarge)));
        let padded = |size: usize| {
            let mut text = json!({ "keys": [ed("a")] }).to_string().into_bytes();
            text.resize(size, b' ');
            Bytes::from(text)
        };
        assert!(KeySet::parse(&padded(MAX_SIZE)).is_ok());
        assert!(matches!(KeySet::parse(&padded(MAX_SIZE + 1)), Err(SetError::TooLarge)));
        for text in ["", "<html>", "{\"keys\":[", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[{\"kid\":\"a\",\"kid\":\"b\"}]}"] {
            assert!(matches!(KeySet::parse(&Bytes::from_static(text.as_bytes())), Err(SetError::Json)), "{text}");
        }
    }
}

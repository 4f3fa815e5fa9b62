//! Tokens of an identity provider that exists in a test only. Everything about them can be bent.
//!
//! Keys are made at run time and live as long as the test; the repository holds none.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::gateway::Gateway;

/// A key pair of an issuer, under its `kid`.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) kid: String,
    pair: Arc<Pair>,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// An issuer with its keys.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) keys: Vec<Key>,
    /// More entries of the key set, whatever they are.
    pub(crate) other_keys: Vec<Value>,
}

/// A token before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    /// Stands for the claims if set: text that is not what `serde_json` would write.
    payload: Option<String>,
    key: Key,
}

impl Issuer {
    /// `https://<name>.example`, with one P-256 key: they are the quickest to make.
    pub(crate) fn new(name: &str) -> Self {
        Self::with_keys(name, [Key::ec("ec-1")])
    }

    pub(crate) fn with_keys(name: &str, keys: impl IntoIterator<Item = Key>) -> Self {
        Self {
            name: name.to_owned(),
            url: format!("https://{name}.example"),
            keys: keys.into_iter().collect(),
            other_keys: Vec::new(),
        }
    }

    /// A good token for `server`, ten minutes long, signed by the first key when it is written.
    pub(crate) fn token(&self, gateway: &Gateway, server: &str, subject: &str, groups: &[&str]) -> Token {
        self.token_for(&gateway.url(server), gateway.clock.seconds(), subject, groups)
    }

    /// The same for a gateway that is another process.
    pub(crate) fn token_for(&self, audience: &str, now: i64, subject: &str, groups: &[&str]) -> Token {
        let claims = json!({
            "iss": self.url, "sub": subject, "aud": audience, "groups": groups,
            "iat": now, "exp": now + 600, "client_id": "test-client" });
        Token { header: Map::new(), claims: members(claims), payload: None, key: self.keys[0].clone() }.by(&self.keys[0])
    }

    /// The public keys, as a JWK set.
    pub(crate) fn key_set(&self) -> Value {
        json!({ "keys": self.keys.iter().map(Key::jwk).chain(self.other_keys.clone()).collect::<Vec<_>>() })
    }
}

impl Token {
    /// Signed by that key, as its header then says.
    pub(crate) fn by(mut self, key: &Key) -> Self {
        self.header = members(json!({ "typ": "at+jwt", "alg": key.algorithm(), "kid": key.kid }));
        self.key = key.clone();
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// The payload as this text, signed all the same.
    pub(crate) fn payload(mut self, text: &str) -> Self {
        self.payload = Some(text.to_owned());
        self
    }

    /// Header and payload, encoded: what is signed.
    pub(crate) fn unsigned(&self) -> String {
        let payload = self.payload.clone().unwrap_or_else(|| Value::Object(self.claims.clone()).to_string());
        format!("{}.{}", encode(Value::Object(self.header.clone()).to_string()), encode(payload))
    }

    /// The token, signed by its key whatever its header says.
    pub(crate) fn signed(&self) -> String {
        let unsigned = self.unsigned();
        self.with_signature(&self.key.sign(unsigned.as_bytes()))
    }

    /// The token with HMAC-SHA-256 over a secret of the attacker's choice.
    pub(crate) fn hmac_signed(&self, secret: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        self.with_signature(hmac::sign(&key, self.unsigned().as_bytes()).as_ref())
    }

    /// The token with these bytes as its signature.
    pub(crate) fn with_signature(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.unsigned(), encode(signature))
    }
}

impl Key {
    pub(crate) fn rsa(kid: &str) -> Self {
        Self::of(kid, Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")))
    }

    pub(crate) fn ec(kid: &str) -> Self {
        Self::of(kid, Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")))
    }

    pub(crate) fn ed(kid: &str) -> Self {
        Self::of(kid, Pair::Ed(Ed25519KeyPair::generate().expect("a key")))
    }

    fn of(kid: &str, pair: Pair) -> Self {
        Self { kid: kid.to_owned(), pair: Arc::new(pair) }
    }

    /// The same key under another name.
    pub(crate) fn named(&self, kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Arc::clone(&self.pair) }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match &*self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The public key as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &*self.pair {
            Pair::Rsa(_) => {
                let (modulus, exponent) = self.rsa_numbers();
                json!({ "kty": "RSA", "n": encode(modulus), "e": encode(exponent) })
            }
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..65]) })
            }
            Pair::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) }),
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().into();
        jwk
    }

    /// The public key as `SubjectPublicKeyInfo`, DER.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &*self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::Ec(pair) => pair.public_key().as_der(),
            Pair::Ed(pair) => pair.public_key().as_der(),
        }
        .expect("a public key");
        der.as_ref().to_vec()
    }

    /// The same as PEM.
    pub(crate) fn public_pem(&self) -> String {
        let text = STANDARD.encode(self.public_der());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// Modulus and exponent, from `RSAPublicKey` (RFC 8017, A.1.1): a sequence of two integers.
    fn rsa_numbers(&self) -> (Vec<u8>, Vec<u8>) {
        let Pair::Rsa(pair) = &*self.pair else { panic!("not an RSA key") };
        let (sequence, _) = der_value(pair.public_key().as_ref());
        let (modulus, rest) = der_value(sequence);
        let (exponent, _) = der_value(rest);
        let unsigned = |number: &[u8]| number.strip_prefix(&[0]).unwrap_or(number).to_vec();
        (unsigned(modulus), unsigned(exponent))
    }
}

/// The content of the first DER value, and what follows it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match der[1] {
        short @ 0..=127 => (2, usize::from(short)),
        long => {
            let digits = usize::from(long & 0x7f);
            (2 + digits, der[2..2 + digits].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    };
    (&der[start..start + length], &der[start + length..])
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn members(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

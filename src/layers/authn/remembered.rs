//! Tokens of issuers, and the memory of those that were found good.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use parking_lot::RwLock;

use super::described::described;
use super::ground::Ground;
use super::layer::store_down;
use super::principal::{Facts, Principal};
use super::settings::Regions;
use super::token::{Issuers, Proof, TokenError};
use super::verified::Verified;
use crate::chain::{Challenge, Reason, Rejection, RequestContext};
use crate::tls::Thumbprint;
use crate::vault::{Caller, Vault};

/// Tokens remembered. Beyond this the memory is emptied: an attacker with that many good tokens gains nothing by it.
const REMEMBERED: usize = 10_000;

/// Turns tokens into principals.
pub(super) struct Tokens {
    issuers: Issuers,
    regions: Regions,
    // Keyed by SHA-256 over route, token and what the connection has shown: a token is good for one route's audience, and may be for
    // one client's certificate.
    verified: RwLock<HashMap<[u8; 32], (Principal, Proof)>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(issuers: Issuers, regions: Regions) -> Self {
        Self { issuers, regions, verified: RwLock::default() }
    }

    /// Whose token it is.
    pub(super) async fn principal(&self, token: &str, vault: &Vault, context: &RequestContext) -> Result<Principal, Rejection> {
        let now = context.received;
        let place = place_of(token, &context.route.resource, shown(context));
        if let Some(principal) = self.remembered(&place, now) {
            return Ok(principal);
        }
        // Rare: what it needs is not to be part of every call.
        let verified = Box::pin(self.verify(token, context)).await.map_err(|error| {
            context.trail.with(|decision| decision.detail = Some(error.word()));
            if error.is_undecided() {
                return Reason::StoreUnavailable;
            }
            Reason::Unauthenticated(Challenge::InvalidToken)
        })?;
        let caller = Caller { issuer: &verified.issuer, subject: &verified.subject, tenant: verified.tenant.as_deref() };
        let pseudonym = vault.pseudonym(caller, now).await.map_err(|error| store_down(&error))?;
        let principal = Principal::new(Facts {
            authn: if verified.proof.signed.is_some() { "jwt" } else { "introspection" },
            region: verified.region.map(Into::into).or_else(|| self.regions.of(&verified.issuer)),
            issuer: verified.issuer,
            subject: verified.subject.into(),
            client: verified.client.map(Into::into),
            groups: verified.groups,
            claimed_roles: verified.roles,
            tenant: verified.tenant.map(Into::into),
            attributes: verified.attributes,
            expires: Some(verified.expires),
            pseudonym,
            ground: Ground::Token(self.issuers.clone(), verified.proof.clone()),
            profile: None,
        })
        .scoped(verified.scopes);
        let principal = Box::pin(described(principal, vault)).await?;
        let mut remembered = self.verified.write();
        // Whoever proved a token by keys that are gone by now is remembered in vain: `remembered` looks at the keys again.
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(place, (principal.clone(), verified.proof));
        Ok(principal)
    }

    /// By what it says itself, or by what its issuer says of it.
    async fn verify(&self, token: &str, context: &RequestContext) -> Result<Verified, TokenError> {
        if let Some((issuer, introspector)) = self.issuers.asked_about(token) {
            let told = introspector.ask(token).await;
            return self.issuers.read_told(issuer, token, &told, &context.route.audiences, shown(context), context.received);
        }
        let verified = self.verify_signed(token, context).await?;
        let Some(introspector) = self.issuers.asked_about_signed(&verified.proof) else { return Ok(verified) };
        let told = introspector.ask(token).await;
        Ok(Verified { proof: verified.proof.and_told(token, told, shown(context))?, ..verified })
    }

    /// Once, and once more if the issuer's keys were read again meanwhile.
    async fn verify_signed(&self, token: &str, context: &RequestContext) -> Result<Verified, TokenError> {
        let verify = || self.issuers.verify(token, &context.route.audiences, shown(context), context.received);
        match verify() {
            Err(TokenError::UnknownKey(issuer)) if self.issuers.look_again(issuer).await => verify(),
            first => first,
        }
    }

    fn remembered(&self, place: &[u8; 32], now: Timestamp) -> Option<Principal> {
        let remembered = self.verified.read();
        let (principal, proof) = remembered.get(place)?;
        // No leeway here: at the edge of its life a token goes through all checks again, as it does when its issuer's keys change.
        let alive = principal.expires().is_some_and(|end| now < end) && principal.pseudonym().holds_at(now);
        let good = alive && self.issuers.holds(proof, now);
        good.then(|| principal.clone())
    }
}

fn shown(context: &RequestContext) -> Option<&Thumbprint> {
    context.peer.certificate.as_ref().map(|certificate| certificate.thumbprint())
}

/// Neither a resource nor a token holds a zero byte, and a thumbprint is always as long as any other.
fn place_of(token: &str, resource: &str, shown: Option<&Thumbprint>) -> [u8; 32] {
    let mut text = Vec::with_capacity(token.len() + resource.len() + 34);
    text.extend_from_slice(resource.as_bytes());
    text.push(0);
    text.extend_from_slice(token.as_bytes());
    text.push(0);
    text.extend_from_slice(shown.map_or(&[][..], |thumbprint| thumbprint));
    let mut place = [0; 32];
    place.copy_from_slice(digest(&SHA256, &text).as_ref());
    place
}

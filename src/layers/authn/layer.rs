//! The station: credential in, principal out.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use parking_lot::RwLock;

use super::bearer;
use super::ground::Ground;
use super::principal::{Facts, Principal};
use super::token::{Issuers, Proof, TokenError, Verified};
use crate::chain::{
    Anonymous, Challenge, Incoming, McpResponse, Middleware, Next, Reason, Rejection, RequestContext, ResponseBody, Vigil,
};
use crate::state::{ApiKeys, KeyStatus};
use crate::vault::{Caller, Vault, VaultError};

/// Tokens remembered. Beyond this the memory is emptied: an attacker with that many good tokens gains nothing by it.
const REMEMBERED: usize = 10_000;

/// The issuer name of API keys.
const API_KEY: &str = "api-key";

/// Turns credentials into principals.
pub struct Authn {
    issuers: Issuers,
    api_keys: Option<Arc<ApiKeys>>,
    vault: Arc<Vault>,
    vigil: Arc<Vigil>,
    // Keyed by SHA-256 over route and token: a token is good for one route's audience.
    verified: RwLock<HashMap<[u8; 32], (Principal, Proof)>>,
}

impl fmt::Debug for Authn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authn").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

impl Middleware for Authn {
    type In = Incoming<Anonymous>;
    type Out = Incoming<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let token = bearer::bearer(&request.head.headers, &request.head.uri).map_err(Reason::Unauthenticated)?;
        let principal = self.principal(token, &request.context).await?;
        request.context.trail.with(|decision| {
            decision.who = Some(principal.who());
            decision.mark("authn", crate::chain::Mark::Ok);
        });
        let Incoming { head, body, context, evidence: Anonymous } = request;
        let trail = context.trail.clone();
        let response = next.run(Incoming { head, body, context, evidence: principal.clone() }).await?;
        if let ResponseBody::Opened(channel) = &response.body {
            // Its client may show a newer one, and go on.
            self.vigil.over(&response, &trail, channel.ground());
        } else {
            self.vigil.over(&response, &trail, move |now| principal.holds(now));
        }
        Ok(response)
    }
}

impl Authn {
    /// A station that accepts tokens of `issuers`, and API keys when given; `vigil` sees to it that no stream outlives them.
    pub fn new(issuers: Issuers, api_keys: Option<Arc<ApiKeys>>, vault: Arc<Vault>, vigil: Arc<Vigil>) -> Self {
        Self { issuers, api_keys, vault, vigil, verified: RwLock::default() }
    }

    async fn principal(&self, token: &str, context: &RequestContext) -> Result<Principal, Rejection> {
        let now = context.received;
        if let Some(keys) = self.api_keys.as_ref().filter(|_| token.starts_with("yett_")) {
            return Box::pin(self.by_api_key(keys, token, context, now)).await;
        }
        let place = place_of(token, &context.route.resource);
        if let Some(principal) = self.remembered(&place, now) {
            return Ok(principal);
        }
        // Rare: what it needs is not to be part of every call.
        let verified = Box::pin(self.verify(token, context)).await.map_err(|error| {
            context.trail.with(|decision| decision.detail = Some(error.word()));
            if error == TokenError::Stale {
                return Reason::StoreUnavailable;
            }
            Reason::Unauthenticated(Challenge::InvalidToken)
        })?;
        let caller = Caller { issuer: &verified.issuer, subject: &verified.subject, tenant: verified.tenant.as_deref() };
        let pseudonym = self.vault.pseudonym(caller, now).await.map_err(|error| store_down(&error))?;
        let principal = Principal::new(Facts {
            authn: "jwt",
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
        });
        let mut remembered = self.verified.write();
        // Whoever proved a token by keys that are gone by now is remembered in vain: `remembered` looks at the keys again.
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(place, (principal.clone(), verified.proof));
        Ok(principal)
    }

    /// Once, and once more if the issuer's keys were read again meanwhile.
    async fn verify(&self, token: &str, context: &RequestContext) -> Result<Verified, TokenError> {
        let verify = || self.issuers.verify(token, &context.route.audiences, context.received);
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

    async fn by_api_key(
        &self,
        keys: &Arc<ApiKeys>,
        token: &str,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Principal, Rejection> {
        let refused = |word| {
            context.trail.with(|decision| decision.detail = Some(word));
            Reason::Unauthenticated(Challenge::InvalidToken)
        };
        let key = keys.verify(token).ok_or_else(|| refused("key_unknown"))?;
        match key.status(now) {
            KeyStatus::Active => {}
            KeyStatus::Expired => return Err(refused("key_expired").into()),
            KeyStatus::Revoked => return Err(refused("key_revoked").into()),
        }
        let caller = Caller { issuer: API_KEY, subject: &key.subject, tenant: key.tenant.as_deref() };
        let pseudonym = self.vault.pseudonym(caller, now).await.map_err(|error| store_down(&error))?;
        Ok(Principal::new(Facts {
            authn: "api_key",
            issuer: API_KEY.into(),
            subject: Arc::clone(&key.subject),
            client: Some(Arc::clone(&key.id)),
            groups: key.groups.clone(),
            claimed_roles: Vec::new(),
            tenant: key.tenant.clone(),
            attributes: Vec::new(),
            expires: key.expires,
            pseudonym,
            ground: Ground::ApiKey(Arc::clone(keys), Arc::clone(&key.id)),
        }))
    }
}

fn place_of(token: &str, resource: &str) -> [u8; 32] {
    let mut text = Vec::with_capacity(token.len() + resource.len() + 1);
    text.extend_from_slice(resource.as_bytes());
    text.push(0);
    text.extend_from_slice(token.as_bytes());
    let mut place = [0; 32];
    place.copy_from_slice(digest(&SHA256, &text).as_ref());
    place
}

fn store_down(error: &VaultError) -> Rejection {
    tracing::error!(error = error as &dyn std::error::Error, "the vault cannot name a caller");
    Reason::StoreUnavailable.into()
}

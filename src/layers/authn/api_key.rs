//! API keys of ours as credentials.

use std::sync::Arc;

use super::ground::Ground;
use super::layer::store_down;
use super::principal::{Facts, Principal};
use crate::chain::{Challenge, Reason, Rejection, RequestContext};
use crate::state::{ApiKeys, KeyStatus};
use crate::vault::{Caller, Vault};

/// The issuer name of API keys.
const API_KEY: &str = "api-key";

/// Whose key it is.
pub(super) async fn principal(
    keys: &Arc<ApiKeys>,
    token: &str,
    vault: &Vault,
    context: &RequestContext,
) -> Result<Principal, Rejection> {
    let now = context.received;
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
    let pseudonym = vault.pseudonym(caller, now).await.map_err(|error| store_down(&error))?;
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

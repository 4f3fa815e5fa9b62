//! API keys of ours as credentials.

use std::sync::Arc;

use super::described::Described;
use super::ground::Ground;
use super::layer::store_down;
use super::principal::{Facts, Principal};
use crate::chain::{Challenge, Reason, Rejection, RequestContext};
use crate::state::{ApiKeys, KeyRefusal, Shown};
use crate::vault::{Caller, Vault};

/// The issuer name of API keys.
const API_KEY: &str = "api-key";

/// Whose key it is.
pub(super) async fn principal(
    keys: &Arc<ApiKeys>,
    token: &str,
    (vault, described): (&Vault, &Described),
    context: &RequestContext,
) -> Result<Principal, Rejection> {
    let now = context.received;
    let refused = |word| {
        context.trail.with(|decision| decision.detail = Some(word));
        Reason::Unauthenticated(Challenge::InvalidToken)
    };
    let presented = keys.verify(token).ok_or_else(|| refused("key_unknown"))?;
    let shown = keys.judge(&presented, now).map_err(|refusal| {
        refused(match refusal {
            KeyRefusal::Expired => "key_expired",
            KeyRefusal::Replaced => "key_replaced",
            KeyRefusal::Revoked => "key_revoked",
            KeyRefusal::TooOld => "key_too_old",
        })
    })?;
    let key = Arc::clone(&presented.key);
    let caller = Caller { issuer: API_KEY, subject: &key.subject, tenant: key.tenant.as_deref() };
    let pseudonym = vault.pseudonym(caller, now).await.map_err(|error| store_down(&error))?;
    keys.note_use(&presented, now);
    let principal = Principal::new(Facts {
        // Who has not changed over to the new secret is to be found before the overlap ends.
        authn: match shown {
            Shown::Current => "api_key",
            Shown::Former => "api_key.former",
        },
        issuer: API_KEY.into(),
        subject: Arc::clone(&key.subject),
        client: Some(Arc::clone(&key.id)),
        groups: key.groups.clone(),
        claimed_roles: key.roles.clone(),
        tenant: key.tenant.clone(),
        region: described.regions.of(API_KEY),
        attributes: Vec::new(),
        expires: Some(keys.end_of(&presented)),
        pseudonym,
        ground: Ground::ApiKey(Arc::clone(keys), presented),
        profile: None,
    });
    described.of(principal, Some(&key), vault).await
}

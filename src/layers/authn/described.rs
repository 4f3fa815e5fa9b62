//! What a credential says of its holder, kept for whoever asks later how a decision came about.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::layer::store_down;
use super::principal::Principal;
use super::settings::Regions;
use crate::chain::Rejection;
use crate::state::ApiKey;
use crate::vault::{Pseudonym, Vault};

/// Callers remembered. Beyond this the memory is emptied and fills again.
const REMEMBERED: usize = 10_000;

/// Issuer, and what of its callers is told apart.
type Place = (Arc<str>, Arc<str>);

/// Profiles of callers whose principals are made for every message. What is remembered of tokens is remembered with them.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) regions: Regions,
    known: RwLock<HashMap<Place, Known>>,
}

#[derive(Debug)]
struct Known {
    /// What it was made of, where that may change.
    key: Option<Arc<ApiKey>>,
    pseudonym: Pseudonym,
    profile: Arc<str>,
}

impl Described {
    pub(super) fn new(regions: Regions) -> Self {
        Self { regions, known: RwLock::default() }
    }

    /// The principal with the name of its profile, which is stored where it is not.
    pub(super) async fn of(
        &self,
        principal: Principal,
        key: Option<&Arc<ApiKey>>,
        vault: &Vault,
    ) -> Result<Principal, Rejection> {
        let place = principal.place();
        if let Some(profile) = self.remembered(&place, &principal, key) {
            return Ok(principal.described(profile));
        }
        let principal = Box::pin(described(principal, vault)).await?;
        if let Some(profile) = principal.profile().map(Arc::clone) {
            let mut known = self.known.write();
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(place, Known { key: key.map(Arc::clone), pseudonym: principal.pseudonym().clone(), profile });
        }
        Ok(principal)
    }

    fn remembered(&self, place: &Place, principal: &Principal, key: Option<&Arc<ApiKey>>) -> Option<Arc<str>> {
        let known = self.known.read();
        let known = known.get(place).filter(|known| known.pseudonym.is(principal.pseudonym()))?;
        let same = match (&known.key, key) {
            (Some(known), Some(key)) => Arc::ptr_eq(known, key),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same.then(|| Arc::clone(&known.profile))
    }
}

/// The principal with the name of its profile. No profile, no call: a decision that cannot be looked at again is not made.
pub(super) async fn described(principal: Principal, vault: &Vault) -> Result<Principal, Rejection> {
    let said = principal.caller().said();
    let profile = vault.profile(principal.pseudonym(), &said).await.map_err(|error| store_down(&error))?;
    Ok(principal.described(profile))
}

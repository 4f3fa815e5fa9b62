//! What `identity` says beside issuers and API keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Identity, Mtls};

/// Which credentials are taken beside tokens and API keys, and what is known of their holders.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How a client's certificate says who it is; `None`: it does not.
    pub(super) certificates: Option<Arc<Mtls>>,
    /// Whether who sends nothing is a caller.
    pub(super) anonymous: bool,
    pub(super) regions: Regions,
}

/// Where callers are whose credential does not say, by issuer.
#[derive(Clone, Debug, Default)]
pub(super) struct Regions(Arc<BTreeMap<String, Arc<str>>>);

impl Settings {
    /// Those of this section.
    pub fn of(identity: &Identity) -> Self {
        Self {
            certificates: identity.mtls.clone().map(Arc::new),
            anonymous: identity.anonymous,
            regions: Regions(Arc::clone(&identity.regions)),
        }
    }
}

impl Regions {
    pub(super) fn of(&self, issuer: &str) -> Option<Arc<str>> {
        self.0.get(issuer).cloned()
    }
}

//! Who may be a caller.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Issuer;

/// Who may be a caller.
#[derive(Debug)]
pub struct Identity {
    /// Token issuers.
    pub issuers: Vec<Issuer>,
    /// API keys.
    pub api_keys: KeyRules,
    /// How a client's certificate says who it is; `None`: it does not.
    pub mtls: Option<Mtls>,
    /// Whether who sends no credential is a caller; what that one may do is a binding of the policy.
    pub anonymous: bool,
    /// Where callers are whose credential does not say, by issuer.
    pub regions: Arc<BTreeMap<String, Arc<str>>>,
}

impl Identity {
    /// Under which names issuers vouch for callers, as bindings, records and kill switches use them.
    pub fn names(&self) -> BTreeSet<String> {
        let issuers = self.issuers.iter().map(|issuer| issuer.name.clone());
        let others = [("api-key", self.api_keys.enabled), ("mtls", self.mtls.is_some()), ("anonymous", self.anonymous)];
        issuers.chain(others.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned())).collect()
    }
}

/// Which API keys are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRules {
    /// Whether any is (yes).
    pub enabled: bool,
    /// From this age on a secret is refused (90 d).
    pub max_age: Duration,
    /// How long before a key stops to work there are warnings (14 d, or half of a `max_age` below 28 d).
    pub warn_before: Duration,
}

impl Default for KeyRules {
    fn default() -> Self {
        let day = Duration::from_hours(24);
        Self { enabled: true, max_age: 90 * day, warn_before: 14 * day }
    }
}

/// Callers by client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtls {
    /// What of a certificate is the subject.
    pub subject: CertificateSubject,
    /// The trust domains whose SPIFFE ids are callers; empty: of every URI that an authority of the listener vouches for.
    pub trust_domains: Vec<String>,
    /// Longest accepted lifetime, from its first moment to its last.
    pub max_lifetime: Option<Duration>,
}

/// A part of a certificate that there must be exactly one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateSubject {
    /// The common name of its subject.
    CommonName,
    /// A DNS name among its alternative names.
    SanDns,
    /// A URI among them, such as a SPIFFE id.
    SanUri,
}

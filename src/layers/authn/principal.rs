//! Who is calling: the evidence that authentication gives.

use std::sync::Arc;

use jiff::Timestamp;

use super::ground::Ground;
use crate::chain::Reason;
use crate::vault::Pseudonym;

/// A caller whose credential was good. Made only by this layer.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Facts>, Option<Arc<[String]>>);

/// What a credential says about its holder.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) authn: &'static str,
    pub(super) issuer: Arc<str>,
    pub(super) subject: Arc<str>,
    pub(super) client: Option<Arc<str>>,
    pub(super) groups: Vec<String>,
    pub(super) claimed_roles: Vec<String>,
    pub(super) tenant: Option<Arc<str>>,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) expires: Option<Timestamp>,
    pub(super) pseudonym: Pseudonym,
    pub(super) ground: Ground,
}

impl Principal {
    pub(super) fn new(facts: Facts) -> Self {
        Self(Arc::new(facts), None)
    }

    /// The same by a token that holds these scopes, in order.
    pub(super) fn holding(self, scopes: Vec<String>) -> Self {
        Self(self.0, Some(scopes.into()))
    }

    /// The issuer's configured name; `api-key` for API keys.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// What the issuer calls them.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The OAuth client, or the API key's id.
    pub fn client(&self) -> Option<&str> {
        self.0.client.as_deref()
    }

    /// Their groups.
    pub fn groups(&self) -> &[String] {
        &self.0.groups
    }

    /// Roles their token claims: matched by bindings, never a grant by themselves.
    pub fn claimed_roles(&self) -> &[String] {
        &self.0.claimed_roles
    }

    /// Their tenant.
    pub fn tenant(&self) -> Option<&str> {
        self.0.tenant.as_deref()
    }

    /// A named attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.0.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The scopes of their token, in order; `None` if what they have shown is no token, and can get none.
    pub fn scopes(&self) -> Option<&[String]> {
        self.1.as_deref()
    }

    /// Their name in the log, and what makes commitments for them.
    pub fn pseudonym(&self) -> &Pseudonym {
        &self.0.pseudonym
    }

    /// Until when the credential is good.
    pub fn expires(&self) -> Option<Timestamp> {
        self.0.expires
    }

    /// Whether the credential is good for this server at all, whatever a policy says.
    pub fn reaches(&self, server: &str) -> bool {
        self.0.ground.reaches(server)
    }

    /// Whether the credential is good still. Refuses what a new request with it would be refused for.
    pub fn holds(&self, now: Timestamp) -> Result<(), Reason> {
        self.0.ground.holds(now)
    }

    /// Whether both are the same caller: issuer, subject, client and tenant. Sessions are bound by it.
    pub fn is_same_caller(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.issuer == other.0.issuer
                && self.0.subject == other.0.subject
                && self.0.client == other.0.client
                && self.0.tenant == other.0.tenant)
    }

    /// By what they are told apart: issuer, subject, client and tenant.
    pub fn identity(&self) -> [Option<&str>; 4] {
        [Some(&self.0.issuer), Some(&self.0.subject), self.0.client.as_deref(), self.0.tenant.as_deref()]
    }

    pub(super) fn who(&self) -> crate::chain::Who {
        crate::chain::Who {
            authn: self.0.authn,
            issuer: Arc::clone(&self.0.issuer),
            client: self.0.client.clone(),
            subject: Arc::clone(&self.0.pseudonym.name),
            tenant: self.0.tenant.clone(),
            committer: Some(self.0.pseudonym.committer.clone()),
        }
    }

    /// A caller of that name, for tests of later layers.
    #[cfg(test)]
    pub(crate) fn for_test(subject: &str, groups: &[&str]) -> Self {
        Self::new(Facts {
            authn: "test",
            issuer: "test".into(),
            subject: subject.into(),
            client: None,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            claimed_roles: Vec::new(),
            tenant: None,
            attributes: Vec::new(),
            expires: None,
            pseudonym: Pseudonym::for_test(subject, Timestamp::UNIX_EPOCH),
            ground: Ground::Firm,
        })
    }
}

//! Who is calling: the evidence that authentication gives.

use std::sync::Arc;

use jiff::Timestamp;

use super::ground::Ground;
use crate::chain::Reason;
use crate::decide::Caller;
use crate::secret::Secret;
use crate::vault::Pseudonym;

/// A caller whose credential was good. Made only by this layer.
#[derive(Clone, Debug)]
pub struct Principal {
    facts: Arc<Facts>,
    /// What their token is good for.
    scopes: Option<Arc<[String]>>,
    /// The token itself, where it may be exchanged.
    token: Option<Arc<Secret<String>>>,
}

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
    pub(super) region: Option<Arc<str>>,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) expires: Option<Timestamp>,
    pub(super) pseudonym: Pseudonym,
    pub(super) ground: Ground,
    /// What decisions look at, by its name in the vault.
    pub(super) profile: Option<Arc<str>>,
}

impl Principal {
    pub(super) fn new(facts: Facts) -> Self {
        Self { facts: Arc::new(facts), scopes: None, token: None }
    }

    /// The same by a token that holds these scopes, in order.
    pub(super) fn scoped(self, scopes: Vec<String>) -> Self {
        Self { scopes: Some(scopes.into()), ..self }
    }

    /// The same, with the name of what the vault keeps of all this.
    pub(super) fn described(mut self, profile: Arc<str>) -> Self {
        Arc::make_mut(&mut self.facts).profile = Some(profile);
        self
    }

    /// The name of what the vault keeps of all this.
    pub(super) fn profile(&self) -> Option<&Arc<str>> {
        self.facts.profile.as_ref()
    }

    /// By what profiles of callers without tokens are told apart.
    pub(super) fn place(&self) -> (Arc<str>, Arc<str>) {
        let Facts { issuer, subject, client, .. } = &*self.facts;
        (Arc::clone(issuer), Arc::clone(client.as_ref().unwrap_or(subject)))
    }

    /// The same, with the token that they have shown: for a server that is called by tokens in the names of its callers.
    pub(super) fn holding(self, token: &str) -> Self {
        Self { token: Some(Arc::new(Secret::new(token.to_owned()))), ..self }
    }

    /// What may be exchanged for a token in their name. Never sent to a server.
    pub fn token(&self) -> Option<&Arc<Secret<String>>> {
        self.token.as_ref()
    }

    /// The issuer's configured name; `api-key` for API keys.
    pub fn issuer(&self) -> &str {
        &self.facts.issuer
    }

    /// What the issuer calls them.
    pub fn subject(&self) -> &str {
        &self.facts.subject
    }

    /// The OAuth client, or the API key's id.
    pub fn client(&self) -> Option<&str> {
        self.facts.client.as_deref()
    }

    /// Their groups.
    pub fn groups(&self) -> &[String] {
        &self.facts.groups
    }

    /// Roles their token claims: matched by bindings, never a grant by themselves.
    pub fn claimed_roles(&self) -> &[String] {
        &self.facts.claimed_roles
    }

    /// Their tenant.
    pub fn tenant(&self) -> Option<&str> {
        self.facts.tenant.as_deref()
    }

    /// A named attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.facts.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The scopes of their token, in order; `None` if what they have shown is no token, and can get none.
    pub fn scopes(&self) -> Option<&[String]> {
        self.scopes.as_deref()
    }

    /// Their name in the log, and what makes commitments for them.
    pub fn pseudonym(&self) -> &Pseudonym {
        &self.facts.pseudonym
    }

    /// Until when the credential is good.
    pub fn expires(&self) -> Option<Timestamp> {
        self.facts.expires
    }

    /// Them as decisions see them.
    pub fn caller(&self) -> Caller<'_> {
        let facts = &*self.facts;
        Caller {
            issuer: &facts.issuer,
            subject: &facts.subject,
            authn: facts.authn,
            client: facts.client.as_deref(),
            tenant: facts.tenant.as_deref(),
            region: facts.region.as_deref(),
            groups: &facts.groups,
            claimed_roles: &facts.claimed_roles,
            attributes: &facts.attributes,
            scopes: self.scopes.as_deref(),
            servers: facts.ground.servers(),
        }
    }

    /// Whether the credential is good still. Refuses what a new request with it would be refused for.
    pub fn holds(&self, now: Timestamp) -> Result<(), Reason> {
        self.facts.ground.holds(now)
    }

    /// Whether both are the same caller: issuer, subject, client and tenant. Sessions are bound by it.
    pub fn is_same_caller(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.facts, &other.facts)
            || (self.facts.issuer == other.facts.issuer
                && self.facts.subject == other.facts.subject
                && self.facts.client == other.facts.client
                && self.facts.tenant == other.facts.tenant)
    }

    /// By what they are told apart: issuer, subject, client and tenant.
    pub fn identity(&self) -> [Option<&str>; 4] {
        [Some(&self.facts.issuer), Some(&self.facts.subject), self.facts.client.as_deref(), self.facts.tenant.as_deref()]
    }

    pub(super) fn who(&self) -> crate::chain::Who {
        crate::chain::Who {
            authn: self.facts.authn,
            issuer: Arc::clone(&self.facts.issuer),
            client: self.facts.client.clone(),
            facts: self.facts.profile.clone(),
            subject: Arc::clone(&self.facts.pseudonym.name),
            tenant: self.facts.tenant.clone(),
            committer: Some(self.facts.pseudonym.committer.clone()),
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
            region: None,
            attributes: Vec::new(),
            expires: None,
            pseudonym: Pseudonym::for_test(subject, Timestamp::UNIX_EPOCH),
            ground: Ground::Firm,
            profile: None,
        })
    }
}

//! Who asks, as far as decisions look at them. Whether they are who they say is for authentication; here it makes no difference, so that a
//! test, an explanation and a replay are decided by the same code as a call.

use crate::config::Server;
use crate::policy::Tenants;

/// A view of a caller: borrowed, and cheap to copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// The issuer's configured name; `api-key`, `mtls` or `anonymous`.
    pub issuer: &'a str,
    /// What the issuer calls them.
    pub subject: &'a str,
    /// How they have shown who they are, in the words of the log.
    pub authn: &'a str,
    /// The OAuth client, or the API key's id.
    pub client: Option<&'a str>,
    /// Their tenant.
    pub tenant: Option<&'a str>,
    /// Where they are, as their issuer or `identity.regions` says.
    pub region: Option<&'a str>,
    /// Their groups.
    pub groups: &'a [String],
    /// Roles that their token claims.
    pub claimed_roles: &'a [String],
    /// Attributes, by name.
    pub attributes: &'a [(String, String)],
    /// The scopes of their token; `None` if what they have shown is no token, and can get none.
    pub scopes: Option<&'a [String]>,
    /// The servers that their credential is good for; `None` for all.
    pub servers: Option<&'a [String]>,
}

impl Caller<'_> {
    /// Whether the credential is good for this server, and the server for its holder's tenant, whatever a policy says.
    pub fn reaches(&self, server: &Server) -> bool {
        self.servers.is_none_or(|servers| servers.contains(&server.name)) && self.is_among(&server.tenants)
    }

    /// Whether they are of one of these tenants.
    pub(super) fn is_among(&self, tenants: &Tenants) -> bool {
        tenants.include(self.issuer, self.tenant)
    }
}

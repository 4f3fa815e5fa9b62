//! Where accounts of a server are, and what tokens of it are given for.

use crate::config::{Endpoints, Resource, Server};
use crate::oauth::AuthorizationServer;
use crate::policy::Tenants;
use crate::upstream::ConnectError;

/// A server with accounts.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) authorization: AuthorizationServer,
    /// All that tokens of it were given for and to: under the same name there may be another one some day.
    pub(super) terms: String,
    /// Whose callers may connect accounts.
    pub(super) tenants: Tenants,
}

/// Where accounts at this server are, if it has any.
pub(super) fn service(server: &Server) -> Option<Result<Service, ConnectError>> {
    let settings = server.connects_accounts()?;
    let url = server.url().map(ToString::to_string).unwrap_or_default();
    let resource = match &settings.resource {
        Resource::Url => Some(url.clone()),
        Resource::Named(resource) => Some(resource.clone()),
        Resource::Unsaid => None,
    };
    let place = match &settings.client.endpoints {
        Endpoints::Discovered(issuer) => issuer.clone(),
        Endpoints::Written(written) => written.token.to_string(),
    };
    let terms = format!("{url}\n{}\n{place}\n{}", resource.as_deref().unwrap_or_default(), settings.client.client_id);
    let authorization = AuthorizationServer::new(&settings.client, resource);
    Some(authorization.map(|authorization| Service { authorization, terms, tenants: server.tenants.clone() }))
}

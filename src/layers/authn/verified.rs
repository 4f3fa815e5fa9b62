//! What a good token says of its holder: from its claims, at the places that the configuration names.

use std::sync::Arc;

use jiff::Timestamp;

use super::claims;
use super::token::{KnownIssuer, Proof, TokenError};
use crate::protocol::json::Value;

/// What a good token says.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) issuer: Arc<str>,
    pub(super) subject: String,
    pub(super) client: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) tenant: Option<String>,
    pub(super) region: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) scopes: Vec<String>,
    pub(super) expires: Timestamp,
    pub(super) proof: Proof,
}

impl KnownIssuer {
    /// Reads it; a claim of another type than expected makes the token a bad one.
    pub(super) fn read(
        &self,
        payload: Value<'_>,
        client: Option<String>,
        expires: Timestamp,
        proof: Proof,
    ) -> Result<Verified, TokenError> {
        let paths = &self.claims;
        let subject = claims::at(payload, &paths.subject).ok_or(TokenError::Claim("subject"))?;
        let list = |path: &Option<_>, name| match path.as_ref().and_then(|path| claims::at(payload, path)) {
            Some(value) => claims::texts(value, name),
            None => Ok(Vec::new()),
        };
        let tenant = paths.tenant.as_ref().and_then(|path| claims::at(payload, path));
        let region = paths.region.as_ref().and_then(|path| claims::at(payload, path));
        let mut attributes = Vec::new();
        for (name, path) in &paths.attributes {
            if let Some(value) = claims::at(payload, path) {
                attributes.push((name.clone(), claims::text(value, "attribute")?));
            }
        }
        Ok(Verified {
            issuer: Arc::clone(&self.name),
            subject: claims::text(subject, "subject")?,
            client,
            groups: list(&paths.groups, "groups")?,
            roles: list(&paths.roles, "roles")?,
            tenant: tenant.map(|value| claims::text(value, "tenant")).transpose()?,
            region: region.map(|value| claims::text(value, "region")).transpose()?,
            attributes,
            scopes: claims::scopes(payload)?,
            expires,
            proof,
        })
    }
}

//! How an authorization server is asked for tokens that operators have written down how to get.

use tokio::time::Instant;

use super::shown::Shown;
use super::token::Token;
use crate::config::Grant;
use crate::oauth::{Client, GrantError, TokenEndpoint};
use crate::upstream::connect::ConnectError;

/// See the module.
pub(super) struct Endpoint {
    asked: TokenEndpoint,
    client: Client,
    scope: String,
    resource: Option<String>,
    audience: Option<String>,
}

impl Endpoint {
    pub(super) fn new(grant: &Grant) -> Result<Self, ConnectError> {
        Ok(Self {
            asked: TokenEndpoint::new(&grant.token_url, None)?,
            client: Client { id: grant.client_id.clone(), secret: Some(grant.client_secret.clone()) },
            scope: grant.scopes.join(" "),
            resource: grant.resource.clone(),
            audience: grant.audience.clone(),
        })
    }

    /// Asks for a token by these fields, and those of the configuration.
    pub(super) async fn ask(&self, fields: &[(&str, &str)], before: Option<&Token>) -> Result<Token, GrantError> {
        let made = Instant::now();
        let more = [
            ("scope", Some(self.scope.as_str()).filter(|scope| !scope.is_empty())),
            ("resource", self.resource.as_deref()),
            ("audience", self.audience.as_deref()),
        ];
        let more = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let granted = self.asked.ask(fields.iter().copied().chain(more), &self.client).await?;
        let shown = Shown::bearer(granted.access.expose()).ok_or(GrantError::Unusable)?;
        Ok(Token::new(shown, made, granted.lifetime, before))
    }
}

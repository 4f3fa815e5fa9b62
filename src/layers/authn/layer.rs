//! The station: credential in, principal out. What each kind of credential needs stands in a file of its own.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::described::Described;
use super::principal::Principal;
use super::remembered::Tokens;
use super::settings::Settings;
use super::token::Issuers;
use super::{anonymous, api_key, bearer, certificate};
use crate::chain::{
    Anonymous, Challenge, Incoming, McpResponse, Middleware, Next, Reason, Rejection, RequestContext, ResponseBody, Vigil,
};
use crate::state::ApiKeys;
use crate::vault::{Vault, VaultError};

/// Turns credentials into principals.
pub struct Authn {
    tokens: Tokens,
    api_keys: Option<Arc<ApiKeys>>,
    settings: Settings,
    described: Described,
    vault: Arc<Vault>,
    vigil: Arc<Vigil>,
}

impl fmt::Debug for Authn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authn").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl Middleware for Authn {
    type In = Incoming<Anonymous>;
    type Out = Incoming<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        certificate::check(&request.context)?;
        let principal = match bearer::bearer(&request.head.headers, &request.head.uri) {
            Ok(token) => self.principal(token, &request.context).await?,
            Err(Challenge::Missing) => self.unsaid(&request.head, &request.context).await?,
            // SECURITY: whatever is wrong with a credential, it ends here. Nobody becomes another caller by a bad one.
            Err(challenge) => return Err(Reason::Unauthenticated(challenge).into()),
        };
        request.context.trail.with(|decision| {
            decision.who = Some(principal.who());
            decision.mark("authn", crate::chain::Mark::Ok);
        });
        let Incoming { head, body, context, evidence: Anonymous } = request;
        let (trail, shown) = (context.trail.clone(), context.peer.certificate.clone());
        let shown = move |now| shown.as_ref().map_or(Ok(()), |certificate| certificate::holds(certificate, now));
        let response = next.run(Incoming { head, body, context, evidence: principal.clone() }).await?;
        if let ResponseBody::Opened(channel) = &response.body {
            // Its client may show a newer one, and go on.
            let ground = channel.ground();
            self.vigil.over(&response, &trail, move |now| shown(now).and_then(|()| ground(now)));
        } else {
            self.vigil.over(&response, &trail, move |now| shown(now).and_then(|()| principal.holds(now)));
        }
        Ok(response)
    }
}

impl Authn {
    /// A station that accepts tokens of `issuers`, API keys when given, and what `settings` say; `vigil` sees to it that no stream outlives them.
    pub fn new(
        issuers: Issuers,
        api_keys: Option<Arc<ApiKeys>>,
        settings: Settings,
        vault: Arc<Vault>,
        vigil: Arc<Vigil>,
    ) -> Self {
        let described = Described::new(settings.regions.clone());
        Self { tokens: Tokens::new(issuers, settings.regions.clone()), api_keys, settings, described, vault, vigil }
    }

    /// Who has sent no credential is who the connection's certificate says; without one nobody, where that is somebody.
    async fn unsaid(&self, head: &Parts, context: &RequestContext) -> Result<Principal, Rejection> {
        match (&context.peer.certificate, &self.settings.certificates) {
            (Some(shown), Some(settings)) => {
                Box::pin(certificate::principal(shown, settings, (&self.vault, &self.described), context)).await
            }
            _ if self.settings.anonymous => Box::pin(anonymous::principal(head, (&self.vault, &self.described), context)).await,
            _ => Err(Reason::Unauthenticated(Challenge::Missing).into()),
        }
    }

    async fn principal(&self, token: &str, context: &RequestContext) -> Result<Principal, Rejection> {
        if let Some(keys) = self.api_keys.as_ref().filter(|_| token.starts_with("yett_")) {
            return Box::pin(api_key::principal(keys, token, (&self.vault, &self.described), context)).await;
        }
        let principal = self.tokens.principal(token, &self.vault, context).await?;
        let exchanged = context.route.server.as_ref().is_some_and(|server| server.exchanges_tokens());
        Ok(if exchanged { principal.holding(token) } else { principal })
    }
}

/// No name for the log, no call.
pub(super) fn store_down(error: &VaultError) -> Rejection {
    tracing::error!(error = error as &dyn std::error::Error, "the vault cannot name a caller");
    Reason::StoreUnavailable.into()
}

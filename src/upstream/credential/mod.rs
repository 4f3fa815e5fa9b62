//! What a server is shown to let us in. It is the gateway's own, or was given to the gateway for a caller: a caller's credential is sent to
//! no server.
//!
//! | file | what |
//! | --- | --- |
//! | `standing.rs` | what an operator has written down |
//! | `endpoint.rs` | how an authorization server is asked for a token |
//! | `token.rs`, `cached.rs` | how long one is used, and who asks for the next |
//! | `exchange.rs` | tokens in the name of callers |
//! | `connected.rs` | tokens of accounts that callers have connected |
//! | `shown.rs` | any of them, as it is sent |

mod cached;
mod connected;
mod endpoint;
mod exchange;
mod shown;
mod standing;
mod token;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use self::cached::Cached;
use self::connected::{Connected, Connections};
use self::endpoint::Endpoint;
use self::exchange::{Exchange, Exchanged};
use self::standing::Standing;
use self::token::Token;
use super::connect::ConnectError;
use super::echo::Echo;
use crate::accounts::{AccountError, Accounts, Desk};
use crate::chain::Reason;
use crate::config::Auth;
use crate::layers::authn::Principal;
use crate::oauth::GrantError;
use crate::protocol::json::Limits;
use crate::state::Whose;
use crate::telemetry::Metrics;

/// What a caller reads whose credential is no token of an issuer.
const NOTHING_TO_EXCHANGE: &str = "This server is called in your own name, for which a token of your issuer is needed.";

/// What a caller reads who cannot connect an account.
const NO_ACCOUNT: &str =
    "This server is called with an account of your own, which needs a sign-in that your credential does not have.";

/// For whom a server is called.
#[derive(Clone, Copy)]
pub(super) struct OnBehalf<'a> {
    /// Who calls.
    pub(super) caller: &'a Principal,
    /// The URL at which they call the gateway.
    pub(super) gateway: &'a str,
}

/// How one server is asked to let us in.
pub(super) enum Credential {
    /// For each caller by a token of the account that they have connected.
    Connected(Connections),
    /// Always in the same way.
    Own(Pass),
    /// For each caller by a token in their name.
    Exchange(Arc<Exchange>),
}

/// How it is asked for one caller.
#[derive(Clone)]
pub(super) enum Pass {
    /// By a token of the caller's account.
    Connected(Connected),
    /// By a token in the caller's name.
    Exchanged(Exchanged),
    /// By a token in the gateway's name.
    Machine(Arc<Machine>),
    /// By what an operator has written down.
    Standing(Arc<Standing>),
}

/// A token that the gateway gets by its own credentials. RFC 6749, section 4.4.
pub(super) struct Machine {
    endpoint: Endpoint,
    cached: Cached,
}

/// What a request was sent with.
#[derive(Default)]
pub(super) struct Used(Option<Arc<Token>>);

impl Credential {
    /// As an operator has configured it; `accounts` are those that callers connect, of servers that have them.
    pub(super) fn new(auth: &Auth, accounts: Option<&Arc<Accounts>>) -> Result<Self, ConnectError> {
        Ok(match auth {
            Auth::Basic(_, secret) | Auth::Bearer(secret) | Auth::Header(_, secret) => {
                Self::Own(Pass::Standing(Arc::new(Standing::new(auth, secret))))
            }
            Auth::ClientCredentials(grant) => {
                Self::Own(Pass::Machine(Arc::new(Machine { endpoint: Endpoint::new(grant)?, cached: Cached::default() })))
            }
            Auth::UserOauth(_) => {
                let accounts = accounts.ok_or_else(|| ConnectError::Host("no accounts".to_owned()))?;
                Self::Connected(Connections::new(Arc::clone(accounts)))
            }
            Auth::TokenExchange(grant) => Self::Exchange(Arc::new(Exchange::new(Endpoint::new(grant)?))),
        })
    }

    /// For a call of this caller; without one, for a message of ours.
    pub(super) fn pass(&self, server: &str, call: Option<OnBehalf<'_>>) -> Result<Pass, Reason> {
        match self {
            Self::Connected(connections) => {
                let call = call.filter(|call| connections.are_for(call.caller.issuer()));
                let OnBehalf { caller, gateway } = call.ok_or_else(|| Reason::Denied(Some(NO_ACCOUNT.to_owned())))?;
                let [issuer, subject] = [caller.issuer(), caller.subject()].map(str::to_owned);
                let tenant = caller.tenant().unwrap_or_default().to_owned();
                let page = Desk::link(gateway, server, &issuer);
                let whose = Whose { issuer, subject, tenant, server: server.to_owned() };
                Ok(Pass::Connected(connections.of(whose, page)))
            }
            Self::Own(pass) => Ok(pass.clone()),
            Self::Exchange(exchange) => {
                let subject = call.and_then(|call| call.caller.token());
                let subject = subject.ok_or_else(|| Reason::Denied(Some(NOTHING_TO_EXCHANGE.to_owned())))?;
                Ok(Pass::Exchanged(exchange.of(subject)))
            }
        }
    }
}

impl Pass {
    /// Puts it into the head of a request.
    pub(super) async fn show(&self, headers: &mut HeaderMap) -> Result<Used, Reason> {
        let token = match self {
            Self::Connected(connected) => return connected.show(headers).await,
            Self::Exchanged(exchanged) => exchanged.token().await,
            Self::Machine(machine) => machine.token().await,
            Self::Standing(standing) => {
                standing.version()?.shown.put(headers);
                return Ok(Used::default());
            }
        };
        let token = token.map_err(|error| Reason::UpstreamFailed(error.word()))?;
        token.shown.put(headers);
        Ok(Used(Some(token)))
    }

    /// What of it may come back.
    fn echoes(&self) -> [Option<Arc<Echo>>; 2] {
        match self {
            Self::Connected(connected) => connected.echoes(),
            Self::Exchanged(exchanged) => exchanged.cached.echoes(),
            Self::Machine(machine) => machine.cached.echoes(),
            Self::Standing(standing) => standing.echoes(),
        }
    }
}

impl Connected {
    async fn show(&self, headers: &mut HeaderMap) -> Result<Used, Reason> {
        let token = self.token().await.map_err(|error| match error {
            AccountError::NotConnected => Reason::NotConnected(self.page.as_ref().into(), false),
            AccountError::Grant(error) => Reason::UpstreamFailed(error.word()),
            AccountError::Store => Reason::StoreUnavailable,
        })?;
        token.shown.put(headers);
        Ok(Used(Some(token)))
    }
}

impl Machine {
    async fn token(&self) -> Result<Arc<Token>, GrantError> {
        let ask = |before: Option<Arc<Token>>| async move {
            self.endpoint.ask(&[("grant_type", "client_credentials")], before.as_deref()).await
        };
        self.cached.token(ask).await
    }
}

impl Used {
    /// The server has answered so. One that does not take a token that was good has lost it, or its issuer has taken it back: the next call has
    /// another one. This one has failed; a message is never sent twice.
    pub(super) fn answered(&self, status: StatusCode) {
        if let Some(token) = self.0.as_ref().filter(|_| status == StatusCode::UNAUTHORIZED) {
            token.refuse();
        }
    }
}

/// Takes our credential out of what its server sends back; see `echo.rs`.
pub(super) struct Discretion {
    pass: Pass,
    server: Arc<str>,
    metrics: Arc<Metrics>,
}

impl Discretion {
    pub(super) fn about(pass: Pass, server: &Arc<str>, metrics: &Arc<Metrics>) -> Self {
        Self { pass, server: Arc::clone(server), metrics: Arc::clone(metrics) }
    }

    /// A message of the server without our credential. One in which it was counts: somebody there shows what they should not.
    pub(super) fn clean(&self, message: Bytes, limits: Limits) -> Bytes {
        let (mut message, mut there) = (message, false);
        for echo in self.pass.echoes().into_iter().flatten() {
            let (clean, found) = echo.clean(message, limits);
            (message, there) = (clean, there || found);
        }
        if there {
            tracing::warn!(server = &*self.server, "the server sent our credential back; it was redacted");
            self.metrics.credential_echoed(&self.server);
        }
        message
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

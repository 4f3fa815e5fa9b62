//! One authorization server, to which users' browsers are sent, and which gives tokens for what they come back with.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::request::{Proof, Request};
use super::token_endpoint::{BOUNDS, Client, GrantError, Granted, TokenEndpoint};
use crate::config::{Endpoints, OauthClient};
use crate::discovery::{Discovery, DiscoveryError, Endpoint};
use crate::outbound;
use crate::protocol::json::{Kind, Value};
use crate::secret::Secret;
use crate::upstream::ConnectError;

/// Codes at once: half of what the endpoint is asked at once.
const REDEEMING: usize = 8;

/// How long its metadata is believed.
const METADATA: Duration = Duration::from_mins(10);

const AUTHORIZATION: &str = "authorization_endpoint";
const TOKEN: &str = "token_endpoint";
const REVOCATION: &str = "revocation_endpoint";

/// Why an authorization server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its metadata cannot be had, or is not its own.
    #[error("the metadata of the authorization server cannot be used")]
    Discovery(#[from] DiscoveryError),
    /// An endpoint is no place that can be asked.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not say that it binds codes to whoever has asked for them.
    #[error("its metadata does not name S256 among `code_challenge_methods_supported`, so that codes could be stolen")]
    NoChallenge,
}

/// Why a browser that came back brings nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Another authorization server has sent it, or one that should say which it is does not. RFC 9207.
    #[error("another authorization server has answered")]
    Issuer,
    /// The authorization server does not give a token for its code.
    #[error(transparent)]
    Grant(#[from] GrantError),
}

/// See the module.
#[derive(Debug)]
pub struct AuthorizationServer {
    client: Client,
    scopes: Vec<String>,
    resource: Option<String>,
    authorities: Option<Vec<u8>>,
    place: Place,
    known: Mutex<Known>,
    /// One looks where it is; the others wait for what comes of it.
    looking: tokio::sync::Mutex<()>,
    /// Codes that are redeemed at once. Whoever has a browser can have one tried; renewals do not wait behind them.
    redeeming: Semaphore,
}

#[derive(Debug)]
enum Place {
    /// As its metadata says.
    Discovered(Box<Discovery>, String),
    /// As an operator has written.
    Written(Arc<Found>),
}

#[derive(Debug, Default)]
struct Known {
    /// Where browsers were sent and codes shown at first: those hosts stay, see [`Endpoint::still_on`].
    first: Option<[Endpoint; 2]>,
    first_revocation: Option<Endpoint>,
    found: Option<(Instant, Arc<Found>)>,
}

/// Where its endpoints are.
#[derive(Debug)]
struct Found {
    authorization: Uri,
    token: TokenEndpoint,
    revocation: Option<outbound::Client>,
    /// Its name, if browsers come back with one.
    issuer: Option<String>,
    /// Whether they all do.
    names_itself: bool,
}

impl Found {
    /// SECURITY: without this, whoever runs one of two authorization servers gets codes of the other (RFC 9700, section 4.4).
    fn check_issuer(&self, told: Option<&str>) -> Result<(), Denied> {
        match (&self.issuer, told) {
            (Some(known), Some(told)) if known != told => Err(Denied::Issuer),
            (Some(_), None) if self.names_itself => Err(Denied::Issuer),
            _ => Ok(()),
        }
    }
}

impl AuthorizationServer {
    /// As it is configured; `resource` is what tokens are for (RFC 8707).
    pub fn new(settings: &OauthClient, resource: Option<String>) -> Result<Self, ConnectError> {
        let authorities = settings.authorities.clone();
        let trusted = authorities.as_deref();
        let place = match &settings.endpoints {
            Endpoints::Discovered(issuer) => Place::Discovered(Box::new(Discovery::new(issuer, trusted)?), issuer.clone()),
            Endpoints::Written(written) => Place::Written(Arc::new(Found {
                authorization: written.authorization.clone(),
                token: TokenEndpoint::new(&written.token, trusted)?,
                revocation: written.revocation.as_ref().map(|url| outbound::Client::new(url, BOUNDS, trusted)).transpose()?,
                issuer: None,
                names_itself: false,
            })),
        };
        Ok(Self {
            client: Client { id: settings.client_id.clone(), secret: settings.client_secret.clone() },
            scopes: settings.scopes.clone(),
            resource,
            authorities,
            place,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            redeeming: Semaphore::new(REDEEMING),
        })
    }

    /// What is asked for.
    pub fn scope(&self) -> &[String] {
        &self.scopes
    }

    /// The URL to send a browser to, which is to come back to `redirect_uri`.
    pub async fn authorization(&self, redirect_uri: &str, proof: &Proof) -> Result<String, ServerError> {
        let found = self.found().await?;
        let (client_id, scope, resource) = (self.client.id.as_str(), self.scopes.join(" "), self.resource.as_deref());
        Ok(Request { client_id, redirect_uri, scope: &scope, resource, proof }.url(&found.authorization))
    }

    /// The tokens for a code with which a browser has come back; `issuer` is who has sent it, as it says.
    pub async fn redeem(
        &self,
        (code, issuer): (&str, Option<&str>),
        redirect_uri: &str,
        proof: &Proof,
    ) -> Result<Granted, Denied> {
        let _place = self.redeeming.try_acquire().map_err(|_full| Denied::Grant(GrantError::Unreachable))?;
        let found = self.asked().await?;
        found.check_issuer(issuer)?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", proof.verifier.as_str()),
        ];
        Ok(found.token.ask(fields.into_iter().chain(self.resource()), &self.client).await?)
    }

    /// Whether a browser comes back from here. RFC 9207, section 2.4.
    pub async fn is_sender(&self, issuer: Option<&str>) -> Result<(), Denied> {
        let found = self.asked().await?;
        found.check_issuer(issuer)
    }

    /// Whether it is known where to ask it.
    pub async fn is_known(&self) -> Result<(), GrantError> {
        self.asked().await.map(drop)
    }

    /// Newer tokens for what was given with older ones.
    pub async fn renew(&self, refresh: &Secret<String>) -> Result<Granted, GrantError> {
        let found = self.asked().await?;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose().as_str())];
        found.token.ask(fields.into_iter().chain(self.resource()), &self.client).await
    }

    /// Tells it that a token is used no more (RFC 7009). Whether it has heard.
    pub async fn revoke(&self, token: &Secret<String>, kind: &str) -> bool {
        let Ok(found) = self.asked().await else { return false };
        // One that has no such endpoint cannot be told; its tokens end by themselves.
        let Some(client) = &found.revocation else { return false };
        let Ok(ask) = self.client.asking([("token", token.expose().as_str()), ("token_type_hint", kind)]) else { return false };
        client.send(ask).await.is_ok_and(|answer| answer.status.is_success())
    }

    fn resource(&self) -> Option<(&str, &str)> {
        self.resource.as_deref().map(|resource| ("resource", resource))
    }

    async fn asked(&self) -> Result<Arc<Found>, GrantError> {
        self.found().await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "an authorization server cannot be used");
            GrantError::Unreachable
        })
    }

    /// Where its endpoints are; what was found last, where nobody answers.
    async fn found(&self) -> Result<Arc<Found>, ServerError> {
        let (discovery, issuer) = match &self.place {
            Place::Written(found) => return Ok(Arc::clone(found)),
            Place::Discovered(discovery, issuer) => (discovery, issuer),
        };
        let fresh = || self.known.lock().found.clone().filter(|(at, _)| at.elapsed() < METADATA);
        if let Some((_, found)) = fresh() {
            return Ok(found);
        }
        let _looking = self.looking.lock().await;
        if let Some((_, found)) = fresh() {
            return Ok(found);
        }
        let known = self.known.lock().found.clone();
        match (self.discover(discovery, issuer).await, known) {
            (Ok(found), _) => Ok(found),
            (Err(error), Some((_, found))) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    issuer,
                    "an authorization server is asked where it was"
                );
                // Not with every call.
                self.known.lock().found = Some((Instant::now(), Arc::clone(&found)));
                Ok(found)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn discover(&self, discovery: &Discovery, issuer: &str) -> Result<Arc<Found>, ServerError> {
        let metadata = discovery.ask().await?;
        let lists = |name: &str, item: &str| {
            let list = metadata.root().get(name).filter(|list| list.kind() == Kind::Array);
            list.is_some_and(|list| list.items().any(|known| known.as_str() == Some(item)))
        };
        if !lists("code_challenge_methods_supported", "S256") {
            return Err(ServerError::NoChallenge);
        }
        let endpoint = |name| metadata.endpoint(name)?.ok_or(DiscoveryError::Missing(name));
        let mut known = self.known.lock();
        let (authorization, token) = (endpoint(AUTHORIZATION)?, endpoint(TOKEN)?);
        let [first_authorization, first_token] =
            known.first.get_or_insert_with(|| [authorization.clone(), token.clone()]).clone();
        let authorization = authorization.still_on(&first_authorization, AUTHORIZATION)?;
        let token = token.still_on(&first_token, TOKEN)?;
        let trusted = self.authorities.as_deref();
        // It gets tokens and our secret as well. Without a usable one tokens are not given back.
        let revocation = metadata.endpoint(REVOCATION).ok().flatten();
        if known.first_revocation.is_none() {
            known.first_revocation.clone_from(&revocation);
        }
        let revocation = revocation.zip(known.first_revocation.clone());
        let revocation = revocation.and_then(|(endpoint, first)| endpoint.still_on(&first, REVOCATION).ok());
        let revocation = revocation.and_then(|endpoint| endpoint.client(BOUNDS, trusted).ok());
        let names_itself = metadata.root().get("authorization_response_iss_parameter_supported").and_then(Value::as_bool);
        let found = Arc::new(Found {
            authorization: authorization.url.clone(),
            token: TokenEndpoint::over(token.client(BOUNDS, trusted)?, &token.url),
            revocation,
            issuer: Some(issuer.to_owned()),
            names_itself: names_itself.unwrap_or(false),
        });
        known.found = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }
}

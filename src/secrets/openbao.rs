//! Secrets in KV engines, version 2, of `OpenBao` or Vault, by their HTTP API: five endpoints.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::file::read_file;
use super::providers::{BOUNDS, Document, Trouble};
use super::settings::{Bao, Login};
use super::wiped::{Member, Wiped, parse};
use crate::outbound::{Answer, Ask, Client};
use crate::secret::Secret;
use crate::upstream::ConnectError;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Agents between us and the server refuse requests without it, against requests that somebody was made to send.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// A lease is renewed when a third of it is left.
const LEFT: u32 = 3;

/// One server, and our login there.
pub(super) struct OpenBao {
    client: Client,
    namespace: Option<String>,
    login: Login,
    session: Mutex<Option<Session>>,
    /// Of the session, for those who do not want to wait for it.
    due: parking_lot::Mutex<Option<Instant>>,
}

struct Session {
    token: Secret<String>,
    /// When to renew it, and how long it is good; never for one that does not end.
    lease: Option<Lease>,
}

#[derive(Clone, Copy)]
struct Lease {
    renew: Instant,
    end: Instant,
    renewable: bool,
}

#[derive(Deserialize)]
struct LoginAnswer {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: Wiped,
    lease_duration: u64,
    renewable: bool,
}

#[derive(Deserialize)]
struct LookUp {
    data: LookedUp,
}

#[derive(Deserialize)]
struct LookedUp {
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

#[derive(Deserialize)]
struct Read {
    data: Versioned,
}

#[derive(Deserialize)]
struct Versioned {
    /// Null for a version that was deleted.
    data: Option<BTreeMap<String, Member>>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    created_time: String,
}

impl fmt::Debug for OpenBao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenBao").field("client", &self.client).finish_non_exhaustive()
    }
}

impl OpenBao {
    pub(super) fn new(settings: Bao) -> Result<Self, ConnectError> {
        let Bao { address, authorities, namespace, login } = settings;
        let client = Client::new(&address, BOUNDS, authorities.as_deref())?;
        Ok(Self { client, namespace, login, session: Mutex::default(), due: parking_lot::Mutex::default() })
    }

    /// When the login must be renewed.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.due.lock().map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// The newest version of a secret.
    pub(super) async fn read(&self, mount: &str, path: &str) -> Result<Document, Trouble> {
        let mut session = self.session.lock().await;
        let first = self.try_read(&mut session, mount, path).await;
        match first {
            // Also what a token answers that was revoked meanwhile; a fresh one tells the difference.
            Err(Trouble::Forbidden(403)) if !matches!(self.login, Login::Token(_)) => {
                *session = None;
                self.try_read(&mut session, mount, path).await
            }
            other => other,
        }
    }

    async fn try_read(&self, session: &mut Option<Session>, mount: &str, path: &str) -> Result<Document, Trouble> {
        let token = self.token(session).await?;
        let ask = Ask::get().at(format!("/v1/{mount}/data/{path}"));
        let answer = self.send(ask, Some(&token)).await?;
        if answer.status != 200 {
            return Err(Trouble::of_status(answer.status.as_u16()));
        }
        let read: Read = parse(answer.body).ok_or(Trouble::Malformed("no secret of a KV engine, version 2"))?;
        let made: Option<Timestamp> = read.data.metadata.created_time.parse().ok();
        let members = read.data.data.ok_or(Trouble::Missing)?.into_iter().filter_map(|(name, member)| match member {
            Member::Text(Wiped(text)) => Some((name, text)),
            Member::Other(_) => None,
        });
        Ok(Document { members: members.collect(), whole: None, made })
    }

    /// A token that is good, renewed if it is time.
    async fn token(&self, session: &mut Option<Session>) -> Result<Secret<String>, Trouble> {
        let now = Instant::now();
        let given = match &self.login {
            Login::Token(live) => Some(live.current().map_err(|_withdrawn| Trouble::NoKey)?),
            Login::AppRole { .. } | Login::Kubernetes { .. } => None,
        };
        if let (Some(held), Some(given)) = (session.as_ref(), &given)
            && held.token.expose() != given.secret.expose()
        {
            // Somebody has put another one there.
            *session = None;
        }
        if let Some(held) = session.as_mut() {
            match held.lease {
                Some(lease) if now >= lease.end => *session = None,
                // While an old lease lasts, a renewal that fails costs nothing yet.
                Some(lease) if now >= lease.renew && lease.renewable => {
                    if let Ok(renewed) = self.renew(&held.token).await {
                        held.lease = renewed;
                    }
                }
                Some(lease) if now >= lease.renew && given.is_none() => *session = None,
                Some(_) | None => {}
            }
        }
        if session.is_none() {
            *session = Some(match given {
                Some(given) => self.look_up(given.secret.clone()).await?,
                None => self.log_in().await?,
            });
        }
        *self.due.lock() = session.as_ref().and_then(|held| held.lease).map(|lease| lease.renew);
        session.as_ref().map(|held| held.token.clone()).ok_or(Trouble::NoKey)
    }

    async fn log_in(&self) -> Result<Session, Trouble> {
        let (mount, body) = match &self.login {
            Login::AppRole { mount, role_id, secret_id } => {
                let [role, secret] = [role_id, secret_id].map(|live| live.current().map_err(|_withdrawn| Trouble::NoKey));
                let (role, secret) = (role?, secret?);
                (mount, json!({ "role_id": role.secret.expose(), "secret_id": secret.secret.expose() }))
            }
            Login::Kubernetes { mount, role, token_file } => {
                let path = token_file.clone();
                let reading = tokio::task::spawn_blocking(move || read_file(&path)).await;
                let (jwt, _) = reading.map_err(|_panicked| Trouble::Malformed("reading the token panicked"))??;
                (mount, json!({ "role": role, "jwt": jwt.as_str() }))
            }
            Login::Token(_) => return Err(Trouble::NoKey),
        };
        let body = Zeroizing::new(body.to_string());
        let ask = Ask::json(body.as_bytes().to_vec()).at(format!("/v1/auth/{mount}/login"));
        let answer = self.send(ask, None).await?;
        match answer.status.as_u16() {
            200 => {}
            status @ 400..=499 if status != 429 => return Err(Trouble::Login(status)),
            status => return Err(Trouble::Failed(status)),
        }
        let LoginAnswer { auth } = parse(answer.body).ok_or(Trouble::Malformed("no login"))?;
        let token = Secret::new(auth.client_token.0.to_string());
        Ok(Session { token, lease: Lease::of(auth.lease_duration, auth.renewable) })
    }

    /// How long a token lasts that somebody gave us.
    async fn look_up(&self, token: Secret<String>) -> Result<Session, Trouble> {
        let answer = self.send(Ask::get().at("/v1/auth/token/lookup-self"), Some(&token)).await?;
        match answer.status.as_u16() {
            200 => {
                let LookUp { data } = parse(answer.body).ok_or(Trouble::Malformed("no token"))?;
                Ok(Session { token, lease: Lease::of(data.ttl, data.renewable) })
            }
            status @ 400..=499 if status != 429 => Err(Trouble::Login(status)),
            status => Err(Trouble::Failed(status)),
        }
    }

    async fn renew(&self, token: &Secret<String>) -> Result<Option<Lease>, Trouble> {
        let answer = self.send(Ask::json("{}").at("/v1/auth/token/renew-self"), Some(token)).await?;
        if answer.status != 200 {
            return Err(Trouble::Login(answer.status.as_u16()));
        }
        let LoginAnswer { auth } = parse(answer.body).ok_or(Trouble::Malformed("no renewal"))?;
        Ok(Lease::of(auth.lease_duration, auth.renewable))
    }

    async fn send(&self, ask: Ask, token: Option<&Secret<String>>) -> Result<Answer, Trouble> {
        let mut ask = ask.header(REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = self.namespace.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            ask = ask.header(NAMESPACE, namespace);
        }
        if let Some(token) = token {
            ask = ask.secret(TOKEN, token).map_err(|_invalid| Trouble::NoKey)?;
        }
        Ok(self.client.send(ask).await?)
    }
}

impl Lease {
    /// Of so many seconds from now; `None` for one without an end.
    fn of(seconds: u64, renewable: bool) -> Option<Self> {
        if seconds == 0 {
            return None;
        }
        let (now, whole) = (Instant::now(), Duration::from_secs(seconds));
        let end = now.checked_add(whole)?;
        Some(Self { renew: end - whole / LEFT, end, renewable })
    }
}

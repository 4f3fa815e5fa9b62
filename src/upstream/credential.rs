//! What a server is shown to let us in. It is the gateway's own: nothing of a caller's credential is anywhere near here.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::echo::Echo;
use crate::chain::Reason;
use crate::config::Auth;
use crate::protocol::json::Limits;
use crate::secrets::Live;
use crate::telemetry::Metrics;

/// The credential for one server.
#[derive(Clone)]
pub(super) enum Credential {
    /// The same for every request.
    Standing(Arc<Standing>),
}

/// A credential that an operator has written down, in the version that is in force.
pub(super) struct Standing {
    auth: Auth,
    shown: ArcSwapOption<Shown>,
}

/// A version of a credential as it is sent, and as it is recognised when it comes back.
struct Shown {
    generation: u64,
    name: HeaderName,
    value: HeaderValue,
    echo: Option<Arc<Echo>>,
    /// The same of the version before: what was sent with it may be answered yet.
    before: Option<Arc<Echo>>,
}

impl Credential {
    /// As an operator has written it.
    pub(super) fn new(auth: &Auth) -> Self {
        Self::Standing(Arc::new(Standing { auth: auth.clone(), shown: ArcSwapOption::empty() }))
    }

    /// Puts it into the head of a request.
    pub(super) fn authorize(&self, headers: &mut HeaderMap) -> Result<(), Reason> {
        match self {
            Self::Standing(standing) => {
                let shown = standing.shown()?;
                headers.insert(shown.name.clone(), shown.value.clone());
            }
        }
        Ok(())
    }

    /// What of ours may come back.
    fn echoes(&self) -> [Option<Arc<Echo>>; 2] {
        match self {
            Self::Standing(standing) => {
                let shown = standing.shown.load();
                shown.as_ref().map(|shown| [shown.echo.clone(), shown.before.clone()]).unwrap_or_default()
            }
        }
    }
}

impl Standing {
    /// The version in force; made anew when the secret is another one.
    fn shown(&self) -> Result<Arc<Shown>, Reason> {
        let (Auth::Basic(_, secret) | Auth::Bearer(secret) | Auth::Header(_, secret)) = &self.auth;
        let known = self.shown.load_full();
        let generation = secret.peek().as_ref().map(|version| version.generation);
        match (known, generation) {
            (Some(shown), Some(generation)) if shown.generation == generation => Ok(shown),
            (known, _) => self.renew(secret, known),
        }
    }

    #[cold]
    fn renew(&self, secret: &Live, known: Option<Arc<Shown>>) -> Result<Arc<Shown>, Reason> {
        let version = secret.current().map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, setting = secret.setting(), "no credential for a server");
            Reason::UpstreamFailed("no_credential")
        })?;
        let shown =
            Shown::of(&self.auth, version.secret.expose(), version.generation, known.and_then(|known| known.echo.clone()));
        let shown = Arc::new(shown.ok_or(Reason::Internal("credential"))?);
        self.shown.store(Some(Arc::clone(&shown)));
        Ok(shown)
    }
}

impl Shown {
    /// The one place where the secret is read. `None` for one that no header can hold, which its form rules out.
    fn of(auth: &Auth, secret: &str, generation: u64, before: Option<Arc<Echo>>) -> Option<Self> {
        let (name, value, echo) = match auth {
            Auth::Basic(user, _) => {
                let pair = Zeroizing::new(format!("{user}:{secret}"));
                let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                (AUTHORIZATION, Zeroizing::new(format!("Basic {}", *encoded)), Echo::of(&[&encoded, secret]))
            }
            Auth::Bearer(_) => (AUTHORIZATION, Zeroizing::new(format!("Bearer {secret}")), Echo::of(&[secret])),
            Auth::Header(name, _) => {
                let value = secret.trim();
                // A server that is shown `Scheme secret` may give back the secret alone.
                let last = value.rsplit(' ').next().unwrap_or_default();
                (name.clone(), Zeroizing::new(value.to_owned()), Echo::of(&[value, last]))
            }
        };
        // Wiped when the last request that holds it is gone.
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(Zeroizing::new(value.as_bytes().to_vec()))).ok()?;
        value.set_sensitive(true);
        Some(Self { generation, name, value, echo: echo.ok()?.map(Arc::new), before })
    }
}

/// Takes our credential out of what its server sends back; see `echo.rs`.
pub(super) struct Discretion {
    credential: Credential,
    server: String,
    metrics: Arc<Metrics>,
}

impl Discretion {
    pub(super) fn about(credential: &Credential, server: &str, metrics: &Arc<Metrics>) -> Self {
        Self { credential: credential.clone(), server: server.to_owned(), metrics: Arc::clone(metrics) }
    }

    /// A message of the server without our credential. One in which it was counts: somebody there shows what they should not.
    pub(super) fn clean(&self, message: Bytes, limits: Limits) -> Bytes {
        let (mut message, mut there) = (message, false);
        for echo in self.credential.echoes().into_iter().flatten() {
            let (clean, found) = echo.clean(message, limits);
            (message, there) = (clean, there || found);
        }
        if there {
            tracing::warn!(server = self.server, "the server sent our credential back; it was redacted");
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

//! One question to one issuer.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::memory::Verdict;
use crate::config::Introspection;
use crate::discovery::Endpoint;
use crate::outbound::{Ask, Bounds, Client, Silence};
use crate::protocol::json::{Document, Limits, Value};
use crate::secrets::{Live, Withdrawn};
use crate::upstream::ConnectError;

/// What one question may cost: somebody waits for its answer.
const BOUNDS: Bounds = Bounds { connect: Duration::from_secs(3), total: Duration::from_secs(5), answer: 32 * 1024, at_once: 32 };

/// What an answer may hold: as much as a token.
const PARTS: Limits = Limits { depth: 16, nodes: 1_024, string: 8 * 1024 };

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Its metadata has not said yet where to ask.
    #[error("the issuer's metadata has not said where to ask")]
    Nowhere,
    /// We cannot say who asks.
    #[error(transparent)]
    Withdrawn(#[from] Withdrawn),
    /// It cannot be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer as it should.
    #[error(transparent)]
    Silence(#[from] Silence),
    /// What it answers is none of RFC 7662.
    #[error("the answer does not say whether the token is active")]
    Answer,
}

/// Knows where and as whom to ask.
#[derive(Debug)]
pub(super) struct Questioner {
    place: Place,
    id: String,
    secret: Live,
}

#[derive(Debug)]
enum Place {
    Configured(Arc<Client>),
    /// Where the issuer's metadata says; and the client for where it said that last.
    Discovered {
        endpoint: Arc<ArcSwapOption<Endpoint>>,
        authorities: Option<Vec<u8>>,
        last: Mutex<Option<(Endpoint, Arc<Client>)>>,
    },
}

impl Questioner {
    pub(super) fn new(
        settings: &Introspection,
        authorities: Option<&[u8]>,
        endpoint: Arc<ArcSwapOption<Endpoint>>,
    ) -> Result<Self, ConnectError> {
        let place = match &settings.url {
            Some(url) => Place::Configured(Arc::new(Client::new(url, BOUNDS, authorities)?)),
            None => Place::Discovered { endpoint, authorities: authorities.map(<[u8]>::to_vec), last: Mutex::default() },
        };
        Ok(Self { place, id: settings.client_id.clone(), secret: settings.client_secret.clone() })
    }

    /// What the issuer says of a token.
    pub(super) async fn ask(&self, token: &str) -> Result<Verdict, Failure> {
        let client = self.place.client()?;
        let ask = Ask::form([("token", token), ("token_type_hint", "access_token")]).accept("application/json");
        let ask = ask.client(&self.id, &self.secret.current()?.secret).map_err(Silence::from)?;
        let bytes = client.fetch(ask).await?;
        // Strict, as a token is read: what says two things says nothing.
        let document = Document::parse(bytes, PARTS).map_err(|_unused| Failure::Answer)?;
        match document.root().get("active").and_then(Value::as_bool) {
            Some(true) => Ok(Verdict::Active(document)),
            Some(false) => Ok(Verdict::Inactive),
            None => Err(Failure::Answer),
        }
    }
}

impl Place {
    fn client(&self) -> Result<Arc<Client>, Failure> {
        match self {
            Self::Configured(client) => Ok(Arc::clone(client)),
            Self::Discovered { endpoint, authorities, last } => {
                let found = endpoint.load_full().ok_or(Failure::Nowhere)?;
                let mut last = last.lock();
                if let Some((before, client)) = &*last
                    && *before == *found
                {
                    return Ok(Arc::clone(client));
                }
                let client = Arc::new(found.client(BOUNDS, authorities.as_deref())?);
                *last = Some((Endpoint::clone(&found), Arc::clone(&client)));
                Ok(client)
            }
        }
    }
}

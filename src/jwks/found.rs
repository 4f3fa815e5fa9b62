//! A key set at the place that the issuer's metadata names.
//!
//! The metadata is read before the first set, then seldom, and when the place does not answer as it should. A document that is bad, or that
//! names a place on another host than the first one did, changes nothing: keys are read from where they were.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use parking_lot::Mutex;

use super::refresh::{BOUNDS, Problem, ask};
use crate::config::Issuer;
use crate::discovery::{Discovery, DiscoveryError, Endpoint, Metadata};
use crate::outbound::Client;
use crate::telemetry::Metrics;
use crate::upstream::ConnectError;

/// The metadata is read again with each so manieth set: three times an hour by default.
const SELDOM: u32 = 4;

const JWKS_URI: &str = "jwks_uri";
const INTROSPECTION: &str = "introspection_endpoint";

/// See the module.
#[derive(Debug)]
pub(super) struct Found {
    issuer: String,
    discovery: Discovery,
    authorities: Option<Vec<u8>>,
    metrics: Arc<Metrics>,
    /// Where to ask about tokens, if anybody does.
    introspection: Option<Arc<ArcSwapOption<Endpoint>>>,
    /// One task asks; the lock is never waited for.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Where the keys were at first: its host is theirs for as long as this process runs.
    first: Option<Endpoint>,
    /// Where they are.
    place: Option<(Endpoint, Arc<Client>)>,
    /// Sets read since the metadata was.
    reads: u32,
}

impl Found {
    /// For one issuer; where to ask about its tokens is left in `introspection`.
    pub(super) fn new(
        issuer: &Issuer,
        metrics: Arc<Metrics>,
        introspection: &Arc<ArcSwapOption<Endpoint>>,
    ) -> Result<Self, ConnectError> {
        let discovery = Discovery::new(&issuer.issuer, issuer.authorities.as_deref())?;
        let authorities = issuer.authorities.clone();
        let asked = issuer.introspection.as_ref().is_some_and(|settings| settings.url.is_none());
        let introspection = asked.then(|| Arc::clone(introspection));
        Ok(Self { issuer: issuer.name.clone(), discovery, authorities, metrics, introspection, known: Mutex::default() })
    }

    /// The set.
    pub(super) async fn fetch(&self) -> Result<Bytes, Problem> {
        let client = match self.known_place() {
            Some(client) => client,
            None => self.discover().await?,
        };
        let answer = client.fetch(ask()).await;
        if answer.is_err() {
            // The next attempt asks whether the keys have gone elsewhere.
            self.known.lock().reads = SELDOM;
        }
        Ok(answer?)
    }

    /// Where the keys are, unless it is time to ask.
    fn known_place(&self) -> Option<Arc<Client>> {
        let mut known = self.known.lock();
        known.reads = known.reads.saturating_add(1);
        let due = known.reads > SELDOM;
        known.place.as_ref().filter(|_| !due).map(|(_, client)| Arc::clone(client))
    }

    /// Asks where they are. What is wrong with the answer is told; if a place is known, it stays.
    async fn discover(&self) -> Result<Arc<Client>, Problem> {
        let asked = self.ask().await;
        self.metrics.issuer_discovery(&self.issuer, asked.is_ok());
        let mut known = self.known.lock();
        match asked {
            Ok(client) => {
                known.reads = 0;
                Ok(client)
            }
            Err(error) => {
                // Next time again.
                known.reads = SELDOM;
                let Some((endpoint, client)) = &known.place else { return Err(error) };
                tracing::error!(
                    issuer = self.issuer,
                    because = %error,
                    keys = %endpoint.url,
                    "an issuer's metadata is refused; its keys are read from where they were"
                );
                Ok(Arc::clone(client))
            }
        }
    }

    /// Where to ask about tokens: as with keys, the first host is the one.
    fn note_introspection(&self, metadata: &Metadata) -> Result<(), DiscoveryError> {
        let Some(place) = &self.introspection else { return Ok(()) };
        let mut endpoint = metadata.endpoint(INTROSPECTION)?.ok_or(DiscoveryError::Missing(INTROSPECTION))?;
        if let Some(first) = place.load_full() {
            endpoint = endpoint.still_on(&first, INTROSPECTION)?;
        }
        place.store(Some(Arc::new(endpoint)));
        Ok(())
    }

    async fn ask(&self) -> Result<Arc<Client>, Problem> {
        let metadata = self.discovery.ask().await?;
        if let Err(error) = self.note_introspection(&metadata) {
            // Keys are another matter.
            self.metrics.issuer_discovery(&self.issuer, false);
            tracing::error!(issuer = self.issuer, because = %error, "where to ask about an issuer's tokens is not known, or as before");
        }
        let endpoint = metadata.endpoint(JWKS_URI)?.ok_or(DiscoveryError::Missing(JWKS_URI))?;
        let mut known = self.known.lock();
        let first = known.first.get_or_insert_with(|| endpoint.clone());
        let endpoint = endpoint.still_on(first, JWKS_URI)?;
        if let Some((before, client)) = &known.place
            && *before == endpoint
        {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(endpoint.client(BOUNDS, self.authorities.as_deref())?);
        tracing::info!(issuer = self.issuer, keys = %endpoint.url, "an issuer's metadata says where its keys are");
        known.place = Some((endpoint, Arc::clone(&client)));
        Ok(client)
    }
}

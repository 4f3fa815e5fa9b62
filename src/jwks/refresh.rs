//! The task that keeps one issuer's keys current.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use futures_util::future::try_join_all;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::found::Found;
use super::keys::Keys;
use super::set::{KeySet, MAX_SIZE, SetError};
use crate::clock::Clock;
use crate::config::{Issuer, KeySource};
use crate::discovery::{DiscoveryError, Endpoint};
use crate::outbound::{Ask, Bounds, Client, Silence};
use crate::telemetry::Metrics;
use crate::upstream::ConnectError;

/// Longest pause between two attempts while they fail, unless the cooldown is longer.
const SLOWEST: Duration = Duration::from_mins(1);

/// What one reading of a set may cost.
pub(super) const BOUNDS: Bounds =
    Bounds { connect: Duration::from_secs(5), total: Duration::from_secs(10), answer: MAX_SIZE, at_once: 1 };

/// Why the keys of an issuer could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the key set `{place}` of issuer `{issuer}` cannot be used")]
pub struct JwksError {
    issuer: String,
    place: String,
    #[source]
    source: Problem,
}

/// What is wrong with a key set, or with the way to it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// The URL cannot be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer as it should.
    #[error(transparent)]
    Silence(#[from] Silence),
    /// The issuer does not say where they are.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// Something came, but no key set.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// Reads one issuer's keys, again and again.
#[derive(Debug)]
struct Refresher {
    issuer: String,
    source: Source,
    refresh: Duration,
    cooldown: Duration,
    keys: Keys,
    /// Where the issuer's metadata says to ask about tokens.
    introspection: Arc<ArcSwapOption<Endpoint>>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// The keys of all issuers, each with its task.
#[derive(Debug)]
pub struct KeySets(Vec<Refresher>);

impl KeySets {
    /// Reads every issuer's keys for the first time, all at once: issuers that do not answer cost ten seconds, once.
    pub async fn start(issuers: &[Issuer], clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>) -> Result<Self, JwksError> {
        let refreshers = issuers.iter().map(|issuer| Refresher::new(issuer, Arc::clone(clock), Arc::clone(metrics)));
        let refreshers = refreshers.collect::<Result<Vec<_>, _>>()?;
        try_join_all(refreshers.iter().map(Refresher::start)).await?;
        Ok(Self(refreshers))
    }

    /// What requests look at, in the order of the issuers.
    pub fn keys(&self) -> Vec<Keys> {
        self.0.iter().map(Refresher::keys).collect()
    }

    /// Where each issuer's metadata says to ask about tokens, once it has; in the order of the issuers.
    pub fn introspection_endpoints(&self) -> impl Iterator<Item = Arc<ArcSwapOption<Endpoint>>> + '_ {
        self.0.iter().map(|refresher| Arc::clone(&refresher.introspection))
    }

    /// Keeps them current on `tasks` until `stop`.
    pub fn run(self, tasks: &TaskTracker, stop: &CancellationToken) {
        for refresher in self.0 {
            tasks.spawn(refresher.run(stop.clone()));
        }
    }
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url(String, Box<Client>),
    Found(String, Box<Found>),
}

/// Reads the key sets that are files, as `yett check` does: a URL is not asked.
pub fn check_files(issuers: &[Issuer]) -> Result<(), JwksError> {
    issuers.iter().try_for_each(|issuer| match &issuer.keys {
        KeySource::File(path) => {
            let read = read_file(path).and_then(|bytes| Ok(KeySet::parse(&bytes)?));
            read.map(drop).map_err(|source| JwksError { issuer: issuer.name.clone(), place: path.display().to_string(), source })
        }
        KeySource::Discovered | KeySource::Url(_) => Ok(()),
    })
}

impl Refresher {
    /// For one issuer; nothing is read yet.
    fn new(issuer: &Issuer, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Result<Self, JwksError> {
        let failed = |place: &str, source| JwksError { issuer: issuer.name.clone(), place: place.to_owned(), source };
        let authorities = issuer.authorities.as_deref();
        let introspection = Arc::default();
        let source = match &issuer.keys {
            KeySource::Discovered => {
                let place = issuer.issuer.clone();
                let found =
                    Found::new(issuer, Arc::clone(&metrics), &introspection).map_err(|error| failed(&place, error.into()))?;
                Source::Found(place, Box::new(found))
            }
            KeySource::File(path) => Source::File(path.clone()),
            KeySource::Url(url) => {
                let place = url.to_string();
                let client = Client::new(url, BOUNDS, authorities).map_err(|error| failed(&place, error.into()))?;
                Source::Url(place, Box::new(client))
            }
        };
        Ok(Self {
            issuer: issuer.name.clone(),
            source,
            refresh: issuer.refresh,
            cooldown: issuer.cooldown,
            keys: Keys::new(issuer.stale, issuer.cooldown),
            introspection,
            clock,
            metrics,
        })
    }

    /// What requests look at.
    fn keys(&self) -> Keys {
        self.keys.clone()
    }

    /// The first attempt, before anything is served. A file that is no key set is a mistake of this machine's operator, and an
    /// error; a URL may fail because somebody else's machine is down, so it is tried again while the rest of the gateway serves.
    async fn start(&self) -> Result<(), JwksError> {
        match (self.attempt().await, &self.source) {
            (Err(error), Source::File(_)) => Err(error),
            (Ok(()) | Err(_), _) => Ok(()),
        }
    }

    /// Keeps the set current until `stop`.
    async fn run(self, stop: CancellationToken) {
        let mut failures = u32::from(self.keys.current(self.clock.now()).is_err());
        loop {
            let due = self.pause(failures);
            let attempt = async {
                tokio::select! {
                    () = sleep(due) => {}
                    () = self.keys.asked() => {}
                }
                self.attempt().await
            };
            match stop.run_until_cancelled(attempt).await {
                None => return,
                Some(Ok(())) => failures = 0,
                Some(Err(_logged)) => failures = failures.saturating_add(1),
            }
        }
    }

    /// Until the next attempt. After failures sooner than usual, and then slower and slower; never all replicas at once.
    fn pause(&self, failures: u32) -> Duration {
        let usual = match failures {
            0 => self.refresh,
            some => self.cooldown.saturating_mul(1 << (some - 1).min(10)).min(self.cooldown.max(SLOWEST)).min(self.refresh),
        };
        // Up to a tenth more. Nothing secret depends on it, so the standard library's random state is random enough.
        let random = RandomState::new().build_hasher().finish() % 1_000;
        usual.mul_f64(1.0 + 0.0001 * f64::from(u16::try_from(random).unwrap_or_default()))
    }

    async fn attempt(&self) -> Result<(), JwksError> {
        let running = self.keys.begin();
        let now = self.clock.now();
        let read = self.read().await;
        let outcome = read.map(|(set, digest)| {
            let (usable, left_out) = (set.len(), set.left_out());
            if self.keys.publish(set, digest, now) {
                tracing::info!(issuer = self.issuer, keys = usable, left_out, "an issuer's keys are in force");
            }
        });
        self.metrics.jwks_refresh(&self.issuer, outcome.is_ok().then_some(now));
        // Only now: whoever waits for the end of this attempt finds what it brought.
        drop(running);
        outcome.map_err(|source| {
            let place = match &self.source {
                Source::File(path) => path.display().to_string(),
                Source::Found(place, _) | Source::Url(place, _) => place.clone(),
            };
            let error = JwksError { issuer: self.issuer.clone(), place, source };
            tracing::error!(
                issuer = self.issuer,
                error = &error as &dyn std::error::Error,
                because = %error.source,
                "an issuer's keys could not be read; the last good ones stay in force until they are too old"
            );
            error
        })
    }

    async fn read(&self) -> Result<(KeySet, [u8; 32]), Problem> {
        let bytes = match &self.source {
            Source::Found(_, found) => found.fetch().await?,
            Source::Url(_, client) => client.fetch(ask()).await?,
            Source::File(path) => {
                let path = path.clone();
                let reading = tokio::task::spawn_blocking(move || read_file(&path));
                reading.await.map_err(|panicked| Problem::Read(io::Error::other(panicked)))??
            }
        };
        let set = KeySet::parse(&bytes)?;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &bytes).as_ref());
        Ok((set, hash))
    }
}

/// For a key set.
pub(super) fn ask() -> Ask {
    Ask::get().accept("application/jwk-set+json, application/json")
}

fn read_file(path: &Path) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(Problem::Read)?;
    // One byte more than allowed, so that a larger one is seen to be larger.
    file.take(MAX_SIZE as u64 + 1).read_to_end(&mut bytes).map_err(Problem::Read)?;
    Ok(Bytes::from(bytes))
}

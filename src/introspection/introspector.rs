//! One issuer that is asked about tokens.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, WeakShared};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exchange::Questioner;
use super::memory::{Hash, Memory, Told, Verdict};
use crate::clock::Clock;
use crate::config::{Introspection, Issuer};
use crate::discovery::Endpoint;
use crate::secret::Secret;
use crate::telemetry::{Asked, Metrics};
use crate::upstream::ConnectError;

/// Tokens that were not known to be good and are asked about at once: half of the connections.
const STRANGERS: usize = 16;

/// Tokens that may be asked about at once, or wait for it.
const WAITING: usize = 512;

/// How much longer than the window a stream stands while its issuer does not answer.
const GRACE: Duration = Duration::from_secs(5);

type Asking = BoxFuture<'static, Arc<Told>>;

/// Asks one issuer, and remembers. Clones of its `Arc` share everything.
pub struct Introspector {
    issuer: String,
    questioner: Questioner,
    cache: Duration,
    memory: Mutex<Memory>,
    /// Questions on their way. Whoever needs the same answer waits for the same one; what nobody waits for any more is gone.
    asking: Mutex<HashMap<Hash, WeakShared<Asking>>>,
    strangers: Semaphore,
    waiting: Semaphore,
    /// Whether the last question was answered, so that trouble is told once.
    well: AtomicBool,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A token that was asked about and found good: what a stream stands on.
pub struct Credential {
    token: Secret<String>,
    hash: Hash,
    told: Arc<Told>,
}

/// How a token stands that was good when it was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Good.
    Good,
    /// Its issuer has taken it back.
    Revoked,
    /// Its issuer has not answered for too long.
    Unknown,
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

impl Introspector {
    /// For one issuer, whose metadata says in `endpoint` where to ask unless the configuration does. What must be asked for streams
    /// runs on `tasks` until `stop`.
    pub fn new(
        issuer: &Issuer,
        settings: &Introspection,
        endpoint: Arc<ArcSwapOption<Endpoint>>,
        (clock, metrics): (&Arc<dyn Clock>, &Arc<Metrics>),
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> Result<Self, ConnectError> {
        metrics.introspects(&issuer.name);
        Ok(Self {
            issuer: issuer.name.clone(),
            questioner: Questioner::new(settings, issuer.authorities.as_deref(), endpoint)?,
            cache: settings.cache,
            memory: Mutex::default(),
            asking: Mutex::default(),
            strangers: Semaphore::new(STRANGERS),
            waiting: Semaphore::new(WAITING),
            well: AtomicBool::new(true),
            clock: Arc::clone(clock),
            metrics: Arc::clone(metrics),
            tasks: tasks.clone(),
            stop: stop.clone(),
        })
    }

    /// What the issuer says of a token, or said within the window.
    pub async fn ask(self: &Arc<Self>, token: &str) -> Arc<Told> {
        self.ask_within(token, hash(token), self.cache).await
    }

    /// A token with what was said of it.
    pub fn credential(token: &str, told: Arc<Told>) -> Credential {
        Credential { token: Secret::new(token.to_owned()), hash: hash(token), told }
    }

    /// Whether what was said of a token is what holds at `now`: nothing else was said since, and it is young enough.
    pub fn is_current(&self, credential: &Credential, now: Timestamp) -> bool {
        let recalled = self.memory.lock().recall(&credential.hash, now, self.cache);
        recalled.is_some_and(|told| Arc::ptr_eq(&told, &credential.told))
    }

    /// How a token stands at `now`, without waiting: as the window runs out it is asked about again.
    pub fn standing(self: &Arc<Self>, credential: &Credential, now: Timestamp) -> Standing {
        let early = self.cache * 4 / 5;
        let (bad, known) = {
            let memory = self.memory.lock();
            (memory.is_bad(&credential.hash), memory.last_good(&credential.hash))
        };
        if bad {
            return Standing::Revoked;
        }
        let age = known.map_or(Duration::MAX, |told| told.age(now)).min(credential.told.age(now));
        if age > early && !self.is_asking(&credential.hash) {
            let (this, token, hash) = (Arc::clone(self), credential.token.clone(), credential.hash);
            let asked = async move { this.ask_within(token.expose(), hash, early).await };
            self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(asked));
        }
        if age > self.cache + GRACE { Standing::Unknown } else { Standing::Good }
    }

    fn is_asking(&self, token: &Hash) -> bool {
        self.asking.lock().get(token).is_some_and(|asking| asking.upgrade().is_some())
    }

    /// What holds of a token where good news may be so old, or else what the issuer says.
    async fn ask_within(self: &Arc<Self>, token: &str, hash: Hash, oldest: Duration) -> Arc<Told> {
        let now = self.clock.now();
        let asking = {
            let mut asking = self.asking.lock();
            // Under this lock: an answer that has just come has left its place here after it was remembered.
            if let Some(told) = self.memory.lock().recall(&hash, now, oldest) {
                return told;
            }
            asking.get(&hash).and_then(WeakShared::upgrade).unwrap_or_else(|| {
                if asking.len() >= WAITING * 2 {
                    asking.retain(|_, asked| asked.upgrade().is_some());
                }
                let asked = Arc::clone(self).question(Secret::new(token.to_owned()), hash).boxed().shared();
                asked.downgrade().map(|weak| asking.insert(hash, weak));
                asked
            })
        };
        asking.await
    }

    async fn question(self: Arc<Self>, token: Secret<String>, hash: Hash) -> Arc<Told> {
        let verdict = self.verdict(&token, &hash).await;
        let now = self.clock.now();
        self.metrics.introspected(
            &self.issuer,
            match verdict {
                Verdict::Active(_) => Asked::Active,
                Verdict::Failed => Asked::Failed,
                Verdict::Inactive => Asked::Inactive,
                Verdict::Overloaded => Asked::Overloaded,
            },
        );
        let told = Arc::new(Told::new(verdict, now));
        self.memory.lock().keep(hash, &told, now, self.cache);
        self.asking.lock().remove(&hash);
        told
    }

    async fn verdict(&self, token: &Secret<String>, hash: &Hash) -> Verdict {
        let Ok(_waits) = self.waiting.try_acquire() else { return Verdict::Overloaded };
        let known = self.memory.lock().last_good(hash).is_some();
        // SECURITY: whoever makes up tokens waits here, and not in front of those that were good a moment ago.
        let _place = if known { None } else { self.strangers.acquire().await.ok() };
        match self.questioner.ask(token.expose()).await {
            Ok(verdict) => {
                if !self.well.swap(true, Ordering::Relaxed) {
                    tracing::info!(issuer = self.issuer, "an issuer answers questions about tokens again");
                }
                verdict
            }
            Err(failure) => {
                if self.well.swap(false, Ordering::Relaxed) {
                    let because = &failure as &dyn std::error::Error;
                    tracing::error!(issuer = self.issuer, because, "an issuer cannot be asked about tokens: they are refused");
                }
                Verdict::Failed
            }
        }
    }
}

impl Credential {
    /// What was said of it.
    pub fn told(&self) -> &Told {
        &self.told
    }
}

fn hash(token: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

//! Puts the stations together, and takes them apart again without losing a record.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Admin, AdminError, Operations};
use crate::audit::{self, Condition, Disk, Draft, Kind, Log, Options};
use crate::chain::{self, Chain};
use crate::clock::Clock;
use crate::config::{Config, Durability, Refusals, Traces};
use crate::endpoint::{BodyMemory, Endpoint, Routes};
use crate::health::{Health, Readiness};
use crate::jwks::{JwksError, KeySets};
use crate::layers::audit::{Alone, Flood};
use crate::layers::authn::Issuers;
use crate::layers::fair_share::FairShare;
use crate::layers::injection::{Quarantine, RuleError, Scanner};
use crate::layers::rate_limit::RateLimits;
use crate::listener::{self, Listener, descriptors};
use crate::master_key::{MasterKey, MasterKeyError, make_private_dir};
use crate::session::Sessions;
use crate::state::{ApiKeys, StoreError, Vault};
use crate::telemetry::{Exporter, Metrics, Reading};
use crate::trace::Sampling;
use crate::upstream::{Admission, ConnectError, Sockets, Upstream, Upstreams};

/// Most records that wait for the disk.
const AUDIT_QUEUE: usize = 8192;

/// Calls under way that may be records of two lines each.
const CALLS: usize = AUDIT_QUEUE / 2;

/// Bytes of large request bodies that are held at once, by all callers. What is made of them costs three times as much again.
const BODIES: usize = 8 << 20;

/// How long operators' own connections may take to end.
const SERVICES: Duration = Duration::from_secs(2);

/// How long calls that were broken off may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long a refusal that was only counted may wait for its record.
const FLOOD_INTERVAL: Duration = Duration::from_secs(1);

/// How often idle sessions and connections are looked for.
const SWEEP: Duration = Duration::from_mins(1);

/// Why the gateway does not start. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory `{}`", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The master key is missing or bad.
    #[error("no master key")]
    MasterKey(#[from] MasterKeyError),
    /// A database cannot be opened.
    #[error("no state")]
    Store(#[from] StoreError),
    /// The audit log cannot be opened.
    #[error("the audit log cannot be opened")]
    Audit(#[from] audit::OpenError),
    /// The first record could not be written.
    #[error("the audit log cannot be written")]
    Append(#[from] audit::AppendError),
    /// Keys of an issuer are missing.
    #[error("an issuer has no keys")]
    Keys(#[from] JwksError),
    /// A server cannot be reached as configured.
    #[error("server `{server}` cannot be used")]
    Upstream {
        /// The server.
        server: String,
        /// Why.
        source: ConnectError,
    },
    /// Spans cannot be sent as configured.
    #[error("traces cannot be exported")]
    Traces(#[source] ConnectError),
    /// A scan rule of this build is broken.
    #[error("the injection rules cannot be compiled")]
    Rules(#[from] RuleError),
    /// The admin token cannot be made.
    #[error("no admin API")]
    Admin(#[from] AdminError),
    /// A task of the start panicked.
    #[error("starting failed inside")]
    Internal(#[source] tokio::task::JoinError),
    /// A port is taken, or not ours to take.
    #[error("cannot listen on {address} ({what})")]
    Bind {
        /// What for.
        what: String,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Where each listener listens, in the order of the configuration.
    pub addresses: Vec<SocketAddr>,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Where health and metrics are served.
    pub health: SocketAddr,
    log: Arc<Log>,
    flood: Arc<Flood>,
    operations: Arc<Operations>,
    readiness: Arc<Readiness>,
    upstreams: Vec<Upstream>,
    /// Client and upstream connections.
    connections: TaskTracker,
    /// Listeners of operators, and housekeeping.
    services: TaskTracker,
    /// Ends accepting, and idle client connections.
    stop_accepting: CancellationToken,
    /// Ends everything else.
    stop: CancellationToken,
    shutdown: crate::config::Shutdown,
}

impl Gateway {
    /// Starts everything. When this returns, the gateway serves, and a `start` record is durable.
    pub async fn start(mut config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let data_dir = config.data_dir.clone();
        make_private_dir(&data_dir).map_err(|source| StartError::DataDir { path: data_dir.clone(), source })?;
        let master = MasterKey::open(config.master_key.as_ref(), &data_dir)?;
        // The log's lock is taken before anything is touched: a second gateway on this directory stops here.
        let mut options = Options::new(data_dir.join("audit"), &config.audit.origin, &config.audit.replica);
        options.queue = AUDIT_QUEUE;
        options.reserve = config.audit.reserve;
        if config.audit.durability == Durability::Async {
            options.linger = config.audit.loss_window;
        }
        let (log, opened) = open_log(options, Arc::clone(&clock)).await?;
        let log = Arc::new(log);
        if !opened.unfinished.is_empty() {
            tracing::warn!(calls = opened.unfinished.len(), "calls of the last run have no outcome; recorded as unknown");
        }
        let (api_keys, switches) = ApiKeys::open(&data_dir, &master).await?;
        let (api_keys, switches) = (Arc::new(api_keys), Arc::new(switches));
        let vault = Arc::new(Vault::open(&data_dir).await?);
        let Refusals { per_peer, total } = config.audit.refusals;
        let flood = Arc::new(Flood::new(Alone { per_peer, total }));
        let sessions = Arc::new(Sessions::default());
        let (connections, services) = (TaskTracker::new(), TaskTracker::new());
        let (stop_accepting, stop) = (CancellationToken::new(), CancellationToken::new());
        let mode = config.audit.durability.as_str();
        // Readiness depends on the keys, whose refreshes are counted.
        let ready = Arc::new(OnceLock::new());
        let mut metrics = metrics(&log, &sessions, &ready);
        let (sampling, exporter) = export_traces(config.telemetry.traces.take(), &mut metrics)?;
        let metrics = Arc::new(metrics);

        let largest = config.listeners.iter().map(|listener| listener.limits.body).max().unwrap_or(0);
        let wanted = config.listeners.iter().fold(0, |sum: usize, listener| sum.saturating_add(listener.limits.connections));
        let sockets = descriptors::share(wanted);
        let clients = Arc::new(Semaphore::new(sockets.clients.min(Semaphore::MAX_PERMITS)));
        let upstreams = connect_all(&config, largest, &Sockets::new(sockets.servers), &connections, &metrics)?;
        let key_sets = KeySets::start(&config.identity.issuers, &clock, &metrics).await?;
        let keys = key_sets.keys();
        let known = Issuers::new(config.identity.issuers.iter().zip(keys.iter().cloned()));
        let readiness = Arc::new(Readiness { serving: AtomicBool::new(false), log: log.condition(), mode, keys });
        let _ = ready.set(Arc::clone(&readiness));
        let issuers: Vec<String> = config.identity.issuers.iter().map(|issuer| issuer.issuer.clone()).collect();

        let (scanner, quarantine) = (Arc::new(Scanner::new()?), Arc::new(Quarantine::default()));

        // One set of buckets and places for all listeners: a second port is not a second allowance.
        let rate_limits = RateLimits::new(&config.policy.limits);
        let (shares, admission) = (FairShare::new(CALLS), Admission::new(&config.servers, &metrics));
        let memory = BodyMemory::new(BODIES, largest, &metrics);
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for listener in &config.listeners {
            let chain = Chain::build(chain::Parts {
                log: Arc::clone(&log),
                metrics: Arc::clone(&metrics),
                flood: Arc::clone(&flood),
                durability: config.audit.durability,
                issuers: known.clone(),
                api_keys: config.identity.api_keys.then(|| Arc::clone(&api_keys)),
                vault: Arc::clone(&vault),
                switches: Arc::clone(&switches),
                sessions: Arc::clone(&sessions),
                limits: listener.limits.clone(),
                rate_limits: rate_limits.clone(),
                policy: Arc::clone(&config.policy),
                scanner: Arc::clone(&scanner),
                quarantine: Arc::clone(&quarantine),
                memory: memory.clone(),
                shares: shares.clone(),
                admission: admission.clone(),
                upstream: Upstreams::new(upstreams.iter().cloned()),
            });
            let chain = Arc::new(ArcSwap::from_pointee(chain));
            let failed = bind_error(&listener.name, listener.address);
            let socket = listener::bind(listener.address, listener.limits.stream_buffer);
            let socket = socket.and_then(|socket| Ok((socket.local_addr()?, socket)));
            let (address, socket) = socket.map_err(failed)?;
            // A port that the system chose is known from here on only; names and lists that depend on it are made now.
            let listener = listener.clone().bound_to(address);
            let routes = Routes::new(&listener, &config.servers, issuers.clone());
            let limits = listener.limits.clone();
            let endpoint = Arc::new(Endpoint::new(listener, routes, chain, Arc::clone(&clock)).sampling(sampling));
            addresses.push(address);
            let (clients, metrics) = (Arc::clone(&clients), Arc::clone(&metrics));
            listeners.push(Listener::new(socket, endpoint, &limits, clients, metrics, connections.clone()));
        }

        let operations = Arc::new(Operations::new(Arc::clone(&log), api_keys, switches, Arc::clone(&vault), Arc::clone(&clock)));
        let servers = config.servers.iter().map(|server| server.name.clone()).collect();
        let admin = Admin::bind(config.admin, &data_dir, Arc::clone(&operations), servers)?;
        let open_metrics = config.accept_risks.contains(&crate::config::Risk::OpenMetrics);
        let token = config.health.metrics_token;
        let health = Health::bind(config.health.address, Arc::clone(&readiness), Arc::clone(&metrics), token, open_metrics);
        let health = health.map_err(bind_error("health", config.health.address))?;
        let (admin_address, health_address) = (admin.address(), health.address());

        // Modes stand in the log before they take effect (SECURITY.md 2.3).
        log.append(start_record(config.audit.durability, &config.hash, &config.policy.hash)).durable().await?;
        for listener in listeners {
            connections.spawn(listener.run(stop_accepting.clone()));
        }
        services.spawn(admin.run(stop.clone()));
        services.spawn(health.run(stop.clone()));
        services.spawn(sweep(sessions, upstreams.clone(), stop.clone()));
        services.spawn(record_floods(Arc::clone(&flood), Arc::clone(&log), stop.clone()));
        key_sets.run(&services, &stop);
        exporter.map(|exporter| services.spawn(exporter.run(stop.clone())));
        readiness.serving.store(true, Ordering::Release);
        tracing::info!(listeners = ?addresses, admin = %admin_address, health = %health_address, log = log.name(), "serving");
        Ok(Self {
            addresses,
            admin: admin_address,
            health: health_address,
            log,
            flood,
            operations,
            readiness,
            upstreams,
            connections,
            services,
            stop_accepting,
            stop,
            shutdown: config.shutdown,
        })
    }

    /// The log, for whoever cannot wait for [`Gateway::stop`]: closed, it takes no word of a call that is broken off, and the next
    /// start says that nobody knows how it ended.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Tasks that serve clients and hold connections to servers; what it counts when nothing happens is what is idle.
    pub fn open_tasks(&self) -> usize {
        self.connections.len()
    }

    /// What the admin API does, for commands in this process.
    pub fn operations(&self) -> &Arc<Operations> {
        &self.operations
    }

    /// Ends when the audit log cannot be written any more. Then nothing can be served: the process has to end.
    pub async fn failed(&self) {
        // An error means that the log is gone, which is a failure too.
        let _ = self.log.condition().wait_for(|condition| *condition == Condition::Failed).await;
        self.readiness.serving.store(false, Ordering::Release);
        if let Some(cause) = self.log.failure() {
            tracing::error!(error = &*cause as &dyn std::error::Error, because = %cause.source, "the audit log has failed");
        }
    }

    /// Stops as SECURITY.md section 6 says: not ready at once, a while for balancers, calls in flight are finished, their outcomes
    /// and a `stop` record are durable. Subscriptions, which have no end to wait for, get their last message when the drain begins; what
    /// is left gets it when the drain is over. Returns whether the log was closed in order.
    pub async fn stop(self) -> bool {
        self.readiness.serving.store(false, Ordering::Release);
        tokio::time::sleep(self.shutdown.delay).await;
        self.stop_accepting.cancel();
        for upstream in &self.upstreams {
            upstream.close();
            upstream.end_subscriptions();
        }
        self.connections.close();
        if tokio::time::timeout(self.shutdown.drain, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "not everything ended within the drain time; it is broken off");
            for upstream in &self.upstreams {
                upstream.cut_off();
            }
            // What cannot be told to its caller in this time is `unknown` at the next start.
            let _ = tokio::time::timeout(LAST_WORDS, self.connections.wait()).await;
        }
        // Until here operators and balancers are answered; readiness has said no all the time.
        self.stop.cancel();
        self.services.close();
        let _ = tokio::time::timeout(SERVICES, self.services.wait()).await;
        // What was counted and not recorded yet; from here on nothing is counted.
        if let Err(error) = self.flood.close(&self.log).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the last refusals could not be recorded");
        }
        let stopped = self.log.append(Draft::new(Kind::Stop)).durable().await;
        if let Err(error) = &stopped {
            tracing::error!(error = error as &dyn std::error::Error, "the stop could not be recorded");
        }
        self.operations.close().await;
        let log = Arc::clone(&self.log);
        // Closing waits for the disk, so not on a worker of the runtime.
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
        stopped.is_ok()
    }
}

/// Opens the log off the workers: recovery reads up to two segments.
async fn open_log(options: Options, clock: Arc<dyn Clock>) -> Result<(Log, audit::Opened), StartError> {
    let opening = tokio::task::spawn_blocking(move || Log::open(options, Arc::new(Disk), clock));
    match opening.await {
        Ok(opened) => Ok(opened?),
        Err(panicked) => Err(StartError::Internal(panicked)),
    }
}

fn connect_all(
    config: &Config,
    largest: usize,
    sockets: &Sockets,
    tasks: &TaskTracker,
    metrics: &Metrics,
) -> Result<Vec<Upstream>, StartError> {
    let connect = |server: &Arc<crate::config::Server>| {
        Upstream::new(Arc::clone(server), largest, sockets.clone(), tasks.clone(), metrics)
            .map_err(|source| StartError::Upstream { server: server.name.clone(), source })
    };
    config.servers.iter().map(connect).collect()
}

fn bind_error(what: &str, address: SocketAddr) -> impl FnOnce(io::Error) -> StartError + use<> {
    let what = what.to_owned();
    move |source| StartError::Bind { what, address, source }
}

fn start_record(durability: Durability, config: &str, policy: &str) -> Draft {
    let mut draft = Draft::new(Kind::Start);
    draft.text("mode", durability.as_str());
    draft.object("what", |what| {
        what.text("config", config);
        what.text("policy", policy);
        what.text("version", env!("CARGO_PKG_VERSION"));
    });
    draft
}

/// Records what [`Flood`] has counted. A failed log ends the process, so there is nothing to try again.
async fn record_floods(flood: Arc<Flood>, log: Arc<Log>, stop: CancellationToken) {
    while tokio::time::timeout(FLOOD_INTERVAL, stop.cancelled()).await.is_err() {
        if let Err(error) = flood.flush(&log).await {
            tracing::error!(error = &error as &dyn std::error::Error, "refusals could not be recorded");
        }
    }
}

async fn sweep(sessions: Arc<Sessions>, upstreams: Vec<Upstream>, stop: CancellationToken) {
    while tokio::time::timeout(SWEEP, stop.cancelled()).await.is_err() {
        sessions.expire();
        upstreams.iter().for_each(Upstream::expire);
    }
}

/// Which calls are exported as spans, and who sends them.
fn export_traces(traces: Option<Traces>, metrics: &mut Metrics) -> Result<(Sampling, Option<Exporter>), StartError> {
    let Some(traces) = traces else { return Ok((Sampling::Off, None)) };
    // Worth a line: a variable of the environment is enough to switch it on.
    tracing::info!(collector = %traces.endpoint, "spans of sampled calls are exported");
    let sampling = traces.sampling;
    let exporter = metrics.export_traces(traces).map_err(StartError::Traces)?;
    Ok((sampling, Some(exporter)))
}

/// Metrics, with what other parts count anyway.
fn metrics(log: &Arc<Log>, sessions: &Arc<Sessions>, ready: &Arc<OnceLock<Arc<Readiness>>>) -> Metrics {
    let count = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    let mut metrics = Metrics::new();
    let watched = Arc::clone(log);
    metrics.watch(Reading::AuditQueue, move || count(watched.load().queued));
    let watched = Arc::clone(log);
    metrics.watch(Reading::CallsInFlight, move || count(watched.load().slots));
    let watched = Arc::clone(log);
    metrics.watch(Reading::AuditLastSync, move || watched.load().last_sync.as_secs_f64());
    let watched = Arc::clone(log);
    metrics.watch(Reading::AuditSlow, move || f64::from(u8::from(watched.load().slow)));
    for (reading, condition) in [(Reading::AuditFailed, Condition::Failed), (Reading::AuditFull, Condition::Full)] {
        let watched = log.condition();
        metrics.watch(reading, move || f64::from(u8::from(*watched.borrow() == condition)));
    }
    let watched = Arc::clone(sessions);
    metrics.watch(Reading::Sessions, move || count(watched.len()));
    let watched = Arc::clone(ready);
    let is_ready = move || watched.get().is_some_and(|readiness| readiness.check().is_ok());
    metrics.watch(Reading::Ready, move || f64::from(u8::from(is_ready())));
    let runtime = tokio::runtime::Handle::current();
    metrics.watch(Reading::Tasks, move || count(runtime.metrics().num_alive_tasks()));
    metrics
}

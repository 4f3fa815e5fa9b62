//! Puts the stations together.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificates::Certificates;
use super::chains::{Chains, Lasting, tempo};
use super::reload::Reloader;
use super::secrets::Secrets;
use super::upkeep::{index, look_after, look_after_sessions, metrics};
use super::{Gateway, StartError};
use crate::admin::{Admin, Operations, Stores};
use crate::anchor::{Anchors, Copies, HeadKeeper, Witnesses};
use crate::asserted::Assertions;
use crate::audit::{Disk, Draft, Kind, Log, Options, Stock};
use crate::audit_index::Indexer;
use crate::chain::Vigil;
use crate::clock::Clock;
use crate::config::{self, Config, Durability, KeyRules, Risk, Traces};
use crate::endpoint::{BodyMemory, Endpoint, Routes};
use crate::health::{Health, Readiness};
use crate::introspection::Introspector;
use crate::jwks::KeySets;
use crate::layers::audit::{Alone, Flood, Unheard};
use crate::layers::authn::Issuers;
use crate::layers::fair_share::FairShare;
use crate::layers::injection::{Quarantine, Scanner};
use crate::listener::{self, Listener, descriptors};
use crate::master_key::{EPOCH_KEYS, MasterKey, REQUEST_STATES, make_private_dir};
use crate::secrets::Keeper;
use crate::session::Sessions;
use crate::state::{Aging, ApiKeys, Following, HeadStore, Place, Switches};
use crate::telemetry::{Exporter, Metrics};
use crate::trace::Sampling;
use crate::upstream::{Admission, ReplyMemory, Shared, Sockets, Upstream};
use crate::vault::Vault;

/// Most records that wait for the disk.
const AUDIT_QUEUE: usize = 8192;

/// Calls under way that may be records of two lines each.
const CALLS: usize = AUDIT_QUEUE / 2;

/// Bytes of large request bodies that are held at once, by all callers. What is made of them costs three times as much again.
const BODIES: usize = 8 << 20;

impl Gateway {
    /// Starts everything. When this returns, the gateway serves, and a `start` record is durable.
    pub async fn start(mut config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let data_dir = make_data_dir(&config)?;
        let master = MasterKey::open(config.master_key.as_ref(), &data_dir)?;
        // The log's lock is taken before anything is changed: a second gateway on this directory stops here.
        let (log, keeper) = open_log(&config, &master, Arc::clone(&clock)).await?;
        let (api_keys, switches, state) = open_state(&config, &master).await?;
        let vault = Arc::new(Vault::open(&data_dir, &master).await?);
        let config::Refusals { per_peer, total } = config.audit.refusals;
        let (flood, vigil) = (Arc::new(Flood::new(Alone { per_peer, total })), Arc::new(Vigil::default()));
        let sessions = Arc::new(Sessions::sealed_by(master.sealing(REQUEST_STATES)?));
        let (connections, services, followers) = (TaskTracker::new(), TaskTracker::new(), TaskTracker::new());
        let (stop_accepting, stop) = (CancellationToken::new(), CancellationToken::new());
        // Readiness depends on the keys, whose refreshes are counted.
        let ready = Arc::new(OnceLock::new());
        let stock = Arc::new(Stock::default());
        let accepted = config.identity.api_keys.enabled.then(|| Arc::clone(&api_keys));
        let mut metrics = metrics(&log, &stock, &sessions, &ready, (accepted.as_ref(), &state, &clock));
        let (sampling, exporter) = export_traces(config.telemetry.traces.take(), &mut metrics)?;
        let metrics = Arc::new(metrics);

        // Before anything that has one connects.
        let secrets = start_secrets(&mut config, &log, &metrics, &clock).await?;
        let anchors = anchors(keeper, &config, &log, &metrics).await?;
        let largest = config.listeners.iter().map(|listener| listener.limits.body).max().unwrap_or(0);
        let (clients, servers) = share_descriptors(&config);
        let unheard = Unheard::new(Arc::clone(&log), Arc::clone(&metrics), Arc::clone(&flood), Arc::clone(&clock));
        let assertions = assertions(&master, &clock)?;
        let upstreams = connect_all(&config, largest, servers, unheard, (&connections, &assertions), &metrics)?;
        let key_sets = KeySets::start(&config.identity.issuers, &clock, &metrics).await?;
        let keys = key_sets.keys();
        let known = known_issuers(&config, &key_sets, (&clock, &metrics), (&services, &stop))?;
        let (serving, mode) = (AtomicBool::new(false), watch::Sender::new(config.audit.durability.as_str()));
        let claims = anchors.witnesses.as_ref().map(Witnesses::claims);
        let (secret_keeper, state_store) = (Arc::clone(secrets.keeper()), Arc::clone(&state));
        let readiness =
            Readiness { serving, log: log.condition(), mode, claims, keys, secrets: secret_keeper, state: state_store };
        let readiness = Arc::new(readiness);
        let _ = ready.set(Arc::clone(&readiness));

        let lasting = Lasting {
            log: Arc::clone(&log),
            metrics: Arc::clone(&metrics),
            flood: Arc::clone(&flood),
            issuers: known,
            api_keys: accepted,
            certificates: config.identity.mtls.clone().map(Arc::new),
            vault: Arc::clone(&vault),
            switches: Arc::clone(&switches),
            sessions: Arc::clone(&sessions),
            scanner: Arc::new(Scanner::new()?),
            quarantine: Arc::new(Quarantine::default()),
            // One set of places for all listeners: a second port is not a second allowance.
            memory: BodyMemory::new(BODIES, largest, &metrics),
            shares: FairShare::new(CALLS),
            admission: Admission::new(&config.servers, &metrics),
            vigil: Arc::clone(&vigil),
            upstreams: upstreams.clone(),
        };
        let mut chains = Chains::new(lasting, &config);
        let mut certificates = Certificates::new(&log, &metrics);
        let shared = Serving { clients, sampling, metrics: Arc::clone(&metrics), tasks: connections.clone(), assertions };
        let listeners = bind_listeners(&config, &mut chains, &mut certificates, &clock, &shared)?;
        let (addresses, listeners): (Vec<_>, Vec<_>) = listeners.into_iter().unzip();

        let indexer = index(&config, &log, &services, &stop);
        let certificates = Arc::new(certificates);
        let reloader = Reloader::new(chains, &config, secrets.clone(), (&log, &metrics, &readiness));
        let reloader = Arc::new(reloader.renewing(Arc::clone(&certificates)));
        let (offered, time) = (Offered { indexer, reload: Arc::clone(&reloader) }, Arc::clone(&clock));
        let (operations, admin) = bind_admin(&config, clock, Arc::clone(&log), (api_keys, switches), vault, offered).await?;
        let health = bind_health(&mut config, &readiness, &metrics)?;
        let (admin_address, health_address) = (admin.address(), health.address());

        // Modes stand in the log before they take effect (SECURITY.md 2.3).
        log.append(start_record(config.audit.durability, &config.hash, &config.policy.hash)).durable().await?;
        for listener in listeners {
            connections.spawn(listener.run(stop_accepting.clone()));
        }
        anchors.run(&log, &followers, &stop);
        services.spawn(admin.run(stop.clone()));
        services.spawn(health.run(stop.clone()));
        look_after_sessions(&sessions, &upstreams, (vigil, time), &services, &stop);
        look_after((&log, &stock, state), &config, &flood, &operations, &services, &stop);
        services.spawn(certificates.look_after(stop.clone()));
        ask_outside(key_sets, secrets, exporter, &services, &stop);
        readiness.serving.store(true, Ordering::Release);
        tracing::info!(listeners = ?addresses, admin = %admin_address, health = %health_address, log = log.name(), "serving");
        Ok(Self {
            addresses,
            admin: admin_address,
            health: health_address,
            log,
            flood,
            operations,
            reloader,
            readiness,
            upstreams,
            sessions,
            connections,
            services,
            followers,
            stop_accepting,
            stop,
            shutdown: config.shutdown,
        })
    }
}

/// Reads the secrets that the configuration refers to, as far as that has not been done when it was read.
async fn start_secrets(
    config: &mut Config,
    log: &Arc<Log>,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) -> Result<Secrets, StartError> {
    let config::Secrets { settings, live } = std::mem::take(&mut config.secrets);
    let keeper = Keeper::new(settings, live, |name| config::Environment::variable(&config::Process, name))?;
    Ok(Secrets::start(Arc::new(keeper), (Arc::clone(log), Arc::clone(metrics), Arc::clone(clock))).await?)
}

/// What reads from and sends to others while the gateway serves.
fn ask_outside(keys: KeySets, secrets: Secrets, exporter: Option<Exporter>, services: &TaskTracker, stop: &CancellationToken) {
    keys.run(services, stop);
    services.spawn(secrets.run(stop.clone()));
    exporter.map(|exporter| services.spawn(exporter.run(stop.clone())));
}

/// Opens the log off the workers: recovery reads up to two segments.
async fn open_log(config: &Config, master: &MasterKey, clock: Arc<dyn Clock>) -> Result<(Arc<Log>, HeadKeeper), StartError> {
    let seal = master.sealing(EPOCH_KEYS)?;
    let mut options = Options::new(config.data_dir.join("audit"), &config.audit.origin, &config.audit.replica, seal);
    options.queue = AUDIT_QUEUE;
    options.reserve = config.audit.reserve;
    options.tempo = tempo(&config.audit);
    (options.epoch, options.second_signature) = (config.audit.signing.rotate, config.audit.signing.ml_dsa);
    let keeper = HeadKeeper::new(HeadStore::open(place(config)).await?, options.name()).await?;
    options.known = keeper.known();
    let opening = tokio::task::spawn_blocking(move || Log::open(options, Arc::new(Disk), clock));
    let (log, opened) = match opening.await {
        Ok(opened) => opened?,
        Err(panicked) => return Err(StartError::Internal(panicked)),
    };
    keeper.confirm().await?;
    if !opened.unfinished.is_empty() {
        tracing::warn!(calls = opened.unfinished.len(), "calls of the last run have no outcome; recorded as unknown");
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the log, which the shutdown closes after every task that it waits for"
    )]
    tokio::spawn(log.hand_out_answers());
    Ok((Arc::new(log), keeper))
}

/// Whoever keeps heads of the log outside.
async fn anchors(keeper: HeadKeeper, config: &Config, log: &Arc<Log>, metrics: &Arc<Metrics>) -> Result<Anchors, StartError> {
    let copies = look_at_copies(config, log, metrics).await?;
    Ok(Anchors { keeper, copies, witnesses: ask_witnesses(config, log, metrics).await? })
}

/// Shows the newest head to the witnesses, if there are any, before anything is served: one may know more of this log than its directory.
async fn ask_witnesses(config: &Config, log: &Arc<Log>, metrics: &Arc<Metrics>) -> Result<Option<Witnesses>, StartError> {
    let Some(settings) = &config.audit.witness else { return Ok(None) };
    let witnesses = Witnesses::new(settings, Arc::clone(log), Arc::clone(metrics)).await;
    let mut witnesses = witnesses.map_err(StartError::Witness)?;
    witnesses.check().await?;
    Ok(Some(witnesses))
}

/// Looks at the heads that were copied before anything is served: there may be more of them than of this log.
async fn look_at_copies(config: &Config, log: &Arc<Log>, metrics: &Arc<Metrics>) -> Result<Copies, StartError> {
    let copies = Copies::new(&config.audit.copies, Arc::clone(log), Arc::clone(metrics)).map_err(StartError::Collector)?;
    copies.check().await?;
    Ok(copies)
}

/// The issuers with their keys, and with who asks them about tokens.
fn known_issuers(
    config: &Config,
    key_sets: &KeySets,
    (clock, metrics): (&Arc<dyn Clock>, &Arc<Metrics>),
    tasks: (&TaskTracker, &CancellationToken),
) -> Result<Issuers, StartError> {
    let mut known = Vec::new();
    let each = config.identity.issuers.iter().zip(key_sets.keys()).zip(key_sets.introspection_endpoints());
    for ((issuer, keys), endpoint) in each {
        let introspector = issuer.introspection.as_ref().map(|settings| {
            Introspector::new(issuer, settings, endpoint, (clock, metrics), tasks)
                .map(Arc::new)
                .map_err(|source| StartError::Introspection { issuer: issuer.name.clone(), source })
        });
        known.push((issuer, keys, introspector.transpose()?));
    }
    Ok(Issuers::new(known))
}

fn issuers(config: &Config) -> Vec<String> {
    config.identity.issuers.iter().map(|issuer| issuer.issuer.clone()).collect()
}

fn make_data_dir(config: &Config) -> Result<PathBuf, StartError> {
    let path = config.data_dir.clone();
    match make_private_dir(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(StartError::DataDir { path, source }),
    }
}

/// What may change, as the last run left it.
async fn open_state(config: &Config, master: &MasterKey) -> Result<(Arc<ApiKeys>, Arc<Switches>, Arc<Following>), StartError> {
    let (keys, switches) = ApiKeys::open(place(config), master).await?;
    let (keys, switches) = (Arc::new(keys.aging_by(aging(&config.identity.api_keys))), Arc::new(switches));
    let following = Following::new(Arc::clone(&keys), Arc::clone(&switches));
    Ok((keys, switches, Arc::new(following)))
}

/// Where state is kept.
pub(crate) fn place(config: &Config) -> Place {
    match &config.state {
        config::State::Postgres(url) => Place::Postgres(url.clone()),
        config::State::Sqlite => Place::Sqlite(config.data_dir.clone()),
    }
}

/// How old API keys may grow.
pub(crate) fn aging(rules: &KeyRules) -> Aging {
    Aging { max_age: rules.max_age, warn_before: rules.warn_before }
}

/// What the admin API offers besides operations on stores.
struct Offered {
    indexer: Option<Indexer>,
    reload: Arc<Reloader>,
}

/// What operators can do, and the port on which they ask for it.
async fn bind_admin(
    config: &Config,
    clock: Arc<dyn Clock>,
    log: Arc<Log>,
    (keys, switches): (Arc<ApiKeys>, Arc<Switches>),
    vault: Arc<Vault>,
    offered: Offered,
) -> Result<(Arc<Operations>, Admin), StartError> {
    let (logs, keep, keep_log) = (config.data_dir.join("audit"), config.audit.vault_keep, config.audit.retention);
    let stores = Stores { log, keys, switches, vault, logs, keep, keep_log };
    let operations = Arc::new(Operations::open(stores, clock).await?);
    // Whoever the log says is erased must be so before anybody is served.
    operations.privacy().catch_up().await?;
    let servers = config.servers.iter().map(|server| server.name.clone()).collect();
    let admin = Admin::bind(config.admin, &config.data_dir, Arc::clone(&operations), servers, offered.indexer, offered.reload)?;
    Ok((operations, admin))
}

/// Takes the health listener's port.
fn bind_health(config: &mut Config, readiness: &Arc<Readiness>, metrics: &Arc<Metrics>) -> Result<Health, StartError> {
    let open_metrics = config.accept_risks.contains(&Risk::OpenMetrics);
    let (address, token) = (config.health.address, config.health.metrics_token.take());
    let health = Health::bind(address, Arc::clone(readiness), Arc::clone(metrics), token, open_metrics);
    health.map_err(bind_error("health", address))
}

fn connect_all(
    config: &Config,
    largest: usize,
    sockets: Sockets,
    unheard: Unheard,
    (tasks, assertions): (&TaskTracker, &Arc<Assertions>),
    metrics: &Arc<Metrics>,
) -> Result<Vec<Upstream>, StartError> {
    let memory = ReplyMemory::new(config.replies.bytes, config.replies.patience, metrics);
    let shared = Shared {
        largest,
        sockets,
        memory,
        tasks: tasks.clone(),
        metrics: Arc::clone(metrics),
        unheard,
        assertions: Arc::clone(assertions),
        launcher: config.launcher.clone(),
    };
    let connect = |server: &Arc<crate::config::Server>| {
        Upstream::new(Arc::clone(server), &shared).map_err(|source| StartError::Upstream { server: server.name.clone(), source })
    };
    config.servers.iter().map(connect).collect()
}

/// What all listeners share.
struct Serving {
    /// Rooms for connections.
    clients: Arc<Semaphore>,
    sampling: Sampling,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    assertions: Arc<Assertions>,
}

/// Takes the port of each listener, and says where that is.
fn bind_listeners(
    config: &Config,
    chains: &mut Chains,
    certificates: &mut Certificates,
    clock: &Arc<dyn Clock>,
    shared: &Serving,
) -> Result<Vec<(SocketAddr, Listener)>, StartError> {
    let bind = |listener: &config::Listener| {
        let chain = chains.add(&listener.limits);
        let (address, socket) = bind_listener(listener)?;
        // A port that the system chose is known from here on only; names and lists that depend on it are made now.
        let listener = listener.clone().bound_to(address);
        let tls = certificates.add(&listener, clock)?;
        let routes = Routes::new(&listener, &config.servers, issuers(config)).publishing(shared.assertions.key_set());
        let limits = listener.limits.clone();
        let endpoint = Endpoint::new(listener, routes, chain, Arc::clone(clock));
        let endpoint = Arc::new(endpoint.sampling(shared.sampling).running_on(shared.tasks.clone()));
        let (clients, metrics) = (Arc::clone(&shared.clients), Arc::clone(&shared.metrics));
        let listener = Listener::new(socket, endpoint, &limits, clients, metrics, shared.tasks.clone()).over(tls);
        Ok((address, listener))
    };
    config.listeners.iter().map(bind).collect()
}

/// What says to servers who is calling.
fn assertions(master: &MasterKey, clock: &Arc<dyn Clock>) -> Result<Arc<Assertions>, StartError> {
    Assertions::new(master, Arc::clone(clock)).map(Arc::new).ok_or(StartError::Assertions)
}

fn bind_listener(listener: &config::Listener) -> Result<(SocketAddr, TcpListener), StartError> {
    let socket = listener::bind(listener.address, listener.limits.stream_buffer);
    let socket = socket.and_then(|socket| Ok((socket.local_addr()?, socket)));
    socket.map_err(bind_error(&listener.name, listener.address))
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

/// Which calls are exported as spans, and who sends them.
fn export_traces(traces: Option<Traces>, metrics: &mut Metrics) -> Result<(Sampling, Option<Exporter>), StartError> {
    let Some(traces) = traces else { return Ok((Sampling::Off, None)) };
    // Worth a line: a variable of the environment is enough to switch it on.
    tracing::info!(collector = %traces.endpoint, "spans of sampled calls are exported");
    let sampling = traces.sampling;
    let exporter = metrics.export_traces(traces).map_err(StartError::Traces)?;
    Ok((sampling, Some(exporter)))
}

/// Rooms for connections of clients, and of servers.
fn share_descriptors(config: &Config) -> (Arc<Semaphore>, Sockets) {
    let wanted = config.listeners.iter().fold(0, |sum: usize, listener| sum.saturating_add(listener.limits.connections));
    let sockets = descriptors::share(wanted);
    (Arc::new(Semaphore::new(sockets.clients.min(Semaphore::MAX_PERMITS))), Sockets::new(sockets.servers))
}

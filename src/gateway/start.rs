//! Puts the stations together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accounts::{Pages, open_accounts};
use super::binding::{Offered, Serving, bind_admin, bind_health, bind_listeners};
use super::certificates::Certificates;
use super::chains::{Chains, Lasting};
use super::following::follow;
use super::opening::{anchors, exports, make_data_dir, open_log, open_state};
use super::reload::Reloader;
use super::secrets::Secrets;
use super::upkeep::{index, look_after, look_after_sessions, metrics};
use super::{Gateway, StartError};
use crate::accounts::Accounts;
use crate::admin::Operations;
use crate::alerts::{Parts, Watcher};
use crate::anchor::{Anchors, Witnesses};
use crate::asserted::Assertions;
use crate::audit::{Draft, Kind, Log, Stock};
use crate::chain::Vigil;
use crate::clock::Clock;
use crate::config::{self, Config, Durability, Traces};
use crate::endpoint::BodyMemory;
use crate::export::Exports;
use crate::health::Readiness;
use crate::introspection::Introspector;
use crate::jwks::{KeySets, Keys};
use crate::layers::audit::{Alone, Flood, Unheard};
use crate::layers::authn::{Issuers, Settings};
use crate::layers::fair_share::FairShare;
use crate::layers::injection::Quarantine;
use crate::limits::{HostTime, Ledger};
use crate::listener::descriptors;
use crate::master_key::{MasterKey, REQUEST_STATES};
use crate::secrets::Keeper;
use crate::session::Sessions;
use crate::state::Following;
use crate::telemetry::{Exporter, Metrics};
use crate::trace::Sampling;
use crate::upstream::{Admission, ReplyMemory, Shared, Sockets, Upstream};
use crate::vault::Vault;

/// Most records that wait for the disk.
pub(super) const AUDIT_QUEUE: usize = 8192;

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
        let ledger = Ledger::in_memory(HostTime::new(Arc::clone(&clock)));
        let mut metrics = metrics((&log, &stock), (&sessions, &ledger), &ready, (accepted.as_ref(), &state, &clock));
        let (sampling, exporter) = export_traces(config.telemetry.traces.take(), &mut metrics)?;
        let metrics = Arc::new(metrics);

        // Before anything that has one connects.
        let secrets = start_secrets(&mut config, &log, &metrics, &clock).await?;
        let anchors = anchors(keeper, &config, &log, &metrics).await?;
        let largest = config.listeners.iter().map(|listener| listener.limits.body).max().unwrap_or(0);
        let (clients, servers) = share_descriptors(&config);
        let unheard = Unheard::new(Arc::clone(&log), Arc::clone(&metrics), Arc::clone(&flood), Arc::clone(&clock));
        let assertions = assertions(&master, &clock)?;
        let parts = (Arc::clone(&log), Arc::clone(&metrics), Arc::clone(&vault), Arc::clone(&clock));
        let accounts = open_accounts(&config, Arc::clone(api_keys.accounts()), parts, &connections)?;
        let upstreams = connect_all(&config, largest, servers, unheard, (&connections, &assertions, &accounts), &metrics)?;
        let key_sets = KeySets::start(&config.identity.issuers, &clock, &metrics).await?;
        let keys = key_sets.keys();
        let known = known_issuers(&config, &key_sets, (&clock, &metrics), (&services, &stop))?;
        let pages = Pages::new((accounts.as_ref(), &switches), &known, &config, &master);
        let exports = exports(&config, &log, &vault, &metrics)?;
        let readiness = readiness(&config, (&log, &anchors, &exports), keys, (secrets.keeper(), &state));
        let _ = ready.set(Arc::clone(&readiness));

        let quarantine = Arc::new(Quarantine::with(Arc::clone(api_keys.approvals())));
        let lasting = Lasting {
            log: Arc::clone(&log),
            metrics: Arc::clone(&metrics),
            flood: Arc::clone(&flood),
            issuers: known,
            api_keys: accepted,
            callers: Settings::of(&config.identity),
            vault: Arc::clone(&vault),
            switches: Arc::clone(&switches),
            sessions: Arc::clone(&sessions),
            quarantine: Arc::clone(&quarantine),
            approvals: Arc::clone(api_keys.approvals()),
            // One set of places for all listeners: a second port is not a second allowance.
            memory: BodyMemory::new(BODIES, largest, &metrics),
            shares: FairShare::new(CALLS),
            ledger,
            admission: Admission::new(&config.servers, &metrics),
            vigil: Arc::clone(&vigil),
            upstreams: upstreams.clone(),
        };
        let mut chains = Chains::new(lasting, &config)?;
        let mut certificates = Certificates::new(&log, &metrics);
        let shared = Serving { clients, sampling, metrics: Arc::clone(&metrics), tasks: connections.clone(), assertions, pages };
        let listeners = bind_listeners(&config, &mut chains, &mut certificates, &clock, &shared)?;
        let (addresses, listeners): (Vec<_>, Vec<_>) = listeners.into_iter().unzip();

        let certificates = Arc::new(certificates);
        let reloader = Reloader::new(chains, &config, &secrets, Arc::clone(&certificates), (&log, &metrics, &readiness));
        let (indexer, reload) = (index(&config, &log, &services, &stop), Arc::clone(&reloader));
        let offered = Offered { indexer, reload, accounts, quarantine };
        let (operations, admin) =
            bind_admin(&config, Arc::clone(&clock), Arc::clone(&log), (api_keys, switches), Arc::clone(&vault), offered).await?;
        let health = bind_health(&mut config, &readiness, &metrics)?;
        let (admin_address, health_address) = (admin.address(), health.address());

        // Modes stand in the log before they take effect (SECURITY.md 2.3).
        log.append(start_record(config.audit.durability, &config.hash, &config.policy.hash)).durable().await?;
        for listener in listeners {
            connections.spawn(listener.run(stop_accepting.clone()));
        }
        watch((&log, &metrics, &clock), vault, &operations, &reloader, &config).run(&followers).map_err(StartError::Alerts)?;
        follow_log(anchors, exports, (&log, &followers), &stop)?;
        services.spawn(admin.run(stop.clone()));
        services.spawn(health.run(stop.clone()));
        look_after_sessions(&sessions, &upstreams, (vigil, clock), &services, &stop);
        look_after((&log, &stock, state), &config, &flood, &operations, &services, &stop);
        look_at_files(certificates, (&reloader, config.reload), &services, &stop);
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

/// Whether calls can be answered.
fn readiness(
    config: &Config,
    (log, anchors, exports): (&Log, &Anchors, &Exports),
    keys: Vec<Keys>,
    (secrets, state): (&Arc<Keeper>, &Arc<Following>),
) -> Arc<Readiness> {
    let (log, claims, exports) = (log.condition(), anchors.witnesses.as_ref().map(Witnesses::claims), exports.standings());
    let (serving, mode) = (AtomicBool::new(false), watch::Sender::new(config.audit.durability.as_str()));
    let (secrets, state) = (Arc::clone(secrets), Arc::clone(state));
    Arc::new(Readiness { serving, log, mode, reload: watch::Sender::new(None), claims, keys, secrets, state, exports })
}

/// What looks for alerts in the log.
fn watch(
    (log, metrics, clock): (&Arc<Log>, &Arc<Metrics>, &Arc<dyn Clock>),
    vault: Arc<Vault>,
    operations: &Arc<Operations>,
    reloader: &Reloader,
    config: &Config,
) -> Watcher {
    let (log, metrics, operations) = (Arc::clone(log), Arc::clone(metrics), Arc::clone(operations));
    let (rules, clock, data_dir) = (reloader.alert_rules(), Arc::clone(clock), config.data_dir.clone());
    Watcher::new(Parts { log, vault, operations, metrics, rules, clock, data_dir })
}

/// Whoever holds the log, and whoever gets a copy of it.
fn follow_log(
    anchors: Anchors,
    exports: Exports,
    (log, followers): (&Arc<Log>, &TaskTracker),
    stop: &CancellationToken,
) -> Result<(), StartError> {
    anchors.run(log, followers, stop);
    Ok(exports.run(log, followers)?)
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

/// What follows files of the operator's while the gateway serves.
fn look_at_files(
    certificates: Arc<Certificates>,
    (reloader, reload): (&Arc<Reloader>, config::ReloadBy),
    services: &TaskTracker,
    stop: &CancellationToken,
) {
    services.spawn(certificates.look_after(stop.clone()));
    if reload == config::ReloadBy::Files {
        services.spawn(follow(Arc::clone(reloader), stop.clone()));
    }
}

/// What reads from and sends to others while the gateway serves.
fn ask_outside(keys: KeySets, secrets: Secrets, exporter: Option<Exporter>, services: &TaskTracker, stop: &CancellationToken) {
    keys.run(services, stop);
    services.spawn(secrets.run(stop.clone()));
    exporter.map(|exporter| services.spawn(exporter.run(stop.clone())));
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

fn connect_all(
    config: &Config,
    largest: usize,
    sockets: Sockets,
    unheard: Unheard,
    (tasks, assertions, accounts): (&TaskTracker, &Arc<Assertions>, &Option<Arc<Accounts>>),
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
        accounts: accounts.clone(),
        launcher: config.launcher.clone(),
    };
    let connect = |server: &Arc<crate::config::Server>| {
        Upstream::new(Arc::clone(server), &shared).map_err(|source| StartError::Upstream { server: server.name.clone(), source })
    };
    config.servers.iter().map(connect).collect()
}

/// What says to servers who is calling.
fn assertions(master: &MasterKey, clock: &Arc<dyn Clock>) -> Result<Arc<Assertions>, StartError> {
    Assertions::new(master, Arc::clone(clock)).map(Arc::new).ok_or(StartError::Assertions)
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

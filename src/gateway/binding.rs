//! Takes the ports: listeners with what they share, the admin API, health.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::StartError;
use super::accounts::Pages;
use super::certificates::Certificates;
use super::chains::Chains;
use super::reload::Reloader;
use crate::accounts::Accounts;
use crate::admin::{Admin, Auditor, Operations, Stores};
use crate::asserted::Assertions;
use crate::audit::Log;
use crate::audit_index::{Indexer, View};
use crate::clock::Clock;
use crate::config::{self, Config, Risk};
use crate::endpoint::{Endpoint, Routes};
use crate::health::{Health, Readiness};
use crate::layers::injection::Quarantine;
use crate::listener::{self, Listener};
use crate::state::{ApiKeys, Switches};
use crate::telemetry::Metrics;
use crate::trace::Sampling;
use crate::vault::Vault;

/// What all listeners share.
pub(super) struct Serving {
    /// Rooms for connections.
    pub(super) clients: Arc<Semaphore>,
    pub(super) sampling: Sampling,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tasks: TaskTracker,
    pub(super) assertions: Arc<Assertions>,
    /// Where users connect accounts, if they can.
    pub(super) pages: Option<Pages>,
}

/// Takes the port of each listener, and says where that is.
pub(super) fn bind_listeners(
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
        let desk = shared.pages.as_ref().map(|pages| pages.of(&listener)).transpose()?;
        let endpoint = Endpoint::new(listener, routes, chain, Arc::clone(clock));
        let endpoint = Arc::new(endpoint.sampling(shared.sampling).running_on(shared.tasks.clone()).with_desk(desk));
        let (clients, metrics) = (Arc::clone(&shared.clients), Arc::clone(&shared.metrics));
        let listener = Listener::new(socket, endpoint, &limits, clients, metrics, shared.tasks.clone()).over(tls);
        Ok((address, listener))
    };
    config.listeners.iter().map(bind).collect()
}

fn issuers(config: &Config) -> Vec<String> {
    config.identity.issuers.iter().map(|issuer| issuer.issuer.clone()).collect()
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

/// What the admin API offers besides operations on stores.
pub(super) struct Offered {
    pub(super) indexer: Option<Indexer>,
    pub(super) reload: Arc<Reloader>,
    pub(super) accounts: Option<Arc<Accounts>>,
    pub(super) quarantine: Arc<Quarantine>,
}

/// What operators can do, and the port on which they ask for it.
pub(super) async fn bind_admin(
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
    let admin = admin.with_accounts(offered.accounts).with_issuers(config.identity.names()).with_quarantine(offered.quarantine);
    let auditor = |auditor: &config::Auditor| {
        let config::Auditor { name, issuers, tenant, token } = auditor.clone();
        Auditor::new(name, View { issuers, tenant }, token)
    };
    let admin = admin.with_auditors(config.auditors.iter().map(auditor).collect())?;
    Ok((operations, admin))
}

/// Takes the health listener's port.
pub(super) fn bind_health(config: &mut Config, readiness: &Arc<Readiness>, metrics: &Arc<Metrics>) -> Result<Health, StartError> {
    let open_metrics = config.accept_risks.contains(&Risk::OpenMetrics);
    let (address, token) = (config.health.address, config.health.metrics_token.take());
    let health = Health::bind(address, Arc::clone(readiness), Arc::clone(metrics), token, open_metrics);
    health.map_err(bind_error("health", address))
}

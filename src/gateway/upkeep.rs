//! What has to be done now and then while the gateway serves, and what operators see of its parts.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Operations, PrivacyError};
use crate::audit::{Condition, Disk, Log, Stock, Tiles, look_after as look_after_segments};
use crate::audit_index::Indexer;
use crate::chain::Vigil;
use crate::clock::Clock;
use crate::config::Config;
use crate::health::Readiness;
use crate::layers::audit::Flood;
use crate::limits::Ledger;
use crate::session::Sessions;
use crate::state::{self, ApiKeys, Following};
use crate::telemetry::{Metrics, Reading};
use crate::upstream::Upstream;

/// How long a refusal that was only counted may wait for its record.
const FLOOD_INTERVAL: Duration = Duration::from_secs(1);

/// How often open streams are looked at. Whoever was shut out is to be out within five seconds.
const LOOK: Duration = Duration::from_secs(1);

/// How often it is stored when API keys were used last.
const USES: Duration = Duration::from_mins(1);

/// How often idle sessions and connections are looked for.
const SWEEP: Duration = Duration::from_mins(1);

/// How often it is noted how far the log is applied to the vault, and how often old months are looked for.
const VAULT: Duration = Duration::from_mins(1);
const EXPIRY: Duration = Duration::from_hours(1);

/// How often records are looked for that need not be kept any more: each time the oldest segment's first line is read.
const PRUNE: Duration = Duration::from_hours(24);

/// How often at most the tiles of the log are brought up to date, and how long after a failure.
const TILES: Duration = Duration::from_secs(5);
const TILES_AGAIN: Duration = Duration::from_mins(10);

/// Records what [`Flood`] has counted. A failed log ends the process, so there is nothing to try again.
async fn record_floods(flood: Arc<Flood>, log: Arc<Log>, stop: CancellationToken) {
    while tokio::time::timeout(FLOOD_INTERVAL, stop.cancelled()).await.is_err() {
        if let Err(error) = flood.flush(&log).await {
            tracing::error!(error = &error as &dyn std::error::Error, "refusals could not be recorded");
        }
    }
}

/// Begins to keep the search index, unless that is switched off. Without it calls go on: it is derived.
pub(super) fn index(config: &Config, log: &Log, services: &TaskTracker, stop: &CancellationToken) -> Option<Indexer> {
    if !config.audit.index {
        return None;
    }
    let directory = config.data_dir.join("audit").join(&config.audit.origin).join(&config.audit.replica);
    match Indexer::start(&directory, log.condition(), stop.clone()) {
        Ok((indexer, thread)) => {
            let stop = stop.clone();
            services.spawn(async move {
                stop.cancelled().await;
                // It closes its file; that it panicked was told on standard error.
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            });
            Some(indexer)
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the audit log cannot be searched: no thread for its index");
            None
        }
    }
}

/// What the log needs besides its writer, the vault, and API keys.
pub(super) fn look_after(
    (log, stock, state): (&Arc<Log>, &Arc<Stock>, Arc<Following>),
    config: &Config,
    flood: &Arc<Flood>,
    operations: &Arc<Operations>,
    services: &TaskTracker,
    stop: &CancellationToken,
) {
    services.spawn(keep_vault(Arc::clone(operations), stop.clone()));
    services.spawn(prune(Arc::clone(operations), Arc::clone(stock), stop.clone()));
    keep_segments(log, config.audit.compress, stock, services, stop);
    services.spawn(follow_state(state, stop.clone()));
    services.spawn(keep_keys(Arc::clone(operations), config.identity.api_keys.enabled, stop.clone()));
    services.spawn(record_floods(Arc::clone(flood), Arc::clone(log), stop.clone()));
    services.spawn(keep_tiles(Arc::clone(log), stop.clone()));
}

/// What sessions and streams need while they last, and servers when one ends.
pub(super) fn look_after_sessions(
    sessions: &Arc<Sessions>,
    upstreams: &[Upstream],
    (vigil, clock): (Arc<Vigil>, Arc<dyn Clock>),
    services: &TaskTracker,
    stop: &CancellationToken,
) {
    let servers = upstreams.to_vec();
    sessions.at_end(move |id| servers.iter().for_each(|server| server.forget_session(id)));
    services.spawn(sweep(Arc::clone(sessions), upstreams.to_vec(), stop.clone()));
    services.spawn(watch_streams(vigil, clock, stop.clone()));
}

/// Looks at streams that lie open: whatever let them begin has to hold still.
async fn watch_streams(vigil: Arc<Vigil>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
        vigil.look(clock.now());
    }
}

/// Takes what other replicas change, and brings to the store what it does not know. While it cannot be reached, what is in memory holds.
async fn follow_state(following: Arc<Following>, stop: CancellationToken) {
    let mut failing = false;
    while tokio::time::timeout(state::LOOK, stop.cancelled()).await.is_err() {
        let looked = following.look().await;
        if std::mem::replace(&mut failing, looked.is_err()) == failing {
            continue;
        }
        match looked {
            Ok(()) => tracing::info!("the state store can be reached again"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the state store cannot be reached: keys and switches hold as they are, and nobody knows what others change"
            ),
        }
    }
}

/// Warns of API keys that are due, if there are to be any, and stores when they were used. What fails is told and tried again; no call
/// depends on it.
async fn keep_keys(operations: Arc<Operations>, warn: bool, stop: CancellationToken) {
    let mut store = tokio::time::Instant::now() + USES;
    while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
        if warn && let Err(error) = operations.warn_of_keys().await {
            tracing::error!(error = &error as &dyn std::error::Error, "API keys that are due cannot be recorded");
        }
        if store <= tokio::time::Instant::now() {
            store = tokio::time::Instant::now() + USES;
            if let Err(error) = operations.store_key_uses().await {
                tracing::error!(error = &error as &dyn std::error::Error, "when API keys were used last cannot be stored");
            }
        }
    }
}

/// Forgets what is idle.
async fn sweep(sessions: Arc<Sessions>, upstreams: Vec<Upstream>, stop: CancellationToken) {
    while tokio::time::timeout(SWEEP, stop.cancelled()).await.is_err() {
        sessions.expire();
        upstreams.iter().for_each(Upstream::expire);
    }
}

/// Notes how far the vault has come, and lets expire what is old enough. What fails is tried again; nothing that serves depends on it.
async fn keep_vault(operations: Arc<Operations>, stop: CancellationToken) {
    let privacy = operations.privacy();
    let mut expiry = tokio::time::Instant::now();
    loop {
        let mut done = privacy.advance().await;
        if done.is_ok() && expiry <= tokio::time::Instant::now() {
            done = privacy.expire_in_time().await.map(drop);
            expiry = tokio::time::Instant::now() + EXPIRY;
        }
        if let Err(error) = done {
            tracing::error!(error = &error as &dyn std::error::Error, "the vault cannot be kept");
        }
        if tokio::time::timeout(VAULT, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Has sealed segments compressed, by a thread of their own.
fn keep_segments(log: &Arc<Log>, compress: bool, stock: &Arc<Stock>, services: &TaskTracker, stop: &CancellationToken) {
    let stopped = stop.clone();
    let go_on = Arc::new(move || !stopped.is_cancelled());
    let told = |failure: &_| {
        tracing::warn!(
            error = failure as &dyn std::error::Error,
            "a segment of the audit log cannot be compressed; it is left as it is"
        );
    };
    let (stock, condition) = (Arc::clone(stock), log.condition());
    match look_after_segments(Arc::new(Disk), log.directory(), compress, stock, condition, go_on, Box::new(told)) {
        Ok(thread) => {
            let stop = stop.clone();
            services.spawn(async move {
                stop.cancelled().await;
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            });
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the audit log is not compressed: no thread for it");
        }
    }
}

/// Removes what need not be kept any more, and finishes what was interrupted. What fails is tried again; nothing that serves depends on it.
async fn prune(operations: Arc<Operations>, stock: Arc<Stock>, stop: CancellationToken) {
    let privacy = operations.privacy();
    loop {
        let done = async {
            privacy.resume_pruning().await?;
            while !stop.is_cancelled() && privacy.thin_heads().await? {}
            while !stop.is_cancelled() && privacy.prune_in_time().await? {}
            Ok::<_, PrivacyError>(())
        };
        if let Err(error) = done.await {
            stock.failed();
            tracing::error!(error = &error as &dyn std::error::Error, "the audit log cannot be pruned");
        }
        if tokio::time::timeout(PRUNE, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Keeps tiles behind the heads of the log, from what the last run left behind on. They are derived: a failure is told, and costs longer
/// proofs.
async fn keep_tiles(log: Arc<Log>, stop: CancellationToken) {
    let mut heads = log.heads();
    heads.mark_changed();
    let (mut held, mut pause) = (None, Duration::ZERO);
    while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
        if !heads.has_changed().unwrap_or(false) {
            continue;
        }
        heads.mark_unchanged();
        let (log, stop, tiles) = (Arc::clone(&log), stop.clone(), held.take());
        let following = move || Tiles::follow(tiles, log.directory(), &|| !stop.is_cancelled());
        (held, pause) = match tokio::task::spawn_blocking(following).await {
            Ok(Ok(tiles)) => (Some(tiles), TILES),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the audit log's tiles are not up to date");
                (None, TILES_AGAIN)
            }
            // The runtime ends.
            Err(_) => return,
        };
    }
}

/// Shows how far API keys have come.
fn watch_keys(metrics: &mut Metrics, keys: &Arc<ApiKeys>, clock: &Arc<dyn Clock>) {
    let ages = |keys: &Arc<ApiKeys>, clock: &Arc<dyn Clock>| {
        let (keys, clock) = (Arc::clone(keys), Arc::clone(clock));
        move || (keys.ages(clock.now()), clock.now())
    };
    let count = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    let read = ages(keys, clock);
    metrics.watch(Reading::ApiKeysDue, move || count(read().0.due));
    let read = ages(keys, clock);
    metrics.watch(Reading::ApiKeysTooOld, move || count(read().0.too_old));
    let read = ages(keys, clock);
    metrics.watch(Reading::ApiKeysNext, move || {
        let (ages, now) = read();
        ages.next.map_or(f64::INFINITY, |next| next.duration_since(now).as_secs_f64())
    });
}

/// Below a mebi.
fn low_bits(number: u64) -> u32 {
    u32::try_from(number & 0xf_ffff).unwrap_or(0)
}

/// Metrics, with what other parts count anyway.
pub(super) fn metrics(
    (log, stock): (&Arc<Log>, &Arc<Stock>),
    (sessions, ledger): (&Arc<Sessions>, &Ledger),
    ready: &Arc<OnceLock<Arc<Readiness>>>,
    (keys, state, clock): (Option<&Arc<ApiKeys>>, &Arc<Following>, &Arc<dyn Clock>),
) -> Metrics {
    let count = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    let mut metrics = Metrics::new();
    if let Some(keys) = keys {
        watch_keys(&mut metrics, keys, clock);
    }
    let watched = Arc::clone(state);
    metrics.watch(Reading::StateReachable, move || f64::from(u8::from(watched.is_reachable())));
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
    // Exact up to 4 PiB, and a gauge.
    let large =
        |number: u64| f64::from(u32::try_from(number >> 20).unwrap_or(u32::MAX)) * 1_048_576.0 + f64::from(low_bits(number));
    let watched = Arc::clone(stock);
    metrics.watch(Reading::AuditSegments, move || large(watched.segments()));
    let watched = Arc::clone(stock);
    metrics.watch(Reading::AuditSegmentBytes, move || large(watched.bytes()));
    let watched = Arc::clone(stock);
    metrics.watch(Reading::AuditSegmentFailures, move || large(watched.failures()));
    let watched = Arc::clone(sessions);
    metrics.watch(Reading::Sessions, move || count(watched.len()));
    let watched = ledger.clone();
    metrics.watch(Reading::LimitKeys, move || count(watched.keys()));
    let watched = Arc::clone(ready);
    let is_ready = move || watched.get().is_some_and(|readiness| readiness.check().is_ok());
    metrics.watch(Reading::Ready, move || f64::from(u8::from(is_ready())));
    let runtime = tokio::runtime::Handle::current();
    metrics.watch(Reading::Tasks, move || count(runtime.metrics().num_alive_tasks()));
    metrics
}

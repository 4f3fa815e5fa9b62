//! Opens what the gateway keeps: its log, its state, and whoever has heads of the log outside.

use std::path::PathBuf;
use std::sync::Arc;

use super::StartError;
use super::chains::tempo;
use super::start::AUDIT_QUEUE;
use crate::anchor::{Anchors, Copies, HeadKeeper, Witnesses};
use crate::audit::{Disk, Log, Options};
use crate::clock::Clock;
use crate::config::{self, Config, KeyRules};
use crate::export::Exports;
use crate::master_key::{EPOCH_KEYS, MasterKey, make_private_dir};
use crate::state::{Aging, ApiKeys, Following, HeadStore, Place, Switches};
use crate::telemetry::Metrics;
use crate::vault::Vault;

pub(super) fn make_data_dir(config: &Config) -> Result<PathBuf, StartError> {
    let path = config.data_dir.clone();
    match make_private_dir(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(StartError::DataDir { path, source }),
    }
}

/// What may change, as the last run left it.
pub(super) async fn open_state(
    config: &Config,
    master: &MasterKey,
) -> Result<(Arc<ApiKeys>, Arc<Switches>, Arc<Following>), StartError> {
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

/// Opens the log off the workers: recovery reads up to two segments.
pub(super) async fn open_log(
    config: &Config,
    master: &MasterKey,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<Log>, HeadKeeper), StartError> {
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
pub(super) async fn anchors(
    keeper: HeadKeeper,
    config: &Config,
    log: &Arc<Log>,
    metrics: &Arc<Metrics>,
) -> Result<Anchors, StartError> {
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

/// Whoever gets a copy of the log's records.
pub(super) fn exports(
    config: &Config,
    log: &Arc<Log>,
    vault: &Arc<Vault>,
    metrics: &Arc<Metrics>,
) -> Result<Exports, StartError> {
    Ok(Exports::new(&config.audit.sinks, log, &place(config), vault, metrics)?)
}

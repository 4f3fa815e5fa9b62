//! `--offline`: operations on a stopped gateway. They take its audit lock, so it cannot be running, and write the record
//! themselves.

use std::sync::Arc;

use anyhow::Context as _;

use super::ConfigPath;
use crate::admin::{Operations, Stores};
use crate::anchor::HeadKeeper;
use crate::audit::{Disk, Draft, Kind, Log, Options};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::gateway::{aging, place};
use crate::master_key::{EPOCH_KEYS, MasterKey, make_private_dir};
use crate::state::{ApiKeys, HeadStore};
use crate::vault::Vault;

/// Where an operation on stores is done, how it is shown, and who asks for it.
#[derive(Debug, clap::Args)]
pub(super) struct Order {
    #[command(flatten)]
    pub(super) path: ConfigPath,
    /// Work on a stopped gateway
    #[arg(long, global = true)]
    pub(super) offline: bool,
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Who asks for it, as the record is to name them
    #[arg(long, global = true, value_name = "NAME", default_value = "admin")]
    pub(super) requester: String,
}

/// The stores of a stopped gateway.
pub(super) struct Offline {
    pub(super) operations: Operations,
    log: Arc<Log>,
    keeper: HeadKeeper,
}

impl Offline {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let data_dir = &config.data_dir;
        make_private_dir(data_dir).with_context(|| format!("cannot make `{}`", data_dir.display()))?;
        let master = MasterKey::open(config.master_key.as_ref(), data_dir)?;
        let seal = master.sealing(EPOCH_KEYS)?;
        let mut options = Options::new(data_dir.join("audit"), &config.audit.origin, &config.audit.replica, seal);
        let keeper = HeadKeeper::new(HeadStore::open(place(config)).await?, options.name()).await?;
        options.known = keeper.known();
        let clock = Arc::new(SystemClock);
        let (log, _) = Log::open(options, Arc::new(Disk), clock).context("cannot take the audit log; is the gateway running?")?;
        keeper.confirm().await?;
        let log = Arc::new(log);
        let (keys, switches) = ApiKeys::open(place(config), &master).await?;
        let stores = Stores {
            log: Arc::clone(&log),
            keys: Arc::new(keys.aging_by(aging(&config.identity.api_keys))),
            switches: Arc::new(switches),
            vault: Arc::new(Vault::open(data_dir, &master).await?),
            logs: data_dir.join("audit"),
            keep: config.audit.vault_keep,
            keep_log: config.audit.retention,
        };
        let operations = Operations::open(stores, Arc::new(SystemClock)).await?;
        operations.privacy().catch_up().await?;
        Ok(Self { operations, log, keeper })
    }

    pub(super) async fn close(mut self) {
        self.operations.close().await;
        // Without it the next start would take this for a run that crashed, and say so for ever. The operation itself is durable.
        let _ = self.log.append(Draft::new(Kind::Stop)).durable().await;
        self.log.close();
        if let Err(error) = self.keeper.store_newest(&self.log).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the last head is not in the head store");
        }
    }
}

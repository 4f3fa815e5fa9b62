//! `yett keys rotate-master`: another key under everything, on a stopped gateway.
//!
//! Each store changes in one transaction, and each tells by which key it is: an interrupted run is finished by running it again.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::Exit;
use super::terminal::Terminal;
use crate::admin::is_fit;
use crate::audit::{Disk, Draft, EpochError, Kind, Log, OpenError, Options, RecoveryError, reseal};
use crate::clock::SystemClock;
use crate::config::{Audit, Config};
use crate::gateway::place;
use crate::master_key::{EPOCH_KEYS, MasterKey};
use crate::state::ApiKeys;
use crate::vault::rotate_master;

pub(super) async fn rotate(config: &Config, new: &Path, requester: &str, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let data_dir = &config.data_dir;
    is_fit(requester, None)?;
    let old = MasterKey::open(config.master_key.as_ref(), data_dir)?;
    let new_key = MasterKey::read(new)?;
    if old.is(&new_key) {
        bail!("this is the key that is in force");
    }
    if config.master_key.is_none() && !new_key.is_installable() {
        bail!("`master.key` holds exactly 32 bytes; make them with `openssl rand 32`");
    }
    // A run that was interrupted may have left the log's own keys under the new one.
    let log = match open_log(config, &old) {
        Err(OpenError::Recovery(RecoveryError::Key(EpochError::Closed { .. }))) => open_log(config, &new_key),
        opened => opened,
    };
    let log = log.context("cannot take the audit log; is the gateway running?")?;
    let rotated = under_lock(config, &old, &new_key, (&log, requester)).await;
    let _ = log.append(Draft::new(Kind::Stop)).durable().await;
    log.close();
    rotated?;
    terminal.line(if config.master_key.is_some() {
        format!("done; let `master_key` name {} before the next start", new.display())
    } else {
        format!("done; {} holds the new key now", data_dir.join("master.key").display())
    });
    terminal.note("The old key opens backups of before. Destroy it with the last of them.");
    Ok(Exit::Done)
}

fn open_log(config: &Config, master: &MasterKey) -> Result<Log, OpenError> {
    let Audit { origin, replica, .. } = &config.audit;
    let options =
        Options::new(config.data_dir.join("audit"), origin, replica, master.sealing(EPOCH_KEYS).map_err(EpochError::from)?);
    Ok(Log::open(options, Arc::new(Disk), Arc::new(SystemClock))?.0)
}

async fn under_lock(config: &Config, old: &MasterKey, new: &MasterKey, (log, requester): (&Log, &str)) -> anyhow::Result<()> {
    let data_dir = &config.data_dir;
    let mut draft = Draft::new(Kind::Admin);
    draft.object("what", |what| {
        what.text("act", "master.rotate").text("after", &new.digest()).text("before", &old.digest());
        what.text("requester", requester).text("target", "vault.db");
    });
    log.append(draft).durable().await.context("the rotation could not be recorded; nothing was done")?;
    rotate_master(data_dir, old, new).await.context("the vault is as it was")?;
    ApiKeys::rotate_master(place(config), old, new)
        .await
        .context("run it again: the vault is under the new key, API keys are not")?;
    let Audit { origin, replica, .. } = &config.audit;
    let (from, to) = (old.sealing(EPOCH_KEYS)?, new.sealing(EPOCH_KEYS)?);
    reseal(&data_dir.join("audit"), origin, replica, &from, &to)
        .context("run it again: the databases are under the new key, the log's signing key is not")?;
    // Last: as long as the old key is in its place, the run can be repeated.
    if config.master_key.is_none() {
        new.install(data_dir).context("run it again: the databases are under the new key, `master.key` is the old one")?;
    }
    Ok(())
}

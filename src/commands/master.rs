//! `yett keys rotate-master`: another key under everything, on a stopped gateway.
//!
//! Each store changes in one transaction, and each tells by which key it is: an interrupted run is finished by running it again.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::Exit;
use super::terminal::Terminal;
use crate::audit::{Disk, Draft, Kind, Log, Options};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::master_key::MasterKey;
use crate::state::ApiKeys;
use crate::vault::rotate_master;

pub(super) async fn rotate(config: &Config, new: &Path, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let data_dir = &config.data_dir;
    let options = Options::new(data_dir.join("audit"), &config.audit.origin, &config.audit.replica);
    let (log, _) = Log::open(options, Arc::new(Disk), Arc::new(SystemClock))
        .context("cannot take the audit log; is the gateway running?")?;
    let rotated = under_lock(config, new, &log).await;
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

async fn under_lock(config: &Config, new: &Path, log: &Log) -> anyhow::Result<()> {
    let data_dir = &config.data_dir;
    let old = MasterKey::open(config.master_key.as_ref(), data_dir)?;
    let new = MasterKey::read(new)?;
    if old.is(&new) {
        bail!("this is the key that is in force");
    }
    if config.master_key.is_none() && !new.is_installable() {
        bail!("`master.key` holds exactly 32 bytes; make them with `openssl rand 32`");
    }
    let mut draft = Draft::new(Kind::Admin);
    draft.object("what", |what| {
        what.text("act", "master.rotate").text("target", "vault.db");
    });
    log.append(draft).durable().await.context("the rotation could not be recorded; nothing was done")?;
    rotate_master(data_dir, &old, &new).await.context("the vault is as it was")?;
    ApiKeys::rotate_master(data_dir, &old, &new)
        .await
        .context("run it again: the vault is under the new key, API keys are not")?;
    // Last: as long as the old key is in its place, the run can be repeated.
    if config.master_key.is_none() {
        new.install(data_dir).context("run it again: the databases are under the new key, `master.key` is the old one")?;
    }
    Ok(())
}

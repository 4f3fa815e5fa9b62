//! Recorded traffic: the decisions in the logs of a data directory, and what it takes to make them again. Only looks: a gateway may be
//! running beside, or its directory be a copy that cannot be written.

mod past;
mod stood;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;

pub(super) use past::{Again, Past, Why};
pub(super) use stood::{Read, Stood};

use super::super::terminal::Terminal;
use crate::audit::{Kind, Records, logs_below, records_from};
use crate::config::Server;
use crate::master_key::MasterKey;
use crate::vault::Reader;

/// How far above a log its data directory may be.
const LEVELS: usize = 4;

/// Where the recorded traffic is, and which of it is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Recorded {
    /// A directory of a vault: the data directory of the gateway that wrote the log. Without, it is looked for above the log
    #[arg(long, value_name = "DIR", requires = "audit")]
    vault: Option<PathBuf>,
    /// The file with the master key. Without, it is `master.key` beside the vault
    #[arg(long, value_name = "FILE", requires = "audit")]
    master_key: Option<PathBuf>,
    /// Not before this time
    #[arg(long, value_name = "TIME", requires = "audit")]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME", requires = "audit")]
    until: Option<Timestamp>,
}

/// Decisions, one after the other, of one log after the other.
pub(super) struct Traffic {
    logs: std::vec::IntoIter<(String, PathBuf)>,
    open: Option<(PathBuf, Records)>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// How many logs could not be read to their ends.
    pub(super) broken: u64,
}

impl Recorded {
    /// Opens what was recorded at or below `audit`.
    pub(super) async fn open(&self, audit: &Path, servers: Vec<Arc<Server>>) -> anyhow::Result<(Traffic, Past)> {
        let logs = logs_below(audit).with_context(|| format!("cannot read `{}`", audit.display()))?;
        anyhow::ensure!(!logs.is_empty(), "no audit log in `{}`", audit.display());
        let directory = match &self.vault {
            Some(directory) => directory.clone(),
            None => vault_above(audit)
                .with_context(|| format!("no `vault.db` in or above `{}`; name its directory with `--vault`", audit.display()))?,
        };
        let key = self.master_key.clone().unwrap_or_else(|| directory.join("master.key"));
        let master = MasterKey::read(&key).context("no master key; name its file with `--master-key`")?;
        let vault = Reader::open(&directory, &master).await.with_context(|| format!("the vault in `{}`", directory.display()))?;
        let traffic = Traffic { logs: logs.into_iter(), open: None, since: self.since, until: self.until, broken: 0 };
        Ok((traffic, Past::new(vault, servers)))
    }
}

impl Traffic {
    /// The next decision. What is broken in a log ends that log, and is told.
    pub(super) fn next_decision(&mut self, terminal: &mut Terminal) -> Option<Read> {
        loop {
            let Some((path, records)) = &mut self.open else {
                let (_, path) = self.logs.next()?;
                match records_from(&path, 0, &[Kind::CallDecision]) {
                    Ok(records) => self.open = Some((path, records)),
                    Err(error) => self.broken += broken(&path, &error, terminal),
                }
                continue;
            };
            match records.next_record() {
                Ok(Some(found)) if is_within(&found.line, self.since, self.until) => return Some(Read::of(&found.line)),
                Ok(Some(_)) => {}
                Ok(None) => self.open = None,
                Err(error) => {
                    self.broken += broken(path, &error, terminal);
                    self.open = None;
                }
            }
        }
    }
}

fn broken(path: &Path, error: &dyn std::error::Error, terminal: &mut Terminal) -> u64 {
    terminal.note(format_args!("the log in `{}` cannot be read to its end: {error}; see `yett audit verify`", path.display()));
    1
}

/// Whether it was written between these times; what has no time is between all.
fn is_within(line: &str, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    if since.is_none() && until.is_none() {
        return true;
    }
    let record: Option<Value> = serde_json::from_str(line).ok();
    let written = record.as_ref().and_then(|record| record.get("t")?.as_str()?.parse::<Timestamp>().ok());
    written.is_none_or(|t| since.is_none_or(|since| t >= since) && until.is_none_or(|until| t < until))
}

/// The directory with the vault of a log.
fn vault_above(log: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(log).ok()?;
    path.ancestors().take(LEVELS).find(|directory| directory.join("vault.db").is_file()).map(Path::to_owned)
}

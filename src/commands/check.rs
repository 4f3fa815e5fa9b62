//! `yett check`: every mistake at once.

use jiff::Timestamp;

use super::terminal::Terminal;
use super::{ConfigPath, Exit};
use crate::config;
use crate::jwks;
use crate::secrets::{Keeper, Live, Reference, SecretError};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    path: ConfigPath,
    /// Print findings as JSON
    #[arg(long)]
    json: bool,
    /// Ask the providers of secrets too: whether each secret is there, and how old it is
    #[arg(long)]
    secrets: bool,
}

pub(super) async fn run(command: &Check, terminal: &mut Terminal) -> Exit {
    let (report, config) = match config::load(&command.path.config) {
        Ok(loaded) => (loaded.warnings, Some(loaded.config)),
        Err(report) => (report, None),
    };
    if command.json {
        terminal.line(report.to_json());
    } else if !report.is_empty() {
        terminal.note(&report);
    }
    let Some(mut config) = config else {
        return Exit::Bad;
    };
    // What only shows when it is used: keys that can verify nothing.
    if let Err(error) = jwks::check_files(&config.identity.issuers) {
        terminal.error(&anyhow::Error::new(error));
        return Exit::Bad;
    }
    if let Err(error) = secrets(std::mem::take(&mut config.secrets), command.secrets, terminal).await {
        terminal.error(&anyhow::Error::new(error));
        return Exit::Bad;
    }
    if !command.json {
        let (roles, servers) = (config.policy.roles.len(), config.servers.len());
        let file = command.path.config.display();
        terminal.line(format_args!("{file}: ok ({servers} servers, {roles} roles, policy {})", short(&config.policy.hash)));
    }
    Exit::Done
}

/// Those of this machine, and with `remote` all of them.
async fn secrets(secrets: config::Secrets, remote: bool, terminal: &mut Terminal) -> Result<(), SecretError> {
    let config::Secrets { settings, mut live } = secrets;
    let is_local = |live: &Live| live.source().is_none_or(|source| !source.references().any(Reference::is_remote));
    live.retain(|live| remote || is_local(live));
    let now = Timestamp::now();
    let keeper = Keeper::new(settings, live, |name| config::Environment::variable(&config::Process, name))?;
    keeper.start(now).await?;
    for trouble in keeper.troubles() {
        terminal.note(format_args!("warning: {trouble}"));
    }
    for aged in keeper.ages() {
        if let Some(due) = aged.due.filter(|due| *due <= now) {
            terminal.note(format_args!(
                "warning: the secret of `{}` is older than it may be: its rotation was due {due}",
                aged.setting
            ));
        }
    }
    Ok(())
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

//! `yett check`: every mistake at once.

use jiff::Timestamp;

use super::terminal::Terminal;
use super::{ConfigPath, Exit};
use crate::config::{self, Config};
use crate::gateway::aging;
use crate::jwks;
use crate::secrets::{Keeper, Live, Reference, SecretError};
use crate::state::{KeyStatus, look_at_keys};
use crate::yaml::{Place, Report};

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

pub(super) async fn run(command: &Check, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let (mut report, mut config) = match config::load(&command.path.config) {
        Ok(loaded) => (loaded.warnings, Some(loaded.config)),
        Err(report) => (report, None),
    };
    let mut unreadable = None;
    if let Some(config) = &mut config {
        check_keys(config, &mut report).await;
        let (secrets, file) = (std::mem::take(&mut config.secrets), &command.path.config);
        unreadable = check_secrets(secrets, command.secrets, &file.display().to_string(), &mut report).await.err();
    }
    if command.json {
        terminal.line(report.to_json());
    } else if !report.is_empty() {
        terminal.note(&report);
    }
    let Some(config) = config else {
        return Ok(Exit::Bad);
    };
    // What only shows when it is used: keys that can verify nothing.
    if let Err(error) = jwks::check_files(&config.identity.issuers) {
        terminal.error(&anyhow::Error::new(error));
        return Ok(Exit::Bad);
    }
    if let Some(error) = unreadable {
        terminal.error(&anyhow::Error::new(error));
        return Ok(Exit::Bad);
    }
    if !command.json {
        let (roles, servers) = (config.policy.roles.len(), config.servers.len());
        let file = command.path.config.display();
        terminal.line(format_args!("{file}: ok ({servers} servers, {roles} roles, policy {})", short(&config.policy.hash)));
    }
    Ok(Exit::Done)
}

/// Warns of API keys that are due, where the gateway's state can be read. On another machine there is none, and nothing is said.
async fn check_keys(config: &Config, report: &mut Report) {
    let file = config.data_dir.join("state.db").display().to_string();
    if matches!(config.state, config::State::Postgres(_)) {
        // A check of a file asks nobody. The running gateways tell.
        return;
    }
    let keys = match look_at_keys(&config.data_dir).await {
        Ok(keys) => keys.unwrap_or_default(),
        Err(error) => {
            let file = report.add_file(file, "");
            let error = anyhow::Error::new(error);
            report
                .warning(Place::whole(file), format!("how old API keys are cannot be told: {error:#}"))
                .hint("run `yett check` as the user of the gateway, or see `yett keys list`");
            return;
        }
    };
    let (rules, now) = (aging(&config.identity.api_keys), Timestamp::now());
    let due = keys.iter().filter(|key| matches!(key.status(now, rules), KeyStatus::Due | KeyStatus::TooOld));
    for key in due.filter(|_| config.identity.api_keys.enabled) {
        let place = Place::whole(report.add_file(file.clone(), ""));
        let (id, end) = (&key.id, key.end(rules));
        report
            .warning(place, format!("the API key `{id}` is refused from {end} on"))
            .hint(format!("`yett keys rotate {id} --overlap 24h`, or `yett keys revoke {id}` if nobody needs it"));
    }
}

/// Warns of secrets that are due, or cannot be read now: those of this machine, and with `remote` all of them. One that is missing for
/// good is an error.
async fn check_secrets(secrets: config::Secrets, remote: bool, file: &str, report: &mut Report) -> Result<(), SecretError> {
    let config::Secrets { settings, mut live } = secrets;
    let is_local = |live: &Live| live.source().is_none_or(|source| !source.references().any(Reference::is_remote));
    live.retain(|live| remote || is_local(live));
    let now = Timestamp::now();
    let keeper = Keeper::new(settings, live, |name| config::Environment::variable(&config::Process, name))?;
    keeper.start(now).await?;
    let mut warn = |message: String, hint: &str| {
        let place = Place::whole(report.add_file(file, ""));
        report.warning(place, message).hint(hint);
    };
    for trouble in keeper.troubles() {
        warn(trouble, "a start waits for it: `/readyz` is 503 until it can be read");
    }
    for aged in keeper.ages() {
        if let Some(due) = aged.due.filter(|due| *due <= now) {
            warn(format!("the secret of `{}` is older than it may be since {due}", aged.setting), "rotate it");
        }
    }
    Ok(())
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

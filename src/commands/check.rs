//! `yett check`: every mistake at once.

use super::terminal::Terminal;
use super::{ConfigPath, Exit};
use crate::config;
use crate::jwks;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    path: ConfigPath,
    /// Print findings as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Check, terminal: &mut Terminal) -> Exit {
    let (report, config) = match config::load(&command.path.config) {
        Ok(loaded) => (loaded.warnings, Some(loaded.config)),
        Err(report) => (report, None),
    };
    if command.json {
        terminal.line(report.to_json());
    } else if !report.is_empty() {
        terminal.note(&report);
    }
    let Some(config) = config else {
        return Exit::Bad;
    };
    // What only shows when it is used: keys that can verify nothing.
    if let Err(error) = jwks::check_files(&config.identity.issuers) {
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

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

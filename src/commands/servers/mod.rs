//! `yett servers`: the servers of a configuration, and what one of them offers.

mod classes;
mod listing;
mod quarantine;
mod scan;
mod temporary;
mod wire;
mod written;

use clap::Subcommand;

use super::terminal::Terminal;
use super::{ConfigPath, Exit};

/// `yett servers`.
#[derive(Debug, clap::Args)]
pub(super) struct Servers {
    #[command(flatten)]
    path: ConfigPath,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the configured servers
    List(listing::List),
    /// Show the definitions of tools that were withheld, and those that are approved
    Quarantine(quarantine::List),
    /// Let one definition of a tool pass, and calls of the tool
    Approve(quarantine::Approve),
    /// Let it pass no more
    Revoke(quarantine::Revoke),
    /// Forget what was withheld, until the server shows it again
    Forget(quarantine::Forget),
    /// Ask a server what it offers: look for injection in it, and write a role to start from
    Scan(scan::Scan),
}

pub(super) async fn run(command: Servers, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(config) = super::load(&command.path, terminal) else {
        return Ok(Exit::Failed);
    };
    match command.command {
        Command::List(list) => {
            listing::run(list, &config, terminal);
            Ok(Exit::Done)
        }
        Command::Quarantine(list) => quarantine::list(list, &config, terminal).await.map(|()| Exit::Done),
        Command::Approve(approve) => quarantine::approve(approve, &config, terminal).await.map(|()| Exit::Done),
        Command::Revoke(revoke) => quarantine::revoke(revoke, &config, terminal).await.map(|()| Exit::Done),
        Command::Forget(forget) => quarantine::forget(forget, &config, terminal).await.map(|()| Exit::Done),
        Command::Scan(scan) => Box::pin(scan::run(scan, config, terminal)).await,
    }
}

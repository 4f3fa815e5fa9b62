//! `yett policy`: what a policy decides, asked without a gateway. Every answer is the engine's that judges calls.

mod access;
mod decided;
mod diff;
mod explain;
mod junit;
mod matrix;
mod recorded;
mod registry;
mod replay;
mod rights;
mod test;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::terminal::Terminal;
use super::{ConfigPath, Exit};
use crate::config::{self, Judged};

pub(super) use rights::rights;

/// `yett policy`.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyCommand {
    #[command(flatten)]
    path: ConfigPath,
    /// Judge by this folder of policies in place of the configured one
    #[arg(long, global = true, value_name = "DIR")]
    policies: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what changes between two folders of policies
    ///
    /// Asks both about everything that they, their tests and the configuration name, for each role and each caller whom a binding means,
    /// and with `--audit` about what was recorded. Exit codes: 0 nothing changes, 1 something does, 2 usage or I/O.
    Diff(diff::Diff),
    /// Run the `tests:` of the policies
    Test(test::Test),
    /// Show why one access is decided as it is
    Explain(Box<explain::Explain>),
    /// Show who may call what: roles by tools
    Matrix(matrix::Matrix),
    /// Judge recorded decisions again: what a policy would have done
    ///
    /// Exit codes: 0 every decision that can be judged again is the same, 1 some are not, 2 usage or I/O.
    Replay(replay::Replay),
}

pub(super) async fn run(command: &PolicyCommand, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let load = |policies: Option<&Path>, terminal: &mut Terminal| {
        config::load_policy(&command.path.config, policies).inspect_err(|report| terminal.note(report)).ok()
    };
    if let Command::Diff(diff) = &command.command {
        // A folder that cannot be read says nothing about changes.
        let (Some(old), Some(new)) = (load(Some(&diff.old), terminal), load(Some(&diff.new), terminal)) else {
            return Ok(Exit::Failed);
        };
        return diff::run(diff, &old, &new, terminal).await;
    }
    let Some(judged) = load(command.policies.as_deref(), terminal) else {
        // Of a replay 1 says that something changes.
        return Ok(if matches!(command.command, Command::Replay(_)) { Exit::Failed } else { Exit::Bad });
    };
    match &command.command {
        // It has gone its own way.
        Command::Diff(_) => Ok(Exit::Failed),
        Command::Test(test) => test::run(test, &judged, terminal),
        Command::Explain(explain) => explain::run(explain, &judged, terminal),
        Command::Matrix(matrix) => matrix::run(matrix, &judged, terminal),
        Command::Replay(replay) => replay::run(replay, &judged, terminal).await,
    }
}

/// The server of that name, which the reader of the policy has found.
fn server<'j>(judged: &'j Judged, name: &str) -> anyhow::Result<&'j config::Server> {
    let found = judged.servers.iter().find(|server| server.name == name);
    found
        .map(|server| &**server)
        .ok_or_else(|| anyhow::anyhow!("no server is called `{name}`; see `servers` in the configuration"))
}

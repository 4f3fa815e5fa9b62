//! `yett policy`: what a policy decides, asked without a gateway. Every answer is the engine's that judges calls.

mod access;
mod explain;
mod junit;
mod matrix;
mod test;

use std::path::PathBuf;

use clap::Subcommand;

use super::terminal::Terminal;
use super::{ConfigPath, Exit};
use crate::config::{self, Judged};

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
    /// Run the `tests:` of the policies
    Test(test::Test),
    /// Show why one access is decided as it is
    Explain(Box<explain::Explain>),
    /// Show who may call what: roles by tools
    Matrix(matrix::Matrix),
}

pub(super) fn run(command: &PolicyCommand, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let judged = match config::load_policy(&command.path.config, command.policies.as_deref()) {
        Ok(judged) => judged,
        Err(report) => {
            terminal.note(&report);
            return Ok(Exit::Bad);
        }
    };
    match &command.command {
        Command::Test(test) => test::run(test, &judged, terminal),
        Command::Explain(explain) => explain::run(explain, &judged, terminal),
        Command::Matrix(matrix) => matrix::run(matrix, &judged, terminal),
    }
}

/// The server of that name, which the reader of the policy has found.
fn server<'j>(judged: &'j Judged, name: &str) -> anyhow::Result<&'j config::Server> {
    let found = judged.servers.iter().find(|server| server.name == name);
    found
        .map(|server| &**server)
        .ok_or_else(|| anyhow::anyhow!("no server is called `{name}`; see `servers` in the configuration"))
}

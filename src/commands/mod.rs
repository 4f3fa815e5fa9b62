//! The command line. Exit codes: 0 done, 1 the checked thing is bad, 2 usage or I/O; `audit verify` has its own.

mod accounts;
mod alerts;
mod audit;
mod check;
mod connect;
mod demo;
mod detectors;
mod evidence;
mod export;
mod fresh_file;
mod healthcheck;
mod init;
mod keys;
mod kill;
mod launch;
mod master;
mod offline;
mod policy;
mod privacy;
mod proofs;
mod prune;
mod reload;
mod scan;
mod schema;
mod search;
mod serve;
mod servers;
mod terminal;
mod tokens;
mod verify;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use terminal::Terminal;

/// Security gateway for the Model Context Protocol.
#[derive(Debug, Parser)]
#[command(name = "yett", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve(ConfigPath),
    /// Show what the gateway does: a sample server, a gateway and a client on loopback
    Demo(demo::Demo),
    /// Write a commented configuration and a policy to start from
    Init(init::Init),
    /// Report every mistake in a configuration and its policies
    Check(check::Check),
    /// Be an MCP server on standard input and output that stands for a route of a gateway
    Connect(connect::Arguments),
    /// Accounts that callers have connected
    Accounts(accounts::Accounts),
    /// API keys of a gateway
    Keys(keys::Keys),
    /// Stop all calls, or those to one server, at once
    Kill(kill::Kill),
    /// Undo `kill`
    Unkill(kill::Unkill),
    /// Show the configured servers; ask one what it offers
    Servers(servers::Servers),
    /// Test policies, explain decisions, show who may call what, and what a change would do
    Policy(policy::PolicyCommand),
    /// Show what alert rules would have told about a log
    Alerts(alerts::AlertsCommand),
    /// Write what happened in a period into a signed folder, for auditors; check such a folder
    Evidence(Box<evidence::Evidence>),
    /// The detectors of sensitive text that this build knows, and whether detectors do what they say
    Detectors(detectors::Detectors),
    /// Say what the detectors find in a text, or in many, on standard input
    Scan(scan::Scan),
    /// Have the gateway read its configuration and policies again
    Reload(ConfigPath),
    /// The JSON Schema of a configuration or a policy, for editors; a description of the admin API
    Schema(schema::Schema),
    /// Ask a gateway on this host whether it is ready (for containers without a shell)
    Healthcheck(healthcheck::Healthcheck),
    /// Verify and read the audit log; erase who is in it
    Audit(audit::AuditCommand),
    /// The values behind the tokens that policies make
    Tokens(tokens::Tokens),
    /// What the gateway starts servers' processes with
    #[command(hide = true)]
    Launch(launch::Arguments),
    /// Cosign the heads of audit logs, on a machine of those who audit them
    Witness(witness::Arguments),
}

/// Which configuration.
#[derive(Clone, Debug, clap::Args)]
struct ConfigPath {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = "yett.yaml", env = "YETT_CONFIG")]
    config: PathBuf,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// 0
    Done,
    /// 1
    Bad,
    /// 2
    Failed,
    /// A code of the command's own.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Bad => Self::from(1),
            Exit::Failed => Self::from(2),
            Exit::Code(code) => Self::from(code),
        }
    }
}

/// Runs the command in the process's arguments.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut terminal = Terminal::new();
    let result = match cli.command {
        Command::Alerts(command) => alerts::run(&command, &mut terminal),
        Command::Audit(command) => block_on(audit::run(command, &mut terminal)),
        Command::Check(command) => block_on(check::run(&command, &mut terminal)),
        Command::Connect(arguments) => block_on(connect::run(arguments, &mut terminal)),
        Command::Demo(command) => block_on(demo::run(command, &mut terminal)),
        Command::Detectors(command) => detectors::run(command, &mut terminal),
        Command::Evidence(command) => evidence::run(&command, &mut terminal),
        Command::Healthcheck(command) => block_on(healthcheck::run(command, &mut terminal)),
        Command::Accounts(command) => block_on(accounts::run(command, &mut terminal)),
        Command::Init(command) => init::run(&command, &mut terminal),
        Command::Keys(command) => block_on(keys::run(command, &mut terminal)),
        Command::Kill(command) => block_on(kill::kill(command, &mut terminal)),
        Command::Launch(arguments) => Ok(launch::run(arguments, &mut terminal)),
        Command::Policy(command) => block_on(policy::run(&command, &mut terminal)),
        Command::Reload(path) => block_on(reload::run(path, &mut terminal)),
        Command::Scan(command) => scan::run(&command, &mut terminal),
        Command::Schema(command) => schema::run(&command, &mut terminal),
        Command::Serve(path) => block_on(serve::run(path, &mut terminal)),
        Command::Servers(command) => block_on(servers::run(command, &mut terminal)),
        Command::Tokens(command) => block_on(tokens::run(command, &mut terminal)),
        Command::Unkill(command) => block_on(kill::unkill(command, &mut terminal)),
        Command::Witness(arguments) => block_on(witness::run(arguments, &mut terminal)),
    };
    let exit = result.unwrap_or_else(|error| {
        terminal.error(&error);
        Exit::Failed
    });
    exit.into()
}

fn block_on(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    // One core is the audit writer's: a worker there only takes turns with it. On two cores one worker serves as many calls a second as
    // two, for less CPU a call far from saturation, since it is not woken by the other (benches/load).
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = cores.saturating_sub(1).max(1);
    let mut builder = match std::env::var_os("TOKIO_WORKER_THREADS") {
        // What shares nothing needs no queues that others may take from.
        None if workers == 1 => tokio::runtime::Builder::new_current_thread(),
        None => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build()?;
    let result = runtime.block_on(command);
    // A blocking read of a terminal or a hung disk must not keep a finished command alive.
    runtime.shutdown_background();
    result
}

/// Reads a configuration, or says everything that is wrong with it.
fn load(path: &ConfigPath, terminal: &mut Terminal) -> Option<crate::config::Config> {
    match crate::config::load(&path.config) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                terminal.note(&loaded.warnings);
            }
            Some(loaded.config)
        }
        Err(report) => {
            terminal.note(&report);
            None
        }
    }
}

//! `yett witness`: cosigns the heads of logs, for whoever audits them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::terminal::Terminal;
use crate::clock::SystemClock;
use crate::config::{Environment as _, LogFormat, LogLevel, Logs, Process};
use crate::telemetry;
use crate::tlog::{Policy, VerifierKey};
use crate::witness::{Server, Witness};

/// Arguments of `witness`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where it listens; put TLS in front of it
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Its folder: key, and what it has cosigned. Never put it back to an older copy
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A log to cosign: its first verifier key, or a tlog-policy file with `log` lines. Logs once known stay known
    #[arg(long = "log", value_name = "VKEY|FILE")]
    logs: Vec<String>,
    /// Name of its key, used when the key is made at the first start (a random one)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(arguments: Arguments, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let watched = terminal.is_watched();
    let logs = Logs { level: LogLevel::Info, format: LogFormat::Auto, directives: Process.variable("RUST_LOG") };
    telemetry::init_logs(&logs, watched);
    telemetry::hide_panics();
    let keys = arguments.logs.iter().map(|log| first_keys(log)).collect::<anyhow::Result<Vec<_>>>()?.concat();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let witness = Witness::open(&arguments.data, arguments.name.as_deref(), keys, Arc::new(SystemClock))?;
    if witness.logs() == 0 {
        tracing::warn!("no log is known yet: name one with --log");
    }
    // What belongs into the policy of gateways and auditors.
    terminal.line(witness.key());
    let (key, logs) = (witness.key().clone(), witness.logs());
    let server = Server::bind(arguments.listen, witness).with_context(|| format!("cannot listen on {}", arguments.listen))?;
    tracing::info!(address = %server.address(), %key, logs, "witnessing");
    let stop = CancellationToken::new();
    let signalled = async {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        stop.cancel();
    };
    tokio::join!(server.run(stop.clone()), signalled);
    Ok(Exit::Done)
}

/// The keys that an argument names.
fn first_keys(log: &str) -> anyhow::Result<Vec<VerifierKey>> {
    if let Ok(key) = log.parse() {
        return Ok(vec![key]);
    }
    let bytes = std::fs::read(log).with_context(|| format!("`{log}` is neither a verifier key nor a file that can be read"))?;
    let policy = Policy::parse(&bytes).with_context(|| format!("`{log}` is not a tlog-policy"))?;
    anyhow::ensure!(!policy.logs().is_empty(), "`{log}` names no log");
    Ok(policy.logs().iter().map(|log| log.key.clone()).collect())
}

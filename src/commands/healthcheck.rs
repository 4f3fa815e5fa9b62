//! `yett healthcheck`: exit 0 when the gateway on this host says it is ready.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::terminal::Terminal;
use super::{ConfigPath, Exit};
use crate::config;

/// Shorter than the three seconds a container engine commonly waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Arguments of `healthcheck`.
#[derive(Debug, clap::Args)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    path: ConfigPath,
    /// The health address, instead of the configuration's
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
}

pub(super) async fn run(command: Healthcheck, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let address = match command.address {
        Some(address) => address,
        None => match config::load(&command.path.config) {
            Ok(loaded) => loaded.config.health.address,
            Err(report) => {
                terminal.note(&report);
                return Ok(Exit::Failed);
            }
        },
    };
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    let status = tokio::time::timeout(PATIENCE, ask(SocketAddr::new(ip, address.port()))).await.context("no answer")??;
    terminal.line(&status);
    Ok(if status.starts_with("HTTP/1.1 200") { Exit::Done } else { Exit::Bad })
}

async fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("nothing answers on {address}"))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

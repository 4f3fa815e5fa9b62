//! `yett demo`: a sample MCP server, a gateway and a client in one process, on loopback and in a folder that is removed again.
//!
//! Nothing is staged: the gateway is the one that `serve` runs, its configuration and policy are files like any operator's, and
//! each step checks what came back. Exit 0 only if every step did what it shows.

mod client;
mod sample;
mod story;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::ctrl_c;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Exit;
use super::terminal::Terminal;
use crate::clock::SystemClock;
use crate::config;
use crate::gateway::Gateway;
use crate::state::NewKey;
use client::Client;
use sample::Sample;

/// Arguments of `demo`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Demo {
    /// Leave it running for a client of your own
    #[arg(long)]
    serve: bool,
}

/// The policy of the demo, as an operator would write it.
const POLICY: &str = r"version: 1
roles:
  analyst:
    allow:
      - servers: [crm]
        tools: [search_*, get_*, read_page]
bindings:
  - { role: analyst, groups: [sales] }
limits:
  - { name: per-user, per: [subject], rate: 600/min, burst: 100 }
dlp:
  rules:
    - { name: personal-data, detect: [us_ssn, card, iban], sensitivity: restricted, action: mask }
    - { name: credentials, detect: [secrets], action: block }
injection: { requests: log, results: label, definitions: quarantine }
";

pub(super) async fn run(command: Demo, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let folder = Folder::new()?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let sample = Sample::start(&tasks, stop.clone()).await.context("the sample server does not start")?;
    let config_path = write_config(&folder.0, sample.address)?;
    let loaded = config::load(&config_path).map_err(|report| anyhow::anyhow!("{report}"))?;
    let gateway = Gateway::start(loaded.config, Arc::new(SystemClock)).await?;
    let address = *gateway.addresses.first().context("the gateway has no listener")?;
    let new = NewKey { subject: "ada".into(), groups: vec!["sales".into()], ..NewKey::default() };
    let (_, secret) = gateway.operations().create_key(new, "demo").await?;

    let client = Client { address, token: Some(secret.expose().clone()), tasks: tasks.clone() };
    let mut passed = story::tell(&client, &sample, terminal).await?;
    if command.serve {
        terminal.line(format_args!("\nThe gateway goes on running until Ctrl-C:"));
        terminal.line(format_args!("  URL     http://{address}/mcp/crm"));
        terminal.line(format_args!("  header  Authorization: Bearer {}", secret.expose()));
        ctrl_c().await?;
    }
    passed &= gateway.stop().await;
    passed &= story::verify(&folder.0.join("data"), terminal)?;
    stop.cancel();
    Ok(if passed { Exit::Done } else { Exit::Bad })
}

fn write_config(folder: &Path, server: std::net::SocketAddr) -> anyhow::Result<PathBuf> {
    let policies = folder.join("policies");
    fs::create_dir_all(&policies)?;
    fs::write(policies.join("demo.yaml"), POLICY)?;
    let config = format!(
        "version: 1\n\
         listeners: [{{ name: demo, address: \"127.0.0.1:0\" }}]\n\
         admin: {{ address: \"127.0.0.1:0\" }}\n\
         health: {{ address: \"127.0.0.1:0\" }}\n\
         audit: {{ origin: demo.localhost }}\n\
         shutdown: {{ delay: 0s, drain: 5s }}\n\
         data_dir: data\n\
         servers:\n  crm: {{ url: \"http://{server}/mcp\", classification: confidential }}\n\
         policies: policies/\n"
    );
    let path = folder.join("yett.yaml");
    fs::write(&path, config)?;
    Ok(path)
}

/// A private folder, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("yett-demo-{}", uuid::Uuid::now_v7()));
        fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

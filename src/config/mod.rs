//! `yett.yaml`: what the operator wrote, read once into what the program holds.
//!
//! [`load`] is the only reader of settings in the program. It reads the whole file, follows its references (`${env:NAME}`,
//! `${file:PATH}`), checks every field and reports **all** mistakes at once, each with its place and a hint
//! ([`crate::yaml::Report`]). A key this build does not know, or knows but does not enforce yet, is an error: a setting
//! that is silently ignored is a hole.

mod audit;
mod identity;
mod issuer;
mod load;
mod network;
mod outline;
mod sections;
mod server;
mod sinks;
mod stdio;
mod telemetry;
pub(crate) mod units;
mod upstream;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use audit::{Audit, CopyTo, Durability, HeadCopy, Refusals, Signing, WitnessMode, Witnesses};
pub use identity::{CertificateSubject, Identity, KeyRules, Mtls};
pub use issuer::{ClaimPath, Claims, Introspection, Issuer, KeySource};
pub use load::{Judged, Loaded, OnDisk, load, load_policy, load_str, load_str_with, load_with, on_disk};
pub use network::Network;
pub use outline::Outline;
pub(crate) use sections::{gateway_url, postgres_url};
pub use server::{Breaker, Capture, Server, ServerLimits, Transport};
pub use sinks::{ObjectLock, ObjectStore, Sink, SinkFormat, SinkTo};
pub use stdio::{Per, ProcessLimits, Stdio, User};
pub use telemetry::{LogFormat, LogLevel, Logs, Telemetry, Traces};
pub use upstream::{Auth, Endpoints, Grant, IdentityJwt, OauthClient, Resource, UpstreamTls, UserOauth, WrittenEndpoints};
pub use values::{Environment, Process};

/// Reads a duration as the configuration writes it: `250ms`, `10s`, `15m`, `1h`, `30d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    units::duration(text).ok()
}

use crate::policy::Policy;
use crate::secret::Secret;
use crate::secrets::{Live, Settings};
use crate::tls;

/// What asks for a reload besides SIGHUP and the admin API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReloadBy {
    /// Files that have changed.
    #[default]
    Files,
    /// Nothing.
    Asked,
}

/// Everything `yett serve` needs to know, checked.
#[derive(Debug)]
pub struct Config {
    /// Where MCP clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// Holds `audit/`, `state.db`, `vault.db`, `admin.token`, `master.key`.
    pub data_dir: PathBuf,
    /// Where the admin API listens (default `127.0.0.1:9901`).
    pub admin: SocketAddr,
    /// Who else may ask there, and for what.
    pub auditors: Vec<Auditor>,
    /// Where health and metrics are served (default `127.0.0.1:9902`).
    pub health: Health,
    /// The key under all keyed hashes; `None` means `data_dir/master.key`, made at first start.
    pub master_key: Option<Secret<String>>,
    /// Where keys, switches and heads are kept.
    pub state: State,
    /// The audit log.
    pub audit: Audit,
    /// Weak choices the operator has named.
    pub accept_risks: Vec<Risk>,
    /// How long a stop takes.
    pub shutdown: Shutdown,
    /// What asks for a reload.
    pub reload: ReloadBy,
    /// Who may be a caller.
    pub identity: Identity,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// The MCP servers behind the gateway, sorted by name; at least one.
    pub servers: Vec<Arc<Server>>,
    /// The policy folder, and what was read from it.
    pub policies: PathBuf,
    /// The checked policy of that folder.
    pub policy: Arc<Policy>,
    /// SHA-256 of the configuration text, lower-case hex, for the audit log.
    pub hash: String,
    /// What it says where, to be compared with the next one.
    pub outline: Outline,
    /// How its secrets are kept fresh, and all that are.
    pub secrets: Secrets,
    /// The program that starts servers' processes, which is this one.
    pub launcher: PathBuf,
    /// Memory for large replies. In no file: whoever puts a gateway into a program of its own may choose it.
    pub replies: Replies,
    /// The file it was read from; `None` for a text that stands in none.
    pub file: Option<PathBuf>,
}

/// Secrets that the configuration refers to.
#[derive(Debug, Default)]
pub struct Secrets {
    /// Where they come from, and how often they are read.
    pub settings: Settings,
    /// Those that may change while the gateway serves.
    pub live: Vec<Live>,
}

/// Where keys, switches and heads are kept.
#[derive(Clone, Debug, Default)]
pub enum State {
    /// In a database that replicas share, at this URL.
    Postgres(Secret<String>),
    /// In `data_dir/state.db`.
    #[default]
    Sqlite,
}

/// Memory for large replies, for all callers.
#[derive(Clone, Copy, Debug)]
pub struct Replies {
    /// Bytes.
    pub bytes: usize,
    /// How long a reply waits for its part.
    pub patience: Duration,
}

impl Default for Replies {
    fn default() -> Self {
        Self { bytes: 16 << 20, patience: Duration::from_secs(20) }
    }
}

/// One address on which MCP is served.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The operator's name for it.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The URL by which clients reach it, without a trailing slash; `http://<address>` on loopback when unset.
    pub public_url: String,
    /// Origins a browser may call from, exactly as browsers send them.
    pub allowed_origins: Vec<String>,
    /// Host values that are accepted, lower case, with port where one was written. Filled from `public_url`, and with the
    /// localhost forms on loopback, when unset.
    pub allowed_hosts: Vec<String>,
    /// Which servers are offered here.
    pub servers: ServerSelection,
    /// Whether they are offered over HTTP+SSE too, the transport of 2024-11-05 (no).
    pub legacy_sse: bool,
    /// How it speaks TLS; `None`: not at all.
    pub tls: Option<tls::Settings>,
    /// Whose `Forwarded` and `X-Forwarded-For` are believed (nobody's).
    pub trusted_proxies: Vec<Network>,
    /// Sizes and times, SECURITY.md 4.3.
    pub limits: Limits,
}

impl Listener {
    /// The listener once it is bound: where port 0 was configured, the port that the system gave stands in its address, its
    /// `public_url` and its hosts.
    #[must_use]
    pub fn bound_to(mut self, actual: SocketAddr) -> Self {
        if self.address.port() == 0 {
            let port = actual.port();
            let filled = |text: &str| text.strip_suffix(":0").map(|host| format!("{host}:{port}"));
            self.public_url = filled(&self.public_url).unwrap_or(self.public_url);
            for host in &mut self.allowed_hosts {
                *host = filled(host).unwrap_or_else(|| std::mem::take(host));
            }
        }
        self.address = actual;
        self
    }
}

/// Which servers a listener offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerSelection {
    /// `["*"]`
    All,
    /// These, by name.
    Only(Vec<String>),
}

/// The limits of a listener. All sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line and headers (16 KiB).
    pub head: usize,
    /// Number of header lines (64).
    pub headers: usize,
    /// Request target (8 KiB).
    pub uri: usize,
    /// Request body (4 MiB).
    pub body: usize,
    /// Nesting of a message (64).
    pub depth: u16,
    /// Values in a message (100,000).
    pub nodes: u32,
    /// One string of a request (1 MiB).
    pub string: usize,
    /// Time to send a head (10 s).
    pub header_timeout: Duration,
    /// Time to send a body (30 s).
    pub body_timeout: Duration,
    /// Least rate of a body in bytes per second (500), over each window.
    pub body_rate: u32,
    /// The window (10 s).
    pub body_window: Duration,
    /// Time a connection may idle between requests (60 s).
    pub idle_timeout: Duration,
    /// Time a client may take nothing of what is sent to it (30 s).
    pub stall_timeout: Duration,
    /// What is kept for a client that takes it slowly, in the process and again in the kernel (256 KiB).
    pub stream_buffer: usize,
    /// Connections in all (10,000).
    pub connections: usize,
    /// Connections of one peer address (200).
    pub connections_per_peer: usize,
    /// Requests on one connection (10,000).
    pub requests_per_connection: u32,
    /// HTTP/2 streams at once on one connection (100).
    pub streams: u32,
}

/// Somebody who may search the records of one tenant, and nothing else.
#[derive(Clone, Debug)]
pub struct Auditor {
    /// The operator's name for them; the log has it.
    pub name: String,
    /// By whose word callers are of the tenant: one issuer, or where there is one only, that one and whoever gives keys or certificates.
    pub issuers: Vec<String>,
    /// Whose records they see.
    pub tenant: String,
    /// What they prove themselves by.
    pub token: Live,
}

/// Health and metrics.
#[derive(Debug)]
pub struct Health {
    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    pub address: SocketAddr,
    /// The bearer token for `/metrics`; without one, and without the risk `open_metrics`, `/metrics` is 401.
    pub metrics_token: Option<Live>,
}

/// A weak choice that must be named before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Records that a crash may lose: [`Durability::Async`].
    AsyncAudit,
    /// A listener off loopback without TLS.
    PlaintextListener,
    /// `/metrics` without a token.
    OpenMetrics,
}

/// How a stop goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Between not-ready and the end of accepting (5 s; 0 on a terminal).
    pub delay: Duration,
    /// For calls in flight (30 s).
    pub drain: Duration,
}

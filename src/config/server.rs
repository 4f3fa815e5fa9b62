//! The MCP servers behind the gateway, and what they may cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Auth, IdentityJwt, Stdio, UpstreamTls, UserOauth};
use crate::policy::{Classification, Operation, Tenants};

/// A configured upstream MCP server.
#[derive(Debug)]
pub struct Server {
    /// `[a-z0-9][a-z0-9_-]{0,62}`
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// Accepted `aud` values; empty means each listener's `public_url` + `/mcp/<name>`.
    pub audiences: Vec<String>,
    /// The gateway's own credential for this server.
    pub auth: Option<Auth>,
    /// How it is known, and the gateway's own certificate there.
    pub tls: UpstreamTls,
    /// What it is told of who is calling.
    pub identity_jwt: Option<IdentityJwt>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Where it is.
    pub region: Option<String>,
    /// The tenants that it is for; to others it does not exist.
    pub tenants: Tenants,
    /// How sensitive the data may be that it receives (default internal).
    pub classification: Classification,
    /// What of the arguments of its tools' calls is kept beside their commitment (nothing).
    pub capture: Capture,
    /// The same for single tools.
    pub captures: BTreeMap<String, Capture>,
    /// What its tools do, where the operator says so.
    pub operations: BTreeMap<String, Operation>,
    /// How long one call may take (60 s).
    pub timeout: Duration,
    /// What it may cost at once.
    pub limits: ServerLimits,
    /// When it is left alone.
    pub breaker: Breaker,
    /// Whether its results carry the number of their record.
    pub receipts: bool,
    /// Whether calls are held to the schemas that its lists give its tools.
    pub input_schemas: bool,
    /// Whether its results are.
    pub output_schemas: bool,
}

/// How a server is reached.
#[derive(Debug)]
pub enum Transport {
    /// Streamable HTTP, at this endpoint; `http` or `https`, no userinfo, no fragment.
    Http(http::Uri),
    /// HTTP+SSE (2024-11-05), with its streams at this URL of the same form.
    HttpSse(http::Uri),
    /// The standard input and output of a process of ours.
    Stdio(Arc<Stdio>),
}

impl Server {
    /// Where it is, if it is somewhere on a network.
    pub fn url(&self) -> Option<&http::Uri> {
        match &self.transport {
            Transport::Http(url) | Transport::HttpSse(url) => Some(url),
            Transport::Stdio(_) => None,
        }
    }

    /// Whether it is called by tokens in the names of callers.
    pub fn exchanges_tokens(&self) -> bool {
        matches!(self.auth, Some(Auth::TokenExchange(_)))
    }

    /// How callers connect accounts of theirs there, if they do.
    pub fn connects_accounts(&self) -> Option<&UserOauth> {
        match &self.auth {
            Some(Auth::UserOauth(settings)) => Some(settings),
            Some(Auth::Basic(..) | Auth::Bearer(_) | Auth::ClientCredentials(_) | Auth::Header(..) | Auth::TokenExchange(_))
            | None => None,
        }
    }

    /// What is kept of the arguments of a tool's calls.
    pub fn capture_of(&self, tool: &str) -> Capture {
        self.captures.get(tool).copied().unwrap_or(self.capture)
    }
}

/// What is kept of the arguments of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// All of them as they came, encrypted in the vault.
    Full,
    /// The names of the top level, in the record.
    Keys,
    /// All of them as they were sent on, with what DLP has masked; encrypted in the vault.
    Masked,
    /// A keyed commitment, as for every message.
    #[default]
    None,
}

/// The limits of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Calls that are with the server at once (256).
    pub concurrency: usize,
    /// Calls that may wait for one of them to end (256).
    pub queue: usize,
    /// For how long (1 s).
    pub queue_timeout: Duration,
    /// `subscriptions/listen` streams at once (1,024).
    pub streams: usize,
    /// Time to connect, TLS included (5 s).
    pub connect_timeout: Duration,
    /// Time to the head of a reply; `None` is the whole time of a call.
    pub first_byte_timeout: Option<Duration>,
    /// Longest silence of a reply stream (30 min).
    pub idle_timeout: Duration,
    /// Status line and headers of a reply, interim replies included, in bytes (16 KiB).
    pub head: usize,
    /// Number of its header lines (64).
    pub headers: usize,
    /// One message, in bytes: a JSON reply, or one event. `None`: the largest request body of a listener (4 MiB).
    pub message: Option<usize>,
    /// How long a subscription's stream lives (1 h).
    pub stream_life: Duration,
    /// What a reply stream may bring in all, in bytes (1 GiB).
    pub stream_bytes: usize,
}

/// When a server that fails is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures that follow each other (20).
    pub failures: u32,
    /// How long, the first time (1 s).
    pub cooldown: Duration,
    /// How long at most, after it has failed again and again (30 s).
    pub max_cooldown: Duration,
}

//! One server, however it is reached: what the gateway does with all of them, and how each transport does it.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use tokio_util::task::TaskTracker;

use super::connect::{ConnectError, Sockets};
use super::cut::Cuts;
use super::http::StreamableHttp;
use super::http_sse::HttpSse;
use super::memory::ReplyMemory;
use super::stdio::Stdio;
use crate::accounts::Accounts;
use crate::asserted::Assertions;
use crate::chain::{McpRequest, McpResponse, Rejection};
use crate::config::{Server, Transport};
use crate::layers::audit::{Recorded, Unheard};
use crate::telemetry::Metrics;

/// What the clients of all servers share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The largest message of a server that has no limit of its own, in bytes.
    pub largest: usize,
    /// The sockets that all of them may have.
    pub sockets: Sockets,
    /// The memory for large replies.
    pub memory: ReplyMemory,
    /// Where their connections run.
    pub tasks: TaskTracker,
    /// Where they are counted.
    pub metrics: Arc<Metrics>,
    /// Where questions of theirs are recorded that nobody hears.
    pub unheard: Unheard,
    /// Says to them who is calling.
    pub assertions: Arc<Assertions>,
    /// What callers have connected at some of them.
    pub accounts: Option<Arc<Accounts>>,
    /// The program that starts servers' processes.
    pub launcher: PathBuf,
}

impl Shared {
    pub(super) fn largest_message_of(&self, server: &Server) -> usize {
        server.limits.message.unwrap_or(self.largest)
    }
}

/// The client for one server. Clones are the same client.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// Replies come on a stream, whatever they reply to.
    HttpSse(HttpSse),
    /// One request a message, each with its own reply.
    StreamableHttp(StreamableHttp),
    /// A process of ours.
    Stdio(Stdio),
}

impl Upstream {
    /// For `server`.
    pub fn new(server: Arc<Server>, shared: &Shared) -> Result<Self, ConnectError> {
        match &Arc::clone(&server).transport {
            Transport::Http(url) => StreamableHttp::new(server, url, shared).map(Self::StreamableHttp),
            Transport::HttpSse(url) => HttpSse::new(server, url, shared).map(Self::HttpSse),
            Transport::Stdio(settings) => Ok(Self::Stdio(Stdio::new(server, settings, shared)?)),
        }
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        match self {
            Self::HttpSse(client) => client.name(),
            Self::StreamableHttp(client) => client.name(),
            Self::Stdio(client) => client.name(),
        }
    }

    /// Sends a message and returns as soon as the head of the reply is in, or, for a reply of one message, all of it.
    pub async fn send(&self, request: McpRequest<Recorded>) -> Result<McpResponse, Rejection> {
        match self {
            Self::HttpSse(client) => client.send(request).await,
            Self::StreamableHttp(client) => client.send(request).await,
            Self::Stdio(client) => client.send(request).await,
        }
    }

    /// Keeps nothing for later from now on.
    pub fn close(&self) {
        match self {
            Self::HttpSse(client) => client.close(),
            Self::StreamableHttp(client) => client.close(),
            Self::Stdio(client) => client.close(),
        }
    }

    /// Closes what has been idle for too long; called now and then.
    pub fn expire(&self) {
        match self {
            Self::HttpSse(client) => client.expire(),
            Self::StreamableHttp(client) => client.expire(),
            Self::Stdio(client) => client.expire(),
        }
    }

    /// A client's session is over, to which this server, or another one, has given that id.
    pub fn forget_session(&self, id: &HeaderValue) {
        match self {
            Self::HttpSse(client) => client.forget(id),
            // It was told with the client's own word, or lets sessions expire itself.
            Self::StreamableHttp(_) | Self::Stdio(_) => {}
        }
    }

    /// Ends `subscriptions/listen` streams, which would never end by themselves, with a refusal that is told and recorded.
    pub fn end_subscriptions(&self) {
        self.cuts().end_subscriptions();
    }

    /// Ends those that are open, so that their clients ask again: they were allowed by a policy that is no longer in force.
    pub fn renew_subscriptions(&self) {
        self.cuts().renew_subscriptions();
    }

    /// Ends every call that still waits for this server, streams included, with a refusal that is answered and recorded.
    pub fn cut_off(&self) {
        self.cuts().cut_all();
    }

    fn cuts(&self) -> &Cuts {
        match self {
            Self::HttpSse(client) => client.cuts(),
            Self::StreamableHttp(client) => client.cuts(),
            Self::Stdio(client) => client.cuts(),
        }
    }
}

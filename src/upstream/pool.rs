//! Idle connections to one server: last in, first out, so that the warm one is used and the others age out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::UpstreamBody;
use super::connect::{ConnectError, Connector};
use super::strict::{Doubt, Reuse};
use super::tls;
use crate::chain::Reason;
use crate::telemetry::Level;

/// Idle connections kept, and for how long: shorter than the idle time of common servers, so that we close first.
const MAX_IDLE: usize = 128;
const IDLE: Duration = Duration::from_secs(30);

/// What hyper may buffer of a reply. Heads are bounded before it, in `strict/`.
const MAX_BUFFER: usize = 32 * 1024;

/// Connections to one server.
#[derive(Clone)]
pub(crate) struct Pool {
    connector: Connector,
    patience: Duration,
    parked: Arc<Mutex<Parked>>,
    tasks: TaskTracker,
    open: Level,
}

/// Idle connections, oldest first.
#[derive(Default)]
pub(super) struct Parked {
    idle: Vec<Idle>,
    /// Nothing is kept any more: the gateway is stopping.
    closed: bool,
}

struct Idle {
    sender: SendRequest<UpstreamBody>,
    reuse: Reuse,
    since: Instant,
}

/// A connection in use. It goes back to the pool by [`Lease::give_back`] only: after any doubt it is dropped, which closes it.
pub(crate) struct Lease {
    pub(crate) sender: SendRequest<UpstreamBody>,
    reuse: Reuse,
    pool: Pool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("connector", &self.connector)
            .field("idle", &self.parked.lock().idle.len())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// A new connection may take `patience`; `open` shows how many there are.
    pub(crate) fn new(connector: Connector, patience: Duration, tasks: TaskTracker, open: Level) -> Self {
        let parked = Arc::default();
        connector.offer(&parked);
        Self { connector, patience, parked, tasks, open }
    }

    /// A connection that is ready for a request.
    pub(crate) async fn lease(&self) -> Result<Lease, ConnectError> {
        while let Some((mut sender, reuse)) = self.pop() {
            // A message is never sent twice, so a connection that the server has closed must be noticed before it is used.
            if !sender.is_closed() && sender.ready().await.is_ok() && reuse.doubt().is_none() {
                return Ok(self.leased(sender, reuse));
            }
        }
        // Most calls find a connection, and need not hold the room that opening one takes.
        Box::pin(self.open()).await
    }

    /// A new connection.
    async fn open(&self) -> Result<Lease, ConnectError> {
        let connecting = tokio::time::timeout(self.patience, self.connector.connect());
        let link = connecting.await.unwrap_or(Err(ConnectError::Timeout))?;
        let reuse = link.reuse();
        let (sender, connection) =
            http1::Builder::new().max_buf_size(MAX_BUFFER).handshake(TokioIo::new(link)).await.map_err(std::io::Error::other)?;
        let counted = Counted::one_of(&self.open);
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "an upstream connection ended");
            }
            drop(counted);
        });
        Ok(self.leased(sender, reuse))
    }

    /// Closes what has been idle for too long, or was closed by the server.
    pub(super) fn expire(&self) {
        self.parked.lock().idle.retain(|idle| idle.since.elapsed() <= IDLE && !idle.sender.is_closed());
    }

    /// Closes what is idle, and from now on what becomes idle.
    pub(crate) fn close(&self) {
        let mut parked = self.parked.lock();
        parked.closed = true;
        parked.idle.clear();
    }

    fn pop(&self) -> Option<(SendRequest<UpstreamBody>, Reuse)> {
        let mut parked = self.parked.lock();
        let newest = parked.idle.pop()?;
        if newest.since.elapsed() > IDLE {
            // The newest is too old, so all are.
            parked.idle.clear();
            return None;
        }
        Some((newest.sender, newest.reuse))
    }

    fn leased(&self, sender: SendRequest<UpstreamBody>, reuse: Reuse) -> Lease {
        Lease { sender, reuse, pool: self.clone() }
    }
}

impl Parked {
    /// Since when the oldest has been idle.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.idle.first().map(|idle| idle.since)
    }

    /// Closes the oldest; false if there is none any more.
    pub(super) fn close_oldest(&mut self) -> bool {
        let any = !self.idle.is_empty();
        self.idle.drain(..usize::from(any));
        any
    }
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parked").field("idle", &self.idle.len()).field("closed", &self.closed).finish()
    }
}

/// Counts a connection while it lives, also when its task is ended from outside.
struct Counted(Level);

impl Counted {
    fn one_of(level: &Level) -> Self {
        level.inc();
        Self(level.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Lease {
    /// What is wrong with the connection, if anything is.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        self.reuse.doubt()
    }

    /// Why a request has come to nothing: with TLS 1.3 a server refuses our certificate only when something is sent.
    pub(super) fn failed(&self, error: &hyper::Error) -> Reason {
        Reason::UpstreamFailed(self.doubt().map(Doubt::word).or_else(|| tls::fault(error)).unwrap_or("request"))
    }

    /// For the next request. Only after the reply was read to its end, and was what it should be.
    pub(crate) fn give_back(self) {
        if self.reuse.doubt().is_some() || self.pool.connector.is_short_of_sockets() {
            return;
        }
        let mut parked = self.pool.parked.lock();
        // The oldest, which a steady trickle of calls never reaches, would be kept until the server closes them.
        let now = Instant::now();
        let old = parked.idle.partition_point(|idle| now.duration_since(idle.since) > IDLE);
        parked.idle.drain(..old);
        if parked.idle.len() < MAX_IDLE && !parked.closed {
            parked.idle.push(Idle { sender: self.sender, reuse: self.reuse, since: now });
        }
    }
}

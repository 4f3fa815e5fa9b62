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

/// Idle connections kept, and for how long: shorter than the idle time of common servers, so that we close first.
const MAX_IDLE: usize = 128;
const IDLE: Duration = Duration::from_secs(30);

/// Largest reply head accepted.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// Connections to one server.
#[derive(Clone)]
pub(super) struct Pool {
    connector: Connector,
    parked: Arc<Mutex<Parked>>,
    tasks: TaskTracker,
}

/// Idle connections, oldest first.
#[derive(Default)]
struct Parked {
    idle: Vec<Idle>,
    /// Nothing is kept any more: the gateway is stopping.
    closed: bool,
}

struct Idle {
    sender: SendRequest<UpstreamBody>,
    since: Instant,
}

/// A connection in use. It goes back to the pool by [`Lease::give_back`] only: after any doubt it is dropped, which closes it.
pub(super) struct Lease {
    pub(super) sender: SendRequest<UpstreamBody>,
    parked: Arc<Mutex<Parked>>,
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
    pub(super) fn new(connector: Connector, tasks: TaskTracker) -> Self {
        Self { connector, parked: Arc::default(), tasks }
    }

    /// A connection that is ready for a request.
    pub(super) async fn lease(&self) -> Result<Lease, ConnectError> {
        while let Some(mut sender) = self.pop() {
            // A message is never sent twice, so a connection that the server has closed must be noticed before it is used.
            if !sender.is_closed() && sender.ready().await.is_ok() {
                return Ok(self.leased(sender));
            }
        }
        let link = self.connector.connect().await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(link))
            .await
            .map_err(std::io::Error::other)?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "an upstream connection ended");
            }
        });
        Ok(self.leased(sender))
    }

    /// Closes what is idle, and from now on what becomes idle.
    pub(super) fn close(&self) {
        let mut parked = self.parked.lock();
        parked.closed = true;
        parked.idle.clear();
    }

    fn pop(&self) -> Option<SendRequest<UpstreamBody>> {
        let mut parked = self.parked.lock();
        let newest = parked.idle.pop()?;
        if newest.since.elapsed() > IDLE {
            // The newest is too old, so all are.
            parked.idle.clear();
            return None;
        }
        Some(newest.sender)
    }

    fn leased(&self, sender: SendRequest<UpstreamBody>) -> Lease {
        Lease { sender, parked: Arc::clone(&self.parked) }
    }
}

impl Lease {
    /// For the next request. Only after the reply was read to its end.
    pub(super) fn give_back(self) {
        let mut parked = self.parked.lock();
        if parked.idle.len() < MAX_IDLE && !parked.closed {
            parked.idle.push(Idle { sender: self.sender, since: Instant::now() });
        }
    }
}

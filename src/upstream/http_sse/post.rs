//! POSTs to a server: each is answered by its status alone, for what answers its message comes on the stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method as HttpMethod, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::UpstreamBody;
use super::super::address::{self, Address};
use super::super::connect::{ConnectError, Connector};
use super::super::pool::{Lease, Pool};
use super::super::transport::Shared;
use crate::chain::{CallId, Reason, TraceHeaders};
use crate::config::Server;
use crate::layers::audit::Unheard;
use crate::places::Place;
use crate::protocol::json::Limits;
use crate::telemetry::Metrics;

/// What of the answer to a POST is read, so that its connection can be used again.
const ANSWER: usize = 16 << 10;

/// For a message of our own, of which nobody waits to hear.
const PATIENCE: Duration = Duration::from_secs(10);

/// SECURITY: such messages that may be on their way at once. A server that asks without end must not open a socket of ours with every
/// question.
const OWN: usize = 16;

/// Whatever goes to one server.
pub(super) struct Poster {
    pub(super) server: Arc<Server>,
    pub(super) url: Uri,
    pub(super) address: Address,
    pub(super) pool: Pool,
    pub(super) tasks: TaskTracker,
    pub(super) metrics: Arc<Metrics>,
    /// Where questions stand that nobody hears.
    pub(super) unheard: Unheard,
    /// The largest message that is read.
    pub(super) largest: usize,
    /// The gateway stops: a stream on which nothing is under way ends.
    pub(super) stopping: CancellationToken,
    own: Arc<Semaphore>,
}

/// A call on whose behalf something is sent.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) call: CallId,
    pub(super) trace: &'a TraceHeaders,
}

impl Poster {
    pub(super) fn new(server: &Arc<Server>, url: &Uri, shared: &Shared) -> Result<Self, ConnectError> {
        let connector = Connector::of(server, url, shared.sockets.clone())?;
        let open = shared.metrics.upstream_connections(&server.name);
        Ok(Self {
            server: Arc::clone(server),
            url: url.clone(),
            address: Address::new(server, url, (&shared.metrics, None))?,
            pool: Pool::new(connector, server.limits.connect_timeout, shared.tasks.clone(), open),
            tasks: shared.tasks.clone(),
            metrics: Arc::clone(&shared.metrics),
            unheard: shared.unheard.clone(),
            largest: shared.largest_message_of(server),
            stopping: CancellationToken::new(),
            own: Arc::new(Semaphore::new(OWN)),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.server.name
    }

    /// A message of the server without our credential.
    pub(super) fn discreet(&self, message: Bytes) -> Bytes {
        // What is shown here is the same for everybody: tokens of callers are for the other transport.
        let pass = self.address.pass(None).ok().flatten();
        match self.address.discretion(pass.as_ref()) {
            Some(discretion) => discretion.clean(message, Limits { string: self.largest, ..Limits::default() }),
            None => message,
        }
    }

    /// A connection for one request.
    pub(super) async fn lease(&self) -> Result<Lease, Reason> {
        self.pool.lease().await.map_err(|error| {
            tracing::warn!(server = self.name(), error = &error as &dyn std::error::Error, "no connection");
            Reason::UpstreamFailed(error.word())
        })
    }

    /// Sends a message to `target`, for a call.
    pub(super) async fn post(&self, target: &PathAndQuery, message: Bytes, whose: Whose<'_>) -> Result<(), Reason> {
        self.send(self.request(target, message, whose), None).await
    }

    /// The same whoever waits for it; `memory` is its part of the memory for large bodies.
    pub(super) fn post_apart(
        self: &Arc<Self>,
        target: &PathAndQuery,
        message: Bytes,
        whose: Whose<'_>,
        memory: Option<Place>,
    ) -> JoinHandle<Result<(), Reason>> {
        let (poster, request) = (Arc::clone(self), self.request(target, message, whose));
        let patience = self.server.timeout;
        self.tasks.spawn(async move {
            let sent = tokio::time::timeout(patience, poster.send(request, memory)).await;
            sent.unwrap_or(Err(Reason::UpstreamTimeout))
        })
    }

    /// Sends a message of our own, in the background. Beyond the bound it stays unsent: nobody waits for what comes of it.
    pub(super) fn post_soon(self: &Arc<Self>, target: &PathAndQuery, message: Bytes) {
        let Ok(permit) = Arc::clone(&self.own).try_acquire_owned() else { return };
        let (poster, request) = (Arc::clone(self), self.address.request(&HttpMethod::POST, target, Some(message)));
        self.tasks.spawn(async move {
            if !matches!(tokio::time::timeout(PATIENCE, poster.send(request, None)).await, Ok(Ok(()))) {
                tracing::debug!(server = poster.name(), "the server did not take a message of ours");
            }
            drop(permit);
        });
    }

    fn request(&self, target: &PathAndQuery, message: Bytes, whose: Whose<'_>) -> Request<UpstreamBody> {
        let mut request = self.address.request(&HttpMethod::POST, target, Some(message));
        address::mark(&mut request, whose.call, whose.trace);
        request
    }

    async fn send(&self, mut request: Request<UpstreamBody>, memory: Option<Place>) -> Result<(), Reason> {
        let used = address::show(self.address.pass(None)?.as_ref(), &mut request).await?;
        let mut lease = self.lease().await?;
        let response = lease.sender.send_request(request).await.map_err(|error| {
            tracing::warn!(server = self.name(), error = &error as &dyn std::error::Error, "no answer to a message");
            lease.failed(&error)
        })?;
        drop(memory);
        let (head, body) = response.into_parts();
        used.answered(head.status);
        if !head.status.is_success() {
            // An upstream's own 401 and 403 concern our credential, not the caller's, and are never relayed.
            return Err(match head.status {
                StatusCode::NOT_FOUND | StatusCode::GONE => Reason::SessionNotFound,
                status if status.is_server_error() => Reason::UpstreamFailed("server_error"),
                _ => Reason::UpstreamFailed("status"),
            });
        }
        // Whatever stands in it was not asked for, and nobody has judged it.
        if Limited::new(body, ANSWER).collect().await.is_ok() {
            lease.give_back();
        }
        Ok(())
    }
}

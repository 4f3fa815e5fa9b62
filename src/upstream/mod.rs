//! The way on: a recorded, permitted message to its server, and the reply back. Transports end here.
//!
//! Guarantees: only configured hosts, no redirects, no decompression, no client credential, no retry of a message that may have
//! been sent. The same era is spoken to the server as the client speaks. A client that goes away ends the upstream request,
//! because dropping the reply drops it.
//!
//! [`Admission`] is a station of its own, before the record of the decision: how many messages a server gets at once, and whether it
//! is left alone because it fails.

mod address;
mod admission;
mod breaker;
mod connect;
mod credential;
mod cut;
mod echo;
mod http;
mod http_sse;
mod memory;
mod paired;
mod pool;
mod propagate;
mod questions;
mod reply;
mod resumption;
pub mod sse;
mod stdio;
mod stream;
mod strict;
mod tls;
mod transport;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::Service;

pub use admission::{Admission, Admitted};
pub(crate) use connect::Link;
pub use connect::{ConnectError, Connector, Sockets};
pub use http_sse::endpoint as sse_endpoint;
pub use memory::ReplyMemory;
pub(crate) use pool::{Lease, Pool};
pub use stdio::Launch;
pub use stdio::lines as stdio_lines;
pub use transport::{Shared, Upstream};

use crate::chain::{McpRequest, McpResponse, Reason, Rejection, Reply, end_of_stage};
use crate::layers::audit::Recorded;

/// All servers by name: the innermost service of the chain.
#[derive(Clone, Debug)]
pub struct Upstreams(Arc<HashMap<String, Upstream>>);

impl Upstreams {
    /// From one client for each server.
    pub fn new(upstreams: impl IntoIterator<Item = Upstream>) -> Self {
        Self(Arc::new(upstreams.into_iter().map(|upstream| (upstream.name().to_owned(), upstream)).collect()))
    }

    /// Sends a message to the server its permit names.
    pub async fn send(&self, mut request: McpRequest<Recorded>) -> Result<McpResponse, Rejection> {
        let upstream = self.0.get(&request.evidence.permit().server().name).cloned();
        let upstream = upstream.ok_or(Reason::UpstreamFailed("not_configured"))?;
        if let Some(claim) = request.carried.claim.take() {
            // It has been at its server already, and what is left of it is behind the layers of its own call.
            return claim.take().map(McpResponse::resumed).ok_or_else(|| Reason::UnknownEvent.into());
        }
        if let Some(channel) = request.carried.opens.take() {
            // A session of HTTP+SSE begins before its handshake, which is the first that the server hears of it.
            return Ok(McpResponse::opened(channel));
        }
        if request.exchange.moot {
            return Ok(McpResponse::accepted());
        }
        let trail = request.context.trail.clone();
        end_of_stage().await;
        propagate::trace(&mut request);
        propagate::state(&mut request);
        propagate::question(&mut request);
        propagate::tasks(&mut request);
        propagate::progress(&mut request);
        let result = upstream.send(request).await;
        trail.arrive(&result);
        result
    }
}

impl Service<McpRequest<Recorded>> for Upstreams {
    type Response = McpResponse;
    type Error = Rejection;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: McpRequest<Recorded>) -> Reply {
        let upstreams = self.clone();
        Box::pin(async move { upstreams.send(request).await })
    }
}

/// Bodies sent upstream cannot fail.
pub(crate) type UpstreamBody = http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, Infallible>;

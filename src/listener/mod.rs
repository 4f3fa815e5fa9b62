//! Bytes: sockets, limits, and the head filter in front of hyper. Knows HTTP, not MCP.
//!
//! HTTP/1.1 in plain text; TLS and HTTP/2 come with identity. A connection belongs to one task. What the head filter refuses is
//! recorded by the endpoint before it is answered, and then the connection is closed.

pub(crate) mod chunked;
mod connections;
pub mod framing;
pub mod head;
mod pace;
pub mod refusal;
mod replies;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::endpoint::Endpoint;
use crate::telemetry::Metrics;
use connections::{Connections, Place};
use framing::{FilteredStream, FramingLimits, close_refused};
use head::HeadLimits;
use refusal::refusal_response;

/// How long a refused client may take to read why.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Pause after the system refused a connection (no descriptors left), so that the loop does not spin.
const BREATH: Duration = Duration::from_millis(50);

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    endpoint: Arc<Endpoint>,
    limits: config::Limits,
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
}

impl Listener {
    /// On a bound socket. Connections run on `tasks`.
    pub fn new(
        socket: TcpListener,
        endpoint: Arc<Endpoint>,
        limits: config::Limits,
        metrics: Arc<Metrics>,
        tasks: TaskTracker,
    ) -> Self {
        let connections = Connections::new(limits.connections, limits.connections_per_peer);
        Self { socket, endpoint, limits, connections: Arc::new(connections), metrics, tasks }
    }

    /// Accepts until `stop`; connections then finish what they are at and close.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => match Connections::enter(&self.connections, peer.ip()) {
                    Some(place) => self.serve(stream, peer, place, stop.clone()),
                    // Closed without a word: the one who floods us is not worth a write.
                    None => {
                        self.metrics.connections_refused.inc();
                    }
                },
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, place: Place, stop: CancellationToken) {
        let connection = Connection {
            endpoint: Arc::clone(&self.endpoint),
            limits: framing_limits(&self.limits),
            peer,
            metrics: Arc::clone(&self.metrics),
        };
        self.tasks.spawn(async move {
            connection.metrics.connections.inc();
            let metrics = Arc::clone(&connection.metrics);
            connection.run(stream, stop).await;
            metrics.connections.dec();
            drop(place);
        });
    }
}

struct Connection {
    endpoint: Arc<Endpoint>,
    limits: FramingLimits,
    peer: SocketAddr,
    metrics: Arc<Metrics>,
}

impl Connection {
    async fn run(self, stream: TcpStream, stop: CancellationToken) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let filtered = FilteredStream::new(stream, self.limits);
        let refusal = filtered.refusal_handle();
        let endpoint = Arc::clone(&self.endpoint);
        let peer = self.peer.ip();
        let service = service_fn(move |request| {
            let endpoint = Arc::clone(&endpoint);
            async move { Ok::<_, Infallible>(endpoint.answer(request, peer).await) }
        });
        let mut connection = http1::Builder::new().keep_alive(true).serve_connection(TokioIo::new(filtered), service);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stop.cancelled() => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "a client connection ended");
        }
        if let Some(error) = refusal.take() {
            let (_, call) = self.endpoint.refuse_framing(error.status(), error.reason(), peer).await;
            let answer = refusal_response(error, &call.to_string());
            let stream = connection.into_parts().io.into_inner().into_inner();
            let _ = tokio::time::timeout(LAST_WORD, close_refused(stream, &answer)).await;
        }
    }
}

fn framing_limits(limits: &config::Limits) -> FramingLimits {
    FramingLimits {
        head: HeadLimits { bytes: limits.head, headers: limits.headers, uri: limits.uri },
        header_timeout: limits.header_timeout,
        idle_timeout: limits.idle_timeout,
        body_timeout: limits.body_timeout,
        requests: limits.requests_per_connection,
        ..FramingLimits::default()
    }
}

#[cfg(test)]
mod tests;

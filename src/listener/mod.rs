//! Bytes: sockets, limits, and the head filter in front of hyper. Knows HTTP, not MCP.
//!
//! HTTP/1.1, in plain text or over TLS (`crate::tls`), and HTTP/2 over TLS where the client asks for it. A connection belongs to one task, its
//! handshake included: it has its place before it says a word, and a handshake that hangs holds up nobody else. What the head filter refuses
//! is recorded by the endpoint before it is answered, and then the connection is closed; of HTTP/2 the stream, unless it was a flood.

mod accept;
pub(crate) mod chunked;
mod closing;
mod connections;
mod conversation;
pub mod descriptors;
pub mod framing;
pub mod head;
mod head_end;
mod http2;
mod limits;
pub mod operators;
mod pace;
mod patience;
pub mod refusal;
mod replies;
mod secure;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use accept::bind;

use crate::chain::Peer;
use crate::config;
use crate::endpoint::Endpoint;
use crate::places::Untaken;
use crate::telemetry::Metrics;
use crate::tls;
use connections::{Connections, Place};
use conversation::{Ended, hold};
use framing::FramingLimits;
use head::HeadLimits;
use refusal::refusal_response;
use secure::{Wire, shake_hands, wants_http2};

/// One listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    endpoint: Arc<Endpoint>,
    limits: FramingLimits,
    tls: Option<Arc<tls::Server>>,
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    wary: Arc<http2::Wary>,
}

impl Listener {
    /// On a bound socket. Connections run on `tasks`, and take their places among `clients` as well, which all listeners share.
    pub fn new(
        socket: TcpListener,
        endpoint: Arc<Endpoint>,
        limits: &config::Limits,
        clients: Arc<Semaphore>,
        metrics: Arc<Metrics>,
        tasks: TaskTracker,
    ) -> Self {
        let connections = Arc::new(Connections::new(limits.connections, limits.connections_per_peer, clients));
        Self { socket, endpoint, limits: framing_limits(limits), tls: None, connections, metrics, tasks, wary: Arc::default() }
    }

    /// The same over TLS, where `tls` says how.
    #[must_use]
    pub fn over(self, tls: Option<Arc<tls::Server>>) -> Self {
        Self { tls, ..self }
    }

    /// Accepts until `stop`; connections then finish what they are at and close.
    pub async fn run(self, stop: CancellationToken) {
        let serve = |stream, peer, place| self.serve(stream, peer, place, stop.clone());
        let refused = || {
            self.metrics.connections_refused.inc();
        };
        accept::accept(&self.socket, &self.connections, &stop, serve, refused).await;
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, place: Place, stop: CancellationToken) {
        let client = Client {
            endpoint: Arc::clone(&self.endpoint),
            limits: self.limits,
            metrics: Arc::clone(&self.metrics),
            peer: Peer::at(peer.ip()),
            wary: Arc::clone(&self.wary),
        };
        let (tls, tasks) = (self.tls.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            let metrics = Arc::clone(&client.metrics);
            metrics.connections.inc();
            match tls {
                None => client.converse(stream, stop).await,
                // On the heap: without TLS nobody pays for its room.
                Some(tls) => Box::pin(client.converse_over(&tls, stream, tasks, stop)).await,
            }
            metrics.connections.dec();
            drop(place);
        });
    }
}

/// One connection's other end.
struct Client {
    endpoint: Arc<Endpoint>,
    limits: FramingLimits,
    metrics: Arc<Metrics>,
    peer: Peer,
    /// Whom HTTP/2 gives little credit.
    wary: Arc<http2::Wary>,
}

impl Client {
    async fn converse_over(mut self, tls: &tls::Server, stream: TcpStream, tasks: TaskTracker, stop: CancellationToken) {
        match shake_hands(tls, stream, self.limits.header_timeout, &stop).await {
            Ok((stream, certificate)) => {
                self.peer.certificate = certificate;
                if wants_http2(&stream) {
                    let (metrics, address) = (Arc::clone(&self.metrics), self.peer.address);
                    tell(Box::pin(http2::hold(stream, self, tasks, stop)).await, &metrics, address);
                } else {
                    self.converse(stream, stop).await;
                }
            }
            Err(Some(word)) => self.endpoint.refuse_handshake(word, self.peer).await,
            Err(None) => {}
        }
    }

    async fn converse(self, stream: impl Wire, stop: CancellationToken) {
        let Self { endpoint, limits, metrics, peer, wary: _ } = self;
        let (answering, asking) = (Arc::clone(&endpoint), peer.clone());
        let untaken = Untaken::default();
        let counted = untaken.clone();
        let service = service_fn(move |request| {
            let (endpoint, untaken, peer) = (Arc::clone(&answering), counted.clone(), asking.clone());
            async move {
                let response = endpoint.answer(request, peer).await;
                Ok::<_, Infallible>(response.map(|body| body.counted_with(&untaken)))
            }
        });
        let address = peer.address;
        let refused = async |error: refusal::HeadError| {
            let (_, call) = endpoint.refuse_framing(error.status(), error.reason(), peer.clone()).await;
            refusal_response(error, &call.to_string())
        };
        tell(hold(stream, limits, service, (stop, untaken), refused).await, &metrics, address);
    }
}

fn tell(ended: Ended, metrics: &Metrics, peer: IpAddr) {
    if ended == Ended::Stalled {
        metrics.connections_stalled.inc();
        tracing::info!(%peer, "a client took nothing, or too little, of its answer; its connection was cut");
    }
}

fn framing_limits(limits: &config::Limits) -> FramingLimits {
    FramingLimits {
        head: HeadLimits { bytes: limits.head, headers: limits.headers, uri: limits.uri },
        header_timeout: limits.header_timeout,
        idle_timeout: limits.idle_timeout,
        body_timeout: limits.body_timeout,
        body_rate: limits.body_rate,
        body_window: limits.body_window,
        requests: limits.requests_per_connection,
        streams: limits.streams,
        stall_timeout: limits.stall_timeout,
        // The rest of what is kept for a stream lies between us and the server, in `upstream/`.
        queue: limits.stream_buffer / 4,
    }
}

#[cfg(test)]
mod tests;

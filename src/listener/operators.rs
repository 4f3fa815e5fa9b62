//! The listeners of operators (health, admin): the same accept loop and the same filter, and few connections.
//!
//! A probe or a command line needs one connection for a moment. What is refused here is no message, and leaves no record.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::accept;
use super::connections::Connections;
use super::conversation::hold;
use super::framing::FramingLimits;
use super::refusal::refusal_response;

/// Connections to one such listener; they are part of what [`descriptors`](super::descriptors) reserves.
pub const CONNECTIONS: usize = 32;

/// Kept by the kernel for each direction of a connection.
pub const BUFFER: usize = 64 * 1024;

/// Nobody who means well needs long.
fn limits() -> FramingLimits {
    FramingLimits {
        header_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(30),
        body_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(10),
        ..FramingLimits::default()
    }
}

/// Serves until `stop`, and until what is being answered then has been.
pub async fn serve<S, B>(socket: TcpListener, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let tasks = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = Arc::new(Connections::new(CONNECTIONS, CONNECTIONS, places));
    let serve_one = |stream, _peer, place| {
        let conversation = hold(stream, limits(), service.clone(), stop.clone(), async |error| refusal_response(error, ""));
        tasks.spawn(async move {
            conversation.await;
            drop(place);
        });
    };
    accept(&socket, &connections, &stop, serve_one, || ()).await;
    drop(socket);
    tasks.close();
    tasks.wait().await;
}

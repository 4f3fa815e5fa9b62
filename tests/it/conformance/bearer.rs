//! A proxy in front of a gateway that adds a credential to each request: the suite tests servers that want none.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

/// Its socket, before it forwards anything.
pub(super) struct Bound(TcpListener);

/// Forwards for as long as it lives.
pub(super) struct Forwarding(Option<Runtime>);

impl Bound {
    pub(super) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Its origin, as a browser would name it.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// What clients write as Host.
    pub(super) fn authority(&self) -> String {
        format!("localhost:{}", self.0.local_addr().unwrap().port())
    }

    /// Hands every request on to `gateway`, with `key`; everything else stays as it is.
    pub(super) fn forward(self, gateway: SocketAddr, key: &str) -> Forwarding {
        let bearer = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        self.0.set_nonblocking(true).unwrap();
        let tasks = TaskTracker::new();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(self.0).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (bearer, own) = (bearer.clone(), tasks.clone());
                let service = service_fn(move |request| hand_on(request, gateway, bearer.clone(), own.clone()));
                // A connection that breaks is for the suite to judge.
                tasks.spawn(async move { server::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok() });
            }
        });
        Forwarding(Some(runtime))
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(Duration::ZERO);
        }
    }
}

async fn hand_on(
    mut request: Request<Incoming>,
    gateway: SocketAddr,
    bearer: HeaderValue,
    tasks: TaskTracker,
) -> Result<Response<Incoming>, hyper::Error> {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tasks.spawn(connection);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    sender.send_request(request).await
}

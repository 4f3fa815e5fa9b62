//! The witness over HTTP: `POST /add-checkpoint` as C2SP tlog-witness says, `POST /next-key` for logs that change keys, `/healthz`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::rotation::NextKey;
use super::{NotBelieved, NotCosigned, NotShown, Witness};
use crate::listener::{bind, operators};
use crate::tlog::LastHeads;
use crate::tlog::add_checkpoint::{Refusal, Request, SIZE_TYPE};

/// Largest request: a proof, and a note with the hundred largest signatures it may have.
const MAX_BODY: usize = 512 * 1024;

/// A bound witness.
#[derive(Debug)]
pub struct Server {
    socket: TcpListener,
    address: SocketAddr,
    witness: Arc<Witness>,
}

impl Server {
    /// Takes the port.
    pub fn bind(address: SocketAddr, witness: Witness) -> io::Result<Self> {
        let socket = bind(address, operators::BUFFER)?;
        Ok(Self { address: socket.local_addr()?, socket, witness: Arc::new(witness) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, and until what is being answered then has been.
    pub async fn run(self, stop: CancellationToken) {
        let routes = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/next-key", post(next_key))
            .route("/last-heads", post(last_heads))
            .route("/healthz", get(|| async { "ok\n" }))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self.witness);
        operators::serve(self.socket, TowerToHyperService::new(routes), stop).await;
    }
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let work = move || witness.add_checkpoint(&Request::parse(&body).map_err(Refusal::from)?);
    match on_disk_thread(work).await {
        Ok(Ok(cosignature)) => cosignature.to_string().into_response(),
        Ok(Err(NotCosigned::Refused(refusal))) => match refusal.size_body() {
            Some(size) => (status(refusal.status()), [(CONTENT_TYPE, SIZE_TYPE)], size).into_response(),
            None => refused(refusal.status(), &refusal),
        },
        Ok(Err(error @ (NotCosigned::Sign(_) | NotCosigned::Store))) => refused(500, &error),
        Err(broken) => broken,
    }
}

async fn next_key(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    match on_disk_thread(move || witness.add_key(&NextKey::parse(&body)?)).await {
        Ok(Ok(())) => StatusCode::OK.into_response(),
        Ok(Err(NotBelieved::Refused(refusal))) => match refusal.size_body() {
            Some(size) => (status(refusal.status()), [(CONTENT_TYPE, SIZE_TYPE)], size).into_response(),
            None => refused(refusal.status(), &refusal),
        },
        Ok(Err(error @ NotBelieved::Store)) => refused(500, &error),
        Err(broken) => broken,
    }
}

async fn last_heads(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let work = move || {
        let (origin, before) = LastHeads::parse_request(&body).ok_or(NotShown::Malformed)?;
        witness.last_heads(origin, before)
    };
    match on_disk_thread(work).await {
        Ok(Ok(heads)) => heads.to_string().into_response(),
        Ok(Err(why)) => refused(why.status(), &why),
        Err(broken) => broken,
    }
}

/// What waits for a disk does so beside the workers.
async fn on_disk_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(|_panicked| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn refused(code: u16, why: &dyn std::error::Error) -> Response {
    tracing::warn!(status = code, %why, "a request was refused");
    (status(code), format!("{why}\n")).into_response()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

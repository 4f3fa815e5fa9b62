//! The command line's side of the admin API: one request, one answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::token::read_admin_token;
use crate::secret::Secret;

/// Largest answer read, and the longest wait for it.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

/// Why an operation did not happen, or its answer is not known.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No token.
    #[error("cannot read the admin token in `{}`; has the gateway started with this `data_dir`?", data_dir.display())]
    Token {
        /// Where it was looked for.
        data_dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No gateway.
    #[error("no gateway answers on {address}; start it, or use `--offline` with a stopped one")]
    Connect {
        /// The admin address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The exchange broke off.
    #[error("the admin API broke off: {0}")]
    Exchange(String),
    /// The gateway refused.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
}

/// Talks to the admin API of a running gateway.
#[derive(Debug)]
pub struct AdminClient {
    address: SocketAddr,
    token: Secret<String>,
    patience: Duration,
}

impl AdminClient {
    /// For the gateway with this admin address and data directory.
    pub fn new(address: SocketAddr, data_dir: &Path) -> Result<Self, ClientError> {
        let token = read_admin_token(data_dir).map_err(|source| ClientError::Token { data_dir: data_dir.to_owned(), source })?;
        // An unspecified address is one to bind, not to call.
        let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
        Ok(Self { address: SocketAddr::new(ip, address.port()), token, patience: PATIENCE })
    }

    /// Waits so long for an answer, where an operation reads a whole log.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// One operation.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
        let exchange = self.exchange(method, path, body);
        tokio::time::timeout(self.patience, exchange).await.unwrap_or_else(|_| Err(ClientError::Exchange("no answer".into())))
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
        let connect = |source| ClientError::Connect { address: self.address, source };
        let stream = TcpStream::connect(self.address).await.map_err(connect)?;
        let broke = |error: &dyn std::error::Error| ClientError::Exchange(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broke(&error))?;
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", self.token.expose()))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| broke(&error))?;
        let work = async {
            let response = sender.send_request(request).await.map_err(|error| broke(&error))?;
            let status = response.status();
            let bytes = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let bytes = bytes.map_err(|error| ClientError::Exchange(error.to_string()))?.to_bytes();
            Ok((status, bytes))
        };
        let (status, bytes) = tokio::select! {
            answer = work => answer?,
            _ = connection => return Err(ClientError::Exchange("the connection was closed".into())),
        };
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer.get("error").and_then(Value::as_str).unwrap_or("the gateway refused").to_owned();
        Err(ClientError::Refused { status, message })
    }
}

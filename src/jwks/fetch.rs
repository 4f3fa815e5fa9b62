//! One GET of a key set: a fresh connection, one small answer, nothing followed.
//!
//! On hyper and the connector of the upstreams, not on a client library: that connector already checks the address it connects to
//! (SECURITY.md: SSRF) and holds the one TLS configuration; redirects, cookies, proxies, pools and decompression are what a client
//! library would add, and all of them would have to be switched off.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HOST, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::refresh::Problem;
use super::set::{MAX_SIZE, SetError};
use crate::config::ServerLimits;
use crate::upstream::{ConnectError, Connector, Sockets};

/// Longest wait for a connection, and for everything.
const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(10);

/// One fetch at a time, and one that is being given up.
const FETCHES: usize = 2;

/// Largest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// Knows how to ask one URL.
#[derive(Debug)]
pub(super) struct Fetcher {
    connector: Connector,
    target: Uri,
    host: HeaderValue,
}

impl Fetcher {
    pub(super) fn new(url: &Uri) -> Result<Self, ConnectError> {
        let bad_host = || ConnectError::Host(url.to_string());
        let authority = url.authority().ok_or_else(bad_host)?;
        let target = url.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_unused| bad_host())?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_unused| bad_host())?;
        Ok(Self { connector: Connector::new(url, ServerLimits::default(), Sockets::new(FETCHES))?, target, host })
    }

    /// The body of a plain `200`.
    pub(super) async fn fetch(&self) -> Result<Bytes, Problem> {
        timeout(TOTAL, self.exchange()).await.unwrap_or(Err(Problem::Timeout))
    }

    async fn exchange(&self) -> Result<Bytes, Problem> {
        let link = timeout(CONNECT, self.connector.connect()).await.map_err(|_unused| Problem::Timeout)??;
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(MAX_HEAD).handshake::<_, Empty<Bytes>>(TokioIo::new(link)).await?;
        let work = async move {
            let response = sender.send_request(self.request()).await?;
            read(response).await
        };
        tokio::pin!(work);
        tokio::select! {
            biased;
            answer = &mut work => answer,
            // The connection may end as soon as it has handed over the last byte.
            ended = connection => { ended?; work.await }
        }
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        request
    }
}

async fn read(response: Response<Incoming>) -> Result<Bytes, Problem> {
    if response.status() != StatusCode::OK {
        // A redirect as well: a key set is where the operator said it is.
        return Err(Problem::Status(response.status().as_u16()));
    }
    if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Problem::Encoded);
    }
    let mut body = response.into_body();
    if body.size_hint().lower() > MAX_SIZE as u64 {
        return Err(SetError::TooLarge.into());
    }
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if text.len() + data.len() > MAX_SIZE {
                return Err(SetError::TooLarge.into());
            }
            text.extend_from_slice(&data);
        }
    }
    Ok(text.freeze())
}

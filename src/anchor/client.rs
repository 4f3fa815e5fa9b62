//! Requests to one witness or collector: a fresh connection, one small answer, nothing followed.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::config::ServerLimits;
use crate::upstream::{ConnectError, Connector, Sockets};

/// Longest wait for a connection, and for everything.
const CONNECT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(5);

/// Largest answer: some cosignatures, or a line that says why not.
const ANSWER: usize = 16 * 1024;

/// Largest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// One request at a time, and one that is being given up.
const REQUESTS: usize = 2;

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the exchange broke off")]
    Http(#[from] hyper::Error),
    #[error("the answer cannot be read, or is larger than {ANSWER} bytes")]
    Answer,
    #[error("no whole answer came within {} s", TOTAL.as_secs())]
    Timeout,
}

/// Knows how to reach one of them.
#[derive(Debug)]
pub(super) struct Client {
    connector: Connector,
    /// Path of its submission prefix, without a slash at the end.
    prefix: String,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

impl Client {
    pub(super) fn new(url: &Uri) -> Result<Self, ConnectError> {
        let bad_host = || ConnectError::Host(url.to_string());
        let authority = url.authority().ok_or_else(bad_host)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_unused| bad_host())?;
        let connector = Connector::new(url, ServerLimits::default(), Sockets::new(REQUESTS))?;
        Ok(Self { connector, prefix: url.path().trim_end_matches('/').to_owned(), host, authorization: None })
    }

    /// With a credential in every request.
    pub(super) fn authorized(self, authorization: Option<HeaderValue>) -> Self {
        Self { authorization, ..self }
    }

    /// `POST <prefix><path>`
    pub(super) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Reply, Silence> {
        timeout(TOTAL, self.exchange(path, body.into())).await.unwrap_or(Err(Silence::Timeout))
    }

    async fn exchange(&self, path: &str, body: Bytes) -> Result<Reply, Silence> {
        let link = timeout(CONNECT, self.connector.link()).await.map_err(|_unused| Silence::Timeout)??;
        let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(link)).await?;
        let target = format!("{}{path}", self.prefix);
        let target = if target.is_empty() { "/" } else { &target };
        let target = target.parse().map_err(|_unused| ConnectError::Host(self.prefix.clone()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let work = async move {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER).collect().await.map_err(broken)?;
            Ok(Reply { status, body: body.to_bytes() })
        };
        tokio::pin!(work);
        tokio::select! {
            biased;
            answer = &mut work => answer,
            // The connection may end as soon as it has handed over the last byte.
            ended = connection => { ended?; work.await }
        }
    }
}

fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> Silence {
    if error.is::<LengthLimitError>() {
        return Silence::Answer;
    }
    error.downcast().map_or(Silence::Answer, |error| Silence::Http(*error))
}

//! One host, and how long and how much of it is borne.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST, HeaderValue, InvalidHeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::ask::{Answer, Ask};
use crate::config::ServerLimits;
use crate::upstream::{ConnectError, Connector, Sockets};

/// Largest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Longest wait for a connection, TLS included.
    pub connect: Duration,
    /// For everything, the wait for a place included.
    pub total: Duration,
    /// Largest answer in bytes.
    pub answer: usize,
    /// Requests at once; more wait.
    pub at_once: usize,
}

/// Why there is no answer, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The exchange broke off, or was no HTTP.
    #[error("the exchange broke off")]
    Http(#[from] hyper::Error),
    /// A credential that no header can hold.
    #[error("a credential holds characters that no header can")]
    Header(#[from] InvalidHeaderValue),
    /// The path to ask for is none.
    #[error("`{0}` is no path that can be asked for")]
    Target(String),
    /// More came than is read.
    #[error("the answer (HTTP {status}) is larger than {most} bytes")]
    TooLarge {
        /// Of the answer.
        status: u16,
        /// What is read at most.
        most: usize,
    },
    /// Compressed although plain text was asked for.
    #[error("the answer (HTTP {status}) is compressed")]
    Encoded {
        /// Of the answer.
        status: u16,
    },
    /// Another status than the one that brings something.
    #[error("the answer was HTTP {0}; redirects are not followed")]
    Status(u16),
    /// Not within the time.
    #[error("no whole answer came within {} s", .0.as_secs_f32())]
    Timeout(Duration),
}

/// Knows how to reach one host.
#[derive(Debug)]
pub struct Client {
    connector: Connector,
    /// Path and query of the URL.
    target: String,
    host: HeaderValue,
    bounds: Bounds,
    places: Semaphore,
}

impl Client {
    /// For the host of `url`, and its path unless a request names another. The system's CAs are trusted, or those in this PEM text.
    pub fn new(url: &Uri, bounds: Bounds, authorities: Option<&[u8]>) -> Result<Self, ConnectError> {
        // One more: a connection that is being given up holds its socket for a moment longer.
        let sockets = Sockets::new(bounds.at_once.saturating_add(1));
        Self::over(Connector::trusting(url, ServerLimits::default(), sockets, authorities)?, url, bounds)
    }

    /// The same over a connector that was made otherwise.
    pub fn over(connector: Connector, url: &Uri, bounds: Bounds) -> Result<Self, ConnectError> {
        let bad_host = || ConnectError::Host(url.to_string());
        let authority = url.authority().ok_or_else(bad_host)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_unused| bad_host())?;
        let target = url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { connector, target, host, bounds, places: Semaphore::new(bounds.at_once.clamp(1, Semaphore::MAX_PERMITS)) })
    }

    /// Its own path, without a slash at the end: what paths of requests are put behind.
    pub fn prefix(&self) -> &str {
        self.target.split('?').next().unwrap_or_default().trim_end_matches('/')
    }

    /// The answer, whatever its status.
    pub async fn send(&self, ask: Ask) -> Result<Answer, Silence> {
        let exchange = async {
            // Closed it never is; without a place there would still be a bound, that of the sockets.
            let _place = self.places.acquire().await;
            self.exchange(ask).await
        };
        timeout(self.bounds.total, exchange).await.unwrap_or(Err(Silence::Timeout(self.bounds.total)))
    }

    /// The body of a plain `200`.
    pub async fn fetch(&self, ask: Ask) -> Result<Bytes, Silence> {
        let answer = self.send(ask).await?;
        // A redirect is none as well: what is asked for is where the operator said it is.
        if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(Silence::Status(answer.status.as_u16())) }
    }

    async fn exchange(&self, ask: Ask) -> Result<Answer, Silence> {
        let request = self.request(ask)?;
        let link = timeout(self.bounds.connect, self.connector.link()).await;
        let link = link.map_err(|_unused| Silence::Timeout(self.bounds.connect))??;
        let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(link)).await?;
        let work = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let status = head.status.as_u16();
            if head.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
                return Err(Silence::Encoded { status });
            }
            let too_large = Silence::TooLarge { status, most: self.bounds.answer };
            let body = Limited::new(body, self.bounds.answer).collect().await;
            let body = body.map_err(|error| broken(error, too_large))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        tokio::pin!(work);
        tokio::select! {
            biased;
            answer = &mut work => answer,
            // The connection may end as soon as it has handed over the last byte.
            ended = connection => { ended?; work.await }
        }
    }

    fn request(&self, ask: Ask) -> Result<Request<Full<Bytes>>, Silence> {
        let target = ask.target.as_deref().unwrap_or(&self.target);
        let uri = target.parse().ok().filter(|_| target.starts_with('/'));
        let mut request = Request::new(Full::new(ask.body));
        *request.uri_mut() = uri.ok_or_else(|| Silence::Target(target.to_owned()))?;
        *request.method_mut() = ask.method;
        *request.headers_mut() = ask.headers;
        request.headers_mut().insert(HOST, self.host.clone());
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(request)
    }
}

fn broken(error: Box<dyn Error + Send + Sync>, too_large: Silence) -> Silence {
    if error.is::<LengthLimitError>() {
        return too_large;
    }
    // `Limited` fails in no third way.
    error.downcast().map_or(too_large, |error| Silence::Http(*error))
}

//! HTTP to one gateway: requests with the credential, sent once, and what is believed of the replies' heads.
//!
//! Only a request of which nothing has left is tried again: where there was no connection, or the one from the pool was closed before it
//! was used. Everything else may have been carried out.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::credential::Credential;
use super::failure::{Failure, Refusal};
use crate::config::ServerLimits;
use crate::protocol::json::Limits;
use crate::protocol::{Message, Side};
use crate::telemetry::Level;
use crate::upstream::{ConnectError, Connector, Lease, Pool, Sockets, UpstreamBody};

/// Longest wait for a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// Pauses before a connection is tried again: long enough for a gateway that is started again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Longest wait for the head of a reply. The gateway has a limit for each server, below this one unless somebody has raised it.
const HEAD: Duration = Duration::from_mins(10);

/// Connections at once: every request in flight has one.
pub(super) const CONNECTIONS: usize = 512;

/// How to reach the gateway.
#[derive(Debug)]
pub(super) struct Gateway {
    pool: Pool,
    host: HeaderValue,
    target: Uri,
    credential: Credential,
    max_message: usize,
}

/// One request to it.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Beside those that every request has.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A reply whose head is in.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    pub(super) lease: Lease,
}

/// What a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    EventStream,
    Json,
    Other,
}

impl Gateway {
    pub(super) fn new(
        url: &Uri,
        authorities: Option<&[u8]>,
        credential: Credential,
        max_message: usize,
        tasks: TaskTracker,
    ) -> Result<Self, ConnectError> {
        let bad_host = || ConnectError::Host(url.to_string());
        let authority = url.authority().ok_or_else(bad_host)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_unused| bad_host())?;
        let target = url.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_unused| bad_host())?;
        let connector = Connector::trusting(url, ServerLimits::default(), Sockets::new(CONNECTIONS), authorities)?;
        let pool = Pool::new(connector, CONNECT, tasks, Level::default());
        Ok(Self { pool, host, target, credential, max_message })
    }

    /// Sends a request and returns as soon as the head of the reply is in.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Answer, Failure> {
        let mut request = self.request(ask).await?;
        loop {
            let mut lease = self.connection().await?;
            let answering = timeout(HEAD, lease.sender.try_send_request(request)).await;
            match answering.map_err(|_elapsed| Failure::Silent(HEAD))? {
                Ok(response) => return head(response, lease),
                Err(mut error) => match error.take_message() {
                    // Nothing of it has left: the gateway had closed the connection.
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Broken(error.into_error())),
                },
            }
        }
    }

    /// One whole message.
    pub(super) async fn message(&self, answer: Answer) -> Result<Message, Failure> {
        let Answer { mut body, lease, .. } = answer;
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_unused| Failure::Cut("the connection broke"))?.into_data() else { continue };
            if bytes.len() + data.len() > self.max_message {
                return Err(Failure::TooLarge(self.max_message));
            }
            bytes.extend_from_slice(&data);
        }
        let message = self.parse(bytes.freeze())?;
        lease.give_back();
        Ok(message)
    }

    /// Parses what the gateway sends as strictly as what a client does.
    pub(super) fn parse(&self, bytes: Bytes) -> Result<Message, Failure> {
        let limits = Limits { string: self.max_message, ..Limits::default() };
        Ok(Message::parse(bytes, limits, Side::Server)?)
    }

    /// A refusal, read to its end.
    pub(super) async fn refusal(&self, answer: Answer) -> Failure {
        let status = answer.status;
        let text = |name: HeaderName| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let challenge = text(WWW_AUTHENTICATE).and_then(challenge_error);
        let retry_after = text(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        let error = match answer.media() {
            Media::Json => self.message(answer).await.ok().filter(|message| message.error().is_some()),
            Media::EventStream | Media::Other => None,
        };
        Failure::Refused(Box::new(Refusal { status, error, challenge, retry_after, advice: self.credential.advice() }))
    }

    /// The largest message, in bytes.
    pub(super) fn max_message(&self) -> usize {
        self.max_message
    }

    /// Closes what is idle.
    pub(super) fn close(&self) {
        self.pool.close();
    }

    async fn connection(&self) -> Result<Lease, Failure> {
        let mut pauses = PAUSES.iter();
        loop {
            match (self.pool.lease().await, pauses.next()) {
                (Ok(lease), _) => return Ok(lease),
                (Err(error), Some(pause)) if may_pass(&error) => {
                    tracing::info!(error = &error as &dyn std::error::Error, "no connection; trying again in {pause:?}");
                    tokio::time::sleep(*pause).await;
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
    }

    async fn request(&self, ask: &Ask) -> Result<Request<UpstreamBody>, Failure> {
        let mut request = Request::new(Full::new(ask.body.clone()).boxed_unsync());
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if ask.method == Method::GET {
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        } else {
            headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(ask.body.len()));
        }
        if let Some(authorization) = self.credential.authorization().await? {
            headers.insert(AUTHORIZATION, authorization);
        }
        for (name, value) in &ask.headers {
            headers.append(name.clone(), value.clone());
        }
        Ok(request)
    }
}

impl Answer {
    /// What its body is.
    pub(super) fn media(&self) -> Media {
        let mut types = self.headers.get_all(CONTENT_TYPE).iter();
        let text = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = text.split(';').next().unwrap_or_default().trim();
        // Of two types, two readers could take different ones.
        match (types.next(), kind) {
            (None, kind) if kind.eq_ignore_ascii_case("application/json") => Media::Json,
            (None, kind) if kind.eq_ignore_ascii_case("text/event-stream") => Media::EventStream,
            (Some(_) | None, _) => Media::Other,
        }
    }
}

/// What of a reply is believed before its body is read.
fn head(response: Response<Incoming>, lease: Lease) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    if head.status.is_redirection() {
        return Err(Failure::Redirect(head.status));
    }
    if head.headers.get_all(CONTENT_ENCODING).iter().any(|value| value != "identity") {
        return Err(Failure::Unexpected("an encoded body, which nobody asked for"));
    }
    Ok(Answer { status: head.status, headers: head.headers, body, lease })
}

/// Whether a connection may be had a little later: the gateway is being started again, or the network is. A certificate that is not
/// trusted stays so.
fn may_pass(error: &ConnectError) -> bool {
    match error {
        ConnectError::Io(error) => !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput),
        ConnectError::Timeout => true,
        ConnectError::Host(_)
        | ConnectError::Unreachable(..)
        | ConnectError::NoCertificates
        | ConnectError::NoRoots
        | ConnectError::Sockets(_)
        | ConnectError::Tls(_) => false,
    }
}

/// The word behind `error=` of a challenge.
fn challenge_error(challenge: &str) -> Option<String> {
    let (_, rest) = challenge.split_once("error=\"")?;
    let word: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').take(64).collect();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_why_in_one_word() {
        let challenge = r#"Bearer error="invalid_token", resource_metadata="https://gw/x""#;
        assert_eq!(challenge_error(challenge).as_deref(), Some("invalid_token"));
        assert_eq!(challenge_error(r#"Bearer resource_metadata="https://gw/x""#), None);
        assert_eq!(challenge_error("Bearer error=\"\u{1b}[2J\""), None);
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_not_tried_again() {
        assert!(!may_pass(&ConnectError::Io(io::Error::new(io::ErrorKind::InvalidData, "unknown issuer"))));
        assert!(may_pass(&ConnectError::Io(io::Error::from(io::ErrorKind::ConnectionRefused))));
    }
}

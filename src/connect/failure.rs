//! Why a request has no answer of the gateway's, and what its client is told.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::credential::CredentialError;
use crate::protocol::json::{RawJson, Value};
use crate::protocol::{EnvelopeError, Message, RequestId, Shape, code};
use crate::upstream::ConnectError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is no connection, after some tries.
    #[error("the gateway cannot be reached")]
    Connect(#[from] ConnectError),
    /// There is no token to show.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The connection broke when the request was on its way.
    #[error("the connection to the gateway broke; whether the request was carried out is not known")]
    Broken(#[source] hyper::Error),
    /// No head of a reply came.
    #[error("the gateway did not answer within {} s; whether the request was carried out is not known", .0.as_secs())]
    Silent(Duration),
    /// The reply ended, or stopped, before the response.
    #[error("the answer of the gateway broke off: {0}")]
    Cut(&'static str),
    /// A redirect. SECURITY: a credential and a message are for the gateway that was named, and for nobody it names.
    #[error("the gateway answers with a redirect ({}), which is never followed: give its own URL", .0.as_u16())]
    Redirect(StatusCode),
    /// A refusal.
    #[error("{}", .0.text())]
    Refused(Box<Refusal>),
    /// The session is unknown to the gateway.
    #[error("the session is over")]
    SessionGone,
    /// A session cannot be begun again.
    #[error("the session is over, and no new one could be begun ({0}); start this server again")]
    NotRenewed(String),
    /// Something that is no message.
    #[error("the gateway sent what is not a message: {0}")]
    NotAMessage(#[from] EnvelopeError),
    /// A message that does not answer the request.
    #[error("the gateway sent {0}")]
    Unexpected(&'static str),
    /// A name or revision that no header can repeat.
    #[error("the request names something that no HTTP header can repeat")]
    NoHeader,
    /// A message that is larger than `--max-message`.
    #[error("the answer is larger than {0} bytes; `--max-message` sets the limit")]
    TooLarge(usize),
}

/// An HTTP status that is no answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The JSON-RPC error that came with it.
    pub(super) error: Option<Message>,
    /// The `error` of a challenge.
    pub(super) challenge: Option<String>,
    pub(super) retry_after: Option<u64>,
    /// What to do about a token that is not taken.
    pub(super) advice: String,
}

impl Failure {
    /// The response for the request of that id.
    pub(super) fn response(mut self, id: &RequestId) -> Bytes {
        if let Self::Refused(refusal) = &mut self
            && let Some(bytes) = refusal.relay(id)
        {
            return bytes;
        }
        error(Some(id), self.code(), &self.to_string_with_causes())
    }

    fn code(&self) -> i64 {
        match self {
            Self::Broken(_)
            | Self::Connect(_)
            | Self::Cut(_)
            | Self::NotAMessage(_)
            | Self::Redirect(_)
            | Self::TooLarge(_)
            | Self::Unexpected(_) => code::UPSTREAM_FAILED,
            Self::Credential(_) => code::UNAUTHENTICATED,
            Self::NoHeader => code::INVALID_REQUEST,
            Self::NotRenewed(_) | Self::SessionGone => code::SESSION_NOT_FOUND,
            Self::Refused(refusal) => refusal.code(),
            Self::Silent(_) => code::UPSTREAM_TIMEOUT,
        }
    }

    /// What a person reads: the user in front of the client, who has no other place to look.
    pub(super) fn to_string_with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}

impl Refusal {
    /// Whether the headers of a request are the trouble, so that nothing of it was carried out.
    pub(super) fn is_header_mismatch(&self) -> bool {
        let code = self.error.as_ref().and_then(Message::error).and_then(|error| error.get("code")?.as_i64());
        self.status == StatusCode::BAD_REQUEST && code == Some(code::HEADER_MISMATCH)
    }

    fn code(&self) -> i64 {
        match self.status {
            StatusCode::UNAUTHORIZED => code::UNAUTHENTICATED,
            StatusCode::FORBIDDEN => code::FORBIDDEN,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => code::METHOD_NOT_FOUND,
            StatusCode::TOO_MANY_REQUESTS => code::RATE_LIMITED,
            StatusCode::SERVICE_UNAVAILABLE => code::UNAVAILABLE,
            status if status.is_client_error() => code::INVALID_REQUEST,
            _ => code::UPSTREAM_FAILED,
        }
    }

    /// What is told where the gateway has said nothing of its own.
    fn text(&self) -> String {
        let status = self.status.as_u16();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let why = self.challenge.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
                format!("The gateway does not take the token{why}: {}", self.advice)
            }
            StatusCode::FORBIDDEN => format!("The gateway refuses this caller ({status})"),
            StatusCode::NOT_FOUND => format!("The gateway has no such route, or not for this caller ({status}): check the URL"),
            StatusCode::PAYLOAD_TOO_LARGE => format!("The request is larger than the gateway takes ({status})"),
            _ => {
                let wait = self.retry_after.map(|seconds| format!("; try again in {seconds} s")).unwrap_or_default();
                format!("The gateway refused the request ({status}){wait}")
            }
        }
    }

    /// The gateway's own error, with the id that its client waits for. Its words about a token are for whoever sent it: here stands
    /// what the user has to do.
    fn relay(&mut self, id: &RequestId) -> Option<Bytes> {
        let mut message = self.error.take()?;
        let words = message.error().and_then(|error| error.get("message")).map(Value::id);
        let text = self.text();
        let (document, edits) = message.split();
        edits.set_member(document, document.root().id(), "id", RawJson::id(id));
        if let (StatusCode::UNAUTHORIZED, Some(words)) = (self.status, words) {
            edits.replace(document, words, RawJson::string(&text));
        }
        Some(message.encode())
    }
}

/// A JSON-RPC error of this side's own.
pub(super) fn error(id: Option<&RequestId>, code: i64, text: &str) -> Bytes {
    let id = id.map_or("null", RequestId::as_json);
    let text = RawJson::string(text);
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{}}}}}"#, text.as_str()))
}

/// A response as it goes to the client: with the id of its request, where the gateway could not name that.
pub(super) fn with_id(mut message: Message, id: &RequestId) -> Result<Bytes, Failure> {
    if message.shape() != Shape::Response {
        return Err(Failure::Unexpected("something that is no response"));
    }
    match message.id() {
        Some(named) if named == id => Ok(message.encode()),
        Some(_) => Err(Failure::Unexpected("the response to another request")),
        None => {
            let (document, edits) = message.split();
            edits.set_member(document, document.root().id(), "id", RawJson::id(id));
            Ok(message.encode())
        }
    }
}

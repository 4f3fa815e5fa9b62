//! Every way the chain says no. What the peer reads of it is written in one place, `endpoint/encode.rs`.

use std::fmt;
use std::time::Duration;

use crate::protocol::{Method, ProtocolVersion, RequestId};

/// A refusal: its reason, and the request it answers once there is one. One pointer wide, since every layer's result holds it.
#[derive(Debug)]
pub struct Rejection(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    reason: Reason,
    reply_to: Option<ReplyTo>,
}

/// The request that a refusal answers.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// Its id, as written; `None` for a notification.
    pub id: Option<RequestId>,
    /// The revision it speaks.
    pub version: ProtocolVersion,
    /// Its method.
    pub method: Method,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// DLP or the injection scan stopped the arguments, or a result that has no `isError`.
    Blocked(Category),
    /// The scan stopped what a call returned, after the call.
    BlockedResult(Category),
    /// The server has failed again and again, and is left alone for so long.
    BreakerOpen(Duration),
    /// The body stopped short, or broke its framing.
    BodyIncomplete,
    /// Larger than the limit.
    BodyTooLarge,
    /// Came too slowly.
    BodyTooSlow,
    /// What a stream was opened with has run out.
    CredentialExpired,
    /// What a stream was opened with was revoked, or its issuer does not vouch for it any more.
    CredentialRevoked,
    /// Visible, but refused by a rule whose text for callers this is.
    Denied(Option<String>),
    /// A state that was not given to this caller for this, was changed, or is too old: one answer for all.
    ForeignState,
    /// Refused by the head filter: HTTP status and a word for the record.
    Framing(u16, &'static str),
    /// No TLS connection came about: a word for the record. There is nobody to answer.
    Handshake(&'static str),
    /// A mirrored header is missing or differs from the body.
    HeaderMismatch(&'static str),
    /// The Host is not one of ours.
    HostNotAllowed,
    /// A role grants this to a token that holds these scopes, all of them; the caller's does not.
    InsufficientScope(Box<[String]>),
    /// Nothing was done for a browser on the pages where accounts are connected: HTTP status and a word for the record.
    Page(u16, &'static str),
    /// Our own failure.
    Internal(&'static str),
    /// Arguments outside of the schema that their tool has: what is told.
    InvalidArguments(Box<str>),
    /// Parameters that cannot be read.
    InvalidParams(&'static str),
    /// The operator has stopped this.
    Killed,
    /// Arguments outside of what a role grants: what would be accepted.
    Misfit(Box<str>),
    /// Bytes that are not a message: JSON-RPC code and a text that holds nothing of them.
    Malformed(i64, String),
    /// An HTTP method the endpoint does not have.
    MethodNotAllowed,
    /// The client has not declared the extension that the request belongs to.
    MissingCapability(&'static str),
    /// The same call again and again: what a model reads.
    LoopGuard(Box<str>),
    /// A required `_meta` key is missing.
    MissingMeta(&'static str),
    /// A legacy request without its session id.
    MissingSession,
    /// Another policy, or the time, has taken away what a stream was opened for.
    NoLongerAllowed,
    /// The path leads nowhere, or to a server on which the caller has no grant: one answer for both.
    NoSuchPath,
    /// `Accept` leaves out JSON or event streams.
    NotAcceptable,
    /// The server is called with an account of the caller's own, which they connect on the page at this URL; whether the client has said that
    /// it can send its user there.
    NotConnected(Box<str>, bool),
    /// The Origin is not on the list.
    OriginNotAllowed,
    /// A queue is full.
    Overloaded,
    /// A rule could not be judged, and so denied: what the caller is told is this.
    PolicyError(Box<Self>),
    /// Over a limit: after how long there may be room, and what is left now.
    RateLimited {
        /// How long.
        wait: Duration,
        /// Calls, or bytes.
        remaining: u64,
    },
    /// The audit log cannot record this, so it does not happen.
    NotRecorded,
    /// The session of a stream was ended.
    SessionEnded,
    /// The session is unknown, expired or somebody else's: one answer for all.
    SessionNotFound,
    /// The gateway ends, and the time to finish calls is over.
    Stopping,
    /// A stream has lived as long as it may, or brought as much.
    StreamLimit,
    /// The policy is another than the one that a subscription was made under.
    StreamOver,
    /// A store that a decision needs is down.
    StoreUnavailable,
    /// No valid credential.
    Unauthenticated(Challenge),
    /// A method nobody granted, or none at all.
    UnknownMethod,
    /// A thing the caller may not see, or that does not exist: one answer for both.
    UnknownTarget(Thing, String),
    /// A task that was not given to this caller here, or whose tool they may not call: one answer for all.
    UnknownTask,
    /// No stream of this session goes on after that event.
    UnknownEvent,
    /// A media type or content coding we do not read.
    UnsupportedMedia,
    /// A revision we do not speak.
    UnsupportedVersion(String),
    /// The upstream broke off, refused, or answered with something that is not a message.
    UpstreamFailed(&'static str),
    /// The upstream did not answer in time.
    UpstreamTimeout,
}

/// What was found in a blocked message, as far as its sender may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Instructions hidden in data.
    Injection,
    /// Could not be scanned.
    NotScanned,
    /// It does not fit the schema that the tool has for its results.
    OutputSchema,
    /// It is larger than results of this tool may be.
    ResultLimit,
    /// The server asks for a credential by a form.
    SecretQuestion,
    /// Personal data or secrets.
    SensitiveData,
    /// The server asks something of the client that nobody has granted.
    ServerRequest,
}

/// A kind of thing that can be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A prompt.
    Prompt,
    /// A resource or template.
    Resource,
    /// A tool.
    Tool,
}

/// What an unauthenticated caller is told. One neutral text for every bad token: which check failed stands in the record only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A credential was sent and is not good. RFC 6750, section 3.1.
    InvalidToken,
    /// More than one credential, or one in a place where none belongs. RFC 6750, section 3.1.
    InvalidRequest,
    /// Nothing was sent: no `error` in the challenge. RFC 6750, section 3.
    Missing,
}

impl Reason {
    /// What its caller is told: of what only the record is to know, the reason that stands in its place.
    pub fn told(&self) -> &Self {
        if let Self::PolicyError(told) = self { told } else { self }
    }
}

impl Rejection {
    /// A refusal for this reason.
    pub fn new(reason: Reason) -> Self {
        Self(Box::new(Refusal { reason, reply_to: None }))
    }

    /// A failure of our own; `what` is for the log.
    pub fn internal(what: &'static str) -> Self {
        Self::new(Reason::Internal(what))
    }

    /// Why.
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// The request it answers, if one was read.
    pub fn reply_to(&self) -> Option<&ReplyTo> {
        self.0.reply_to.as_ref()
    }

    /// The same for a client that can send its user to a page.
    #[must_use]
    pub fn sending_users(mut self) -> Self {
        if let Reason::NotConnected(_, sends) = &mut self.0.reason {
            *sends = true;
        }
        self
    }

    /// Says which request it answers; the first word holds.
    #[must_use]
    pub fn answering(mut self, reply_to: &ReplyTo) -> Self {
        self.0.reply_to.get_or_insert_with(|| reply_to.clone());
        self
    }
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.reason.word())
    }
}

impl std::error::Error for Rejection {}

impl Reason {
    /// One word for records, metrics and logs: fixed, never the caller's text.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Blocked(_) => "blocked",
            Self::BlockedResult(_) => "result_blocked",
            Self::BreakerOpen(_) => "breaker_open",
            Self::BodyIncomplete => "body_incomplete",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::CredentialExpired => "credential_expired",
            Self::CredentialRevoked => "credential_revoked",
            Self::Denied(_) => "denied",
            Self::ForeignState => "foreign_state",
            Self::Framing(_, word) | Self::Handshake(word) | Self::Page(_, word) => word,
            Self::HeaderMismatch(_) => "header_mismatch",
            Self::InvalidArguments(_) => "input_schema",
            Self::HostNotAllowed => "host_not_allowed",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::Internal(_) => "internal",
            Self::InvalidParams(_) => "invalid_params",
            Self::Killed => "killed",
            Self::LoopGuard(_) => "loop",
            Self::Malformed(..) => "malformed",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Misfit(_) => "arguments",
            Self::MissingCapability(_) => "missing_capability",
            Self::MissingMeta(_) => "missing_meta",
            Self::MissingSession => "missing_session",
            Self::NoLongerAllowed => "no_longer_allowed",
            Self::NoSuchPath => "no_such_path",
            Self::NotAcceptable => "not_acceptable",
            Self::NotConnected(..) => "not_connected",
            Self::NotRecorded => "not_recorded",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::Overloaded => "overloaded",
            Self::PolicyError(_) => "policy_error",
            Self::RateLimited { .. } => "rate_limited",
            Self::SessionEnded => "session_ended",
            Self::SessionNotFound => "session_not_found",
            Self::Stopping => "shutdown",
            Self::StoreUnavailable => "store_unavailable",
            Self::StreamLimit => "stream_limit",
            Self::StreamOver => "stream_over",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::UnknownMethod => "unknown_method",
            Self::UnknownTarget(..) => "unknown_target",
            Self::UnknownTask => "unknown_task",
            Self::UnknownEvent => "unknown_event",
            Self::UnsupportedMedia => "unsupported_media",
            Self::UnsupportedVersion(_) => "unsupported_version",
            Self::UpstreamFailed("body" | "closes" | "cut_event" | "no_response" | "process_ended") => "upstream_truncated",
            Self::UpstreamFailed("event_stream" | "foreign_id" | "not_a_message" | "not_a_response" | "too_deep") => {
                "upstream_invalid"
            }
            Self::UpstreamFailed(_) => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }
}

impl Category {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injection => "injection",
            Self::NotScanned => "not_scanned",
            Self::OutputSchema => "output_schema",
            Self::ResultLimit => "result_limit",
            Self::SecretQuestion => "secret_question",
            Self::SensitiveData => "sensitive_data",
            Self::ServerRequest => "server_request",
        }
    }
}

impl Thing {
    /// Its name as servers write it: `Unknown tool: x`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Tool => "tool",
        }
    }
}

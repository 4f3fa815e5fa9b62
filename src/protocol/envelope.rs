//! What makes strict JSON a JSON-RPC message, and which members it has.

use super::RequestId;
use super::code;
use super::json::{Document, Kind, NodeId, ParseError, Value};
use super::spelling::respells_known;

/// Longest method name; MCP's own are below 40 bytes.
const MAX_METHOD: usize = 128;

/// Who wrote a message; the two sides may write different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A client: an id is never null.
    Client,
    /// A server: an error without id is accepted, since legacy servers answer transport failures so.
    Server,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A method without an id.
    Notification,
    /// A method with an id.
    Request,
    /// A result or an error.
    Response,
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Not strict JSON.
    #[error("the body is not strict JSON")]
    Json(#[source] ParseError),
    /// An array. Refused on every revision, 2025-03-26 included.
    #[error("batches are not accepted")]
    Batch,
    /// A string, a number, ...
    #[error("a message is a JSON object")]
    NotAnObject,
    /// A member JSON-RPC does not have, or one that another reader could take for one it has.
    #[error("a member of the envelope is not known")]
    UnknownMember,
    /// A key of params, result or error that differs from a known one in case only.
    #[error("a key differs from a known one in case only")]
    CaseVariant,
    /// `jsonrpc` is missing or not "2.0".
    #[error("`jsonrpc` must be \"2.0\"")]
    Version,
    /// An id of a kind or size that is not accepted.
    #[error("the id must be a string or an integer that every reader keeps exactly")]
    Id,
    /// A method that is empty, too long, not a string or not printable.
    #[error("`method` must be a printable string")]
    Method,
    /// `params` is not an object.
    #[error("`params` must be an object")]
    Params,
    /// The `code` of an error is not an integer. A lenient reader takes `"1"`, `true` and `1.0` for the integer 1.
    #[error("the `code` of an error must be an integer")]
    ErrorCode,
    /// Neither request, notification nor response, or two of them at once.
    #[error("a message is a request, a notification or a response")]
    Shape,
}

impl EnvelopeError {
    /// Whether the message is larger than what is read, in one way or another, and not malformed.
    pub fn is_too_large(&self) -> bool {
        use ParseError::{StringTooLong, TooDeep, TooLarge, TooManyValues};
        matches!(self, Self::Json(StringTooLong { .. } | TooDeep { .. } | TooLarge { .. } | TooManyValues { .. }))
    }

    /// Whether its values stand too deeply inside each other, which readers bound differently.
    pub fn is_too_deep(&self) -> bool {
        matches!(self, Self::Json(ParseError::TooDeep { .. }))
    }

    /// The JSON-RPC code that says it.
    pub fn code(&self) -> i64 {
        match self {
            Self::Json(_) => code::PARSE_ERROR,
            Self::Batch
            | Self::CaseVariant
            | Self::ErrorCode
            | Self::Id
            | Self::Method
            | Self::NotAnObject
            | Self::Params
            | Self::Shape
            | Self::UnknownMember
            | Self::Version => code::INVALID_REQUEST,
        }
    }
}

/// The places of a message's members.
pub(super) struct Envelope {
    pub(super) shape: Shape,
    pub(super) id: Option<RequestId>,
    pub(super) method: Option<NodeId>,
    pub(super) params: Option<NodeId>,
    pub(super) result: Option<NodeId>,
    pub(super) error: Option<NodeId>,
}

impl Envelope {
    /// Reads them strictly.
    pub(super) fn read(document: &Document, side: Side) -> Result<Self, EnvelopeError> {
        let root = document.root();
        if root.kind() != Kind::Object {
            return Err(EnvelopeError::NotAnObject);
        }
        let (mut version, mut id, mut method, mut params, mut result, mut error) = (None, None, None, None, None, None);
        for (key, value) in root.members() {
            match key.as_str() {
                Some("jsonrpc") => version = value.as_str(),
                Some("id") => id = Some(value),
                Some("method") => method = Some(value),
                Some("params") => params = Some(value),
                Some("result") => result = Some(value),
                Some("error") => error = Some(value),
                // SECURITY: a reader that ignores case would take `Method` for `method` (CVE-2026-27896).
                _ => return Err(EnvelopeError::UnknownMember),
            }
        }
        if version != Some("2.0") {
            return Err(EnvelopeError::Version);
        }
        let shape = match (method.is_some(), result.is_some(), error.is_some()) {
            (true, false, false) if id.is_some() => Shape::Request,
            (true, false, false) => Shape::Notification,
            (false, true, false) | (false, false, true) if params.is_none() => Shape::Response,
            _ => return Err(EnvelopeError::Shape),
        };
        if let Some(method) = method {
            let name = method.as_str().unwrap_or_default();
            if name.is_empty() || name.len() > MAX_METHOD || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(EnvelopeError::Method);
            }
        }
        if params.is_some_and(|params| params.kind() != Kind::Object) {
            return Err(EnvelopeError::Params);
        }
        if error.is_some_and(|error| error.kind() != Kind::Object) {
            return Err(EnvelopeError::Shape);
        }
        if error.and_then(|error| error.get("code")).is_some_and(|code| code.as_i64().is_none()) {
            return Err(EnvelopeError::ErrorCode);
        }
        if [params, result, error].into_iter().flatten().any(respells_known) {
            return Err(EnvelopeError::CaseVariant);
        }
        let id = read_id(id, shape, side, error.is_some())?;
        Ok(Self {
            shape,
            id,
            method: method.map(Value::id),
            params: params.map(Value::id),
            result: result.map(Value::id),
            error: error.map(Value::id),
        })
    }
}

fn read_id(id: Option<Value<'_>>, shape: Shape, side: Side, failed: bool) -> Result<Option<RequestId>, EnvelopeError> {
    match id {
        Some(value) if value.kind() == Kind::Null && side == Side::Server && failed => Ok(None),
        Some(value) => RequestId::read(value).map(Some).ok_or(EnvelopeError::Id),
        None if shape == Shape::Response && !(side == Side::Server && failed) => Err(EnvelopeError::Id),
        None => Ok(None),
    }
}

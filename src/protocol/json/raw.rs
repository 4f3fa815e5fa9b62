//! JSON text that may be spliced into a message: the type says that it is well formed.

use std::fmt;

use bytes::Bytes;

use super::string::escape_into;
use super::{Document, Limits, ParseError, Value};

/// The text of one JSON value, well formed by construction.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(String);

impl RawJson {
    /// A string, escaped as needed.
    pub fn string(text: &str) -> Self {
        let mut json = String::with_capacity(text.len() + 2);
        json.push('"');
        escape_into(&mut json, text);
        json.push('"');
        Self(json)
    }

    /// An integer.
    pub fn integer(value: i64) -> Self {
        Self(value.to_string())
    }

    /// `true` or `false`.
    pub fn boolean(value: bool) -> Self {
        Self(value.to_string())
    }

    /// `null`
    pub fn null() -> Self {
        Self("null".to_owned())
    }

    /// An object with one member.
    pub fn object(key: &str, value: &Self) -> Self {
        Self(format!("{{{}:{}}}", Self::string(key).0, value.0))
    }

    /// The id of a request, as it was written.
    pub fn id(id: &crate::protocol::RequestId) -> Self {
        Self(id.as_json().to_owned())
    }

    /// Any value, checked by the strict parser.
    pub fn parse(json: &str, limits: Limits) -> Result<Self, ParseError> {
        Document::parse(Bytes::copy_from_slice(json.as_bytes()), limits)?;
        Ok(Self(json.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Value<'_>> for RawJson {
    /// A value of a document, as it is written there. A key becomes a string.
    fn from(value: Value<'_>) -> Self {
        let raw = value.raw();
        Self(if raw.is_empty() { "null".to_owned() } else { raw.to_owned() })
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: the size only, as for `Document`.
        f.debug_struct("RawJson").field("len", &self.0.len()).finish()
    }
}

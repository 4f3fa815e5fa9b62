//! The id of a JSON-RPC request.

use std::fmt;

use super::json::{Kind, Value};

/// Longest accepted id, as written (SECURITY.md 4.3).
const MAX_LENGTH: usize = 256;

/// The largest integer every JSON reader keeps exactly: 2^53 - 1.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// An id exactly as it was written: an integer within +-(2^53-1), or a string. Compared by meaning, echoed byte for byte.
#[derive(Clone, Debug)]
pub struct RequestId {
    raw: Box<str>,
    text: Option<Box<str>>,
}

impl RequestId {
    /// Reads an id. `None` for null, a float, `-0`, an integer other readers would round, a control character, or more than 256 bytes.
    pub fn read(value: Value<'_>) -> Option<Self> {
        let raw = value.raw();
        if raw.len() > MAX_LENGTH {
            return None;
        }
        match value.kind() {
            Kind::Number => {
                let number = value.as_i64()?;
                let exact = (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&number) && raw != "-0";
                exact.then(|| Self { raw: raw.into(), text: None })
            }
            Kind::String => {
                let text = value.as_str()?;
                (!text.contains(char::is_control)).then(|| Self { raw: raw.into(), text: Some(text.into()) })
            }
            Kind::Array | Kind::Bool | Kind::Null | Kind::Object => None,
        }
    }

    /// The id as JSON, exactly as the caller wrote it.
    pub fn as_json(&self) -> &str {
        &self.raw
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        match (&self.text, &other.text) {
            (Some(one), Some(two)) => one == two,
            (None, None) => self.raw == other.raw,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for RequestId {}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

//! Reading claims with their types checked. A claim of another type than expected is a bad token, not a missing one.

use jiff::Timestamp;

use super::token::TokenError;
use crate::config::ClaimPath;
use crate::protocol::json::{Kind, Value};

/// Most groups or roles of one token. A caller with more needs an issuer that sends those that matter here: each one is compared
/// with every binding, at every message.
const MAX_LIST: usize = 256;

/// The value at a configured place: one literal top-level claim, or a JSON Pointer already split (RFC 6901).
pub(super) fn at<'a>(claims: Value<'a>, path: &ClaimPath) -> Option<Value<'a>> {
    path.0.iter().try_fold(claims, |value, step| match value.kind() {
        // RFC 6901, section 4: digits without a leading zero; `parse` alone would take `+1` and `01` too.
        Kind::Array if step == "0" || step.starts_with(|c: char| matches!(c, '1'..='9')) => {
            step.parse().ok().and_then(|index: usize| value.items().nth(index))
        }
        Kind::Array => None,
        Kind::Bool | Kind::Null | Kind::Number | Kind::Object | Kind::String => value.get(step),
    })
}

/// A string of sane size.
pub(super) fn text(value: Value<'_>, name: &'static str) -> Result<String, TokenError> {
    match value.as_str() {
        Some(text) if !text.is_empty() && text.len() <= 1024 && !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(TokenError::Claim(name)),
    }
}

/// A string, or a list of strings.
pub(super) fn texts(value: Value<'_>, name: &'static str) -> Result<Vec<String>, TokenError> {
    match value.kind() {
        Kind::String => Ok(vec![text(value, name)?]),
        Kind::Array if value.items().count() > MAX_LIST => Err(TokenError::Claim(name)),
        Kind::Array => value.items().map(|item| text(item, name)).collect(),
        Kind::Bool | Kind::Null | Kind::Number | Kind::Object => Err(TokenError::Claim(name)),
    }
}

/// A `NumericDate` of whole seconds. Fractions are refused: libraries round them differently.
pub(super) fn time(claims: Value<'_>, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_i64().filter(|seconds| *seconds >= 0).ok_or(TokenError::Claim(name))?;
    Timestamp::from_second(seconds).map(Some).map_err(|_unused| TokenError::Claim(name))
}

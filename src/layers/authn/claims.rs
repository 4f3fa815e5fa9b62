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

/// The scopes of a token: `scope` (RFC 9068) or `scp`, as some issuers call it. A text holds them with spaces between (RFC 6749, section
/// 3.3); in a list every item is one scope.
///
/// SECURITY: an item with a space in it is one scope to one reader and two to another, and where both claims stand they may say two
/// things: such a token is bad. No scope has a meaning beyond its letters.
pub(super) fn scopes(claims: Value<'_>) -> Result<Vec<String>, TokenError> {
    let read = |name| claims.get(name).map(scope_list).transpose();
    match (read("scope")?, read("scp")?) {
        (Some(one), Some(other)) if one != other => Err(TokenError::Claim("scope")),
        (Some(scopes), _) | (None, Some(scopes)) => Ok(scopes),
        (None, None) => Ok(Vec::new()),
    }
}

/// In order, each once.
fn scope_list(value: Value<'_>) -> Result<Vec<String>, TokenError> {
    let bad = TokenError::Claim("scope");
    let mut scopes: Vec<String> = match value.kind() {
        Kind::String => {
            let words = value.as_str().unwrap_or_default().split(' ').filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        }
        Kind::Array if value.items().count() > MAX_LIST => return Err(bad),
        Kind::Array => value.items().map(|item| item.as_str().map(str::to_owned).ok_or(bad)).collect::<Result<_, _>>()?,
        Kind::Bool | Kind::Null | Kind::Number | Kind::Object => return Err(bad),
    };
    // RFC 6749, appendix A.4.
    let is_scope = |text: &String| !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if scopes.len() > MAX_LIST || !scopes.iter().all(is_scope) {
        return Err(bad);
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// A `NumericDate` of whole seconds. Fractions are refused: libraries round them differently.
pub(super) fn time(claims: Value<'_>, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_i64().filter(|seconds| *seconds >= 0).ok_or(TokenError::Claim(name))?;
    Timestamp::from_second(seconds).map(Some).map_err(|_unused| TokenError::Claim(name))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};

    fn read(claims: &str) -> Result<Vec<String>, TokenError> {
        let document = Document::parse(Bytes::from(claims.to_owned()), Limits::default()).unwrap();
        scopes(document.root())
    }

    #[test]
    fn mcp_089_scopes_are_read_as_documented_and_not_otherwise() {
        let two = Ok(vec!["crm.read".to_owned(), "tools:*".to_owned()]);
        for good in [
            r#"{"scope":"crm.read tools:*"}"#,
            r#"{"scope":"tools:*  crm.read crm.read "}"#,
            r#"{"scp":"tools:* crm.read"}"#,
            r#"{"scp":["crm.read","tools:*"]}"#,
            r#"{"scope":["crm.read","tools:*"]}"#,
            r#"{"scope":"crm.read tools:*","scp":["tools:*","crm.read"]}"#,
        ] {
            assert_eq!(read(good), two, "{good}");
        }
        for none in ["{}", r#"{"scope":""}"#, r#"{"scp":[]}"#] {
            assert_eq!(read(none), Ok(Vec::new()), "{none}");
        }
        for bad in [
            r#"{"scp":["read write"]}"#,
            r#"{"scp":["read",""]}"#,
            r#"{"scp":["read",7]}"#,
            r#"{"scp":[["read"]]}"#,
            r#"{"scope":7}"#,
            r#"{"scope":null}"#,
            r#"{"scope":{"read":true}}"#,
            r#"{"scope":"read\twrite"}"#,
            r#"{"scope":"read\"write"}"#,
            r#"{"scope":"lire-\u00e9"}"#,
            r#"{"scope":"read","scp":"read write"}"#,
        ] {
            assert_eq!(read(bad), Err(TokenError::Claim("scope")), "{bad}");
        }
        let many =
            |count: usize| format!("{{\"scp\":[{}]}}", (0..count).map(|n| format!("\"s{n}\"")).collect::<Vec<_>>().join(","));
        assert!(read(&many(MAX_LIST)).is_ok());
        assert!(read(&many(MAX_LIST + 1)).is_err());
    }
}

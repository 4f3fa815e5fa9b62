//! Finding the one credential of a request. RFC 6750; SECURITY.md section 5.

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, Uri};

use crate::chain::Challenge;

/// Longest accepted token (SECURITY.md 4.3).
pub(super) const MAX_TOKEN: usize = 8 * 1024;

/// The one bearer token of a request.
///
/// SECURITY: two credentials, or one in a place that proxies log and browsers send by themselves, are refused rather than chosen
/// from: two parties could choose differently.
pub(super) fn bearer<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<&'a str, Challenge> {
    let in_query = uri.query().is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some("access_token")));
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next();
    if in_query || values.next().is_some() {
        return Err(Challenge::InvalidRequest);
    }
    let Some(value) = first else {
        return Err(if headers.contains_key(COOKIE) || headers.contains_key(PROXY_AUTHORIZATION) {
            Challenge::InvalidToken
        } else {
            Challenge::Missing
        });
    };
    let text = str::from_utf8(value.as_bytes()).map_err(|_unused| Challenge::InvalidToken)?;
    let (scheme, token) = text.split_once(' ').ok_or(Challenge::InvalidToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > MAX_TOKEN || !is_token68(token) {
        return Err(Challenge::InvalidToken);
    }
    Ok(token)
}

/// The letters of RFC 9110, section 11.2. To the end also where one is wrong: without a way out of the loop many are compared at a time, and
/// this is asked of every call.
fn is_token68(token: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    token.bytes().fold(true, |good, byte| good & is_letter(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(values: &[&str], uri: &str) -> Result<String, Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        bearer(&headers, &uri.parse().unwrap()).map(str::to_owned)
    }

    #[test]
    fn exactly_one_bearer_header_is_accepted() {
        assert_eq!(read(&["Bearer abc.def"], "/mcp/x"), Ok("abc.def".into()));
        assert_eq!(read(&["bEARER abc"], "/mcp/x"), Ok("abc".into()));
        assert_eq!(read(&[], "/mcp/x"), Err(Challenge::Missing));
        assert_eq!(read(&["Bearer a", "Bearer a"], "/mcp/x"), Err(Challenge::InvalidRequest));
        assert_eq!(read(&["Bearer a"], "/mcp/x?access_token=b"), Err(Challenge::InvalidRequest));
        for bad in ["Basic abc", "Bearer", "Bearer ", "Bearer  a", "Bearer a ", "Bearer a, Bearer b", "Bearer a b"] {
            assert_eq!(read(&[bad], "/mcp/x"), Err(Challenge::InvalidToken), "{bad:?}");
        }
        assert_eq!(read(&[&format!("Bearer {}", "a".repeat(MAX_TOKEN + 1))], "/mcp/x"), Err(Challenge::InvalidToken));
    }
}

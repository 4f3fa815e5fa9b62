//! The token endpoint of an authorization server: how it is asked, and what of its answer is believed. RFC 6749, section 5.

use std::time::Duration;

use tokio::time::Instant;

use super::shown::Shown;
use super::token::Token;
use crate::config::Grant;
use crate::outbound::{Ask, Bounds, Client};
use crate::protocol::json::{Document, Limits, Value};
use crate::secret::Secret;
use crate::upstream::connect::ConnectError;

/// A call waits for it.
const BOUNDS: Bounds = Bounds { connect: Duration::from_secs(5), total: Duration::from_secs(10), answer: 64 << 10, at_once: 16 };

const ANSWER: Limits = Limits { depth: 8, nodes: 256, string: 16 << 10 };

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GrantError {
    /// Our own secret is missing.
    #[error("the client secret is missing")]
    NoSecret,
    /// The authorization server does not want to give one.
    #[error("the authorization server refuses")]
    Refused,
    /// Nobody, or nothing that can be read.
    #[error("the token endpoint does not answer as one")]
    Unreachable,
    /// A token that is no bearer token, or that no header can hold.
    #[error("the token cannot be used")]
    Unusable,
}

impl GrantError {
    /// A word for records.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NoSecret => "no_credential",
            Self::Refused => "token_refused",
            Self::Unreachable => "token_endpoint",
            Self::Unusable => "token_unusable",
        }
    }
}

/// See the module.
pub(super) struct Endpoint {
    client: Client,
    grant: Grant,
}

impl Endpoint {
    pub(super) fn new(grant: &Grant) -> Result<Self, ConnectError> {
        Ok(Self { client: Client::new(&grant.token_url, BOUNDS, None)?, grant: grant.clone() })
    }

    /// Asks for a token by these fields, and those of the configuration.
    pub(super) async fn ask(&self, fields: &[(&str, &str)], before: Option<&Token>) -> Result<Token, GrantError> {
        let (grant, made) = (&self.grant, Instant::now());
        let secret = grant.client_secret.current().map_err(|_withdrawn| GrantError::NoSecret)?;
        let scope = grant.scopes.join(" ");
        let more = [
            ("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty())),
            ("resource", grant.resource.as_deref()),
            ("audience", grant.audience.as_deref()),
        ];
        let more = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let ask = Ask::form(fields.iter().copied().chain(more)).accept("application/json");
        let ask = ask.client(&grant.client_id, &secret.secret).map_err(|_unprintable| GrantError::NoSecret)?;
        let answer = self.client.send(ask).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, endpoint = %grant.token_url, "no answer of a token endpoint");
            GrantError::Unreachable
        })?;
        match answer.status.as_u16() {
            200 => {}
            // What it says is its own text: one word of it at most, and that one of a list.
            status @ (400 | 401 | 403) => {
                let error = refusal(answer.body);
                tracing::warn!(status, error, endpoint = %grant.token_url, "a token endpoint refuses");
                return Err(GrantError::Refused);
            }
            status => {
                tracing::warn!(status, endpoint = %grant.token_url, "a token endpoint fails");
                return Err(GrantError::Unreachable);
            }
        }
        let (token, lifetime) = granted(answer.body)?;
        let shown = Shown::bearer(token.expose()).ok_or(GrantError::Unusable)?;
        Ok(Token::new(shown, made, lifetime, before))
    }
}

/// The token of an answer, and how long it is good.
fn granted(body: bytes::Bytes) -> Result<(Secret<String>, Option<Duration>), GrantError> {
    let document = Document::parse(body, ANSWER).map_err(|_unreadable| GrantError::Unreachable)?;
    let text = |name: &str| document.root().get(name).and_then(Value::as_str);
    let token = text("access_token").ok_or(GrantError::Unreachable)?;
    // RFC 6749, section 7.1: who does not know a type must not use it. RFC 8693 calls what is no access token `N_A`.
    let is_bearer = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    let is_token68 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    if !is_bearer || token.is_empty() || !token.bytes().all(is_token68) {
        return Err(GrantError::Unusable);
    }
    let seconds = document.root().get("expires_in").and_then(Value::as_i64);
    let lifetime = seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    Ok((Secret::new(token.to_owned()), lifetime))
}

/// Which error it names, if it is one that OAuth knows.
fn refusal(body: bytes::Bytes) -> &'static str {
    const KNOWN: [&str; 7] = [
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
    ];
    let document = Document::parse(body, ANSWER).ok();
    let named = document.as_ref().and_then(|document| document.root().get("error")).and_then(Value::as_str);
    KNOWN.into_iter().find(|known| named == Some(*known)).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<(String, Option<u64>), GrantError> {
        let (token, lifetime) = granted(json.to_owned().into())?;
        Ok((token.expose().clone(), lifetime.map(|lifetime| lifetime.as_secs())))
    }

    #[test]
    fn only_a_bearer_token_that_a_header_can_hold_is_one() {
        assert_eq!(read(r#"{"access_token":"a.b-c","token_type":"BEARER","expires_in":60}"#), Ok(("a.b-c".to_owned(), Some(60))));
        assert_eq!(read(r#"{"access_token":"a","token_type":"Bearer"}"#), Ok(("a".to_owned(), None)));
        assert_eq!(read(r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#), Ok(("a".to_owned(), Some(0))));
        for bad in [
            r#"{"access_token":"a","token_type":"DPoP"}"#,
            r#"{"access_token":"a","token_type":"N_A"}"#,
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a b","token_type":"Bearer"}"#,
            r#"{"access_token":"a\r\nX: y","token_type":"Bearer"}"#,
        ] {
            assert_eq!(read(bad), Err(GrantError::Unusable), "{bad}");
        }
        for bad in ["<html>", r#"{"token_type":"Bearer"}"#, r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#] {
            assert_eq!(read(bad), Err(GrantError::Unreachable), "{bad}");
        }
    }

    #[test]
    fn of_a_refusal_one_known_word_is_taken() {
        assert_eq!(refusal(r#"{"error":"invalid_target","error_description":"x"}"#.into()), "invalid_target");
        assert_eq!(refusal(r#"{"error":"something of theirs"}"#.into()), "other");
        assert_eq!(refusal("<html>".into()), "other");
    }
}

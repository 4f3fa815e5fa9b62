//! The token endpoint of an authorization server: how it is asked, and what of its answer is believed. RFC 6749, section 5.

use std::fmt;
use std::time::Duration;

use http::Uri;
use http::header::InvalidHeaderValue;

use crate::outbound::{self, Ask, Bounds};
use crate::protocol::json::{Document, Limits, Value};
use crate::secret::Secret;
use crate::secrets::Live;
use crate::upstream::ConnectError;

/// A call, or a user's browser, waits for it.
pub(super) const BOUNDS: Bounds =
    Bounds { connect: Duration::from_secs(5), total: Duration::from_secs(10), answer: 64 << 10, at_once: 16 };

/// Most scopes of one token that are kept.
const SCOPES: usize = 64;

const ANSWER: Limits = Limits { depth: 8, nodes: 256, string: 16 << 10 };

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Our own secret is missing.
    #[error("the client secret is missing")]
    NoSecret,
    /// The authorization server does not want to give one.
    #[error("the authorization server refuses")]
    Refused,
    /// What was shown for it is good no more (`invalid_grant`).
    #[error("the authorization server does not take the grant any more")]
    Spent,
    /// Nobody, or nothing that can be read.
    #[error("the token endpoint does not answer as one")]
    Unreachable,
    /// A token that is no bearer token, or that no header can hold.
    #[error("the token cannot be used")]
    Unusable,
}

impl GrantError {
    /// A word for records.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoSecret => "no_credential",
            Self::Refused | Self::Spent => "token_refused",
            Self::Unreachable => "token_endpoint",
            Self::Unusable => "token_unusable",
        }
    }
}

/// How the gateway is known to an authorization server.
#[derive(Clone, Debug)]
pub struct Client {
    /// What it is called there.
    pub id: String,
    /// By what it is known; `None` for a public client.
    pub secret: Option<Live>,
}

/// What came for a grant.
pub struct Granted {
    /// The access token: a bearer token that a header can hold.
    pub access: Secret<String>,
    /// How long it is good, where that is said.
    pub lifetime: Option<Duration>,
    /// What the next one is to be had for.
    pub refresh: Option<Secret<String>>,
    /// What says who has signed in (`OpenID` Connect).
    pub identity: Option<Secret<String>>,
    /// What it is good for, where that is not what was asked for.
    pub scopes: Option<Vec<String>>,
}

/// See the module.
#[derive(Debug)]
pub struct TokenEndpoint {
    client: outbound::Client,
    url: Uri,
}

impl TokenEndpoint {
    /// At this URL of an operator.
    pub fn new(url: &Uri, authorities: Option<&[u8]>) -> Result<Self, ConnectError> {
        Ok(Self::over(outbound::Client::new(url, BOUNDS, authorities)?, url))
    }

    /// The same over a client that was made otherwise.
    pub(super) fn over(client: outbound::Client, url: &Uri) -> Self {
        Self { client, url: url.clone() }
    }

    /// Asks for a token by these fields.
    pub async fn ask<'a>(
        &self,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
        client: &'a Client,
    ) -> Result<Granted, GrantError> {
        let ask = client.asking(fields)?.accept("application/json");
        let answer = self.client.send(ask).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, endpoint = %self.url, "no answer of a token endpoint");
            GrantError::Unreachable
        })?;
        match answer.status.as_u16() {
            200 => granted(answer.body),
            // What it says is its own text: one word of it at most, and that one of a list.
            status @ (400 | 401 | 403) => {
                let error = refusal(answer.body);
                tracing::warn!(status, error, endpoint = %self.url, "a token endpoint refuses");
                Err(if error == "invalid_grant" { GrantError::Spent } else { GrantError::Refused })
            }
            status => {
                tracing::warn!(status, endpoint = %self.url, "a token endpoint fails");
                Err(GrantError::Unreachable)
            }
        }
    }
}

impl Client {
    /// A form with these fields, and whose it is. RFC 6749, sections 2.3.1 and 3.2.1.
    pub(super) fn asking<'a>(&'a self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Ask, GrantError> {
        let Some(secret) = &self.secret else {
            return Ok(Ask::form(fields.into_iter().chain([("client_id", self.id.as_str())])));
        };
        let secret = secret.current().map_err(|_withdrawn| GrantError::NoSecret)?;
        Ask::form(fields).client(&self.id, &secret.secret).map_err(|_unprintable: InvalidHeaderValue| GrantError::NoSecret)
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Granted")
    }
}

/// What stands in an answer.
fn granted(body: bytes::Bytes) -> Result<Granted, GrantError> {
    let document = Document::parse(body, ANSWER).map_err(|_unreadable| GrantError::Unreachable)?;
    let text = |name: &str| document.root().get(name).and_then(Value::as_str);
    let secret = |name: &str| text(name).map(|text| Secret::new(text.to_owned()));
    let token = text("access_token").ok_or(GrantError::Unreachable)?;
    // RFC 6749, section 7.1: who does not know a type must not use it. RFC 8693 calls what is no access token `N_A`.
    let is_bearer = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    let is_token68 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    if !is_bearer || token.is_empty() || !token.bytes().all(is_token68) {
        return Err(GrantError::Unusable);
    }
    // Appendix A.17: printable characters, which one line can hold.
    let refresh = text("refresh_token").filter(|token| !token.is_empty());
    if refresh.is_some_and(|token| !token.bytes().all(|byte| (0x20..0x7f).contains(&byte))) {
        return Err(GrantError::Unusable);
    }
    let seconds = document.root().get("expires_in").and_then(Value::as_i64);
    Ok(Granted {
        access: Secret::new(token.to_owned()),
        lifetime: seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        refresh: secret("refresh_token").filter(|token| !token.expose().is_empty()),
        identity: secret("id_token"),
        // Shown to operators and users: what is none by appendix A.4 is none.
        scopes: text("scope")
            .map(|text| text.split(' ').filter(|scope| is_scope(scope)).take(SCOPES).map(str::to_owned).collect()),
    })
}

fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
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
        let granted = granted(json.to_owned().into())?;
        Ok((granted.access.expose().clone(), granted.lifetime.map(|lifetime| lifetime.as_secs())))
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

//! What is asked, and what comes back.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue};
use http::{HeaderMap, Method, StatusCode};

use crate::secret::Secret;

/// One request.
#[derive(Clone)]
pub struct Ask {
    pub(super) method: Method,
    /// Path and query, where it is not the client's own.
    pub(super) target: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How it went.
    pub status: StatusCode,
    /// As sent.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
}

impl fmt::Debug for Ask {
    // The body may hold a secret; headers that do are marked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, headers, body: _ } = self;
        f.debug_struct("Ask").field("method", method).field("target", target).field("headers", headers).finish_non_exhaustive()
    }
}

impl Ask {
    /// `GET`
    pub fn get() -> Self {
        Self { method: Method::GET, target: None, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// `POST` of a body of that type.
    pub fn post(media_type: &'static str, body: impl Into<Bytes>) -> Self {
        let ask = Self { method: Method::POST, body: body.into(), ..Self::get() };
        ask.header(CONTENT_TYPE, HeaderValue::from_static(media_type))
    }

    /// `POST` of fields, as OAuth endpoints read them.
    pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::post("application/x-www-form-urlencoded", body)
    }

    /// `POST` of JSON.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::post("application/json", body)
    }

    /// `POST` of text.
    pub fn text(body: impl Into<Bytes>) -> Self {
        Self::post("text/plain; charset=utf-8", body)
    }

    /// By another method.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// With this body in the place of another.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// For another path, query included, than the client's own. It begins with a slash.
    #[must_use]
    pub fn at(self, target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Says what may come back.
    #[must_use]
    pub fn accept(self, media_types: &'static str) -> Self {
        self.header(ACCEPT, HeaderValue::from_static(media_types))
    }

    /// With a secret in this header. It is not shown when the request is.
    pub fn secret(self, name: HeaderName, value: &Secret<String>) -> Result<Self, InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(value.expose())?;
        value.set_sensitive(true);
        Ok(self.header(name, value))
    }

    /// With a bearer token.
    pub fn bearer(self, token: &Secret<String>) -> Result<Self, InvalidHeaderValue> {
        self.secret(AUTHORIZATION, &Secret::new(format!("Bearer {}", token.expose())))
    }

    /// As an OAuth client by `client_secret_basic`. RFC 6749, section 2.3.1: both are form-encoded first.
    pub fn client(self, id: &str, secret: &Secret<String>) -> Result<Self, InvalidHeaderValue> {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Secret::new(format!("{}:{}", encoded(id), encoded(secret.expose())));
        self.secret(AUTHORIZATION, &Secret::new(format!("Basic {}", STANDARD.encode(pair.expose()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_credentials_are_form_encoded_before_they_are_joined() {
        let ask = Ask::get().client("a:b", &Secret::new("p+w d%".to_owned())).unwrap();
        let value = ask.headers[AUTHORIZATION].to_str().unwrap();
        let pair = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab:p%2Bw+d%25");
    }

    #[test]
    fn a_request_that_is_shown_shows_no_secret() {
        let ask = Ask::form([("token", "tell-nobody")]).bearer(&Secret::new("tell-nobody-either".to_owned())).unwrap();
        assert_eq!(ask.body, "token=tell-nobody");
        let shown = format!("{ask:?}");
        assert!(!shown.contains("tell-nobody") && shown.contains("POST"), "{shown}");
    }
}

//! Origin list and CORS, for clients in browsers. MCP 2025-11-25, "Security Warning"; Fetch, section 3.2.

use http::header::{self, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::{Response, StatusCode};

use super::EdgeBody;
use crate::chain::Reason;

const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, accept, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id, traceparent",
);
const EXPOSED: HeaderValue = HeaderValue::from_static("mcp-session-id, mcp-protocol-version, www-authenticate, yett-call");

/// The Origin, if there is one and it is on the list. `null` is an Origin like any other; two are none.
pub(super) fn origin(headers: &HeaderMap, allowed: &[String]) -> Result<Option<HeaderValue>, Reason> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return Ok(None);
    };
    let known = origins.next().is_none() && allowed.iter().any(|known| known.as_bytes() == origin.as_bytes());
    if known { Ok(Some(origin.clone())) } else { Err(Reason::OriginNotAllowed) }
}

/// Lets a page of `origin` read an answer.
pub(super) fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_name(ORIGIN));
}

/// Answers a preflight.
pub(super) fn preflight() -> Response<EdgeBody> {
    let mut response = Response::new(EdgeBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let put = |headers: &mut HeaderMap, name: HeaderName, value| headers.insert(name, value);
    put(headers, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    put(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    put(headers, header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

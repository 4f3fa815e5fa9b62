//! Origin list and CORS, for clients in browsers. MCP 2025-11-25, "Security Warning"; Fetch, sections 3.2 and 4.9; PROTOCOL.md 6.1.
//!
//! A page of a listed origin may send what an MCP client sends, and read what it has to: refusals too, or it could not tell a missing
//! token from a dead server. `Access-Control-Allow-Credentials` is never said: what lets a caller in is a token that the page itself
//! puts into a header, and no cookie or certificate of the user's browser. So no page rides on somebody else's login.

use std::fmt::Write as _;

use http::header::{self, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::{Response, StatusCode};

use super::EdgeBody;
use crate::chain::Reason;
use crate::protocol::PARAM_PREFIX;

const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");

/// What clients of any revision send. `Mcp-Param-*` has no end, and `*` would not cover `Authorization`: those that a preflight asks
/// for are added.
const REQUEST_HEADERS: &str = "authorization, content-type, accept, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, \
                               last-event-id, traceparent, tracestate";

/// Longest list of further names in one answer; a tool has few arguments that are mirrored.
const MOST_PARAMS: usize = 2 * 1024;

/// What a page may read beside what Fetch lets every page read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("mcp-session-id, mcp-protocol-version, www-authenticate, retry-after, yett-call");

const ASKS_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

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
}

/// Says that an answer would be another one for another origin, so that no cache gives one page's to another.
pub(super) fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_name(ORIGIN));
}

/// Answers a preflight.
pub(super) fn preflight(asked: &HeaderMap) -> Response<EdgeBody> {
    let mut response = Response::new(EdgeBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, request_headers(asked));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.append(header::VARY, HeaderValue::from_name(header::ACCESS_CONTROL_REQUEST_HEADERS));
    if asked.get(&ASKS_PRIVATE_NETWORK).is_some_and(|value| value == "true") {
        // A page from the internet, a gateway at home or in a company: whoever wrote the origin into the list wants that.
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}

fn request_headers(asked: &HeaderMap) -> HeaderValue {
    let mut allowed = REQUEST_HEADERS.to_owned();
    let lists = asked.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|list| list.to_str().ok());
    let names = lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok());
    for name in names.filter(|name| name.as_str().starts_with(PARAM_PREFIX)) {
        if allowed.len() + name.as_str().len() < MOST_PARAMS {
            let _ = write!(allowed, ", {name}");
        }
    }
    HeaderValue::try_from(allowed).unwrap_or_else(|_unused| HeaderValue::from_static(REQUEST_HEADERS))
}

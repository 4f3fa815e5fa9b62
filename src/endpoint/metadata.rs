//! Protected-resource metadata: where a client gets a token for this path. RFC 9728; PROTOCOL.md 7.1.

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};

use super::EdgeBody;

/// The document of one resource.
pub(super) fn document(resource: &str, issuers: &[String]) -> Bytes {
    let mut document = serde_json::json!({ "resource": resource, "bearer_methods_supported": ["header"] });
    if let (Some(members), false) = (document.as_object_mut(), issuers.is_empty()) {
        members.insert("authorization_servers".into(), issuers.into());
    }
    Bytes::from(document.to_string())
}

/// Serves it: open, cacheable, to any origin.
pub(super) fn answer(method: &Method, document: Bytes) -> Response<EdgeBody> {
    let mut response = match *method {
        Method::GET => Response::new(EdgeBody::full(document)),
        Method::HEAD | Method::OPTIONS => Response::new(EdgeBody::empty()),
        _ => {
            let mut response = Response::new(EdgeBody::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            return response;
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

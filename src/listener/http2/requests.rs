//! One request over HTTP/2 on its way to the endpoint: what the head filter is to HTTP/1.1.
//!
//! The HTTP library has taken the head apart, and has refused what breaks the rules of HTTP/2 itself (upper-case names, `Connection`, a
//! pseudo-header twice). What is left are the rules that the endpoint relies on, and they are those of HTTP/1.1.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::HOST;
use hyper::http::HeaderValue;
use hyper::http::uri::Scheme;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, Uri};

use super::body::PacedBody;
use super::meeting::Meeting;
use crate::chain::Peer;
use crate::endpoint::{EdgeBody, Endpoint};
use crate::listener::framing::FramingLimits;
use crate::listener::head::{HeadLimits, MethodKind, Pseudo, check_pieces};
use crate::listener::refusal::HeadError;
use crate::places::Untaken;

/// Answers the requests of one connection.
pub(super) fn service(
    endpoint: Arc<Endpoint>,
    peer: Peer,
    limits: FramingLimits,
    untaken: Untaken,
    meeting: Meeting,
) -> impl Service<
    Request<Incoming>,
    Response = Response<EdgeBody>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<EdgeBody>, Infallible>> + Send + 'static,
> {
    service_fn(move |request: Request<Incoming>| {
        let (endpoint, peer, untaken) = (Arc::clone(&endpoint), peer.clone(), untaken.clone());
        // While it is called, not when it is first polled: that may be too late to tell the streams apart.
        let arrived = meeting.take();
        async move {
            let response = match check(request, &limits.head) {
                Ok(request) => endpoint.answer(request.map(|body| PacedBody::new(body, limits, arrived)), peer).await,
                Err(error) => endpoint.refuse_head(error.status(), error.reason(), peer).await,
            };
            Ok::<_, Infallible>(response.map(|body| body.counted_with(&untaken)))
        }
    })
}

/// The request as HTTP/1.1 would have brought it: a path for a target, and one `Host`.
fn check(mut request: Request<Incoming>, limits: &HeadLimits) -> Result<Request<Incoming>, HeadError> {
    if request.uri().scheme().is_some_and(|scheme| *scheme != Scheme::HTTPS) {
        return Err(HeadError::Scheme);
    }
    let authority = request.uri().authority().cloned();
    let target = request.uri().path_and_query().cloned().ok_or(HeadError::TargetForm)?;
    let pseudo = Pseudo {
        method: request.method().as_str().as_bytes(),
        target: target.as_str().as_bytes(),
        authority: authority.as_ref().map(|authority| authority.as_str().as_bytes()),
    };
    let fields = request.headers().iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    let head = check_pieces(pseudo, fields, limits)?;
    if matches!(head.method, MethodKind::Get | MethodKind::Head) && !request.body().is_end_stream() {
        return Err(HeadError::BodyNotAllowed);
    }
    if let Some(authority) = authority {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_unlike| HeadError::HostInvalid)?;
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = Uri::from(target);
    Ok(request)
}

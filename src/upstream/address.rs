//! Where a server on a network is, and what each request to it has beside its message: nothing but what we put there.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method as HttpMethod, Request, Uri};
use http_body_util::{BodyExt as _, Full};

use super::UpstreamBody;
use super::connect::ConnectError;
use super::credential::{Credential, Discretion, OnBehalf, Pass, Used};
use crate::accounts::Accounts;
use crate::chain::{CallId, Reason, TraceHeaders};
use crate::config::Server;
use crate::telemetry::Metrics;

const YETT_CALL: HeaderName = HeaderName::from_static("yett-call");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// See the module.
pub(super) struct Address {
    target: PathAndQuery,
    host: HeaderValue,
    credential: Option<Credential>,
    server: Arc<str>,
    metrics: Arc<Metrics>,
}

impl Address {
    /// Of `server`, at `url`.
    pub(super) fn new(
        server: &Server,
        url: &Uri,
        (metrics, accounts): (&Arc<Metrics>, Option<&Arc<Accounts>>),
    ) -> Result<Self, ConnectError> {
        let bad_host = || ConnectError::Host(url.to_string());
        let authority = url.authority().ok_or_else(bad_host)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_unused| bad_host())?;
        let target = url.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let credential = server.auth.as_ref().map(|auth| Credential::new(auth, accounts)).transpose()?;
        let (server, metrics) = (server.name.as_str().into(), Arc::clone(metrics));
        Ok(Self { target, host, credential, server, metrics })
    }

    /// The configured path.
    pub(super) fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// How the server is asked to let this caller's messages in, or, without one, messages of ours; `None` where nothing is shown.
    pub(super) fn pass(&self, call: Option<OnBehalf<'_>>) -> Result<Option<Pass>, Reason> {
        self.credential.as_ref().map(|credential| credential.pass(&self.server, call)).transpose()
    }

    /// Takes it out of replies.
    pub(super) fn discretion(&self, pass: Option<&Pass>) -> Option<Discretion> {
        pass.map(|pass| Discretion::about(pass.clone(), &self.server, &self.metrics))
    }

    /// A request to `target`, without our credential: for a GET a stream, else with a message, or without one.
    pub(super) fn request(&self, method: &HttpMethod, target: &PathAndQuery, body: Option<Bytes>) -> Request<UpstreamBody> {
        let length = body.as_ref().map_or(0, Bytes::len);
        let mut request = Request::new(Full::new(body.unwrap_or_default()).boxed_unsync());
        *request.method_mut() = method.clone();
        *request.uri_mut() = Uri::from(target.clone());
        let headers = request.headers_mut();
        headers.reserve(12);
        headers.insert(HOST, self.host.clone());
        if *method == HttpMethod::GET {
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        }
        request
    }
}

/// Puts our credential into a request, last: it may be another one than a moment ago.
pub(super) async fn show(pass: Option<&Pass>, request: &mut Request<UpstreamBody>) -> Result<Used, Reason> {
    match pass {
        Some(pass) => pass.show(request.headers_mut()).await,
        None => Ok(Used::default()),
    }
}

/// Says in a request for which call it is made, and where that stands in its caller's tree.
pub(super) fn mark(request: &mut Request<UpstreamBody>, call: CallId, trace: &TraceHeaders) {
    let headers = request.headers_mut();
    call.to_header().map(|id| headers.insert(YETT_CALL, id));
    trace.parent.clone().map(|parent| headers.insert(TRACEPARENT, parent));
    trace.state.clone().map(|state| headers.insert(TRACESTATE, state));
}

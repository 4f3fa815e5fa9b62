//! The MCP endpoint: HTTP on one side, the chain on the other.
//!
//! What is settled here, before anybody is known: Host and Origin lists (DNS rebinding), CORS preflights, and the metadata document
//! that tells a client where to get a token. Everything else goes through the chain, refusals included.

mod body;
mod browsers;
mod cors;
mod decode;
mod edge_body;
mod encode;
mod events;
mod forwarded;
mod headers;
mod hosts;
mod http_sse;
mod metadata;
mod progress;
mod questions;
mod resumption;
mod routes;
pub mod sse;
mod states;
mod tasks;
mod trace_context;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use body::BodyMemory;
pub use decode::Decode;
pub use edge_body::EdgeBody;
pub use routes::Routes;

use crate::accounts::Desk;
use crate::chain::{Anonymous, Arrival, CallId, Chain, Incoming, Peer, Reason, Rejection, RequestContext, Route, Trail};
use crate::clock::Clock;
use crate::config::Listener;
use crate::trace::{Sampling, Trace};

/// One listener's endpoint.
#[derive(Debug)]
pub struct Endpoint {
    listener: Listener,
    routes: Routes,
    /// One pointer: whoever takes it judges a message by one chain, and so by one policy, to its end.
    chain: Arc<ArcSwap<Chain>>,
    clock: Arc<dyn Clock>,
    sampling: Sampling,
    /// What goes on after its request is answered.
    tasks: TaskTracker,
    /// Where users connect accounts, if they can.
    desk: Option<Desk>,
}

impl Endpoint {
    /// For `listener`; `chain` may be swapped under it.
    pub fn new(listener: Listener, routes: Routes, chain: Arc<ArcSwap<Chain>>, clock: Arc<dyn Clock>) -> Self {
        Self { listener, routes, chain, clock, sampling: Sampling::Off, tasks: TaskTracker::new(), desk: None }
    }

    /// Chooses the calls that are exported as spans; without it, none.
    #[must_use]
    pub fn sampling(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// Has what goes on after its request is answered counted in `tasks`, so that a stop waits for it.
    #[must_use]
    pub fn running_on(self, tasks: TaskTracker) -> Self {
        Self { tasks, ..self }
    }

    /// Serves the pages on which users connect accounts.
    #[must_use]
    pub fn with_desk(self, desk: Option<Desk>) -> Self {
        Self { desk, ..self }
    }

    /// Answers one request. Never fails: every refusal is an answer.
    pub async fn answer<B>(&self, request: Request<B>, peer: Peer) -> Response<EdgeBody>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let peer = self.behind_proxies(&head.headers, peer);
        if let Some(desk) = self.desk.as_ref().filter(|_| Desk::serves(head.uri.path())) {
            return Box::pin(self.answer_browser(desk, Request::from_parts(head, body), peer)).await;
        }
        let origin = match cors::origin(&head.headers, &self.listener.allowed_origins) {
            Ok(origin) => origin,
            Err(reason) => return self.refuse(reason, peer, &self.routes.resolve(head.uri.path())).await.0,
        };
        let mut response = self.answer_known(Request::from_parts(head, body), origin.as_ref(), peer).await;
        if let Some(origin) = &origin {
            cors::allow(response.headers_mut(), origin);
        }
        if !self.listener.allowed_origins.is_empty() {
            cors::vary(response.headers_mut());
        }
        response
    }

    async fn answer_known<B>(&self, request: Request<B>, origin: Option<&HeaderValue>, peer: Peer) -> Response<EdgeBody>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let route = self.routes.resolve(path);
        if !hosts::is_ours(&head.headers, &self.listener.allowed_hosts) {
            return self.refuse(Reason::HostNotAllowed, peer, &route).await.0;
        }
        let document = self.routes.metadata(path);
        if head.method == Method::OPTIONS && origin.is_some() && (document.is_some() || Routes::is_endpoint(path)) {
            // A preflight carries no credential; the answer is the same on every path.
            return cors::preflight(&head.headers);
        }
        if let Some(document) = document {
            return metadata::answer(&head.method, document);
        }
        if path == "*" {
            // `OPTIONS *` asks about no path at all.
            return self.refuse(Reason::MethodNotAllowed, peer, &route).await.0;
        }
        if !Routes::is_endpoint(path) {
            return self.refuse(Reason::NoSuchPath, peer, &route).await.0;
        }
        let trace = Trace::begin(self.sampling, trace_context::of_head(&head.headers).as_ref());
        let context = self.context(peer, route, trace);
        let (call, route) = (context.call, Arc::clone(&context.route));
        let body = body.map_err(Into::into).boxed_unsync();
        let incoming = Incoming { head: Box::new(head), body, context, evidence: Anonymous };
        if route.legacy_sse {
            return self.answer_http_sse(incoming).await;
        }
        let arrival = Arrival::Request(incoming);
        let result = self.chain.load().run(arrival).await;
        encode::response(result, call, &route)
    }

    /// Records a refusal of the edge and answers it; also tells the call id, for answers that are written past hyper.
    pub async fn refuse(&self, reason: Reason, peer: Peer, route: &Arc<Route>) -> (Response<EdgeBody>, CallId) {
        // What the edge refuses hangs under nothing: its head is not worth a look.
        let context = self.context(peer, Arc::clone(route), Trace::begin(self.sampling, None));
        let call = context.call;
        let arrival = Arrival::Refused(context, Rejection::new(reason));
        let result = self.chain.load().run(arrival).await;
        (encode::response(result, call, route), call)
    }

    /// Records what the head filter refused. The answer is the listener's to write.
    pub async fn refuse_framing(&self, status: u16, word: &'static str, peer: Peer) -> (StatusCode, CallId) {
        let route = self.routes.resolve("/");
        let (response, call) = self.refuse(Reason::Framing(status, word), peer, &route).await;
        (response.status(), call)
    }

    /// Records that a request's head was refused, and answers.
    pub async fn refuse_head(&self, status: u16, word: &'static str, peer: Peer) -> Response<EdgeBody> {
        let route = self.routes.resolve("/");
        self.refuse(Reason::Framing(status, word), peer, &route).await.0
    }

    /// Records that no TLS connection came about. Nothing is answered: whatever TLS says of it has been said.
    pub async fn refuse_handshake(&self, word: &'static str, peer: Peer) {
        let route = self.routes.resolve("/");
        self.refuse(Reason::Handshake(word), peer, &route).await;
    }

    fn behind_proxies(&self, headers: &HeaderMap, peer: Peer) -> Peer {
        match forwarded::client(headers, peer.address, &self.listener.trusted_proxies) {
            Some(client) => Peer { address: client, via: Some(peer.address), ..peer },
            None => peer,
        }
    }

    fn context(&self, peer: Peer, route: Arc<Route>, trace: Trace) -> RequestContext {
        let now = self.clock.now();
        let call = CallId::at(now);
        RequestContext {
            call,
            received: call.moment().unwrap_or(now),
            started: Instant::now(),
            peer,
            route,
            trail: Trail::new(trace),
        }
    }
}

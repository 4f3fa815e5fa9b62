//! The one adapter between a layer, written as an async function with `next`, and tower.

use std::any::type_name;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tower::{Layer, Service};

use super::{McpResponse, Reason, Rejection};

/// What a layer answers with, some time.
pub type Reply = Pin<Box<dyn Future<Output = Result<McpResponse, Rejection>> + Send>>;

/// The rest of the chain. Consumed by [`Next::run`]: a message goes forward at most once.
pub struct Next<R>(Box<dyn FnOnce(R) -> Reply + Send>);

impl<R> Next<R> {
    /// Wraps a function; tests of a single layer stand in for the rest of the chain with it.
    pub fn new(rest: impl FnOnce(R) -> Reply + Send + 'static) -> Self {
        Self(Box::new(rest))
    }

    /// Hands the message to the next layer and waits for its answer.
    pub async fn run(self, request: R) -> Result<McpResponse, Rejection> {
        (self.0)(request).await
    }
}

impl<R> fmt::Debug for Next<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}

/// One station of the chain, requests and replies in one place.
///
/// `In` and `Out` are whole request types, so that they say what has been proven: [`super::Incoming`] of
/// [`super::Anonymous`] before authentication, [`super::McpRequest`] of a permit after authorization. A chain with a layer
/// missing or out of order does not compile.
pub trait Middleware: Send + Sync + 'static {
    /// What comes in.
    type In: Send + 'static;
    /// What goes on.
    type Out: Send + 'static;

    /// Judges `request`, hands it on or not, and judges the reply.
    fn handle(&self, request: Self::In, next: Next<Self::Out>) -> impl Future<Output = Result<McpResponse, Rejection>> + Send;
}

/// Looks on as messages come to stations, inside whatever guards them. The product's is `()`, which sees nothing and costs nothing;
/// tests make stations fail with it, one at a time.
pub trait Probe: Clone + Send + Sync + 'static {
    /// A message has come to the station of this type name.
    fn enter(&self, station: &'static str);
}

impl Probe for () {
    fn enter(&self, _: &'static str) {}
}

/// A [`Middleware`] as a tower layer.
#[derive(Debug)]
pub struct Station<M, P = ()> {
    middleware: Arc<M>,
    probe: P,
}

impl<M, P: Probe> Station<M, P> {
    /// Wraps a layer's code.
    pub fn new(middleware: M, probe: &P) -> Self {
        Self { middleware: Arc::new(middleware), probe: probe.clone() }
    }
}

impl<M, S, P: Probe> Layer<S> for Station<M, P> {
    type Service = Wrap<M, S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Wrap(Arc::new(Shared { middleware: Arc::clone(&self.middleware), inner, probe: self.probe.clone() }))
    }
}

/// A [`Middleware`] around the services behind it.
#[derive(Debug)]
pub struct Wrap<M, S, P = ()>(Arc<Shared<M, S, P>>);

/// Behind one pointer, so that a copy of a station is not a copy of all stations behind it: each makes one a message.
#[derive(Debug)]
struct Shared<M, S, P> {
    middleware: Arc<M>,
    inner: S,
    probe: P,
}

impl<M, S, P> Clone for Wrap<M, S, P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M, S, P> Service<M::In> for Wrap<M, S, P>
where
    P: Probe,
    M: Middleware,
    S: Service<M::Out, Response = McpResponse, Error = Rejection, Future = Reply> + Clone + Send + Sync + 'static,
{
    type Response = McpResponse;
    type Error = Rejection;
    type Future = Reply;

    /// A station has nothing to wait for before it has a message.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: M::In) -> Reply {
        let shared = Arc::clone(&self.0);
        let behind = Arc::clone(&shared);
        let next = Next::new(move |request| {
            // tower: a copy is asked whether it is ready before it is called. Nothing in the chain ever waits there; what did would
            // be out of room.
            let mut inner = behind.inner.clone();
            match inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(())) => inner.call(request),
                Poll::Ready(Err(rejection)) => Box::pin(ready(Err(rejection))),
                Poll::Pending => Box::pin(ready(Err(Reason::Overloaded.into()))),
            }
        });
        Box::pin(async move {
            shared.probe.enter(type_name::<M>());
            shared.middleware.handle(request, next).await
        })
    }
}

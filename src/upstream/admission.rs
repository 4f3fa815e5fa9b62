//! The station before the record of the decision: a place at the server, or a refusal that costs the server nothing.
//!
//! It stands before the write-ahead so that a refused call is one `deny` and never an `allow` that came to nothing. What it gives is
//! held until the reply has ended: with its last message, with its failure, or when the caller goes away and it is dropped.
//!
//! Each server has three lanes, counted apart: calls, which may wait a moment for a place; `subscriptions/listen` streams, which stay
//! for days and must not stand in the way of calls; and signals (notifications, the end of a session), which free places and must
//! not wait behind those that hold them. Places and room to wait are shared by [`Fair`].

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::breaker::{Breaker, Ending, Pass};
use crate::chain::{McpRequest, McpResponse, Middleware, Next, Reason, Rejection, ResponseBody, ServerMessage};
use crate::config::Server;
use crate::layers::authz::Permit;
use crate::master_key::random_bytes;
use crate::places::{Fair, Lane, Place, Refused, Share};
use crate::protocol::{Access, Shape};
use crate::telemetry::{Level, Metrics};

/// A permit with a place at its server. Made only by this station; the write-ahead takes nothing less.
#[derive(Clone, Debug)]
pub struct Admitted(Permit);

impl Admitted {
    /// The permit.
    pub fn permit(&self) -> &Permit {
        &self.0
    }
}

/// The station. Clones count together.
#[derive(Clone, Debug)]
pub struct Admission(Arc<HashMap<String, Arc<Gate>>>);

/// What one server can take.
#[derive(Debug)]
struct Gate {
    server: Arc<Server>,
    calls: Arc<Lane>,
    streams: Arc<Lane>,
    signals: Arc<Lane>,
    /// By caller and not by share: colleagues of one tenant do not shut each other out either.
    breaker: Mutex<Breaker<Arc<str>>>,
    state: Level,
    metrics: Arc<Metrics>,
}

impl Admission {
    /// For these servers.
    pub fn new<'a>(servers: impl IntoIterator<Item = &'a Arc<Server>>, metrics: &Arc<Metrics>) -> Self {
        let gate = |server: &Arc<Server>| (server.name.clone(), Arc::new(Gate::new(Arc::clone(server), Arc::clone(metrics))));
        Self(Arc::new(servers.into_iter().map(gate).collect()))
    }
}

impl Middleware for Admission {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Admitted>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let gate = self.0.get(&request.evidence.server().name).map(Arc::clone).ok_or(Reason::UpstreamFailed("not_configured"))?;
        let entered = gate.enter(&request.access, &request.evidence).await;
        let stay = entered.map_err(|(reason, word)| {
            gate.metrics.upstream_refused(&gate.server.name, word);
            request.context.trail.with(|decision| decision.detail = Some(word));
            reason
        })?;
        let admitted = Admitted(request.evidence.clone());
        // SECURITY: of what goes to no server nobody can say that it was answered, or a caller could keep its breaker closed.
        let silent = request.exchange.moot || request.claim.is_some();
        match next.run(request.with_evidence(admitted)).await {
            Ok(response) if silent => {
                stay.ends(Ending::Nothing);
                Ok(response)
            }
            Ok(response) => Ok(stay.until_end_of(response)),
            Err(rejection) => {
                stay.ends(Ending::of(rejection.reason()));
                Err(rejection)
            }
        }
    }
}

impl Gate {
    fn new(server: Arc<Server>, metrics: Arc<Metrics>) -> Self {
        let limits = &server.limits;
        let lane = |name, places, queue| {
            let levels = (metrics.upstream_in_flight(&server.name, name), metrics.upstream_waiting(&server.name, name));
            Arc::new(Lane::new(Fair::new(places, queue), limits.queue_timeout, levels))
        };
        Self {
            calls: lane("calls", limits.concurrency, limits.queue),
            streams: lane("streams", limits.streams, 0),
            signals: lane("signals", limits.concurrency, 0),
            breaker: Mutex::new(Breaker::new(server.breaker)),
            state: metrics.upstream_breaker(&server.name),
            server,
            metrics,
        }
    }

    /// A place for this access, or the refusal with a word for the operator.
    async fn enter(self: &Arc<Self>, access: &Access, permit: &Permit) -> Result<Stay, (Reason, &'static str)> {
        let open = |wait| (Reason::BreakerOpen(wait), "breaker_open");
        // Before the queue: nobody waits for a server that is left alone.
        let caller = &permit.principal().pseudonym().name;
        if let Some(wait) = self.breaker.lock().refuses(caller, Instant::now()) {
            return Err(open(wait));
        }
        let (lane, full) = match (access.method, access.shape) {
            (method, _) if method.is_subscription() => (&self.streams, "streams_full"),
            (_, Shape::Request) => (&self.calls, "queue_full"),
            (_, Shape::Notification | Shape::Response) => (&self.signals, "signals_full"),
        };
        let place = lane.enter(Share::of(permit.principal()), 1).await.map_err(|refused| match refused {
            Refused::Full => (Reason::Overloaded, full),
            Refused::Late => (Reason::Overloaded, "queue_timeout"),
        })?;
        let pass = self.with_breaker(|breaker, now| breaker.enter(caller, now)).map_err(open)?;
        Ok(Stay { gate: Arc::clone(self), pass, settled: false, _place: place })
    }

    fn with_breaker<T>(&self, change: impl FnOnce(&mut Breaker<Arc<str>>, Instant) -> T) -> T {
        let mut breaker = self.breaker.lock();
        let before = breaker.position();
        let result = change(&mut breaker, Instant::now());
        let after = breaker.position();
        // Under the lock, so that the last word is the last state.
        self.state.set(after.as_number());
        drop(breaker);
        if before != after {
            let (server, from, to) = (self.server.name.as_str(), before.as_str(), after.as_str());
            tracing::warn!(server, from, to, "the circuit breaker of a server has changed");
        }
        result
    }
}

/// One message at its server: a place, and what its end will say about the server.
struct Stay {
    gate: Arc<Gate>,
    pass: Pass<Arc<str>>,
    settled: bool,
    _place: Place,
}

impl Stay {
    fn ends(mut self, ending: Ending) {
        self.settle(ending);
    }

    fn settle(&mut self, ending: Ending) {
        if !std::mem::replace(&mut self.settled, true) {
            self.report(ending);
        }
    }

    fn report(&mut self, ending: Ending) {
        // Asked of the system only where something may be shut out.
        let random = || random_bytes::<2>().map_or(0.5, |bytes| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX));
        let chance = if matches!(ending, Ending::Fault) { random() } else { 0.0 };
        let Self { gate, pass, .. } = self;
        gate.with_breaker(|breaker, now| breaker.ended(pass, ending, now, chance));
    }

    fn until_end_of(self, response: McpResponse) -> McpResponse {
        let McpResponse { body, session, polling } = response;
        let body = match body {
            ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Json(..) | ResponseBody::Resumed(_) => {
                self.ends(Ending::Answered);
                body
            }
            ResponseBody::Opened(_) => {
                // The server was not asked.
                self.ends(Ending::Nothing);
                body
            }
            ResponseBody::Stream(inner) => {
                let mut stay = self;
                // A stream may last for days, and say nothing for long: its head shows already that the server is back.
                if stay.pass.is_probe() {
                    stay.report(Ending::Answered);
                }
                let mut stay = Some(stay);
                ResponseBody::Stream(Box::pin(inner.inspect(move |item| Self::watch(&mut stay, item))))
            }
        };
        McpResponse { body, session, polling }
    }

    fn watch(stay: &mut Option<Self>, item: &Result<ServerMessage, Rejection>) {
        let ending = match item {
            Ok(message) if message.is_final() => Ending::Answered,
            Ok(_) => return,
            Err(rejection) => Ending::of(rejection.reason()),
        };
        if let Some(stay) = stay.take() {
            stay.ends(ending);
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        // Its caller went away.
        self.settle(Ending::Nothing);
    }
}

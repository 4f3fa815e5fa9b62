//! This crate's tower vocabulary, and THE list of layers: [`Chain::build`].

mod alarm;
mod changes;
mod channel;
mod ending;
mod flows;
mod holding;
mod middleware;
mod mirrored;
mod peer;
mod polling;
mod rejection;
mod request;
mod response;
mod stage;
mod tasks;
mod trail;
mod turns;
mod unsaid;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tower::{ServiceBuilder, ServiceExt as _};

pub use alarm::Alarm;
pub use changes::{Changes, Listed};
pub use channel::{Channel, Closed, Closing, Outlet, PushTurn, Seat, Shown};
pub use ending::{End, Ended, Vigil, WeakEnd};
pub use flows::{Flows, Joined, Joints, Judged};
pub use holding::Hold;
pub use middleware::{Middleware, Next, Probe, Reply, Station};
pub use mirrored::{ArgumentPath, Differs, Mirrored, repeated_text};
pub use peer::Peer;
pub use polling::{Claim, Keeper, Kept, Polling, Sent};
pub use rejection::{Category, Challenge, Reason, Rejection, ReplyTo, Thing};
pub use request::{
    Anonymous, Arrival, Body, CallId, Carried, Exchange, Incoming, McpRequest, RequestContext, Route, TraceHeaders,
};
pub use response::{McpResponse, MessageStream, Responder, ResponseBody, ServerMessage};
pub use stage::end_of_stage;
pub use tasks::{OwnTasks, TaskIds};
pub use trail::{About, Action, Captured, Decision, Direction, Finding, Hop, Mark, Scores, Trail, What, Who, Withdrawn};
pub use turns::Turn;
pub use unsaid::Unsaid;

use crate::audit::Log;
use crate::config::{Durability, Limits};
use crate::endpoint::{BodyMemory, Decode};
use crate::layers::audit::{Audit, Flood, KeepRefused, Recorded, WriteAhead};
use crate::layers::authn::{Authn, Issuers, Settings};
use crate::layers::authz::{Authz, InForce, Rulebook};
use crate::layers::dlp::{DlpLayer, Rules};
use crate::layers::fair_share::FairShare;
use crate::layers::injection::{InjectionLayer, Quarantine};
use crate::layers::kill_switch::{KillSwitch, ToolSwitch};
use crate::layers::mirrors::Mirrors;
use crate::layers::quota::Quota;
use crate::layers::rate_limit::RateLimits;
use crate::layers::results::ResultLimits;
use crate::layers::terminal::Terminal;
use crate::limits::Ledger;
use crate::policy::{Injection, Policy};
use crate::scan::injection::Scanner;
use crate::session::Sessions;
use crate::state::{ApiKeys, Switches};
use crate::telemetry::Metrics;
use crate::upstream::Admission;
use crate::vault::Vault;

/// The whole chain, from an arrival to its answer.
pub struct Chain(Box<dyn Fn(Arrival) -> Reply + Send + Sync>);

/// What the layers are made of. What outlives a policy (log, stores, sessions) is shared by handle.
#[derive(Debug)]
pub struct Parts<U> {
    /// The audit log.
    pub log: Arc<Log>,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
    /// Counts refusals that come too fast for a record each.
    pub flood: Arc<Flood>,
    /// When an answer waits for the disk.
    pub durability: Durability,
    /// Token issuers with their keys.
    pub issuers: Issuers,
    /// API keys, where they are accepted.
    pub api_keys: Option<Arc<ApiKeys>>,
    /// Who else is a caller, and where callers are.
    pub callers: Settings,
    /// Pseudonyms.
    pub vault: Arc<Vault>,
    /// Kill switches.
    pub switches: Arc<Switches>,
    /// Legacy sessions.
    pub sessions: Arc<Sessions>,
    /// Limits of the listener.
    pub limits: Limits,
    /// The counters of every limit; they outlive the policy.
    pub ledger: Ledger,
    /// The policy that judges every message of this chain.
    pub policy: Arc<Policy>,
    /// Its roles, bindings and rules, compiled once for all chains.
    pub book: Arc<Rulebook>,
    /// The rules that judge what lies open.
    pub in_force: InForce,
    /// Injection rules, compiled once for all chains.
    pub scanner: Arc<Scanner>,
    /// What is sensitive.
    pub dlp: Arc<Rules>,
    /// Withheld tools; they stay withheld when the policy changes.
    pub quarantine: Arc<Quarantine>,
    /// The memory for large bodies, shared by all callers.
    pub memory: BodyMemory,
    /// The room for calls under way, shared by all callers.
    pub shares: FairShare,
    /// The places at every server.
    pub admission: Admission,
    /// Watches over streams that lie open.
    pub vigil: Arc<Vigil>,
    /// The way on.
    pub upstream: U,
}

impl Chain {
    /// Puts the stations together.
    pub fn build<U>(parts: Parts<U>) -> Self
    where
        U: tower::Service<McpRequest<Recorded>, Response = McpResponse, Error = Rejection, Future = Reply>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self::build_watched(parts, &())
    }

    /// THE list: the order of the stations, each with the reason for its place. `In` and `Out` of each station are types that say
    /// what has been proven, so a wrong order does not compile.
    pub fn build_watched<U, P: Probe>(parts: Parts<U>, probe: &P) -> Self
    where
        U: tower::Service<McpRequest<Recorded>, Response = McpResponse, Error = Rejection, Future = Reply>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let policy = &parts.policy;
        let injection = policy.injection.unwrap_or(Injection::DEFAULT);
        let service = ServiceBuilder::new()
            // Outermost, so that refusals of every later layer, and of the edge, are recorded as well.
            .layer(Station::new(Audit::new(Arc::clone(&parts.log), parts.metrics, parts.durability, parts.flood), probe))
            // On the head alone: nobody unknown gets a body read.
            .layer(Station::new(
                Authn::new(parts.issuers, parts.api_keys, parts.callers, Arc::clone(&parts.vault), Arc::clone(&parts.vigil)),
                probe,
            ))
            // As soon as it is known whose call it is: one caller's unread bodies are not to take everybody's room.
            .layer(Station::new(parts.shares, probe))
            // The only place where bytes become a message.
            .layer(Station::new(Decode::new(parts.limits, parts.memory, parts.sessions), probe))
            // Before the limits: an order to stop costs its callers no quota.
            .layer(Station::new(KillSwitch::new(Arc::clone(&parts.switches), Arc::clone(&parts.vigil)), probe))
            // Before authz: a caller who floods us should not buy policy evaluations.
            .layer(Station::new(RateLimits::new(&policy.limits, &parts.ledger), probe))
            // Around authz, whose refusals it keeps.
            .layer(Station::new(KeepRefused::new(Arc::clone(&parts.log), Arc::clone(&parts.vault)), probe))
            .layer(Station::new(Authz::new(parts.book, parts.in_force, Arc::clone(&parts.vigil)), probe))
            // After authz: a hidden tool is not to be told by its 503. Before quota, for the reason above.
            .layer(Station::new(ToolSwitch::new(parts.switches, parts.vigil), probe))
            // After authz, since a refused call spends nothing, and a hidden tool is not to be told by its 429.
            .layer(Station::new(Quota::new(&policy.limits, &parts.ledger), probe))
            // (pins: before the scans, which they save.)
            // After authz, or a header that is missed would tell which tools there are. Before the scans, which leave to the body what
            // stands in it.
            .layer(Station::new(Mirrors::default(), probe))
            // Outside the scans, so that it measures what leaves, and cuts what is masked already.
            .layer(Station::new(ResultLimits::new(&policy.results), probe))
            // Outside dlp, so that it sees arguments as the peer wrote them.
            .layer(Station::new(InjectionLayer::new(&parts.scanner, parts.quarantine, policy), probe))
            .layer(Station::new(DlpLayer::new(parts.dlp, Arc::clone(&parts.vault)), probe))
            // Inside both scans: what is left of a reply is what they judge, and two halves of a number that an escape kept apart are one.
            .layer(Station::new(Terminal::new(injection.terminal), probe))
            // (flow labels; approval inside dlp, so that a human approves exactly what will be sent.)
            // After everything that may refuse, so that only what will be sent takes a place at the server; before the record, so that
            // a call without a place is one refusal and not an allowed call that came to nothing.
            .layer(Station::new(parts.admission, probe))
            // Innermost: the decision is in the log before the upstream can act on it.
            .layer(Station::new(WriteAhead::new(parts.log, parts.durability, parts.vault), probe))
            .service(parts.upstream);
        Self(Box::new(move |arrival| {
            let work = AssertUnwindSafe(service.clone().oneshot(arrival)).catch_unwind();
            // Every layer inside audit is caught there, and recorded; this is for audit itself.
            Box::pin(async move { work.await.unwrap_or_else(|_panic| Err(Rejection::internal("panic"))) })
        }))
    }

    /// Judges one arrival.
    pub fn run(&self, arrival: Arrival) -> Reply {
        (self.0)(arrival)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain")
    }
}

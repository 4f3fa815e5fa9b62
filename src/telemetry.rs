//! Logs and metrics: set up here, named here.
//!
//! A log line holds ids, sizes, words and times; never a body, a header or a token. Labels are bounded: configured names and the
//! words of enums, nothing a peer can choose.

use std::sync::atomic::{AtomicI64, AtomicU64};

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::EnvFilter;

use crate::chain::RequestContext;

/// Upper bounds of call durations in seconds: from an answer out of memory to the default deadline.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

/// Something that goes up and down.
pub type Level = Gauge<i64, AtomicI64>;

/// Every metric of the gateway.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter<u64, AtomicU64>>,
    duration: Histogram,
    findings: Family<FindingLabels, Counter<u64, AtomicU64>>,
    key_refreshes: Family<IssuerLabels, Gauge<i64, AtomicI64>>,
    key_refresh_failures: Family<IssuerLabels, Counter<u64, AtomicU64>>,
    /// Calls refused because the audit queue was full.
    pub audit_overload: Counter<u64, AtomicU64>,
    /// Open client connections.
    pub connections: Gauge<i64, AtomicI64>,
    /// Connections refused for want of a place.
    pub connections_refused: Counter<u64, AtomicU64>,
    /// Connections cut because their client took nothing.
    pub connections_stalled: Counter<u64, AtomicU64>,
    /// Legacy sessions.
    pub sessions: Gauge<i64, AtomicI64>,
    /// Memory that large request bodies hold, in units of 16 KiB.
    pub large_bodies: Level,
    /// Large request bodies that wait for memory.
    pub large_bodies_waiting: Level,
    upstream_in_flight: Family<LaneLabels, Level>,
    upstream_waiting: Family<LaneLabels, Level>,
    upstream_refused: Family<RefusedLabels, Counter<u64, AtomicU64>>,
    upstream_breaker: Family<ServerLabels, Level>,
    upstream_connections: Family<ServerLabels, Level>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabels {
    server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    server: String,
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    server: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    server: String,
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    layer: &'static str,
    kind: &'static str,
    action: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("yett");
        let metrics = Self {
            calls: Family::default(),
            duration: Histogram::new(SECONDS),
            findings: Family::default(),
            key_refreshes: Family::default(),
            key_refresh_failures: Family::default(),
            audit_overload: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            connections_stalled: Counter::default(),
            sessions: Gauge::default(),
            large_bodies: Gauge::default(),
            large_bodies_waiting: Gauge::default(),
            upstream_in_flight: Family::default(),
            upstream_waiting: Family::default(),
            upstream_refused: Family::default(),
            upstream_breaker: Family::default(),
            upstream_connections: Family::default(),
            registry: Registry::default(),
        };
        registry.register("build", "The build that runs", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("calls", "Messages by server, method and outcome", metrics.calls.clone());
        registry.register_with_unit("call_duration", "From head to recorded answer", Unit::Seconds, metrics.duration.clone());
        registry.register("findings", "What the scanning layers saw, and what was done", metrics.findings.clone());
        let read = "When an issuer's keys were last read, in seconds since 1970";
        registry.register("jwks_refreshed_timestamp_seconds", read, metrics.key_refreshes.clone());
        let failed = "Attempts to read an issuer's keys that brought none";
        registry.register("jwks_refresh_failures", failed, metrics.key_refresh_failures.clone());
        registry.register("audit_overload", "Calls refused because the audit queue was full", metrics.audit_overload.clone());
        registry.register("connections", "Open client connections", metrics.connections.clone());
        registry.register("connections_refused", "Connections over a limit", metrics.connections_refused.clone());
        registry.register("connections_stalled", "Connections whose client took nothing", metrics.connections_stalled.clone());
        registry.register("sessions", "Legacy sessions", metrics.sessions.clone());
        registry.register("large_bodies", "Memory of large request bodies, in units of 16 KiB", metrics.large_bodies.clone());
        let waiting = "Large request bodies that wait for memory";
        registry.register("large_bodies_waiting", waiting, metrics.large_bodies_waiting.clone());
        registry.register("upstream_in_flight", "Messages that are with a server", metrics.upstream_in_flight.clone());
        registry.register("upstream_waiting", "Calls that wait for a place at a server", metrics.upstream_waiting.clone());
        registry.register("upstream_refused", "Messages that got no place at a server", metrics.upstream_refused.clone());
        let breaker = "Circuit breaker: 0 closed, 1 half open, 2 open";
        registry.register("upstream_breaker_state", breaker, metrics.upstream_breaker.clone());
        registry.register("upstream_connections", "Open connections to a server", metrics.upstream_connections.clone());
        Self { registry, ..metrics }
    }

    /// Notes an attempt to read an issuer's keys: when it brought a good set, or that it failed.
    pub fn jwks_refresh(&self, issuer: &str, read: Option<Timestamp>) {
        let labels = IssuerLabels { issuer: issuer.to_owned() };
        let failures = self.key_refresh_failures.get_or_create(&labels);
        match read {
            Some(now) => drop(self.key_refreshes.get_or_create(&labels).set(now.as_second())),
            None => drop(failures.inc()),
        }
    }

    /// Counts a message that has ended.
    pub fn call(&self, context: &RequestContext, outcome: &'static str) {
        let method = context.trail.with(|decision| {
            for finding in &decision.findings {
                let labels = FindingLabels { layer: finding.layer, kind: finding.kind, action: finding.action.as_str() };
                self.findings.get_or_create(&labels).inc_by(u64::from(finding.count));
            }
            decision.what.as_ref().map_or("unread", |what| what.method.name())
        });
        let server = context.route.server.as_ref().map_or_else(|| "none".to_owned(), |server| server.name.clone());
        self.calls.get_or_create(&CallLabels { server, method, outcome }).inc();
        self.duration.observe(context.started.elapsed().as_secs_f64());
    }

    /// Messages that are with `server`, by lane.
    pub fn upstream_in_flight(&self, server: &str, lane: &'static str) -> Level {
        self.upstream_in_flight.get_or_create(&LaneLabels { server: server.to_owned(), lane }).clone()
    }

    /// Calls that wait for a place at `server`.
    pub fn upstream_waiting(&self, server: &str, lane: &'static str) -> Level {
        self.upstream_waiting.get_or_create(&LaneLabels { server: server.to_owned(), lane }).clone()
    }

    /// Counts a message that got no place at `server`.
    pub fn upstream_refused(&self, server: &str, reason: &'static str) {
        self.upstream_refused.get_or_create(&RefusedLabels { server: server.to_owned(), reason }).inc();
    }

    /// The state of the breaker of `server`.
    pub fn upstream_breaker(&self, server: &str) -> Level {
        self.upstream_breaker.get_or_create(&ServerLabels { server: server.to_owned() }).clone()
    }

    /// Open connections to `server`.
    pub fn upstream_connections(&self, server: &str) -> Level {
        self.upstream_connections.get_or_create(&ServerLabels { server: server.to_owned() }).clone()
    }

    /// The text that Prometheus scrapes (OpenMetrics 1.0).
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Sends logs to standard error: text on a terminal, JSON lines otherwise. `RUST_LOG` chooses what; `info` by default.
pub fn init_logs(terminal: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call in one process (tests) changes nothing.
    let _ = if terminal { builder.with_target(false).try_init() } else { builder.json().flatten_event(true).try_init() };
}

/// Makes a panic one log line that says where, and nothing of the values it was about: those may be a caller's.
pub fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic was caught; the call it happened in is refused");
    }));
}

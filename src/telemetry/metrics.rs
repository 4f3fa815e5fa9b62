//! Metrics: the one list of their names is [`Metrics::new`] and [`Reading::describe`].

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::accounts::Accounts;
use super::alerts::Alerts;
use super::copies::Copies;
use super::exports::Exports;
use super::exposition::Exposition;
use super::issuers::Issuers;
use super::limits::Limits;
use super::process::Process;
use super::reloads::Reloads;
use super::secrets::Secrets;
use super::servers::Servers;
use super::tls::Tls;
use super::traces::{self, Exporter, Tracer};
use super::witnesses::Witnesses;
use crate::chain::RequestContext;
use crate::config;
use crate::upstream::ConnectError;

/// Upper bounds of call durations in seconds: from an answer out of memory to the default deadline.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

/// Something that goes up and down.
pub type Level = Gauge<i64, AtomicI64>;

type Durations = Family<ServerLabel, Histogram, fn() -> Histogram>;

/// Every metric of the gateway.
#[derive(Debug)]
pub struct Metrics {
    ours: Registry,
    process: Registry,
    calls: Family<CallLabels, Counter<u64, AtomicU64>>,
    duration: Durations,
    upstream_duration: Durations,
    findings: Family<FindingLabels, Counter<u64, AtomicU64>>,
    pub(super) limits: Limits,
    pub(super) servers: Servers,
    pub(super) accounts: Accounts,
    pub(super) secrets: Secrets,
    pub(super) witnesses: Witnesses,
    pub(super) reloads: Reloads,
    pub(super) tls: Tls,
    pub(super) copies: Copies,
    pub(super) alerts: Alerts,
    pub(super) exports: Exports,
    pub(super) issuers: Issuers,
    spans: traces::Counts,
    tracer: Option<Tracer>,
    /// Calls refused because the audit queue was full.
    pub audit_overload: Counter<u64, AtomicU64>,
    /// Open client connections.
    pub connections: Level,
    /// Connections refused for want of a place.
    pub connections_refused: Counter<u64, AtomicU64>,
    /// Connections cut because their client took nothing.
    pub connections_stalled: Counter<u64, AtomicU64>,
    /// HTTP/2 connections ended because their client sent too much that serves no purpose.
    pub http2_calmed: Counter<u64, AtomicU64>,
    /// HTTP/2 streams refused for want of a place.
    pub http2_refused: Counter<u64, AtomicU64>,
    /// Memory that large request bodies hold, in units of 16 KiB.
    pub large_bodies: Level,
    /// Large request bodies that wait for memory.
    pub large_bodies_waiting: Level,
    /// Memory that large replies hold, in units of 16 KiB.
    pub large_replies: Level,
    /// Large replies that wait for memory.
    pub large_replies_waiting: Level,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    server: String,
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ServerLabel {
    pub(super) server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    layer: &'static str,
    kind: &'static str,
    action: &'static str,
}

/// A gauge that another part of the gateway keeps anyway, and that is looked up when somebody scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// API keys that will be refused soon.
    ApiKeysDue,
    /// How long until the first of those that are accepted is refused.
    ApiKeysNext,
    /// API keys that were not rotated in time.
    ApiKeysTooOld,
    /// 1 once the audit log cannot be written any more.
    AuditFailed,
    /// 1 while the audit volume is full.
    AuditFull,
    /// How long the disk took last.
    AuditLastSync,
    /// Records that wait for the disk.
    AuditQueue,
    /// Bytes of the segments of the log.
    AuditSegmentBytes,
    /// How often compressing or pruning them has failed.
    AuditSegmentFailures,
    /// Segments of the log.
    AuditSegments,
    /// 1 while syncs take so long that there is room for few calls.
    AuditSlow,
    /// Calls that have begun and not ended.
    CallsInFlight,
    /// Keys that limits count under.
    LimitKeys,
    /// 1 while `/readyz` says 200.
    Ready,
    /// Legacy sessions.
    Sessions,
    /// 1 while the state store can be reached.
    StateReachable,
    /// Tasks of the runtime.
    Tasks,
}

impl Reading {
    /// Its name without the unit, what it means, and its unit.
    fn describe(self) -> (&'static str, &'static str, Option<Unit>) {
        match self {
            Self::ApiKeysDue => ("api_keys_due", "API keys that will be refused soon unless they are rotated.", None),
            Self::ApiKeysNext => {
                ("api_keys_next_end", "How long until the first accepted API key is refused.", Some(Unit::Seconds))
            }
            Self::ApiKeysTooOld => ("api_keys_too_old", "API keys that are refused since they were not rotated.", None),
            Self::AuditFailed => ("audit_failed", "Whether the audit log cannot be written any more (1) or can (0).", None),
            Self::AuditFull => ("audit_full", "Whether the audit volume is full (1) or not (0).", None),
            Self::AuditSlow => ("audit_slow", "Whether slow syncs have reduced the room for calls (1) or not (0).", None),
            Self::AuditSegmentBytes => ("audit_segments", "Space that the segments of the audit log take.", Some(Unit::Bytes)),
            Self::AuditSegmentFailures => {
                ("audit_segment_failures", "How often compressing or pruning the audit log has failed since the start.", None)
            }
            Self::AuditSegments => ("audit_segment_files", "Segment files of the audit log.", None),
            Self::AuditLastSync => {
                ("audit_last_sync", "How long the last write and sync of a batch of records took.", Some(Unit::Seconds))
            }
            Self::AuditQueue => ("audit_queue_records", "Records handed over and not yet durable.", None),
            Self::CallsInFlight => ("calls_in_flight", "Messages that have begun and not ended, streams among them.", None),
            Self::LimitKeys => ("limit_keys", "Keys under which limits count something; there is room for 1000000.", None),
            Self::Ready => ("ready", "Whether the gateway is ready (1) or not (0), as /readyz says.", None),
            Self::Sessions => ("sessions", "Legacy sessions in memory.", None),
            Self::StateReachable => ("state_reachable", "Whether the state store can be reached (1) or not (0).", None),
            Self::Tasks => ("tasks", "Tasks of the runtime that are alive.", None),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything. A name gets its unit, and a counter `_total`, from the registry; help texts end with a full stop there.
    pub fn new() -> Self {
        let calls = Family::default();
        let duration = Durations::new_with_constructor(durations);
        let upstream_duration = Durations::new_with_constructor(durations);
        let findings = Family::default();
        let spans = traces::Counts::new();
        let (audit_overload, connections, connections_refused) = (Counter::default(), Gauge::default(), Counter::default());
        let connections_stalled = Counter::default();
        let (http2_calmed, http2_refused) = (Counter::default(), Counter::default());
        let (large_bodies, large_bodies_waiting) = (Level::default(), Level::default());
        let (large_replies, large_replies_waiting) = (Level::default(), Level::default());
        let (servers, reloads, tls) = (Servers::default(), Reloads::default(), Tls::default());
        let (secrets, issuers, accounts) = (Secrets::default(), Issuers::default(), Accounts::default());
        let (witnesses, copies, limits) = (Witnesses::default(), Copies::default(), Limits::default());
        let alerts = Alerts::default();
        let exports = Exports::default();

        let mut ours = Registry::with_prefix("yett");
        ours.register("build", "The build that runs", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        ours.register("calls", "Messages by server, method and outcome", Family::clone(&calls));
        ours.register_with_unit("call_duration", "From head to recorded answer", Unit::Seconds, Family::clone(&duration));
        ours.register_with_unit(
            "upstream_duration",
            "From sending a message to its server to the whole reply",
            Unit::Seconds,
            Family::clone(&upstream_duration),
        );
        ours.register("trace_spans_exported", "Spans that the collector took", Counter::clone(&spans.exported));
        ours.register("trace_spans_dropped", "Spans that were lost on the way to the collector", Family::clone(&spans.dropped));
        ours.register("findings", "What the scanning layers saw, and what was done", Family::clone(&findings));
        ours.register("audit_overload", "Calls refused because the audit queue was full", Counter::clone(&audit_overload));
        ours.register("connections", "Open client connections", Gauge::clone(&connections));
        ours.register("connections_refused", "Connections over a limit", Counter::clone(&connections_refused));
        ours.register(
            "connections_stalled",
            "Connections cut because their client took nothing",
            Counter::clone(&connections_stalled),
        );
        ours.register("http2_connections_calmed", "HTTP/2 connections ended as a flood", Counter::clone(&http2_calmed));
        ours.register("http2_streams_refused", "HTTP/2 streams over a limit", Counter::clone(&http2_refused));
        ours.register("large_bodies", "Memory of large request bodies, in units of 16 KiB", Level::clone(&large_bodies));
        let waiting = "Large request bodies that wait for memory";
        ours.register("large_bodies_waiting", waiting, Level::clone(&large_bodies_waiting));
        ours.register("large_replies", "Memory of large replies, in units of 16 KiB", Level::clone(&large_replies));
        let waiting = "Large replies that wait for memory";
        ours.register("large_replies_waiting", waiting, Level::clone(&large_replies_waiting));
        limits.register(&mut ours);
        servers.register(&mut ours);
        secrets.register(&mut ours);
        accounts.register(&mut ours);
        witnesses.register(&mut ours);
        reloads.register(&mut ours);
        tls.register(&mut ours);
        copies.register(&mut ours);
        alerts.register(&mut ours);
        exports.register(&mut ours);
        issuers.register(&mut ours);

        let mut process = Registry::default();
        process.register_collector(Box::new(Process));
        Self {
            ours,
            process,
            calls,
            duration,
            findings,
            limits,
            servers,
            secrets,
            accounts,
            witnesses,
            reloads,
            tls,
            copies,
            alerts,
            exports,
            issuers,
            upstream_duration,
            spans,
            tracer: None,
            audit_overload,
            connections,
            connections_refused,
            connections_stalled,
            http2_calmed,
            http2_refused,
            large_bodies,
            large_bodies_waiting,
            large_replies,
            large_replies_waiting,
        }
    }

    /// Shows what `read` says, whenever somebody scrapes.
    pub fn watch(&mut self, reading: Reading, read: impl Fn() -> f64 + Send + Sync + 'static) {
        self.ours.register_collector(Box::new(Watched { reading, read: Box::new(read) }));
    }

    /// Makes spans of the calls that are sampled; whoever is returned sends them.
    pub fn export_traces(&mut self, settings: config::Traces) -> Result<Exporter, ConnectError> {
        let (tracer, exporter) = traces::channel(settings, &self.spans)?;
        self.tracer = Some(tracer);
        Ok(exporter)
    }

    /// Counts a message that has ended.
    pub fn call(&self, context: &RequestContext, outcome: &'static str) {
        if let Some(tracer) = &self.tracer {
            tracer.call(context, outcome);
        }
        let (method, upstream) = context.trail.with(|decision| {
            self.limits.count(outcome, decision.rule.as_deref(), decision.detail);
            for finding in &decision.findings {
                let labels = FindingLabels { layer: finding.layer, kind: finding.kind, action: finding.action.as_str() };
                self.findings.get_or_create(&labels).inc_by(u64::from(finding.count));
            }
            let upstream =
                decision.hop.as_ref().map(|hop| hop.ended.map_or_else(|| hop.started.elapsed(), |ended| ended - hop.started));
            (decision.what.as_ref().map_or("unread", |what| what.method.name()), upstream)
        });
        let server = context.route.server.as_ref().map_or_else(|| "none".to_owned(), |server| server.name.clone());
        let label = ServerLabel { server: server.clone() };
        self.calls.get_or_create(&CallLabels { server, method, outcome }).inc();
        self.duration.get_or_create(&label).observe(context.started.elapsed().as_secs_f64());
        if let Some(upstream) = upstream {
            self.upstream_duration.get_or_create(&label).observe(upstream.as_secs_f64());
        }
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self, format: Exposition) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode_registry(&mut text, &self.ours).and_then(|()| encode_registry(&mut text, &self.process));
        let _ = encode_eof(&mut text);
        format.of(text)
    }
}

fn durations() -> Histogram {
    Histogram::new(SECONDS)
}

struct Watched {
    reading: Reading,
    read: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.reading).finish()
    }
}

impl Collector for Watched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (name, help, unit) = self.reading.describe();
        let metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        ConstGauge::new((self.read)()).encode(metric)
    }
}

//! What happens at the servers, by their configured names.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::{Level, Metrics, ServerLabel};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Servers {
    in_flight: Family<LaneLabels, Level>,
    waiting: Family<LaneLabels, Level>,
    refused: Family<RefusedLabels, Counter<u64, AtomicU64>>,
    breaker: Family<ServerLabel, Level>,
    connections: Family<ServerLabel, Level>,
    process_ends: Family<RefusedLabels, Counter<u64, AtomicU64>>,
    process_faults: Family<RefusedLabels, Counter<u64, AtomicU64>>,
    stream_faults: Family<RefusedLabels, Counter<u64, AtomicU64>>,
    questions_unheard: Family<RefusedLabels, Counter<u64, AtomicU64>>,
    credential_echoes: Family<ServerLabel, Counter<u64, AtomicU64>>,
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

impl Servers {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("upstream_in_flight", "Messages that are with a server", self.in_flight.clone());
        registry.register("upstream_waiting", "Calls that wait for a place at a server", self.waiting.clone());
        registry.register("upstream_refused", "Messages that got no place at a server", self.refused.clone());
        let breaker = "Circuit breaker: 0 closed, 1 half open, 2 open";
        registry.register("upstream_breaker_state", breaker, self.breaker.clone());
        let connections = "Open connections to a server, or its processes that run";
        registry.register("upstream_connections", connections, self.connections.clone());
        registry.register("upstream_process_ends", "Processes of a server that are over", self.process_ends.clone());
        let faults = "Lines of a server's processes that are no messages, or nobody's";
        registry.register("upstream_process_faults", faults, self.process_faults.clone());
        let faults = "What a server has said on HTTP+SSE streams that is refused, or nobody's";
        registry.register("upstream_stream_faults", faults, self.stream_faults.clone());
        let unheard = "Questions of a server that belong to no call, and were refused";
        registry.register("upstream_questions_unheard", unheard, self.questions_unheard.clone());
        let echoes = "Messages of a server that held the gateway's own credential, and were redacted";
        registry.register("upstream_credential_echoes", echoes, self.credential_echoes.clone());
    }
}

impl Metrics {
    /// Messages that are with `server`, by lane.
    pub fn upstream_in_flight(&self, server: &str, lane: &'static str) -> Level {
        self.servers.in_flight.get_or_create(&LaneLabels { server: server.to_owned(), lane }).clone()
    }

    /// Calls that wait for a place at `server`.
    pub fn upstream_waiting(&self, server: &str, lane: &'static str) -> Level {
        self.servers.waiting.get_or_create(&LaneLabels { server: server.to_owned(), lane }).clone()
    }

    /// Counts a message that got no place at `server`.
    pub fn upstream_refused(&self, server: &str, reason: &'static str) {
        self.servers.refused.get_or_create(&RefusedLabels { server: server.to_owned(), reason }).inc();
    }

    /// Counts the end of a process of `server`: `stopped`, or how it failed.
    pub fn process_ended(&self, server: &str, reason: &'static str) {
        self.servers.process_ends.get_or_create(&RefusedLabels { server: server.to_owned(), reason }).inc();
    }

    /// Counts what a process of `server` has said that is no message, or nobody's.
    pub fn process_fault(&self, server: &str, reason: &'static str) {
        self.servers.process_faults.get_or_create(&RefusedLabels { server: server.to_owned(), reason }).inc();
    }

    /// Counts what `server` has said on an HTTP+SSE stream that is refused, or nobody's.
    pub fn stream_fault(&self, server: &str, reason: &'static str) {
        self.servers.stream_faults.get_or_create(&RefusedLabels { server: server.to_owned(), reason }).inc();
    }

    /// Counts a question of `server` that belongs to no call, and was refused.
    pub fn question_unheard(&self, server: &str, reason: &'static str) {
        self.servers.questions_unheard.get_or_create(&RefusedLabels { server: server.to_owned(), reason }).inc();
    }

    /// Counts a message of `server` that held our credential for it.
    pub fn credential_echoed(&self, server: &str) {
        self.servers.credential_echoes.get_or_create(&ServerLabel { server: server.to_owned() }).inc();
    }

    /// The state of the breaker of `server`.
    pub fn upstream_breaker(&self, server: &str) -> Level {
        self.servers.breaker.get_or_create(&ServerLabel { server: server.to_owned() }).clone()
    }

    /// Open connections to `server`.
    pub fn upstream_connections(&self, server: &str) -> Level {
        self.servers.connections.get_or_create(&ServerLabel { server: server.to_owned() }).clone()
    }
}

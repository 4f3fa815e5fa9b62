//! How far sinks are behind the audit log.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use super::metrics::{Level, Metrics};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Exports {
    records: Family<SinkLabel, Counter<u64, AtomicU64>>,
    lost: Family<SinkLabel, Counter<u64, AtomicU64>>,
    failures: Family<FailureLabels, Counter<u64, AtomicU64>>,
    behind: Family<SinkLabel, Level>,
    late: Family<SinkLabel, Level>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    sink: String,
    reason: &'static str,
}

impl Exports {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("export_records", "Records that a sink took, again where it took them twice", self.records.clone());
        registry.register("export_lost_records", "Records removed by retention before a sink had them", self.lost.clone());
        registry.register("export_failures", "Times a sink took nothing", self.failures.clone());
        registry.register("export_lag_records", "Durable records that a sink does not have yet", self.behind.clone());
        let late = "Age of the oldest record that a sink does not have yet";
        registry.register_with_unit("export_lag", late, Unit::Seconds, self.late.clone());
    }
}

impl Metrics {
    /// Shows a sink before it has taken anything. How far it is behind is not known yet.
    pub fn export_begins(&self, sink: &str) {
        self.exported(sink, 0);
        self.export_lost(sink, 0);
    }

    /// Counts records that it took.
    pub fn exported(&self, sink: &str, records: u64) {
        self.exports.records.get_or_create(&SinkLabel { sink: sink.to_owned() }).inc_by(records);
    }

    /// Counts records that it will never get.
    pub fn export_lost(&self, sink: &str, records: u64) {
        self.exports.lost.get_or_create(&SinkLabel { sink: sink.to_owned() }).inc_by(records);
    }

    /// Counts a failure.
    pub fn export_failed(&self, sink: &str, reason: &'static str) {
        self.exports.failures.get_or_create(&FailureLabels { sink: sink.to_owned(), reason }).inc();
    }

    /// How far behind it is, in records and in seconds.
    pub fn export_lags(&self, sink: &str, records: u64, seconds: i64) {
        let label = SinkLabel { sink: sink.to_owned() };
        self.exports.behind.get_or_create(&label).set(i64::try_from(records).unwrap_or(i64::MAX));
        self.exports.late.get_or_create(&label).set(seconds);
    }
}

//! How far heads of the audit log are copied to systems of other administrators.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::{Level, Metrics};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Copies {
    records: Family<CopyLabel, Level>,
    failures: Family<CopyLabel, Counter<u64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CopyLabel {
    copy: String,
}

impl Copies {
    pub(super) fn register(&self, registry: &mut Registry) {
        let records = "Records under the head that was copied last in this run";
        registry.register("audit_copy_records", records, self.records.clone());
        registry.register("audit_copy_failures", "Times a head was not copied", self.failures.clone());
    }
}

impl Metrics {
    /// What was copied last.
    pub fn head_copied(&self, copy: &str, size: u64) {
        let label = CopyLabel { copy: copy.to_owned() };
        // Shown as zero before the first, so that a rise from it is one.
        let _ = self.copies.failures.get_or_create(&label);
        self.copies.records.get_or_create(&label).set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    /// Counts that a head was not copied.
    pub fn head_copy_failed(&self, copy: &str) {
        self.copies.failures.get_or_create(&CopyLabel { copy: copy.to_owned() }).inc();
    }
}

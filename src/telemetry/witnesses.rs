//! How far witnesses are with the audit log.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::metrics::{Level, Metrics};

/// See the module. Without witnesses the lag is zero.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    lag_records: Level,
    lag: Gauge<f64, AtomicU64>,
    cosigned: Family<WitnessLabel, Level>,
    failures: Family<WitnessLabel, Counter<u64, AtomicU64>>,
    claims: Family<WitnessLabel, Level>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WitnessLabel {
    witness: String,
}

impl Witnesses {
    pub(super) fn register(&self, registry: &mut Registry) {
        let records = "Records under no head that a quorum of witnesses has cosigned";
        registry.register("audit_witness_lag_records", records, self.lag_records.clone());
        let seconds = "How long the quorum of witnesses has been behind";
        registry.register_with_unit("audit_witness_lag", seconds, Unit::Seconds, self.lag.clone());
        let size = "Records under the head that a witness cosigned last in this run";
        registry.register("audit_witness_cosigned_records", size, self.cosigned.clone());
        let failures = "Times a witness did not cosign";
        registry.register("audit_witness_failures", failures, self.failures.clone());
        let claims = "1 while a witness claims another history of the log and has not proven it";
        registry.register("audit_witness_unproven_claim", claims, self.claims.clone());
    }
}

impl Metrics {
    /// How far the quorum is behind.
    pub fn anchor_lag(&self, records: u64, lag: Duration) {
        self.witnesses.lag_records.set(i64::try_from(records).unwrap_or(i64::MAX));
        self.witnesses.lag.set(lag.as_secs_f64());
    }

    /// What a witness cosigned last.
    pub fn witness_cosigned(&self, witness: &str, size: u64) {
        let label = WitnessLabel { witness: witness.to_owned() };
        // Shown as zero before the first, so that a rise from it is one.
        let _ = self.witnesses.failures.get_or_create(&label);
        self.witnesses.cosigned.get_or_create(&label).set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    /// Whether a witness claims another history, without proof.
    pub fn witness_claims(&self, witness: &str, claims: bool) {
        self.witnesses.claims.get_or_create(&WitnessLabel { witness: witness.to_owned() }).set(claims.into());
    }

    /// Counts that a witness did not cosign.
    pub fn witness_failed(&self, witness: &str) {
        self.witnesses.failures.get_or_create(&WitnessLabel { witness: witness.to_owned() }).inc();
    }
}

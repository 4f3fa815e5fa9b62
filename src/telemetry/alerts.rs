//! What rules of `alerts:` have found in the log.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::Metrics;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    told: Family<AlertLabels, Counter<u64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    rule: String,
    severity: &'static str,
}

impl Alerts {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("alerts", "Alerts that rules of the policy have told", self.told.clone());
    }
}

impl Metrics {
    /// Counts an alert.
    pub fn alerted(&self, rule: &str, severity: &'static str) {
        self.alerts.told.get_or_create(&AlertLabels { rule: rule.to_owned(), severity }).inc();
    }
}

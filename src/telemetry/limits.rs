//! Metrics of limits.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;

/// What is counted of limits.
#[derive(Debug, Default)]
pub(super) struct Limits {
    refusals: Family<LimitLabel, Counter<u64, AtomicU64>>,
    without_room: Counter<u64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: String,
}

impl Limits {
    pub(super) fn register(&self, ours: &mut Registry) {
        ours.register("limit_refusals", "Messages refused by a limit", Family::clone(&self.refusals));
        let without_room = "Messages refused since there was no room for a new key of a limit";
        ours.register("limit_keys_refused", without_room, Counter::clone(&self.without_room));
    }

    /// Counts a message that has ended so.
    pub(super) fn count(&self, outcome: &str, rule: Option<&str>, detail: Option<&str>) {
        match (outcome, rule.and_then(|rule| rule.strip_prefix("limit:"))) {
            ("rate_limited" | "loop", Some(limit)) => self.refused(limit),
            ("overloaded" | "rate_limited", _) if detail.is_some_and(|detail| detail.starts_with("limit_keys")) => {
                self.without_room.inc();
            }
            _ => {}
        }
    }

    fn refused(&self, limit: &str) {
        self.refusals.get_or_create(&LimitLabel { limit: limit.to_owned() }).inc();
    }
}

impl Metrics {
    /// Counts a message that a limit has refused. Its name is out of the policy, so there are as many as an operator has written.
    pub fn limit_refused(&self, limit: &str) {
        self.limits.refused(limit);
    }
}

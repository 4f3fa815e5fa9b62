//! How reloads of the configuration went.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::{Level, Metrics};

/// How a reload went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Something is other than it was.
    Applied,
    /// All is as it was, and was meant to be.
    Unchanged,
    /// It was wrong, and all is as it was.
    Refused,
}

impl Reload {
    fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// See the module. The start counts as a success: what it read is in force.
#[derive(Debug)]
pub(super) struct Reloads {
    done: Family<OutcomeLabel, Counter<u64, AtomicU64>>,
    /// Whether what is on disk was in force when it was read last.
    successful: Level,
    /// When that was.
    since: Level,
}

impl Default for Reloads {
    fn default() -> Self {
        let reloads = Self { done: Family::default(), successful: Level::default(), since: Level::default() };
        for outcome in [Reload::Applied, Reload::Unchanged, Reload::Refused] {
            // Shown as zero before the first, so that a rise from it is one.
            let _ = reloads.done.get_or_create(&OutcomeLabel { outcome: outcome.as_str() });
        }
        reloads.successful.set(1);
        reloads.since.set(Timestamp::now().as_second());
        reloads
    }
}

impl Reloads {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("config_reloads", "Times the configuration was read again", self.done.clone());
        let successful = "Whether the configuration that was read last is in force (1) or was refused (0)";
        registry.register("config_last_reload_successful", successful, self.successful.clone());
        let since = "When a configuration was put into force last, in seconds since 1970";
        registry.register("config_last_reload_success_timestamp_seconds", since, self.since.clone());
    }
}

impl Metrics {
    /// Counts a reload.
    pub fn reloaded(&self, outcome: Reload) {
        self.reloads.done.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
        self.reloads.successful.set(i64::from(outcome != Reload::Refused));
        if outcome != Reload::Refused {
            self.reloads.since.set(Timestamp::now().as_second());
        }
    }
}

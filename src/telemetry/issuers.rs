//! What issuers of tokens answer when they are asked: for their keys, for where those are, and about tokens.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::{Level, Metrics};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Issuers {
    refreshes: Family<IssuerLabel, Level>,
    refresh_failures: Family<IssuerLabel, Counter<u64, AtomicU64>>,
    discovery_failures: Family<IssuerLabel, Counter<u64, AtomicU64>>,
    introspections: Family<AskedLabels, Counter<u64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabel {
    issuer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AskedLabels {
    issuer: String,
    outcome: &'static str,
}

/// How it went to ask about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is good.
    Active,
    /// No answer, or none that can be used.
    Failed,
    /// It is not good, or not the issuer's.
    Inactive,
    /// Too many were asked about at once.
    Overloaded,
}

impl Asked {
    fn of(self, issuer: &str) -> AskedLabels {
        let outcome = match self {
            Self::Active => "active",
            Self::Failed => "failed",
            Self::Inactive => "inactive",
            Self::Overloaded => "overloaded",
        };
        AskedLabels { issuer: issuer.to_owned(), outcome }
    }
}

impl Issuers {
    pub(super) fn register(&self, registry: &mut Registry) {
        let read = "When an issuer's keys were last read, in seconds since 1970";
        registry.register("jwks_refreshed_timestamp_seconds", read, self.refreshes.clone());
        let failed = "Attempts to read an issuer's keys that brought none";
        registry.register("jwks_refresh_failures", failed, self.refresh_failures.clone());
        let refused = "Attempts to read an issuer's metadata that brought none, or a refused one";
        registry.register("issuer_discovery_failures", refused, self.discovery_failures.clone());
        registry.register("token_introspections", "Questions to an issuer about a token", self.introspections.clone());
    }
}

impl Metrics {
    /// Notes an attempt to read an issuer's keys: when it brought a good set, or that it failed.
    pub fn jwks_refresh(&self, issuer: &str, read: Option<Timestamp>) {
        let labels = IssuerLabel { issuer: issuer.to_owned() };
        let failures = self.issuers.refresh_failures.get_or_create(&labels);
        match read {
            Some(now) => drop(self.issuers.refreshes.get_or_create(&labels).set(now.as_second())),
            None => drop(failures.inc()),
        }
    }

    /// Notes an attempt to read an issuer's metadata.
    pub fn issuer_discovery(&self, issuer: &str, good: bool) {
        // Shown as zero before the first, so that a rise from it is one.
        let failures = self.issuers.discovery_failures.get_or_create(&IssuerLabel { issuer: issuer.to_owned() });
        failures.inc_by(u64::from(!good));
    }

    /// Shows an issuer that is asked about tokens before it is, so that a rise from zero is one.
    pub fn introspects(&self, issuer: &str) {
        for asked in [Asked::Active, Asked::Failed, Asked::Inactive, Asked::Overloaded] {
            let _ = self.issuers.introspections.get_or_create(&asked.of(issuer));
        }
    }

    /// Counts a question about a token.
    pub fn introspected(&self, issuer: &str, asked: Asked) {
        self.issuers.introspections.get_or_create(&asked.of(issuer)).inc();
    }
}

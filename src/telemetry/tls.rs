//! What listeners show and trust by TLS, and how its renewals went.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::{Level, Metrics};

/// How a renewal went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsReload {
    /// Something else is shown or trusted now.
    Applied,
    /// The files were wrong, and all is as it was.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tls {
    reloads: Family<OutcomeLabel, Counter<u64, AtomicU64>>,
    certificates: Family<ListenerLabel, Level>,
    lists: Family<ListenerLabel, Level>,
}

impl Default for Tls {
    fn default() -> Self {
        let tls = Self { reloads: Family::default(), certificates: Family::default(), lists: Family::default() };
        for outcome in [TlsReload::Applied, TlsReload::Refused] {
            // Shown as zero before the first, so that a rise from it is one.
            let _ = tls.reloads.get_or_create(&OutcomeLabel { outcome: outcome.as_str() });
        }
        tls
    }
}

impl TlsReload {
    fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}

impl Tls {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("tls_reloads", "Times TLS files had changed and were read again", self.reloads.clone());
        let certificates = "When the certificate that a listener shows expires, in seconds since 1970";
        registry.register("tls_certificate_expires_timestamp_seconds", certificates, self.certificates.clone());
        let lists = "When a revocation list that a listener holds clients against is too old, in seconds since 1970";
        registry.register("tls_crl_expires_timestamp_seconds", lists, self.lists.clone());
    }
}

impl Metrics {
    /// Counts a renewal.
    pub fn tls_reloaded(&self, outcome: TlsReload) {
        self.tls.reloads.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
    }

    /// Notes until when what a listener shows is good, and the lists that it holds clients against.
    pub fn tls_in_force(&self, listener: &str, certificate: Timestamp, lists: Option<Timestamp>) {
        let label = ListenerLabel { listener: listener.to_owned() };
        self.tls.certificates.get_or_create(&label).set(certificate.as_second());
        if let Some(lists) = lists {
            self.tls.lists.get_or_create(&label).set(lists.as_second());
        }
    }
}

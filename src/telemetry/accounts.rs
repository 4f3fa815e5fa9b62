//! What becomes of accounts that callers connect.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::Metrics;

/// What has become of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountEvent {
    /// Its caller has connected it.
    Connected,
    /// Its authorization server takes its grant no more.
    Lost,
    /// Newer tokens could not be had.
    NotRenewed,
    /// Newer tokens came.
    Renewed,
    /// Its caller has taken it away, or an operator.
    Revoked,
}

impl AccountEvent {
    const ALL: [Self; 5] = [Self::Connected, Self::Lost, Self::NotRenewed, Self::Renewed, Self::Revoked];

    fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Lost => "lost",
            Self::NotRenewed => "not_renewed",
            Self::Renewed => "renewed",
            Self::Revoked => "revoked",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    server: String,
    event: &'static str,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    events: Family<EventLabel, Counter<u64, AtomicU64>>,
}

impl Accounts {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("account_events", "What became of accounts that callers have connected", self.events.clone());
    }
}

impl Metrics {
    /// Counts what became of an account at `server`.
    pub fn account(&self, server: &str, event: AccountEvent) {
        self.accounts.events.get_or_create(&EventLabel { server: server.to_owned(), event: event.as_str() }).inc();
    }

    /// Shows a server with accounts before anything became of one, so that a rise from zero is one.
    pub fn account_events_of(&self, server: &str) {
        for event in AccountEvent::ALL {
            let _ = self.accounts.events.get_or_create(&EventLabel { server: server.to_owned(), event: event.as_str() });
        }
    }
}

//! What becomes of the secrets that the configuration refers to. Labelled with the setting, never with anything of the value.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::metrics::{Level, Metrics};

/// What a round found of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretRead {
    /// Another value.
    Changed,
    /// It cannot be read any more.
    Failing,
    /// It can be read again.
    Recovered,
    /// It could not be read for too long.
    Withdrawn,
}

impl SecretRead {
    fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Failing => "failing",
            Self::Recovered => "recovered",
            Self::Withdrawn => "withdrawn",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    setting: String,
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SettingLabel {
    setting: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    events: Family<EventLabel, Counter<u64, AtomicU64>>,
    made: Family<SettingLabel, Level>,
    due: Family<SettingLabel, Level>,
}

impl Secrets {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "secret_events",
            "Changes and failures of secrets that the configuration refers to",
            self.events.clone(),
        );
        let made = "When a secret was made as far as its provider says, in seconds since 1970";
        registry.register("secret_made_timestamp_seconds", made, self.made.clone());
        registry.register("secret_rotation_due", "1 while a secret is older than it may be", self.due.clone());
    }
}

impl Metrics {
    /// Counts what became of a secret.
    pub fn secret_read(&self, setting: &str, read: SecretRead) {
        self.secrets.events.get_or_create(&EventLabel { setting: setting.to_owned(), event: read.as_str() }).inc();
    }

    /// How old it is.
    pub fn secret(&self, setting: &str, made: Option<Timestamp>, due: bool) {
        let label = SettingLabel { setting: setting.to_owned() };
        if let Some(made) = made {
            self.secrets.made.get_or_create(&label).set(made.as_second());
        }
        self.secrets.due.get_or_create(&label).set(due.into());
        // Shown as zero before the first, so that a rise from it is one.
        for read in [SecretRead::Changed, SecretRead::Failing, SecretRead::Recovered, SecretRead::Withdrawn] {
            let _ = self.secrets.events.get_or_create(&EventLabel { setting: setting.to_owned(), event: read.as_str() });
        }
    }
}

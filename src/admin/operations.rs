//! What operators can do. Each operation is durable in the log before its result is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::privacy::Privacy;
use crate::audit::{AppendError, Draft, Kind, Log, ObjectWriter};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::state::{ApiKey, ApiKeys, KeyError, NewKey, StoreError, Switch, Switches};
use crate::vault::{Caller, Vault, VaultError};

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The key does not exist, or the store failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// It could not be recorded.
    #[error("the operation could not be recorded")]
    NotRecorded(#[from] AppendError),
}

/// What operations work on.
#[derive(Debug)]
pub struct Stores {
    /// Where they are recorded.
    pub log: Arc<Log>,
    /// API keys.
    pub keys: Arc<ApiKeys>,
    /// Kill switches.
    pub switches: Arc<Switches>,
    /// Who is behind a pseudonym.
    pub vault: Arc<Vault>,
    /// The audit directory.
    pub logs: PathBuf,
    /// How long the vault keeps a month's keys after its end.
    pub keep: Duration,
    /// How long records are kept.
    pub keep_log: Duration,
}

/// Operations on keys and switches; used by the admin API, and by commands with `--offline`.
#[derive(Debug)]
pub struct Operations {
    log: Arc<Log>,
    keys: Arc<ApiKeys>,
    switches: Arc<Switches>,
    vault: Arc<Vault>,
    privacy: Privacy,
    clock: Arc<dyn Clock>,
}

impl Operations {
    /// On these stores, recorded in `log`.
    pub async fn open(stores: Stores, clock: Arc<dyn Clock>) -> Result<Self, VaultError> {
        let Stores { log, keys, switches, vault, logs, keep, keep_log } = stores;
        let (shared, about, keyed) = (Arc::clone(&log), Arc::clone(&vault), Arc::clone(&keys));
        let privacy = Privacy::open(shared, about, keyed, logs, (keep, keep_log), Arc::clone(&clock)).await?;
        Ok(Self { log, keys, switches, vault, privacy, clock })
    }

    /// Erasure, holds, and who is behind a pseudonym.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// The time, as the gateway tells it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes a key. If that cannot be recorded, the key is revoked again and nobody learns its secret.
    pub async fn create_key(&self, new: NewKey) -> Result<(Arc<ApiKey>, Secret<String>), OperationError> {
        let made = self.keys.create(new, self.now()).await?;
        self.record_new_key("key.create", &made.0.id, &made.0).await?;
        Ok(made)
    }

    /// Replaces a key by a new one for the same caller. The record names both.
    pub async fn rotate_key(&self, id: &str) -> Result<(Arc<ApiKey>, Secret<String>), OperationError> {
        let made = self.keys.rotate(id, self.now()).await?;
        self.record_new_key("key.rotate", id, &made.0).await?;
        Ok(made)
    }

    /// Refuses a key from now on.
    pub async fn revoke_key(&self, id: &str) -> Result<Arc<ApiKey>, OperationError> {
        let key = self.keys.revoke(id, self.now()).await?;
        self.record(Kind::Admin, "key.revoke", &key.id, |_| {}).await?;
        Ok(key)
    }

    /// All keys.
    pub fn keys(&self) -> Vec<Arc<ApiKey>> {
        self.keys.list()
    }

    /// Turns a switch on or off: at once, then durably, then recorded.
    pub async fn set_switch(&self, switch: &Switch, on: bool) -> Result<(), OperationError> {
        let stored = self.switches.set(switch, on).await;
        self.record(Kind::Killswitch, if on { "kill" } else { "unkill" }, &switch.name(), |_| {}).await?;
        Ok(stored?)
    }

    /// The switches that are on.
    pub fn switches(&self) -> Vec<String> {
        self.switches.list()
    }

    /// Records that somebody searched the log, by which filters, and how many records they were shown.
    pub async fn record_search(&self, by: &str, found: usize) -> Result<(), OperationError> {
        self.record(Kind::Admin, "audit.search", self.log.name(), |what| {
            what.text("by", by).count("found", found);
        })
        .await
    }

    /// Closes the stores.
    pub async fn close(&self) {
        self.keys.close().await;
        self.vault.close().await;
    }

    async fn record_new_key(&self, act: &'static str, target: &str, key: &ApiKey) -> Result<(), OperationError> {
        let recorded = async {
            let caller = Caller { issuer: "api-key", subject: &key.subject, tenant: key.tenant.as_deref() };
            let subject = self.vault.pseudonym(caller, self.now()).await?;
            self.record(Kind::Admin, act, target, |what| {
                if target != &*key.id {
                    what.text("new", &key.id);
                }
                what.text("sub", &subject.name);
            })
            .await
        }
        .await;
        if recorded.is_err() {
            self.keys.revoke(&key.id, self.now()).await?;
        }
        recorded
    }

    /// `more` adds members between `act` and `target`, in ascending order.
    async fn record(
        &self,
        kind: Kind,
        act: &str,
        target: &str,
        more: impl FnOnce(&mut ObjectWriter<'_>),
    ) -> Result<(), OperationError> {
        let mut draft = Draft::new(kind);
        draft.object("what", |what| {
            what.text("act", act);
            more(what);
            what.text("target", target);
        });
        self.log.append(draft).durable().await?;
        Ok(())
    }
}

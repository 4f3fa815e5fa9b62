//! What operators can do. Each operation is durable in the log, with who asked for it, before it takes effect: where the log cannot be
//! written, nothing is done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::privacy::{Privacy, PrivacyError, is_fit};
use super::refused::Refused;
use crate::audit::{AppendError, Draft, Kind, Log, ObjectWriter};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::state::{Account, Aging, ApiKey, ApiKeys, KeyError, NewKey, Rotation, StoreError, Switches, Tokens, Whose};
use crate::vault::{Caller, Vault, VaultError};

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The key does not exist, or the store failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No account has that id.
    #[error("no account has the id `{0}`")]
    NoAccount(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// It could not be recorded.
    #[error("the operation could not be recorded; nothing was done")]
    NotRecorded(#[from] AppendError),
    /// The name of who asks for it cannot stand in the log.
    #[error(transparent)]
    Requester(#[from] PrivacyError),
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
    /// One change of keys or switches at a time: what is recorded of before and after is what was.
    turn: Mutex<()>,
    refused: Refused,
}

impl Operations {
    /// On these stores, recorded in `log`.
    pub async fn open(stores: Stores, clock: Arc<dyn Clock>) -> Result<Self, VaultError> {
        let Stores { log, keys, switches, vault, logs, keep, keep_log } = stores;
        let (shared, about, keyed) = (Arc::clone(&log), Arc::clone(&vault), (Arc::clone(&keys), Arc::clone(&switches)));
        let privacy = Privacy::open(shared, about, keyed, logs, (keep, keep_log), Arc::clone(&clock)).await?;
        Ok(Self { log, keys, switches, vault, privacy, clock, turn: Mutex::default(), refused: Refused::default() })
    }

    /// Erasure, holds, and who is behind a pseudonym.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// The time, as the gateway tells it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes a key. Nobody learns its secret, and nothing accepts it, before that is recorded.
    pub async fn create_key(&self, new: NewKey, requester: &str) -> Result<(Arc<ApiKey>, Secret<String>), OperationError> {
        let _turn = self.turn.lock().await;
        is_fit(requester, Some(&new.subject))?;
        let (key, secret) = self.keys.make(new, self.now())?;
        self.record_key("key.create", requester, (None, &key), None).await?;
        self.keys.add(&key).await?;
        Ok((key, secret))
    }

    /// Gives a key another secret; the one that it had is good for the overlap still. The caller stays the same.
    pub async fn rotate_key(
        &self,
        id: &str,
        rotation: Rotation,
        requester: &str,
    ) -> Result<(Arc<ApiKey>, Secret<String>), OperationError> {
        let _turn = self.turn.lock().await;
        let old = self.keys.find(id)?;
        is_fit(requester, Some(&old.subject))?;
        let (key, secret) = self.keys.rotated(id, rotation, self.now())?;
        self.record_key("key.rotate", requester, (Some(&old), &key), Some(rotation.overlap)).await?;
        self.keys.replace(&key).await?;
        Ok((key, secret))
    }

    /// Refuses a key from now on.
    pub async fn revoke_key(&self, id: &str, requester: &str) -> Result<Arc<ApiKey>, OperationError> {
        let _turn = self.turn.lock().await;
        let old = self.keys.find(id)?;
        is_fit(requester, Some(&old.subject))?;
        let now = self.now();
        let (before, after) = (old.digest(), old.revoked_at(now).digest());
        self.record(Kind::Admin, "key.revoke", &old.id, |what| {
            what.text("after", &after).text("before", &before).text("requester", requester);
        })
        .await?;
        Ok(self.keys.revoke(id, now).await?)
    }

    /// What callers have connected at servers.
    pub async fn accounts(&self) -> Result<Vec<Account>, OperationError> {
        Ok(self.keys.accounts().list().await?)
    }

    /// Takes an account away from its caller. Its tokens are good until whoever gave them has been told.
    pub async fn revoke_account(&self, id: &str, requester: &str) -> Result<(Account, Tokens), OperationError> {
        let _turn = self.turn.lock().await;
        let gone = || OperationError::NoAccount(id.to_owned());
        let account = self.keys.accounts().by_id(id).await?.ok_or_else(gone)?;
        let Whose { issuer, subject, tenant, server } = &account.whose;
        is_fit(requester, Some(subject))?;
        let tenant = Some(tenant.as_str()).filter(|tenant| !tenant.is_empty());
        let subject = self.vault.pseudonym(Caller { issuer, subject, tenant }, self.now()).await?;
        let mut draft = Draft::new(Kind::Admin);
        draft.object("what", |what| {
            what.text("account", &account.id).text("act", "account.revoke").text("requester", requester);
            what.text("sub", &subject.name).text("target", server);
        });
        self.log.append(draft).durable().await?;
        self.keys.accounts().take(id, None).await?.ok_or_else(gone)
    }

    /// Warns of keys that will be refused soon: a record and a line of the log each, once a day.
    pub async fn warn_of_keys(&self) -> Result<(), OperationError> {
        let now = self.now();
        for key in self.keys.warnings(now).await? {
            let end = key.end(self.aging());
            let because = if key.expires == Some(end) { "expires" } else { "max_age" };
            tracing::warn!(id = &*key.id, %end, because, "an API key will be refused soon; see `yett keys rotate`");
            self.record(Kind::Admin, "key.rotation_due", &key.id, |what| {
                what.text("because", because).text("end", &end.to_string()).text("requester", "gateway");
            })
            .await?;
        }
        Ok(())
    }

    /// Takes to the store when keys were used last.
    pub async fn store_key_uses(&self) -> Result<(), StoreError> {
        self.keys.store_uses().await
    }

    /// How old secrets of keys may grow.
    pub fn aging(&self) -> Aging {
        self.keys.aging()
    }

    /// All keys.
    pub fn keys(&self) -> Vec<Arc<ApiKey>> {
        self.keys.list()
    }

    /// Records that somebody searched the log, by which filters, and how many records they were shown.
    pub async fn record_search(&self, by: &str, found: usize, requester: &str) -> Result<(), OperationError> {
        self.record(Kind::Admin, "audit.search", self.log.name(), |what| {
            what.text("by", by).count("found", found).text("requester", requester);
        })
        .await
    }

    /// Somebody has asked for an operation without a token, or the auditor of this name for one that is not for auditors. The first in a
    /// second is on disk when this returns; those after it are counted, and in the next such record or in the last.
    pub async fn refused(&self, auditor: Option<&str>) {
        if let Some(count) = self.refused.one_more(auditor) {
            self.record_refused(auditor, count).await;
        }
    }

    async fn record_refused(&self, auditor: Option<&str>, count: u64) {
        let act = if auditor.is_some() { "access.refuse" } else { "login.refuse" };
        let recorded = self.record(Kind::Admin, act, "admin", |what| {
            what.integer("n", count);
            if let Some(auditor) = auditor {
                what.text("requester", &format!("auditor:{auditor}"));
            }
        });
        if let Err(error) = recorded.await {
            tracing::error!(error = &error as &dyn std::error::Error, count, "refusals of the admin API could not be recorded");
        }
    }

    /// Closes the stores.
    pub async fn close(&self) {
        for (auditor, count) in self.refused.rest() {
            self.record_refused(auditor.as_deref(), count).await;
        }
        if let Err(error) = self.keys.store_uses().await {
            tracing::error!(error = &error as &dyn std::error::Error, "when API keys were used last could not be stored");
        }
        self.keys.close().await;
        self.vault.close().await;
    }

    async fn record_key(
        &self,
        act: &'static str,
        requester: &str,
        (before, after): (Option<&ApiKey>, &ApiKey),
        overlap: Option<Duration>,
    ) -> Result<(), OperationError> {
        let caller = Caller { issuer: "api-key", subject: &after.subject, tenant: after.tenant.as_deref() };
        let subject = self.vault.pseudonym(caller, self.now()).await?;
        self.record(Kind::Admin, act, &after.id, |what| {
            what.text("after", &after.digest());
            if let Some(before) = before {
                what.text("before", &before.digest());
            }
            if let Some(overlap) = overlap {
                what.integer("overlap", overlap.as_secs());
            }
            what.text("requester", requester).text("sub", &subject.name);
        })
        .await
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

mod approving;
mod switching;
#[cfg(test)]
mod tests;

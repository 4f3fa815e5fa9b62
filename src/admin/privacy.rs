//! Erasure, legal hold, and reading what the vault knows. The record comes first and is durable; only then anything is done.
//!
//! A change that is recorded happens: if the vault fails, or the process dies between record and change, the next operation or the
//! next start reads the log from where the vault has stopped and makes up for it. So does a vault restored from an older copy.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

pub(crate) use super::fit::{is_fit, is_fit_reason};
pub(super) use super::fit::{names, words};
use super::retention::Retention;
use crate::audit::{AppendError, BundleError, Draft, Kind, Log, ObjectWriter, Position, PruneError, VerifyIo};
use crate::clock::Clock;
use crate::state::{ApiKeys, StoreError, Switches};
use crate::vault::{Applied, Change, Content, Identity, Vault, VaultError};

/// The issuer of API keys, whose rows in `state.db` hold the subject as well.
const API_KEY: &str = "api-key";

/// Pseudonyms or key ids of one record: none is ever cut.
pub(super) const PER_RECORD: usize = 50;

/// Whoever holds the admin token, when they give no name of theirs. Who says nothing names nobody.
pub(super) const UNNAMED: &str = "admin";

/// For changes that concern no API key.
pub(super) const NO_KEYS: &[Arc<str>] = &[];

/// Why somebody is to be erased, held or released, and who says so.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whom it is about.
    pub who: Identity,
    /// The legal ground.
    pub basis: String,
    /// Who has approved it.
    pub approver: String,
    /// Who has asked for it.
    pub requester: String,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// There is nobody of that name.
    #[error("nothing is known of this caller")]
    Unknown,
    /// It is no token of that issuer, tenant and purpose, or was one.
    #[error("this is no token of that issuer, tenant and purpose; it may have been forgotten, or have expired")]
    UnknownToken,
    /// A legal hold stands against it.
    #[error("a legal hold keeps this caller; release it first")]
    Held,
    /// An operator's word would tell the log what it must never hold.
    #[error("`{0}` names the caller, and would stay in the log for ever; write a reference instead")]
    Identifying(&'static str),
    /// An operator's word is none.
    #[error("`{0}` must have 1 to 256 printable characters")]
    Words(&'static str),
    /// The reason is too long, or more than a line.
    #[error("`reason` must be one line of at most 500 bytes")]
    Reason,
    /// The wall clock may be wrong.
    #[error(
        "the clock was moved, or jumped between two runs: nothing is destroyed by it; check it, then say that it can be trusted"
    )]
    Clock,
    /// It could not be recorded, so nothing was done.
    #[error("the operation could not be recorded; nothing was done")]
    NotRecorded(#[from] AppendError),
    /// It stands in the log, and will be done.
    #[error("it is recorded but not all of it is done; the next operation or start finishes it")]
    Unfinished(#[source] Box<PrivacyError>),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// `state.db` failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The retention is a promise.
    #[error("`audit.retention` keeps everything from {0} on: what is younger is not removed before the configuration says so")]
    Kept(Timestamp),
    /// The log cannot be pruned, or not to the end.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// There is no thread to read the log.
    #[error("no thread can be started")]
    Thread(#[source] std::io::Error),
    /// The thread that read the log broke.
    #[error("reading the log failed inside")]
    Died,
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] VerifyIo),
    /// The log cannot be exported.
    #[error(transparent)]
    Export(#[from] BundleError),
    /// No head comes.
    #[error("the newest records are under no signed head yet; try again")]
    Uncovered,
    /// A task broke.
    #[error("reading the log failed inside")]
    Internal(#[from] tokio::task::JoinError),
}

/// Operations on what the vault knows.
#[derive(Debug)]
pub struct Privacy {
    pub(super) log: Arc<Log>,
    pub(super) vault: Arc<Vault>,
    pub(super) keys: Arc<ApiKeys>,
    /// A switch may name somebody.
    pub(super) switches: Arc<Switches>,
    /// The audit directory, in which logs are read.
    pub(super) logs: PathBuf,
    pub(super) retention: Retention,
    /// How long records are kept.
    pub(super) keep_log: std::time::Duration,
    /// One operation at a time: what it records and what it does are one step.
    turn: Mutex<()>,
    /// Something recorded was not done, or may not have been.
    behind: AtomicBool,
}

impl Privacy {
    /// On these stores; `logs` is the audit directory, `keep` how long a month's keys are kept after its end, and records.
    pub async fn open(
        log: Arc<Log>,
        vault: Arc<Vault>,
        (keys, switches): (Arc<ApiKeys>, Arc<Switches>),
        logs: PathBuf,
        keep: (std::time::Duration, std::time::Duration),
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultError> {
        let (keep_keys, keep_log) = keep;
        let retention = Retention::new(keep_keys, clock, vault.seen().await?);
        Ok(Self { log, vault, keys, switches, logs, retention, keep_log, turn: Mutex::default(), behind: AtomicBool::new(true) })
    }

    /// Destroys everything that tells who is behind somebody's pseudonyms: keys, mapping, captured content, API keys.
    /// Returns the pseudonyms, which stay in the log.
    pub async fn erase(&self, order: &Order) -> Result<Vec<String>, PrivacyError> {
        let _turn = self.begin().await?;
        order.check()?;
        let person = self.vault.person(&order.who.issuer, &order.who.subject).await?;
        let Identity { issuer, subject, .. } = &order.who;
        let mut ids = if issuer == API_KEY {
            self.keys.of_subject(subject)
        } else {
            // Accounts go the way of keys: by ids of chance, which say nothing of anybody.
            self.keys.accounts().of_subject(issuer, subject).await?.into_iter().map(Into::into).collect()
        };
        // So do switches that stop them: nobody is left to be stopped.
        ids.extend(self.switches.of_subject(issuer, subject));
        let (names, held) = person.map(|person| (person.pseudonyms, person.held)).unwrap_or_default();
        if names.is_empty() && ids.is_empty() {
            return Err(PrivacyError::Unknown);
        }
        if held {
            self.tell(Kind::Erasure, "refuse", order, &[], &names, Some("hold")).await?;
            return Err(PrivacyError::Held);
        }
        let at = self.tell(Kind::Erasure, "erase", order, &ids, &names, None).await?;
        self.finish(at, &ids, &Change::Erase(names.clone())).await?;
        Ok(names)
    }

    /// Sets or lifts a legal hold, which keeps somebody from erasure and expiry.
    pub async fn hold(&self, order: &Order, on: bool) -> Result<Vec<String>, PrivacyError> {
        let _turn = self.begin().await?;
        order.check()?;
        let person = self.vault.person(&order.who.issuer, &order.who.subject).await?.ok_or(PrivacyError::Unknown)?;
        let names = person.pseudonyms;
        let at = self.tell(Kind::Hold, if on { "hold" } else { "release" }, order, &[], &names, None).await?;
        let change = if on { Change::Hold(names.clone()) } else { Change::Release(names.clone()) };
        self.finish(at, NO_KEYS, &change).await?;
        Ok(names)
    }

    /// Who is behind pseudonyms; those that nobody is behind any more are left out. Recorded before anything is told.
    pub async fn reveal(&self, pseudonyms: &[String], requester: &str) -> Result<Vec<(String, Identity)>, PrivacyError> {
        let _turn = self.begin().await?;
        words("requester", requester)?;
        self.record_read("reveal", pseudonyms, requester).await?;
        let mut revealed = Vec::new();
        for name in pseudonyms {
            if let Some(identity) = self.vault.reveal(name).await? {
                revealed.push((name.clone(), identity));
            }
        }
        Ok(revealed)
    }

    /// All pseudonyms of somebody. Recorded before anything is told.
    pub async fn pseudonyms(&self, who: &Identity, requester: &str) -> Result<Vec<String>, PrivacyError> {
        let _turn = self.begin().await?;
        words("requester", requester)?;
        let names = self.vault.person(&who.issuer, &who.subject).await?.map(|person| person.pseudonyms).unwrap_or_default();
        self.record_read("find", &names, requester).await?;
        Ok(names)
    }

    /// What was captured of a call, while its keys exist. Recorded before anything is told.
    pub async fn content(&self, call: uuid::Uuid, requester: &str) -> Result<Vec<Content>, PrivacyError> {
        let _turn = self.begin().await?;
        words("requester", requester)?;
        self.record(Kind::VaultRead, |what| {
            what.text("act", "content").text("of", &call.to_string()).text("requester", requester);
        })
        .await?;
        Ok(self.vault.content(call.as_bytes()).await?)
    }

    /// Notes how far the log has come, so that the next start need not read it again from far back.
    pub async fn advance(&self) -> Result<(), PrivacyError> {
        let _turn = self.begin().await?;
        match self.log.durable() {
            0 => Ok(()),
            next => {
                self.keys.advance(self.log.name(), next).await?;
                Ok(self.vault.advance(Applied { log: self.log.name(), next }, self.retention.believed()).await?)
            }
        }
    }

    /// Takes the turn, and finishes what was left unfinished.
    pub(super) async fn begin(&self) -> Result<MutexGuard<'_, ()>, PrivacyError> {
        let turn = self.turn.lock().await;
        if self.behind.load(Ordering::Acquire) {
            self.replay().await?;
            self.keys.wipe().await?;
            self.vault.wipe().await?;
            self.behind.store(false, Ordering::Release);
        }
        Ok(turn)
    }

    /// Does what a durable record says.
    pub(super) async fn finish(&self, at: Position, keys: &[impl AsRef<str>], change: &Change) -> Result<(), PrivacyError> {
        let done = self.make(self.log.name(), at.index, keys, change).await;
        done.map_err(|error| PrivacyError::Unfinished(Box::new(error)))?;
        self.behind.store(false, Ordering::Release);
        Ok(())
    }

    /// Something is about to be recorded that has to be done. Whoever asked may be gone before it is, and this call with them: then
    /// the next one does it.
    pub(super) fn promise(&self) {
        self.behind.store(true, Ordering::Release);
    }

    pub(super) async fn make(
        &self,
        log: &str,
        index: u64,
        keys: &[impl AsRef<str>],
        change: &Change,
    ) -> Result<(), PrivacyError> {
        // Before the vault, whose transaction says that all of it is done.
        if !keys.is_empty() {
            self.erase_rows(keys).await?;
        }
        self.keys.advance(log, index + 1).await?;
        Ok(self.vault.apply(change, Applied { log, next: index + 1 }).await?)
    }

    /// Removes keys, accounts and switches with these ids; the journal is wiped when all are gone.
    pub(super) async fn erase_rows(&self, ids: &[impl AsRef<str>]) -> Result<(), StoreError> {
        self.switches.erase(ids).await?;
        self.keys.erase(ids).await
    }

    /// Records an order about somebody, in as many records as their pseudonyms need.
    async fn tell(
        &self,
        kind: Kind,
        act: &str,
        order: &Order,
        keys: &[Arc<str>],
        names: &[String],
        reason: Option<&str>,
    ) -> Result<Position, AppendError> {
        let parts = keys.len().max(names.len()).div_ceil(PER_RECORD).max(1);
        self.promise();
        let mut last = Position { index: 0 };
        for part in 0..parts {
            let (keys, names) = (nth(keys, part), nth(names, part));
            last = self
                .record(kind, |what| {
                    what.text("act", act).text("approver", &order.approver).text("basis", &order.basis);
                    if !keys.is_empty() {
                        list(what, "keys", keys);
                    }
                    if let Some(reason) = reason {
                        what.text("reason", reason);
                    }
                    what.text("requester", &order.requester);
                    list(what, "subs", names);
                })
                .await?;
        }
        Ok(last)
    }

    async fn record_read(&self, act: &str, names: &[String], requester: &str) -> Result<(), AppendError> {
        for part in 0..names.len().div_ceil(PER_RECORD).max(1) {
            self.record(Kind::VaultRead, |what| {
                what.text("act", act).text("requester", requester);
                list(what, "subs", nth(names, part));
            })
            .await?;
        }
        Ok(())
    }

    pub(super) async fn record(&self, kind: Kind, what: impl FnOnce(&mut ObjectWriter<'_>)) -> Result<Position, AppendError> {
        let mut draft = Draft::new(kind);
        draft.object("what", what);
        self.log.append(draft).durable().await
    }
}

impl PrivacyError {
    /// Whether all is done but that another process keeps the journal of a database in use.
    pub(super) fn is_journal(&self) -> bool {
        matches!(self, Self::Store(StoreError::Journal) | Self::Vault(VaultError::Store(StoreError::Journal)))
    }
}

impl Order {
    fn check(&self) -> Result<(), PrivacyError> {
        for (name, text) in [("approver", &self.approver), ("basis", &self.basis), ("requester", &self.requester)] {
            words(name, text)?;
            // SECURITY: leaves are for ever. The one text that must not be in them is easily written here.
            if names(&text.to_lowercase(), &self.who.subject.to_lowercase()) {
                return Err(PrivacyError::Identifying(name));
            }
        }
        Ok(())
    }
}

pub(super) fn list(what: &mut ObjectWriter<'_>, key: &'static str, texts: &[impl AsRef<str>]) {
    what.list(key, |list| {
        for text in texts {
            list.text(text.as_ref());
        }
    });
}

fn nth<T>(all: &[T], part: usize) -> &[T] {
    all.chunks(PER_RECORD).nth(part).unwrap_or_default()
}

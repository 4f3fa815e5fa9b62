//! Captured content: arguments of calls, encrypted under the key of their caller's month, so that they go when that goes.
//!
//! A call waits until its content is durable. Calls that wait at the same time share one transaction: whoever comes first has it made for
//! all, by a task of its own, which a caller that gives up does not end. What a transaction left behind whose end nobody knows is met
//! again when its texts are written once more: the same bytes are stored already, and that is as good.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::{Pool, Row as _, Sqlite};
use tokio_util::task::TaskTracker;

use super::profiles::month_of;
use super::tree::Root;
use super::{Month, Pseudonym, Vault, VaultError, Work};
use crate::master_key::hex;
use crate::seal::{Key, Label};
use crate::secret::Secret;
use crate::state::StoreError;

/// Most texts of one transaction.
const TOGETHER: usize = 64;

/// What seals one caller's content of one month.
#[derive(Debug)]
pub(super) struct MonthKey {
    pub(super) caller: Vec<u8>,
    pub(super) month: Month,
    pub(super) secret: Secret<Vec<u8>>,
}

/// Whose content it is, and what.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The log in which the call stands.
    pub log: &'a str,
    /// The call's id.
    pub call: &'a [u8; 16],
    /// What of it: a word of ours.
    pub kind: &'static str,
}

/// Content as it was captured.
#[derive(Debug)]
pub struct Content {
    /// What of the call.
    pub kind: String,
    /// SHA-256 of what is stored, as the call's record names it.
    pub sha256: String,
    /// The text.
    pub text: Secret<Vec<u8>>,
}

/// Texts on their way into the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    jobs: Arc<parking_lot::Mutex<Vec<Arc<Job>>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    writers: TaskTracker,
}

#[derive(Debug)]
struct Job {
    log: String,
    call: [u8; 16],
    kind: &'static str,
    keys: Arc<MonthKey>,
    sealed: Vec<u8>,
    state: AtomicU8,
}

const WAITS: u8 = 0;
const STORED: u8 = 1;
/// Its key is gone: the caller was erased, or the month has expired.
const KEYLESS: u8 = 2;

impl Vault {
    /// Stores content of a call, durably; returns the SHA-256 of what is stored. Fails closed: what is not stored must not be sent.
    pub async fn store(&self, whose: &Pseudonym, place: Place<'_>, text: &[u8]) -> Result<String, VaultError> {
        let Place { log, call, kind } = place;
        let key = Key::new(whose.keys.secret.clone())?;
        let sealed = key.seal(&label(log, call, kind), text)?;
        let sha256 = hex(digest(&SHA256, &sealed).as_ref());
        let (log, keys) = (log.to_owned(), Arc::clone(&whose.keys));
        let job = Arc::new(Job { log, call: *call, kind, keys, sealed, state: AtomicU8::new(WAITS) });
        self.waiting.jobs.lock().push(Arc::clone(&job));
        let turn = Arc::clone(&self.waiting.turn).lock_owned().await;
        if job.state.load(Ordering::Acquire) == WAITS {
            let (waiting, pool, own) = (self.waiting.clone(), self.pool.clone(), Arc::clone(&job));
            let written = self.waiting.writers.spawn(async move {
                // Nobody else writes before the end of this is known.
                let _turn = turn;
                waiting.write(&pool, &own).await
            });
            written.await.map_err(|panicked| StoreError::from(sqlx::Error::Io(io::Error::other(panicked))))??;
        }
        if job.state.load(Ordering::Acquire) == STORED { Ok(sha256) } else { Err(VaultError::Erased) }
    }

    /// What was captured of a call, and whose it is.
    pub async fn content(&self, call: &[u8; 16]) -> Result<Vec<Content>, VaultError> {
        find(call, &self.root, &self.pool).await
    }
}

/// What was captured of a call, under keys that are still there.
pub(super) async fn find(call: &[u8; 16], root: &Root, pool: &Pool<Sqlite>) -> Result<Vec<Content>, VaultError> {
    let rows = sqlx::query(
        "SELECT kind, log, sealed, callers.id, tenant, months.month, key FROM content
         JOIN callers ON content.caller = callers.id
         JOIN months ON months.caller = content.caller AND months.month = content.month WHERE call = ? ORDER BY kind",
    )
    .bind(call.as_slice())
    .fetch_all(pool)
    .await?;
    let mut contents = Vec::new();
    for row in rows {
        let (kind, log, sealed): (String, String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (secret, ..) = month_of(&row, 3, root, pool).await?;
        let text = Key::new(secret)?.open(&label(&log, call, &kind), &sealed)?;
        contents.push(Content { kind, sha256: hex(digest(&SHA256, &sealed).as_ref()), text });
    }
    Ok(contents)
}

impl Waiting {
    /// Writes `own` and what else waits.
    async fn write(&self, pool: &Pool<Sqlite>, own: &Arc<Job>) -> Result<(), VaultError> {
        let mut jobs = {
            let mut waiting = self.jobs.lock();
            waiting.retain(|job| !Arc::ptr_eq(job, own));
            let count = waiting.len().min(TOGETHER - 1);
            waiting.drain(..count).collect::<Vec<_>>()
        };
        jobs.push(Arc::clone(own));
        let mut work = pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut states = Vec::with_capacity(jobs.len());
        for job in &jobs {
            // Only where the key still is: content nobody could open would stay behind for ever.
            let stored = sqlx::query(
                "INSERT INTO content (call, kind, log, caller, month, sealed)
                 SELECT ?, ?, ?, caller, month, ? FROM months WHERE caller = ? AND month = ? ON CONFLICT DO NOTHING",
            )
            .bind(job.call.as_slice())
            .bind(job.kind)
            .bind(&job.log)
            .bind(&job.sealed)
            .bind(&job.keys.caller)
            .bind(job.keys.month.to_string())
            .execute(&mut *work)
            .await?;
            let stored = stored.rows_affected() == 1 || is_there(job, &mut work).await?;
            states.push(if stored { STORED } else { KEYLESS });
        }
        work.commit().await?;
        for (job, state) in jobs.iter().zip(states) {
            job.state.store(state, Ordering::Release);
        }
        Ok(())
    }

    /// Until nothing is being written.
    pub(super) async fn finish(&self) {
        self.writers.close();
        self.writers.wait().await;
    }
}

/// Whether exactly this is stored already, by a transaction whose end was not seen.
async fn is_there(job: &Job, work: &mut Work) -> Result<bool, VaultError> {
    let found = sqlx::query_scalar::<_, Vec<u8>>("SELECT sealed FROM content WHERE call = ? AND kind = ? AND log = ?")
        .bind(job.call.as_slice())
        .bind(job.kind)
        .bind(&job.log)
        .fetch_optional(&mut **work)
        .await?;
    Ok(found.is_some_and(|sealed| sealed == job.sealed))
}

fn label(log: &str, call: &[u8; 16], kind: &str) -> Label {
    Label::new("content", &[log.as_bytes(), call, kind.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master_key::MasterKey;
    use crate::vault::Caller;

    async fn vault(dir: &std::path::Path) -> (Arc<Vault>, Pseudonym) {
        let vault = Vault::open(dir, &MasterKey::open(None, dir).unwrap()).await.unwrap();
        let caller = Caller { issuer: "corp", subject: "ada", tenant: None };
        let ada = vault.pseudonym(caller, "2026-11-21T00:00:00Z".parse().unwrap()).await.unwrap();
        (Arc::new(vault), ada)
    }

    fn job(whose: &Pseudonym, sealed: &[u8]) -> Arc<Job> {
        let (log, keys) = ("gw/audit/r1".to_owned(), Arc::clone(&whose.keys));
        let (sealed, state) = (sealed.to_owned(), AtomicU8::new(WAITS));
        Arc::new(Job { log, call: [7; 16], kind: "full", keys, sealed, state })
    }

    #[tokio::test]
    async fn what_a_writer_stored_that_nobody_saw_the_end_of_is_stored_for_all_who_wait() {
        let dir = tempfile::tempdir().unwrap();
        let (vault, ada) = vault(dir.path()).await;
        for (sealed, state) in [(b"the text", STORED), (b"the text", STORED), (b"another!", KEYLESS)] {
            let job = job(&ada, sealed);
            vault.waiting.write(&vault.pool, &job).await.unwrap();
            assert_eq!(job.state.load(Ordering::Acquire), state, "{sealed:?}");
        }
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_while_it_writes_for_others_takes_nobody_along() {
        let dir = tempfile::tempdir().unwrap();
        let (vault, ada) = vault(dir.path()).await;
        let calls = TaskTracker::new();
        let store = |call: u8| {
            let (vault, ada) = (Arc::clone(&vault), ada.clone());
            calls.spawn(async move {
                let call = [call; 16];
                vault.store(&ada, Place { log: "gw/audit/r1", call: &call, kind: "full" }, b"text").await.map(drop)
            })
        };
        // Somebody else has the file until both wait.
        let other = vault.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let first = store(1);
        while vault.waiting.turn.try_lock().is_ok() || !vault.waiting.jobs.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let second = store(2);
        while vault.waiting.jobs.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(vault.waiting.turn.try_lock().is_err(), "a second transaction begins beside the first");
        drop(other);
        second.await.unwrap().unwrap();
        vault.waiting.finish().await;
        for call in [1, 2] {
            assert_eq!(vault.content(&[call; 16]).await.unwrap().len(), 1, "{call}");
        }
    }
}

//! Captured content: arguments of calls, encrypted under the key of their caller's month, so that they go when that goes.
//!
//! A call waits until its content is durable. Calls that wait at the same time share one transaction: whoever comes first writes for
//! all. A writer that is given up in the middle takes nobody along: the others find their own not done, and one of them writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::Row as _;

use super::tree::month_label;
use super::{Month, Pseudonym, Vault, VaultError};
use crate::master_key::hex;
use crate::seal::{Key, Label, SealError};
use crate::secret::Secret;

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
#[derive(Debug, Default)]
pub(super) struct Waiting {
    jobs: parking_lot::Mutex<Vec<Arc<Job>>>,
    turn: tokio::sync::Mutex<()>,
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
        let _turn = self.waiting.turn.lock().await;
        if job.state.load(Ordering::Acquire) == WAITS {
            self.write(&job).await?;
        }
        if job.state.load(Ordering::Acquire) == STORED { Ok(sha256) } else { Err(VaultError::Erased) }
    }

    /// Writes `own` and what else waits.
    async fn write(&self, own: &Arc<Job>) -> Result<(), VaultError> {
        let mut jobs = {
            let mut waiting = self.waiting.jobs.lock();
            waiting.retain(|job| !Arc::ptr_eq(job, own));
            let count = waiting.len().min(TOGETHER - 1);
            waiting.drain(..count).collect::<Vec<_>>()
        };
        jobs.push(Arc::clone(own));
        let mut work = self.pool.begin_with("BEGIN IMMEDIATE").await?;
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
            states.push(if stored.rows_affected() == 1 { STORED } else { KEYLESS });
        }
        work.commit().await?;
        for (job, state) in jobs.iter().zip(states) {
            job.state.store(state, Ordering::Release);
        }
        Ok(())
    }

    /// What was captured of a call, and whose it is.
    pub async fn content(&self, call: &[u8; 16]) -> Result<Vec<Content>, VaultError> {
        let rows = sqlx::query(
            "SELECT kind, log, sealed, callers.id, tenant, months.month, key FROM content
             JOIN callers ON content.caller = callers.id
             JOIN months ON months.caller = content.caller AND months.month = content.month WHERE call = ? ORDER BY kind",
        )
        .bind(call.as_slice())
        .fetch_all(&self.pool)
        .await?;
        let mut contents = Vec::new();
        for row in rows {
            let (kind, log, sealed): (String, String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let (caller, tenant, month): (Vec<u8>, Vec<u8>, String) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
            let month = month.parse().map_err(|_form| SealError::Broken("a month"))?;
            let wrapped: Vec<u8> = row.try_get(6)?;
            let key = self.root.tenant(&tenant, &self.pool).await?.unwrapped(&month_label(&caller, month), &wrapped)?;
            let text = Key::new(key.derived("content"))?.open(&label(&log, call, &kind), &sealed)?;
            contents.push(Content { kind, sha256: hex(digest(&SHA256, &sealed).as_ref()), text });
        }
        Ok(contents)
    }
}

fn label(log: &str, call: &[u8; 16], kind: &str) -> Label {
    Label::new("content", &[log.as_bytes(), call, kind.as_bytes()])
}

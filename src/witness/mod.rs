//! A witness of our own: an audit department runs it on a machine that the gateway's operators cannot reach (`docs/witness.md`).
//!
//! What passes through: tree heads of logs into cosignatures (C2SP tlog-witness), and announcements of new keys into keys that are
//! believed from then on. What it guarantees: no two heads it has cosigned contradict each other; what it has cosigned is durable before
//! the cosignature leaves; one process serves a folder; two heads of one size that a log has signed are kept as evidence. Limits:
//! whoever puts its folder back to an older copy makes it forget, so nobody does. It does not look at records.

mod rotation;
mod server;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

pub use rotation::{KeyRefusal, NextKey};
pub use server::Server;

use crate::audit::{Lock, LockError};
use crate::clock::Clock;
use crate::tlog::add_checkpoint::{Refusal, Request};
use crate::tlog::{Checkpoint, Head, KeyError, LastHeads, Signature, SignatureError, Signer, VerifierKey};
use store::{Known, Store};

/// Room for the heads of one answer to `last-heads`: thirty or more.
const LAST_HEADS: usize = 12 * 1024;

/// Why a witness does not start.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A log was given a key that is not the one it was known by from the beginning.
    #[error("the log `{0}` is known with another first key; a witness never forgets, so this log needs another name")]
    AnotherKey(String),
    /// What it knows of a log, or its own key, is damaged. To begin again would be to forget.
    #[error("`{}` is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The disk failed.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// No key can be made.
    #[error("no key can be made for the witness")]
    Key(#[from] KeyError),
    /// Another process serves this folder.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum NotCosigned {
    /// The protocol says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The signature cannot be made.
    #[error(transparent)]
    Sign(#[from] SignatureError),
    /// It could not be made durable what would be signed.
    #[error("the state of the log could not be stored; the witness has to be started again")]
    Store,
}

/// Why a key is not believed.
#[derive(Debug, thiserror::Error)]
pub enum NotBelieved {
    /// It is not proven.
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    /// It could not be made durable.
    #[error("the state of the log could not be stored; the witness has to be started again")]
    Store,
}

/// Why heads are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// The request is none.
    #[error("the name of a log, the number of an epoch, and a newline behind each are expected")]
    Malformed,
    /// The disk failed, or a file is damaged.
    #[error("what is known of the log could not be read")]
    Store,
    /// A log this witness does not know.
    #[error("unknown log")]
    UnknownLog,
}

impl NotShown {
    /// The HTTP status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::UnknownLog => 404,
            Self::Store => 500,
        }
    }
}

/// What the witness knows, and signs with.
pub struct Witness {
    signer: Signer,
    store: Store,
    logs: HashMap<String, Mutex<Entry>>,
    clock: Arc<dyn Clock>,
    /// Held until nothing can be signed any more.
    _lock: Lock,
}

/// A log, under its own lock: check, store and sign are one step.
#[derive(Debug)]
struct Entry {
    known: Known,
    /// A write failed. What is on disk may be the old state or the new one, so nothing more is signed by this process.
    stuck: bool,
}

impl Witness {
    /// Opens its folder, or makes it and a key under `name`. `logs` are the first keys of logs, beside those it knows already.
    pub fn open(
        folder: &Path,
        name: Option<&str>,
        logs: impl IntoIterator<Item = VerifierKey>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WitnessError> {
        let store = Store::open(folder)?;
        let lock = Lock::take(&store.lock())?;
        let signer = store.signer(name)?;
        let mut known: HashMap<_, _> = store.logs()?.into_iter().map(|known| (known.origin().to_owned(), known)).collect();
        for first in logs {
            match known.get(first.name()) {
                Some(known) if known.first == first => {}
                Some(known) => return Err(WitnessError::AnotherKey(known.origin().to_owned())),
                None => {
                    let fresh = Known::new(first);
                    store.save(&fresh)?;
                    known.insert(fresh.origin().to_owned(), fresh);
                }
            }
        }
        let logs = known.into_iter().map(|(origin, known)| (origin, Mutex::new(Entry { known, stuck: false }))).collect();
        Ok(Self { signer, store, logs, clock, _lock: lock })
    }

    /// The key that its cosignatures are verified with.
    pub fn key(&self) -> &VerifierKey {
        self.signer.key()
    }

    /// How many logs it knows.
    pub fn logs(&self) -> usize {
        self.logs.len()
    }

    /// Cosigns a head, if it continues the last one. Waits for the disk.
    pub fn add_checkpoint(&self, request: &Request) -> Result<Signature, NotCosigned> {
        let origin = request.unverified_checkpoint().map_err(Refusal::from)?.origin;
        let entry = self.logs.get(&origin).ok_or(Refusal::UnknownLog)?;
        let mut entry = entry.lock();
        if entry.stuck {
            return Err(NotCosigned::Store);
        }
        let last = entry.known.head().map(|head| Head { size: head.size, root: head.root });
        let head = match judge(request, &entry.known, last) {
            Ok(head) => head,
            Err(refusal) => {
                if let (Refusal::Forked(size), Some(known)) = (&refusal, &entry.known.note) {
                    tracing::error!(log = origin, size, "the log has signed two heads of one size; both are kept in `forks/`");
                    self.store.keep_evidence(&origin, known, &request.checkpoint);
                }
                return Err(refusal.into());
            }
        };
        if last.is_none_or(|last| last.size != head.size) {
            let next = entry.known.with_head(request.checkpoint.clone());
            self.advance(&mut entry, next, Store::save).map_err(|_logged| NotCosigned::Store)?;
        }
        // Only now: what this says is on disk.
        let seconds = u64::try_from(self.clock.now().as_second()).unwrap_or(0);
        Ok(Signature::new(&self.signer, request.checkpoint.unverified_text(), seconds)?)
    }

    /// Believes the next key of a log, if the log has announced it under the last head cosigned here. Waits for the disk.
    pub fn add_key(&self, next: &NextKey) -> Result<(), NotBelieved> {
        let origin = next.unverified_origin()?;
        let entry = self.logs.get(&origin).ok_or(KeyRefusal::UnknownLog)?;
        let mut entry = entry.lock();
        if entry.stuck {
            return Err(NotBelieved::Store);
        }
        let Some(announced) = next.check(&entry.known)? else { return Ok(()) };
        tracing::info!(log = origin, epoch = announced.epoch, key = %announced.key, "the log has changed its key");
        let next = entry.known.with_key(announced);
        self.advance(&mut entry, next, Store::save_with_former).map_err(|_logged| NotBelieved::Store)
    }

    /// The last heads that were cosigned for a log: one for each of its epochs below `before`, newest first. Who has the log's records
    /// can tell by them whether it is this log. Waits for the disk.
    pub fn last_heads(&self, origin: &str, before: u64) -> Result<LastHeads, NotShown> {
        let known = self.logs.get(origin).ok_or(NotShown::UnknownLog)?.lock().known.clone();
        let (newest, notes) = self.store.last_heads(&known, before, LAST_HEADS).map_err(|error| {
            tracing::error!(log = origin, error = &error as &dyn std::error::Error, "heads of former keys cannot be read");
            NotShown::Store
        })?;
        Ok(LastHeads { newest, notes })
    }

    fn advance(
        &self,
        entry: &mut Entry,
        next: Known,
        save: impl FnOnce(&Store, &Known) -> Result<(), WitnessError>,
    ) -> Result<(), WitnessError> {
        match save(&self.store, &next) {
            Ok(()) => {
                entry.known = next;
                Ok(())
            }
            Err(error) => {
                entry.stuck = true;
                tracing::error!(error = &error as &dyn std::error::Error, "nothing more is cosigned for this log");
                Err(error)
            }
        }
    }
}

/// Whether a head continues the last one, or is that one.
fn judge(request: &Request, known: &Known, last: Option<Head>) -> Result<Checkpoint, Refusal> {
    let (unsigned, last) = match (request.check(&[&known.key], last), last) {
        (Err(unsigned @ Refusal::Unsigned(_)), Some(last)) => (unsigned, last),
        (judged, _) => return judged,
    };
    let former: Vec<&VerifierKey> = known.former.iter().collect();
    match request.check(&former, Some(last)) {
        // The hand-over itself, sent again since its cosignature was lost on the way.
        Ok(head) if head.size == last.size => Ok(head),
        Err(Refusal::Forked(size)) => Err(Refusal::Forked(size)),
        Err(Refusal::Unsigned(_) | Refusal::UnknownLog) => Err(unsigned),
        // A head of the log's own under a key whose time is over is old news, or an old copy that somebody goes on with: the size says
        // so, where "not signed" would not.
        Ok(_) | Err(_) => Err(Refusal::Size(last.size)),
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("key", self.key()).field("logs", &self.logs.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Copies of heads on systems of other administrators: a mounted folder, or a collector behind a URL (SECURITY.md 2.6, level L1).
//!
//! A copy is one signed note. Whoever keeps it can show later what the log must be consistent with (`audit verify --pin`), whatever
//! became of this host. Calls never wait for a copy; one that cannot be made is told, counted and tried again with the newest head.

mod folder;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::client::{Client, Silence};
use super::{FreezeReason, Frozen};
use crate::audit::{Log, ProveError, SignedHead, root_before};
use crate::config::{CopyTo, HeadCopy};
use crate::telemetry::Metrics;
use crate::tlog::Checkpoint;
use crate::upstream::ConnectError;
use folder::Folder;

/// Longest wait for a mounted folder at a start.
const LOOK: Duration = Duration::from_secs(10);

/// For the last head, while the process ends.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// Between two tries after a failure, where copies are rarer than this.
const AGAIN: Duration = Duration::from_secs(10);

/// Why a head was not copied, or what was copied before cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// What is there is of another history.
    #[error(transparent)]
    Frozen(#[from] Frozen),
    /// The folder cannot be read or written.
    #[error("`{}` cannot be used", path.display())]
    Folder {
        /// What failed.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder does not answer.
    #[error("`{}` does not answer within {} s", .0.display(), LOOK.as_secs())]
    Hangs(PathBuf),
    /// The collector says nothing.
    #[error("the collector cannot be reached")]
    Silence(#[from] SilenceError),
    /// The collector says no.
    #[error("the collector refuses (HTTP {0})")]
    Refused(u16),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] ProveError),
    /// A thread has panicked.
    #[error("copying failed inside")]
    Inside(#[from] tokio::task::JoinError),
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SilenceError(Silence);

/// All copies of one log's heads.
#[derive(Debug)]
pub struct Copies {
    all: Vec<Copy>,
    log: Arc<Log>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Copy {
    name: String,
    every: Duration,
    to: To,
    /// Records under the head that was copied last.
    size: u64,
    failing: bool,
}

#[derive(Debug)]
enum To {
    Folder(Arc<Folder>),
    Collector(Box<Client>),
}

impl Copies {
    /// Of an open log, as `settings` say.
    pub fn new(settings: &[HeadCopy], log: Arc<Log>, metrics: Arc<Metrics>) -> Result<Self, ConnectError> {
        let mut copies = Vec::with_capacity(settings.len());
        for HeadCopy { name, to, every } in settings {
            let to = match to {
                CopyTo::Folder(path) => To::Folder(Arc::new(Folder::new(path, log.name()))),
                CopyTo::Url { url, bearer } => To::Collector(Box::new(Client::new(url)?.authorized(bearer.clone()))),
            };
            metrics.head_copied(name, 0);
            copies.push(Copy { name: name.clone(), every: *every, to, size: 0, failing: false });
        }
        Ok(Self { all: copies, log, metrics })
    }

    /// Looks into every folder, before anything is served: whether the newest head there is one of this log.
    pub async fn check(&self) -> Result<(), CopyError> {
        for copy in &self.all {
            let To::Folder(folder) = &copy.to else { continue };
            let (looking, log) = (Arc::clone(folder), Arc::clone(&self.log));
            let look = tokio::task::spawn_blocking(move || {
                let Some(known) = looking.newest()? else { return Ok(None) };
                let found = newest(&log).map_or(0, |signed| signed.head.size);
                contradiction(&log, &known, found).map_err(CopyError::from)
            });
            let hangs = |_elapsed| CopyError::Hangs(folder.path().to_owned());
            if let Some(reason) = timeout(LOOK, look).await.map_err(hangs)??? {
                return Err(copy.frozen(reason).into());
            }
        }
        Ok(())
    }

    /// Follows the log until it is closed.
    pub fn run(self, tasks: &TaskTracker) {
        for copy in self.all {
            tasks.spawn(copy.follow(Arc::clone(&self.log), Arc::clone(&self.metrics)));
        }
    }
}

/// What the log says against a head that was copied from it.
fn contradiction(log: &Log, known: &Checkpoint, found: u64) -> Result<Option<FreezeReason>, ProveError> {
    if known.size > found {
        return Ok(Some(FreezeReason::RolledBack { size: known.size, found }));
    }
    let differs = known.size > 0 && root_before(log.directory(), known.size)? != known.root;
    Ok(differs.then_some(FreezeReason::Forked { size: known.size }))
}

fn newest(log: &Log) -> Option<SignedHead> {
    log.heads().borrow().clone()
}

impl Copy {
    async fn follow(mut self, log: Arc<Log>, metrics: Arc<Metrics>) {
        let mut heads = log.heads();
        loop {
            if let Err(frozen) = self.bring(&log, &metrics).await {
                return frozen.freeze(&log);
            }
            let pause = if self.failing { self.every.min(AGAIN) } else { self.every };
            if is_closed_within(pause, &mut heads).await {
                // Its last head is there.
                if let Ok(Err(frozen)) = timeout(FAREWELL, self.bring(&log, &metrics)).await {
                    frozen.freeze(&log);
                }
                return;
            }
        }
    }

    /// Copies the newest head, if it is new, and tells how that went.
    async fn bring(&mut self, log: &Log, metrics: &Metrics) -> Result<(), Frozen> {
        let Some(signed) = newest(log).filter(|signed| signed.head.size > self.size) else { return Ok(()) };
        let size = signed.head.size;
        match self.to.put(signed).await {
            Ok(()) => {
                metrics.head_copied(&self.name, size);
                self.size = size;
                if std::mem::replace(&mut self.failing, false) {
                    tracing::info!(copy = self.name, size, "heads of the audit log are copied again");
                }
            }
            Err(CopyError::Frozen(Frozen { reason, .. })) => return Err(self.frozen(reason)),
            Err(error) => {
                metrics.head_copy_failed(&self.name);
                if !std::mem::replace(&mut self.failing, true) {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(copy = self.name, error, size, "heads of the audit log are not copied");
                }
            }
        }
        Ok(())
    }

    fn frozen(&self, reason: FreezeReason) -> Frozen {
        Frozen { keeper: format!("`audit.copies`, `{}`", self.name), reason }
    }
}

/// Whether the log is closed before `pause` is over.
async fn is_closed_within(pause: Duration, heads: &mut watch::Receiver<Option<SignedHead>>) -> bool {
    tokio::select! {
        // It ends with the log alone.
        _closed = heads.wait_for(|_any| false) => true,
        () = sleep(pause) => false,
    }
}

impl To {
    async fn put(&self, signed: SignedHead) -> Result<(), CopyError> {
        match self {
            Self::Folder(folder) => {
                let folder = Arc::clone(folder);
                tokio::task::spawn_blocking(move || folder.put(&signed)).await?
            }
            Self::Collector(client) => {
                let reply = client.post("", signed.note.to_string()).await.map_err(SilenceError)?;
                if (200..300).contains(&reply.status) { Ok(()) } else { Err(CopyError::Refused(reply.status)) }
            }
        }
    }
}

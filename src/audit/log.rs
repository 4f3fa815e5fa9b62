//! The handle callers hold: room for a call's records, appending, and the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::seal::Key;

use super::epoch::EpochError;
use super::fs::Storage;
use super::heads::{KnownHead, SignedHead};
use super::layout::{BadName, Layout, log_name};
use super::lock::{Lock, LockError};
use super::queue::{AppendError, Condition, Entry, Position, Queue, Tempo, hand_out};
use super::record::Draft;
use super::recovery::{RecoveryError, recover};
use super::segment::is_full;
use super::writer::{Limits, WriteError, Writer};

/// How a log is opened. [`Options::new`] fills in the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// The audit directory, shared by all logs.
    pub dir: PathBuf,
    /// Name of the gateway's log, e.g. `mcp.example.com`.
    pub origin: String,
    /// Name of this replica; must survive a restart.
    pub replica: String,
    /// Records that may be queued or promised at once. 8192: about 6 MiB of usual records, four seconds of a disk that
    /// syncs in 250 ms with full batches.
    pub queue: usize,
    /// Size at which a segment is sealed.
    pub segment_bytes: u64,
    /// Age at which a segment is sealed.
    pub segment_age: Duration,
    /// Interval of `tick` records. Verification reports silence above two minutes.
    pub tick: Duration,
    /// How long records may wait for company.
    pub tempo: Tempo,
    /// Bytes of room made ahead in the segment that grows.
    pub room: u64,
    /// Bytes kept free for the outcomes of calls that have begun; on a small volume an eighth of it at most.
    pub reserve: u64,
    /// Seals the keys that heads are signed with.
    pub seal: Arc<Key>,
    /// How long keys are used.
    pub epoch: Duration,
    /// Whether heads carry a second signature, ML-DSA-44.
    pub second_signature: bool,
    /// The newest head that somebody outside the log's directory remembers: what is on disk must continue it.
    pub known: Option<KnownHead>,
}

impl Options {
    /// The defaults of the format: 64 MiB or 24 h a segment, a tick every 60 s, 8192 records queued, 1 MiB of room ahead
    /// (some thousand records, made in a millisecond or two), 64 MiB in reserve (what the outcomes of as many calls as can be open
    /// may take at their longest), new keys every day.
    pub fn new(dir: impl Into<PathBuf>, origin: impl Into<String>, replica: impl Into<String>, seal: Key) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            replica: replica.into(),
            queue: 8_192,
            segment_bytes: 64 * 1024 * 1024,
            segment_age: Duration::from_hours(24),
            tick: Duration::from_mins(1),
            tempo: Tempo::default(),
            room: 1024 * 1024,
            reserve: 64 * 1024 * 1024,
            seal: Arc::new(seal),
            epoch: Duration::from_hours(24),
            second_signature: false,
            known: None,
        }
    }

    /// Name of the log.
    pub fn name(&self) -> String {
        log_name(&self.origin, &self.replica)
    }
}

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Index of the next record, after those that recovery wrote.
    pub next_index: u64,
    /// Bytes of an unfinished last line, moved to `quarantine/`. They were never acknowledged.
    pub quarantined_bytes: u64,
    /// Decisions without outcome; each now has one that says `unknown`.
    pub unfinished: Vec<Unfinished>,
    /// Did the previous run end without a `stop` record?
    pub unclean: bool,
}

/// A call that was allowed and whose end nobody recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The call's id, as it stands in the record.
    pub call: String,
    /// Index of its decision.
    pub index: u64,
}

/// Why a log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log's directories cannot be made.
    #[error("cannot create `{}`", .path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process writes it, or the lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] EpochError),
    /// Origin or replica cannot be used.
    #[error(transparent)]
    Name(#[from] BadName),
    /// What is on disk cannot be continued.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The writer thread cannot be started.
    #[error("cannot start the audit writer's thread")]
    Thread(#[source] io::Error),
    /// The records of recovery could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// There is no room for another call: the disk is behind, or the log has stopped. Answer 503 before dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log has no room for another call")]
pub struct Full;

/// An open log. Clones share it; when the last one goes, it is closed.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    directory: PathBuf,
    queue: Arc<Queue>,
    heads: watch::Receiver<Option<SignedHead>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Takes the log's lock, repairs what a crash left, writes the records that say so, and starts the writer thread.
    /// Blocks on the disk; at most two segments are read.
    pub fn open(options: Options, storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Result<(Self, Opened), OpenError> {
        let layout = Layout::new(&options.dir, &options.origin, &options.replica)?;
        for path in [layout.segments(), layout.heads(), layout.keys(), layout.quarantine()] {
            storage.create_dir_all(&path).map_err(|source| OpenError::Directory { path, source })?;
        }
        let lock = Lock::take(&layout.lock())?;
        let known = options.known.as_ref();
        let found = match recover(&*storage, &layout, &options.seal, known) {
            // What is torn is moved before it is cut off, and on a full volume only the reserve has space for it.
            Err(RecoveryError::Io { source, .. }) if is_full(&source) && storage.occupy(&layout.reserve(), 0).is_ok() => {
                recover(&*storage, &layout, &options.seal, known)?
            }
            found => found?,
        };

        let (name, directory) = (layout.name.clone(), layout.directory.clone());
        let queue = Arc::new(Queue::new(options.queue, options.tempo));
        let limits = Limits {
            segment_bytes: options.segment_bytes,
            segment_age: options.segment_age,
            tick: options.tick,
            room: options.room,
            reserve: options.reserve,
            epoch: options.epoch,
            second_signature: options.second_signature,
        };
        let (newest, heads) = watch::channel(None);
        let (writer, opened) = Writer::open(storage, clock, layout, limits, options.seal, found, newest)?;

        let thread_queue = Arc::clone(&queue);
        let thread = Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || {
                writer.run(&thread_queue);
                // Held until nothing can be written any more, and not longer: the next start may follow at once.
                drop(lock);
            })
            .map_err(OpenError::Thread)?;
        Ok((Self { inner: Arc::new(Inner { name, directory, queue, heads, thread: Mutex::new(Some(thread)) }) }, opened))
    }

    /// The newest signed head, and each that comes after it.
    pub fn heads(&self) -> watch::Receiver<Option<SignedHead>> {
        self.inner.heads.clone()
    }

    /// Name of the log, `<origin>/audit/<replica>`; with an index it is a receipt.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How many records are durable for sure, from the log's first on; 0 until somebody has waited for one.
    pub fn durable(&self) -> u64 {
        self.inner.queue.durable()
    }

    /// How many records survive a power cut as far as is known, from the log's first on: what is told of it elsewhere ends there.
    pub fn settled(&self) -> u64 {
        let head = self.inner.heads.borrow().as_ref().map_or(0, |signed| signed.head.size);
        self.durable().max(head)
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// Whether confirmation from outside is too long ago: then no call begins.
    pub fn set_lagging(&self, lagging: bool) {
        self.inner.queue.set_lagging(lagging);
    }

    /// Somebody outside knows another history of this log: no call begins any more. What has begun is recorded to its end.
    pub fn freeze(&self) {
        self.inner.queue.freeze();
    }

    /// Changes how long records may wait, when the durability mode changes.
    pub fn set_tempo(&self, tempo: Tempo) {
        self.inner.queue.set_tempo(tempo);
    }

    /// Room for one call's records. Take it before anything is decided and keep it until the outcome is appended.
    pub fn try_reserve(&self) -> Result<Slot, Full> {
        if self.inner.queue.reserve() { Ok(Slot { queue: Arc::clone(&self.inner.queue) }) } else { Err(Full) }
    }

    /// Queues a record. Never blocks. Records keep the order in which one caller appends them; two callers' order is the
    /// order of their calls of this function. Callers hold a [`Slot`]; the gateway's own few records need none.
    pub fn append(&self, draft: Draft) -> Receipt {
        let (sender, receiver) = oneshot::channel();
        self.inner.queue.push(Entry { draft, receipt: Some(sender) }, true);
        Receipt { receiver }
    }

    /// Queues a record that nobody waits for. It keeps its place in the order, and is written with the next record somebody waits
    /// for, or after [`Tempo::linger`]: a decision in `response` mode, whose outcome covers it, and everything in `async` mode.
    pub fn append_unhurried(&self, draft: Draft) {
        self.inner.queue.push(Entry::own(draft), false);
    }

    /// Hands out the answers of the writer on this runtime, until the log is closed. Without it every answer wakes its caller's
    /// thread by itself, from the writer's; with it a batch does so once.
    pub fn hand_out_answers(&self) -> impl Future<Output = ()> + Send + use<> {
        let (sender, mut batches) = mpsc::unbounded_channel();
        self.inner.queue.answer_through(sender);
        async move {
            while let Some(batch) = batches.recv().await {
                hand_out(batch);
            }
        }
    }

    /// Queues the last record: what is appended after it fails with [`AppendError::Closed`]. [`Log::close`] waits for it.
    pub fn append_last(&self, draft: Draft) -> Receipt {
        let (sender, receiver) = oneshot::channel();
        self.inner.queue.push_last(Entry { draft, receipt: Some(sender) });
        Receipt { receiver }
    }

    /// What the log can take on. [`Condition::Failed`] is for ever: the process must stop serving and exit.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.inner.queue.condition()
    }

    /// Why the writer failed, for the operator. `None` while it runs, and when its thread panicked.
    pub fn failure(&self) -> Option<Arc<WriteError>> {
        self.inner.queue.failure()
    }

    /// How busy the writer is.
    pub fn load(&self) -> Load {
        let (queued, slots) = self.inner.queue.depth();
        Load { queued, slots, last_sync: self.inner.queue.last_sync(), slow: self.inner.queue.is_slow() }
    }

    /// Writes what is queued, syncs the head and ends the thread; later appends fail with [`AppendError::Closed`].
    /// Blocks until done. The `stop` record comes before, by [`Log::append_last`].
    pub fn close(&self) {
        self.inner.close();
    }
}

/// See [`Log::load`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Records handed over and not yet durable.
    pub queued: usize,
    /// Calls that hold a slot.
    pub slots: usize,
    /// How long the last write and sync of a batch took.
    pub last_sync: Duration,
    /// Syncs take so long that no call begins while two batches of records wait.
    pub slow: bool,
}

/// Room for one call's records; dropping it gives the room back.
#[derive(Debug)]
pub struct Slot {
    queue: Arc<Queue>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.queue.give_back();
    }
}

/// The promise that a record will be on stable storage. Dropping it drops the promise, not the record.
#[derive(Debug)]
#[must_use = "without waiting nothing is known to be recorded; drop it explicitly if that is meant"]
pub struct Receipt {
    receiver: oneshot::Receiver<Result<Position, AppendError>>,
}

impl Receipt {
    /// Waits until the record survives a power cut, or is known not to. Cancel safe: the record is written anyway.
    pub async fn durable(self) -> Result<Position, AppendError> {
        // A sender that vanished belonged to a writer that did.
        self.receiver.await.unwrap_or(Err(AppendError::Failed))
    }

    /// The same for threads outside a runtime. Panics inside one.
    pub fn wait(self) -> Result<Position, AppendError> {
        self.receiver.blocking_recv().unwrap_or(Err(AppendError::Failed))
    }
}

impl Inner {
    fn close(&self) {
        self.queue.close();
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the thread has already failed the queue.
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("name", &self.name).finish_non_exhaustive()
    }
}

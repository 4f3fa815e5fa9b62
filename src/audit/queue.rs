//! What callers and the writer thread share: one short lock, and a wake-up only for a writer that sleeps.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{mpsc, oneshot, watch};

use super::pace::Pace;
use super::record::Draft;
use super::writer::{BATCH_RECORDS, WriteError};

/// Records one call may still cause: its decision and its outcome.
const RECORDS_PER_SLOT: usize = 2;

/// Where a durable record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its index in the log.
    pub index: u64,
}

/// Why a record did not become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log was closed before the record was handed over.
    #[error("the audit log is closed")]
    Closed,
    /// The writer failed. Whether the record is on disk is unknown; it must be treated as not written.
    #[error("the audit log failed")]
    Failed,
}

/// What a log can take on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Records are written.
    Writing,
    /// The volume is full: calls that have begun are recorded in the reserve, no other begins.
    Full,
    /// Nobody outside confirms what is written, for longer than the operator allows: no call begins until somebody does.
    Lagging,
    /// Somebody outside knows another history of this log: calls that have begun are recorded, no other ever begins.
    Frozen,
    /// The writer is gone for good, and the process has to end.
    Failed,
}

/// A record and who waits for it; the log's own records have nobody.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) draft: Draft,
    pub(crate) receipt: Option<oneshot::Sender<Result<Position, AppendError>>>,
}

impl Entry {
    /// A record of the log's own.
    pub(crate) fn own(draft: Draft) -> Self {
        Self { draft, receipt: None }
    }
}

/// Who waits for records, and what became of them.
pub(crate) type Answers = Vec<(oneshot::Sender<Result<Position, AppendError>>, Result<Position, AppendError>)>;

/// What the writer finds when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Closed, and nothing is left.
    Closed,
    /// Nothing came within the time.
    Idle,
    /// There are entries.
    Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Closed,
    Failed,
}

/// What is said of the log outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    Confirmed,
    /// See [`Condition::Lagging`].
    Silent,
    /// See [`Condition::Frozen`].
    Contradicted,
}

#[derive(Debug)]
struct State {
    entries: VecDeque<Entry>,
    /// Whether somebody waits for one of them.
    urgent: bool,
    /// Entries handed over and not yet durable, those in the writer's hands included.
    unacknowledged: usize,
    slots: usize,
    sleeping: bool,
    phase: Phase,
    failure: Option<Arc<WriteError>>,
    /// The volume is full.
    full: bool,
    outside: Outside,
    pace: Pace,
}

impl State {
    /// The worst that holds.
    fn condition(&self) -> Condition {
        match self {
            Self { phase: Phase::Failed, .. } => Condition::Failed,
            Self { outside: Outside::Contradicted, .. } => Condition::Frozen,
            Self { full: true, .. } => Condition::Full,
            Self { outside: Outside::Silent, .. } => Condition::Lagging,
            Self { .. } => Condition::Writing,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Records that may be queued or promised at once.
    capacity: usize,
    state: Mutex<State>,
    wake: Condvar,
    condition: watch::Sender<Condition>,
    /// Takes whole batches of answers, once somebody hands them out on the runtime.
    answers: Mutex<Option<mpsc::UnboundedSender<Answers>>>,
    last_sync_micros: AtomicU64,
    /// Records known to be durable.
    durable: AtomicU64,
    tempo: Mutex<Tempo>,
}

/// How long records may wait for company. It belongs to the durability mode, and changes with it while the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tempo {
    /// Longest time that a record nobody waits for stays in memory only: what a crash can lose in `async` mode.
    pub linger: Duration,
    /// Records a second from which on a batch is given a millisecond to form.
    pub gather: u32,
}

impl Default for Tempo {
    /// 500 ms; and 8,000 records, for below that a wait would be a delay for little.
    fn default() -> Self {
        Self { linger: Duration::from_millis(500), gather: 8_000 }
    }
}

impl Queue {
    /// Room for `capacity` records.
    pub(crate) fn new(capacity: usize, tempo: Tempo) -> Self {
        let state = State {
            entries: VecDeque::new(),
            urgent: false,
            unacknowledged: 0,
            slots: 0,
            sleeping: false,
            phase: Phase::Open,
            failure: None,
            full: false,
            outside: Outside::Confirmed,
            pace: Pace::default(),
        };
        Self {
            capacity,
            state: Mutex::new(state),
            wake: Condvar::new(),
            condition: watch::Sender::new(Condition::Writing),
            answers: Mutex::new(None),
            last_sync_micros: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            tempo: Mutex::new(tempo),
        }
    }

    /// How long records may wait at present.
    pub(crate) fn tempo(&self) -> Tempo {
        *self.tempo.lock()
    }

    /// Changes it. A writer that sleeps by the old one is woken, so that nothing lingers longer than is declared from now on.
    pub(crate) fn set_tempo(&self, tempo: Tempo) {
        *self.tempo.lock() = tempo;
        let mut state = self.state.lock();
        state.urgent = true;
        state.sleeping = false;
        drop(state);
        self.wake.notify_one();
    }

    /// Counts what is promised and what is queued, so that memory stays bounded however slow the disk is. While syncs are slow,
    /// two batches may wait: a call that would wait for many slow syncs is better refused at once.
    pub(crate) fn reserve(&self) -> bool {
        let mut state = self.state.lock();
        let fits = (state.slots + 1) * RECORDS_PER_SLOT + state.unacknowledged <= self.capacity;
        // By what waits for the disk, not by calls that are with their servers: long ones must not shut out everybody else.
        let behind = state.pace.is_slow() && state.unacknowledged + RECORDS_PER_SLOT > 2 * BATCH_RECORDS;
        let granted = fits && !behind && state.phase == Phase::Open && state.condition() == Condition::Writing;
        state.slots += usize::from(granted);
        granted
    }

    pub(crate) fn give_back(&self) {
        let mut state = self.state.lock();
        state.slots = state.slots.saturating_sub(1);
    }

    /// Hands an entry to the writer; the entry is dropped with its answer sent when there is no writer any more. One that is not
    /// `urgent` goes with the next that is, or when it has lingered, and so costs no sync of its own.
    pub(crate) fn push(&self, entry: Entry, urgent: bool) {
        self.hand_over(entry, urgent, Phase::Open);
    }

    /// Hands over an entry behind which there is no other: the queue is closed in the same moment.
    pub(crate) fn push_last(&self, entry: Entry) {
        self.hand_over(entry, true, Phase::Closed);
    }

    fn hand_over(&self, entry: Entry, urgent: bool, then: Phase) {
        let mut state = self.state.lock();
        let refusal = match state.phase {
            Phase::Open => {
                state.entries.push_back(entry);
                state.unacknowledged += 1;
                state.urgent |= urgent;
                state.phase = then;
                // The flag is cleared here, so that a burst wakes the thread once.
                let wake = urgent && std::mem::take(&mut state.sleeping);
                drop(state);
                if wake {
                    self.wake.notify_one();
                }
                return;
            }
            Phase::Closed => AppendError::Closed,
            Phase::Failed => AppendError::Failed,
        };
        drop(state);
        if let Some(receipt) = entry.receipt {
            let _ = receipt.send(Err(refusal));
        }
    }

    /// Moves everything queued behind `pending`; sleeps at most `timeout` while both are empty.
    pub(crate) fn take(&self, pending: &mut VecDeque<Entry>, timeout: Duration) -> Wake {
        let mut state = self.state.lock();
        if pending.is_empty() && !state.urgent && state.phase == Phase::Open {
            state.sleeping = true;
            // Never longer than an entry may linger that comes while we sleep, for it will not wake us.
            self.wake.wait_for(&mut state, timeout.min(self.tempo().linger));
            state.sleeping = false;
        }
        state.urgent = false;
        pending.append(&mut state.entries);
        match (pending.is_empty(), state.phase) {
            (false, _) => Wake::Work,
            (true, Phase::Open) => Wake::Idle,
            (true, Phase::Closed | Phase::Failed) => Wake::Closed,
        }
    }

    /// Says that `records` of the entries taken are durable.
    pub(crate) fn acknowledged(&self, records: usize, sync: Duration) {
        self.last_sync_micros.store(u64::try_from(sync.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let mut state = self.state.lock();
        state.unacknowledged = state.unacknowledged.saturating_sub(records);
        state.pace.note(sync);
    }

    /// From now on answers are handed out by whoever reads the other end. They are never more than the queue has room for.
    pub(crate) fn answer_through(&self, answers: mpsc::UnboundedSender<Answers>) {
        *self.answers.lock() = Some(answers);
    }

    /// Answers a batch: in one piece if somebody hands it out, else one by one.
    pub(crate) fn answer(&self, batch: Answers) {
        let durable = batch.iter().filter_map(|(_, answer)| answer.as_ref().ok()).map(|position| position.index + 1).max();
        self.durable.fetch_max(durable.unwrap_or(0), Ordering::AcqRel);
        let handed = match &*self.answers.lock() {
            Some(answers) => answers.send(batch).map_err(|rest| rest.0),
            None => Err(batch),
        };
        if let Err(batch) = handed {
            hand_out(batch);
        }
    }

    /// The writer has nothing more to say: whoever hands out answers may go.
    pub(crate) fn end_answers(&self) {
        self.answers.lock().take();
    }

    /// No entries from now on; the writer finishes what it has.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Says whether the volume is full: then nothing new begins.
    pub(crate) fn set_full(&self, full: bool) {
        self.change(|state| state.full = full);
    }

    /// Says whether confirmation from outside is too long ago.
    pub(crate) fn set_lagging(&self, lagging: bool) {
        self.change(|state| {
            if state.outside != Outside::Contradicted {
                state.outside = if lagging { Outside::Silent } else { Outside::Confirmed };
            }
        });
    }

    /// Nothing new begins from now on.
    pub(crate) fn freeze(&self) {
        self.change(|state| state.outside = Outside::Contradicted);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let now = state.condition();
        // Under the lock, so that of two changes the later is the last that is heard of.
        self.condition.send_if_modified(|condition| std::mem::replace(condition, now) != now);
    }

    /// The writer is gone: every entry, queued or still to come, fails.
    pub(crate) fn fail(&self, failure: Option<WriteError>) {
        let mut state = self.state.lock();
        state.phase = Phase::Failed;
        if state.failure.is_none() {
            state.failure = failure.map(Arc::new);
        }
        let orphans = std::mem::take(&mut state.entries);
        drop(state);
        // First the alarm, then the callers: whoever sees a failed receipt finds the log failed too.
        self.condition.send_replace(Condition::Failed);
        for receipt in orphans.into_iter().filter_map(|entry| entry.receipt) {
            let _ = receipt.send(Err(AppendError::Failed));
        }
    }

    pub(crate) fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    pub(crate) fn failure(&self) -> Option<Arc<WriteError>> {
        self.state.lock().failure.clone()
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.state.lock().pace.is_slow()
    }

    /// Records not yet durable, and slots in use.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.unacknowledged, state.slots)
    }

    /// Records durable for sure: up to the last one that somebody waited for.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn last_sync(&self) -> Duration {
        Duration::from_micros(self.last_sync_micros.load(Ordering::Relaxed))
    }
}

/// Tells everybody in a batch. Who has left is not told; the record stays.
pub(crate) fn hand_out(batch: Answers) {
    for (receipt, answer) in batch {
        let _ = receipt.send(answer);
    }
}

//! The one thread that writes a log: takes what is queued, numbers and chains it, writes once, syncs once, answers all.
//!
//! The next batch forms while the sync of this one runs. Only where records come by the thousand a second, and the disk is too
//! fast for that, a batch is given a millisecond ([`Gather`]).

mod error;
mod keys;
mod own;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

pub use self::error::WriteError;
pub(crate) use self::error::failed;
use crate::clock::Clock;
use crate::seal::Key;
use crate::tlog::{Frontier, Hash};

use super::canonical::LINE_MAX;
use super::epoch::Epoch;
use super::fs::Storage;
use super::gather::Gather;
use super::heads::{Heads, SignedHead};
use super::layout::Layout;
use super::log::{OpenError, Opened};
use super::queue::{AppendError, Entry, Position, Queue, Wake};
use super::record::{Draft, Kind, OwnedMembers};
use super::recovery::Recovered;
use super::reserve::{self, Reserve};
use super::segment::{Segment, is_full, is_passing};
use super::stamp::Stamp;

/// Most records and bytes in one write (SECURITY.md 2.3). Bounds what one torn write can leave behind.
pub(crate) const BATCH_RECORDS: usize = 256;
pub(crate) const BATCH_BYTES: usize = 1024 * 1024;

/// Difference between wall clock and monotonic clock that is written down.
const CLOCK_STEP: i64 = 1_000_000;

/// Most that one open call takes of the `tick` records that carry it, their own members included.
const CARRIED_BYTES: usize = 128;

/// Longest raw call id that is followed from decision to outcome; ours have 38 characters.
const CALL_MAX: usize = 256;

/// When to seal a segment, and when to give a sign of life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) segment_bytes: u64,
    pub(crate) segment_age: Duration,
    pub(crate) tick: Duration,
    pub(crate) room: u64,
    pub(crate) reserve: u64,
    pub(crate) epoch: Duration,
    pub(crate) second_signature: bool,
}

/// Sole owner of the log's files.
pub(crate) struct Writer {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    layout: Layout,
    limits: Limits,
    segment: Segment,
    reserve: Reserve,
    heads: Heads,
    /// Seals the private keys.
    seal: Arc<Key>,
    next_epoch: Instant,
    /// Over all records that were given an index.
    tree: Frontier,
    next: u64,
    previous: Hash,
    /// Time of the last record.
    time: Stamp,
    /// Wall and monotonic time of the last look at the clock.
    observed: Option<(Stamp, Instant)>,
    next_tick: Instant,
    /// Calls that wait for their outcome, and the index of their decision.
    open: HashMap<Box<str>, u64>,
    buffer: Vec<u8>,
    receipts: Vec<(u64, oneshot::Sender<Result<Position, AppendError>>)>,
}

impl Writer {
    /// Continues what recovery found, and makes its findings records before anything else can be one. Then come the keys of this run.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        layout: Layout,
        limits: Limits,
        seal: Arc<Key>,
        mut found: Recovered,
        newest: watch::Sender<Option<SignedHead>>,
    ) -> Result<(Self, Opened), OpenError> {
        let mut drafts = found.drafts();
        let mut opened = found.opened();
        let (bytes, allocated) = (found.segment_bytes, found.segment_allocated);
        let segment = Segment::open(
            &*storage,
            layout.segment(found.segment_first),
            found.segment_first,
            bytes,
            allocated,
            found.segment_started,
        )?;
        let begins = found.epoch.is_none();
        let epoch = match found.epoch.take() {
            Some(epoch) => epoch,
            None => Epoch::create(&*storage, &layout, &seal, None, limits.second_signature)?,
        };
        let first = epoch.keys.announcement();
        let heads = Heads::new(Arc::clone(&storage), layout.clone(), epoch, found.next_epoch.take(), &found.heads, newest)?;
        let mut writer = Self {
            reserve: Reserve::take(Arc::clone(&storage), &layout, limits.reserve, 2 * limits.room),
            storage,
            clock,
            layout,
            limits,
            segment,
            heads,
            seal,
            next_epoch: Instant::now() + limits.epoch,
            tree: found.tree,
            next: found.next,
            previous: found.previous,
            time: found.time,
            observed: None,
            next_tick: Instant::now() + limits.tick,
            open: found.open,
            buffer: Vec::with_capacity(64 * 1024),
            receipts: Vec::with_capacity(BATCH_RECORDS),
        };
        if begins {
            drafts.push_front(Entry::own(first));
        }
        // Crash point: the head may be behind the segment, and may be the hand-over that the last run did not come to. Recovery has
        // verified up to the end and made it durable.
        writer.make_head()?;
        while !drafts.is_empty() {
            // Crash point: a start that dies here has answered some calls; the next one finds only the others open.
            writer.commit(&mut drafts)?;
        }
        writer.make_head()?;
        if writer.heads.size() == 0 {
            // Without its first head nobody could tell this log from one that was cut.
            return Err(failed("begin", &writer.layout.heads())(io::ErrorKind::StorageFull.into()).into());
        }
        if !begins {
            writer.change_keys()?;
        }
        opened.next_index = writer.next;
        Ok((writer, opened))
    }

    /// Runs until the queue is closed or the disk fails.
    pub(crate) fn run(mut self, queue: &Queue) {
        let unwound = FailOnUnwind(queue);
        let served = self.serve(queue);
        queue.end_answers();
        match served {
            Ok(()) => std::mem::forget(unwound),
            Err(failure) => {
                queue.fail(Some(failure));
                // Only now the callers of the failed batch: whoever sees a failed receipt finds the log failed too.
                for (_, receipt) in self.receipts.drain(..) {
                    let _ = receipt.send(Err(AppendError::Failed));
                }
            }
        }
    }

    fn serve(&mut self, queue: &Queue) -> Result<(), WriteError> {
        let (mut pending, mut gather) = (VecDeque::new(), Gather::new());
        loop {
            self.reserve.retake_if_due();
            queue.set_full(!self.reserve.is_held());
            let mut patience = self.next_tick.saturating_duration_since(Instant::now());
            if !self.reserve.is_held() {
                patience = patience.min(reserve::RETRY);
            }
            if let Some(due) = self.heads.due_in(self.next) {
                patience = patience.min(due);
            }
            let wake = queue.take(&mut pending, patience);
            let ticks = wake != Wake::Closed && Instant::now() >= self.next_tick;
            if ticks {
                self.next_tick = Instant::now() + self.limits.tick;
                pending.push_front(Entry::own(own::tick(&self.open, queue)));
            }
            if wake == Wake::Closed {
                // A log at rest is plain lines, all of them under a head.
                self.make_head()?;
                return self.segment.seal();
            }
            if wake == Wake::Work
                && let Some(moment) = gather.wait(queue.tempo().gather, pending.len(), BATCH_RECORDS)
            {
                std::thread::sleep(moment);
                queue.take(&mut pending, Duration::ZERO);
            }
            if !pending.is_empty() {
                let before = pending.len() - usize::from(ticks);
                let started = Instant::now();
                self.commit(&mut pending)?;
                let written = before.saturating_sub(pending.len());
                queue.acknowledged(written, started.elapsed());
                gather.note(written);
                queue.answer(self.receipts.drain(..).map(|(index, receipt)| (receipt, Ok(Position { index }))).collect());
                if pending.is_empty() {
                    self.segment.make_room_ahead(self.limits.room)?;
                }
            }
            if self.heads.due_in(self.next).is_some_and(|due| due.is_zero()) {
                self.make_head()?;
            }
            if Instant::now() >= self.next_epoch && self.reserve.is_held() {
                self.change_keys().map_err(|failure| failure.into_write(&self.layout))?;
            }
        }
    }

    /// Writes and syncs one batch off the front of `pending`. After an error nothing may be written any more: an unknown
    /// part of the batch is on disk, and a second sync would report success without having written it.
    fn commit(&mut self, pending: &mut VecDeque<Entry>) -> Result<(), WriteError> {
        let step = self.look_at_clock();
        let now = self.time;
        self.rotate_if_due(now)?;
        let begins_segment = self.segment.bytes() == 0 && self.next > 0;
        let time = now.text();
        self.buffer.clear();
        if let Some(step) = step {
            self.push(Entry::own(step), &time);
        }
        // What is carried belongs to the batch, and a torn batch has a largest length.
        let carried = if begins_segment { (self.open.len() + BATCH_RECORDS) * CARRIED_BYTES } else { 0 };
        if begins_segment {
            // What follows can be checked against heads without what came before.
            self.push(Entry::own(own::tree(&self.tree)), &time);
        }
        for _ in 0..BATCH_RECORDS {
            if self.buffer.len() >= BATCH_BYTES.saturating_sub(carried) && !self.buffer.is_empty() {
                break;
            }
            let Some(entry) = pending.pop_front() else { break };
            self.push(entry, &time);
        }
        if begins_segment {
            for draft in own::carry(&self.open) {
                self.push(Entry::own(draft), &time);
            }
        }

        self.make_room()?;
        match self.segment.write(&self.buffer) {
            Err(failure) if is_full(&failure.source) && self.reserve.release() => self.segment.write(&self.buffer)?,
            written => written?,
        }
        self.segment.sync(&self.buffer, now)
        // Crash point: durable, nobody told, under no head. Recovery verifies and counts it; a caller that got no answer may find
        // its record.
    }

    /// Room for the batch, out of the reserve if the volume is full: then the calls that have begun can still be recorded, and
    /// no other begins.
    fn make_room(&mut self) -> Result<(), WriteError> {
        let length = self.buffer.len();
        for ahead in [self.limits.room, 0] {
            match self.segment.make_room(length, ahead) {
                Err(failure) if is_full(&failure.source) => {}
                made => return made,
            }
        }
        // With nothing left to give up, this fails as it did before, and the log with it.
        self.reserve.release();
        self.segment.make_room(length, 0)
    }

    /// Formats one record behind those already in the buffer.
    fn push(&mut self, mut entry: Entry, time: &str) {
        let index = self.next;
        let start = self.buffer.len();
        let prev = self.previous.hex();
        let owned = OwnedMembers { index, log: &self.layout.name, prev: &prev, time };
        entry.draft.write_line(&owned, &mut self.buffer);
        if self.buffer.len() - start > LINE_MAX {
            // Cannot happen while names are bounded; if it does, a poor record is better than none.
            self.buffer.truncate(start);
            Draft::new(entry.draft.kind()).write_line(&owned, &mut self.buffer);
        }
        self.previous = Hash::leaf(self.buffer.get(start..).unwrap_or_default());
        self.tree.push(self.previous);
        self.buffer.push(b'\n');
        self.next += 1;
        self.follow(&entry.draft, index);
        if let Some(receipt) = entry.receipt {
            self.receipts.push((index, receipt));
        }
    }

    /// Keeps the set of open calls.
    fn follow(&mut self, draft: &Draft, index: u64) {
        let Some(call) = draft.call().filter(|call| call.len() <= CALL_MAX) else {
            return;
        };
        if draft.is_open() {
            self.open.insert(call.into(), index);
        } else if draft.kind() == Kind::CallOutcome {
            self.open.remove(call);
        }
    }

    /// Sets the time of the next batch. It follows the wall clock but never runs backwards, unless the clock was moved
    /// by more than a second: then a record says so and time goes on from there. (To hold the old time until the clock
    /// has caught up would date every record wrongly, for years if the clock had once jumped ahead.)
    fn look_at_clock(&mut self) -> Option<Draft> {
        let wall = Stamp::from_timestamp(self.clock.now());
        let instant = Instant::now();
        let moved = match self.observed.replace((wall, instant)) {
            Some((last, at)) => {
                let passed = i64::try_from(instant.duration_since(at).as_micros()).unwrap_or(i64::MAX);
                wall.micros_since(last).saturating_sub(passed)
            }
            // Across a restart only a clock behind the log can be told from time that passed.
            None => wall.micros_since(self.time).min(0),
        };
        if moved.abs() <= CLOCK_STEP {
            self.time = self.time.max(wall);
            return None;
        }
        let mut draft = Draft::new(Kind::ClockStep);
        draft.object("clock", |clock| {
            clock.text("from", &self.time.text()).integer("moved_ms", moved / 1_000).text("to", &wall.text());
        });
        self.time = wall;
        Some(draft)
    }

    fn rotate_if_due(&mut self, now: Stamp) -> Result<(), WriteError> {
        let (bytes, started) = (self.segment.bytes(), self.segment.started());
        let age = started.map_or(0, |started| now.micros_since(started));
        // A clock that was set back to long before the segment began would keep it growing for as long as it had been ahead.
        let old = u128::from(age.unsigned_abs()) >= self.limits.segment_age.as_micros();
        if bytes == 0 || (bytes < self.limits.segment_bytes && !old) {
            return Ok(());
        }
        // Recovery relies on it: the newest head is never older than the last segment, so it reads no further back.
        self.make_head()?;
        if self.heads.size() < self.next {
            // The volume is full: the old one goes on.
            return Ok(());
        }
        // Only the last segment may end in room that was not used.
        self.segment.seal()?;
        match Segment::create(&*self.storage, &self.layout, self.next) {
            Ok(segment) => self.segment = segment,
            // On a full volume, or without a descriptor, the old one goes on: it can live off the reserve.
            Err(failure) if failure.action == "create" && is_passing(&failure.source) => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Signs the tree over all records, which are durable.
    fn make_head(&mut self) -> Result<(), WriteError> {
        let seconds = u64::try_from(self.clock.now().as_second()).unwrap_or(0);
        self.heads.make(&self.tree, self.segment.first(), seconds)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("log", &self.layout.name).field("next", &self.next).finish_non_exhaustive()
    }
}

/// A panic of the thread must not leave callers waiting for ever.
struct FailOnUnwind<'a>(&'a Queue);

impl Drop for FailOnUnwind<'_> {
    fn drop(&mut self) {
        self.0.fail(None);
    }
}

//! The stream of an HTTP+SSE session (2024-11-05): everything that the gateway says in the session leaves on it, whichever message it
//! answers. Each event was judged and recorded with the call that it belongs to; no layer of the call that opened the stream touches it.
//!
//! Bounded: what waits for a client that reads slowly, in one session and in all of its caller, and how many of its messages are under way. A client that is gone ends what
//! is under way; a session that is over ends the stream once everything under way is told. So does whatever ends it from outside
//! (`ending.rs`), which ends the session: answers to calls that were let through are done, and their caller must know.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFuture};

use super::turns::{Turn, Turns};
use super::{Changes, Ended, Reason, Unsaid};
use crate::places::{Place, Share};
use crate::protocol::{ListKind, ListSet};

/// Requests of one session that may be under way at once.
const REQUESTS: usize = 256;

/// How long nobody asks again for what a server pushes, after that has ended or was refused.
const PAUSE: Duration = Duration::from_secs(10);

/// The end at the client's connection.
pub struct Channel {
    events: mpsc::UnboundedReceiver<Event>,
    shared: Arc<Shared>,
    /// Ends the session.
    at_end: Option<Box<dyn FnOnce(Reason) + Send + Sync>>,
    /// In a cell that nobody shares, because what is in it need not be `Sync`.
    watch: Mutex<Option<Watch>>,
}

/// What ends a stream from outside, and who is told how it has ended.
struct Watch {
    ended: Ended,
    because: Option<Reason>,
    closed: Box<dyn FnOnce(Closing) + Send>,
}

/// How a stream has ended.
#[derive(Debug)]
pub enum Closing {
    /// From outside.
    Because(Reason),
    /// Its session was over.
    Over,
    /// Its client has gone, or takes nothing any more.
    Lost,
}

/// A credential that a client has shown in its session.
#[derive(Clone)]
pub struct Shown {
    /// Until when it is good; `None` for ever.
    pub until: Option<Timestamp>,
    /// Whether it is good still.
    pub holds: Arc<dyn Fn(Timestamp) -> Result<(), Reason> + Send + Sync>,
}

/// The end at the calls of the session. The stream ends with the last of them.
#[derive(Clone)]
pub struct Outlet {
    events: mpsc::UnboundedSender<Event>,
    shared: Arc<Shared>,
}

/// An outlet in the table of sessions. Dropped, the session is over.
pub struct Seat {
    outlet: Outlet,
    _over: DropGuard,
}

/// The one turn to ask a server for what it pushes.
#[derive(Debug)]
pub struct PushTurn(Arc<Shared>);

/// The client has closed the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream of the session is closed")]
pub struct Closed;

struct Event {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
    memory: Place,
}

#[derive(Debug)]
struct Shared {
    room: Arc<Semaphore>,
    bytes: u32,
    requests: Arc<Semaphore>,
    lost: CancellationToken,
    over: CancellationToken,
    shown: Mutex<Shown>,
    /// Memory for what is not taken yet, and whose share of it.
    unsaid: (Unsaid, Share),
    pushes: Mutex<Pushes>,
    turns: Turns,
    /// What the gateway itself tells in the session.
    changes: Changes,
}

#[derive(Debug)]
enum Pushes {
    Asked,
    NotBefore(Instant),
}

impl Channel {
    /// A channel that holds about so many bytes for its client, one event at the least; it was opened with that credential.
    pub fn open(bytes: usize, shown: Shown, unsaid: (Unsaid, Share)) -> (Self, Outlet) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        let shared = Arc::new(Shared {
            room: Arc::new(Semaphore::new(bytes as usize)),
            bytes,
            requests: Arc::new(Semaphore::new(REQUESTS)),
            lost: CancellationToken::new(),
            over: CancellationToken::new(),
            shown: Mutex::new(shown),
            unsaid,
            pushes: Mutex::new(Pushes::NotBefore(Instant::now())),
            turns: Turns::default(),
            changes: Changes::default(),
        });
        let outlet = Outlet { events: sender, shared: Arc::clone(&shared) };
        (Self { events: receiver, shared, at_end: None, watch: Mutex::new(None) }, outlet)
    }

    /// Has `then` end the session once the client's connection has ended, or for that reason before.
    #[must_use]
    pub fn at_end(mut self, then: impl FnOnce(Reason) + Send + Sync + 'static) -> Self {
        self.at_end = Some(Box::new(then));
        self
    }

    /// Is ended by `ended`; `closed` is told how it has ended, whatever it was.
    #[must_use]
    pub fn watched(mut self, ended: Ended, closed: impl FnOnce(Closing) + Send + 'static) -> Self {
        *self.watch.get_mut() = Some(Watch { ended, because: None, closed: Box::new(closed) });
        self
    }

    /// The next event, and its part of the memory; `None` once the session is over, and everything is told.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Bytes, Place)>> {
        if let Some(watch) = self.watch.get_mut().as_mut().filter(|watch| watch.because.is_none())
            && let Poll::Ready(because) = watch.ended.as_mut().poll(cx)
        {
            watch.because = Some(because.clone());
            self.at_end.take().into_iter().for_each(|then| then(because.clone()));
        }
        if self.shared.lost.is_cancelled() {
            return Poll::Ready(None);
        }
        let event = ready!(self.events.poll_recv(cx));
        if event.is_none() {
            self.close(Closing::Over);
        }
        Poll::Ready(event.map(|event| (event.bytes, event.memory)))
    }

    /// The next list of whose change the session is to hear.
    pub fn poll_change(&self, cx: &mut Context<'_>) -> Poll<ListKind> {
        self.shared.changes.poll(cx)
    }

    /// The changes that are to be told in the session.
    pub fn changes(&self) -> &Changes {
        &self.shared.changes
    }

    /// Whether a credential holds that its client has shown: the one that lasts longest, as far as is known when it is shown.
    pub fn ground(&self) -> impl Fn(Timestamp) -> Result<(), Reason> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |now| {
            let shown = shared.shown.lock().clone();
            (shown.holds)(now)
        }
    }

    fn close(&mut self, closing: Closing) {
        if let Some(watch) = self.watch.get_mut().take() {
            (watch.closed)(watch.because.map_or(closing, Closing::Because));
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close(Closing::Lost);
        self.shared.lost.cancel();
        if let Some(then) = self.at_end.take() {
            then(Reason::SessionEnded);
        }
    }
}

impl Outlet {
    /// Puts an event on the stream, once there is room for it. Its part of the memory for large replies is held until it leaves. Where there
    /// is no memory to wait in, the client does not read, and is lost.
    pub async fn say(&self, event: Bytes, memory: Option<Place>) -> Result<(), Closed> {
        let memory = match memory {
            Some(memory) => memory,
            None => self.room_to_wait(event.len()).await?,
        };
        let size = u32::try_from(event.len()).unwrap_or(u32::MAX).clamp(1, self.shared.bytes);
        let room = Arc::clone(&self.shared.room).acquire_many_owned(size).await.map_err(|_closed| Closed)?;
        self.events.send(Event { bytes: event, _room: room, memory }).map_err(|_gone| Closed)
    }

    async fn room_to_wait(&self, bytes: usize) -> Result<Place, Closed> {
        let (unsaid, share) = &self.shared.unsaid;
        let room = unsaid.take(share, bytes).await;
        room.ok_or_else(|| {
            tracing::warn!("the client of an HTTP+SSE session does not read, and is cut off");
            self.shared.lost.cancel();
            self.shared.room.close();
            Closed
        })
    }

    /// The handshake has said that the client will hear of changes of these lists.
    pub fn promise(&self, lists: ListSet) {
        self.shared.changes.promise(lists);
    }

    /// Whether the client is gone.
    pub fn is_lost(&self) -> bool {
        self.shared.lost.is_cancelled()
    }

    /// A place for one more request, if there is one.
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.requests).try_acquire_owned().ok()
    }

    /// The turn of a message that has come now; `counts` if others are to wait for it.
    pub fn turn(&self, counts: bool) -> Turn {
        self.shared.turns.take(counts)
    }

    /// The client has shown a credential that is good now. What it stands on is the one that lasts longest, and of several the newest: clients
    /// renew theirs while the session goes on.
    pub fn is_shown(&self, shown: Shown, now: Timestamp) {
        let known = self.shared.shown.lock().clone();
        let lasts = shown.until.is_none_or(|until| known.until.is_some_and(|known| until >= known));
        if lasts || (known.holds)(now).is_err() {
            *self.shared.shown.lock() = shown;
        }
    }

    /// The turn to ask for pushes, unless somebody has it, or has had it just now.
    pub fn ask_for_pushes(&self) -> Option<PushTurn> {
        let mut pushes = self.shared.pushes.lock();
        let free = matches!(*pushes, Pushes::NotBefore(then) if then <= Instant::now());
        free.then(|| {
            *pushes = Pushes::Asked;
            PushTurn(Arc::clone(&self.shared))
        })
    }

    /// Comes when the client has closed the stream.
    pub fn lost(&self) -> WaitForCancellationFuture<'_> {
        self.shared.lost.cancelled()
    }

    /// Comes when the session is over, whoever has ended it.
    pub fn over(&self) -> WaitForCancellationFuture<'_> {
        self.shared.over.cancelled()
    }

    /// For the table of sessions.
    pub fn seat(self) -> Seat {
        let over = self.shared.over.clone().drop_guard();
        Seat { outlet: self, _over: over }
    }
}

impl Seat {
    /// The outlet that sits here.
    pub fn outlet(&self) -> &Outlet {
        &self.outlet
    }
}

impl Drop for PushTurn {
    fn drop(&mut self) {
        *self.0.pushes.lock() = Pushes::NotBefore(Instant::now() + PAUSE);
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("until", &self.until).finish_non_exhaustive()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seat")
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outlet")
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;

//! What has come for one call and is not read yet. The connection is read for all calls at once, so that it cannot wait for one: what is
//! unread is bounded here, for each call and for all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::chain::{Reason, Rejection, ServerMessage};

/// What one call may leave unread; a message that is larger than that may be the only one.
const MOST_MESSAGES: usize = 256;
const MOST_BYTES: usize = 256 << 10;

/// Lists of which servers say that they have changed.
pub(super) const LISTS: usize = 3;

/// What all may, in largest messages; and with the last messages of calls, each of which has one.
const LARGEST_MESSAGES: usize = 4;
const LARGEST_LAST: usize = 16;

/// Bytes that all calls of a connection have unread.
#[derive(Debug)]
pub(super) struct Backlog {
    bytes: Arc<AtomicUsize>,
    most: usize,
    most_with_last: usize,
}

/// Where messages for one call are put.
pub(super) struct Inbox {
    items: UnboundedSender<Item>,
    /// Of each list, whether a message that it has changed is unread.
    changes: Arc<[AtomicBool; LISTS]>,
    messages: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

/// Where they are read.
pub(super) struct Reader {
    items: UnboundedReceiver<Item>,
    next: Option<Item>,
}

struct Item {
    message: Result<ServerMessage, Rejection>,
    _counted: [Counted; 3],
    _change: Option<Change>,
}

/// A message that a list has changed, until it is read.
struct Change {
    unread: Arc<[AtomicBool; LISTS]>,
    list: usize,
}

/// So much of a sum, until it is dropped.
struct Counted {
    sum: Arc<AtomicUsize>,
    part: usize,
}

impl Backlog {
    pub(super) fn new(largest: usize) -> Self {
        let most = largest.saturating_mul(LARGEST_MESSAGES);
        Self { bytes: Arc::default(), most, most_with_last: largest.saturating_mul(LARGEST_LAST) }
    }
}

pub(super) fn inbox() -> (Inbox, Reader) {
    let (items, reader) = unbounded_channel();
    let inbox = Inbox { items, changes: Arc::default(), messages: Arc::default(), bytes: Arc::default() };
    (inbox, Reader { items: reader, next: None })
}

impl Inbox {
    /// The last message: it has its place whatever else its call has not read. Lost where calls leave so many of them unread that they
    /// would take everybody's memory.
    pub(super) fn give(&self, message: ServerMessage, backlog: &Backlog) {
        let size = message.message.original().len();
        if backlog.bytes.load(Ordering::Acquire).saturating_add(size) > backlog.most_with_last {
            return self.fail(Reason::Overloaded);
        }
        self.put(Ok(message), size, None, backlog);
    }

    /// Whether a message that the list of that number has changed is unread: it says all that another would.
    pub(super) fn knows_change(&self, list: usize) -> bool {
        self.changes.get(list).is_none_or(|unread| unread.load(Ordering::Acquire))
    }

    /// Such a message, unless one is unread. False if there is no room.
    pub(super) fn tell_change(&self, list: usize, message: ServerMessage, backlog: &Backlog) -> bool {
        let Some(change) = Change::of(&self.changes, list) else { return true };
        self.tell_more(message, Some(change), backlog)
    }

    /// A message that others may follow. False if there is no room.
    pub(super) fn tell(&self, message: ServerMessage, backlog: &Backlog) -> bool {
        self.tell_more(message, None, backlog)
    }

    fn tell_more(&self, message: ServerMessage, change: Option<Change>, backlog: &Backlog) -> bool {
        let size = message.message.original().len();
        let (messages, bytes) = (self.messages.load(Ordering::Acquire), self.bytes.load(Ordering::Acquire));
        let all = backlog.bytes.load(Ordering::Acquire);
        // Only the reader of the connection adds: what is read here can have become less, and not more.
        let fits = messages == 0 || (messages < MOST_MESSAGES && bytes + size <= MOST_BYTES);
        if !fits || (all > 0 && all.saturating_add(size) > backlog.most) {
            return false;
        }
        self.put(Ok(message), size, change, backlog);
        true
    }

    pub(super) fn fail(&self, reason: Reason) {
        let nothing = || Counted::part_of(&self.messages, 0);
        let _ = self.items.send(Item { message: Err(reason.into()), _counted: [nothing(), nothing(), nothing()], _change: None });
    }

    fn put(&self, message: Result<ServerMessage, Rejection>, size: usize, change: Option<Change>, backlog: &Backlog) {
        let counted =
            [Counted::part_of(&self.messages, 1), Counted::part_of(&self.bytes, size), Counted::part_of(&backlog.bytes, size)];
        // Nobody reads any more: then it is gone.
        let _ = self.items.send(Item { message, _counted: counted, _change: change });
    }
}

impl Reader {
    /// The size of the next message, which stays where it is; `None` at the end.
    pub(super) fn poll_size(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        if self.next.is_none() {
            self.next = ready!(self.items.poll_recv(cx));
        }
        let size = |item: &Item| item.message.as_ref().map_or(0, |message| message.message.original().len());
        Poll::Ready(self.next.as_ref().map(size))
    }

    /// Whether something has come that was not taken.
    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// The message whose size was told.
    pub(super) fn take(&mut self) -> Option<Result<ServerMessage, Rejection>> {
        self.next.take().map(|item| item.message)
    }
}

impl Change {
    /// Of that list; `None` where one is unread.
    fn of(unread: &Arc<[AtomicBool; LISTS]>, list: usize) -> Option<Self> {
        let was = unread.get(list)?.swap(true, Ordering::AcqRel);
        (!was).then(|| Self { unread: Arc::clone(unread), list })
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        if let Some(unread) = self.unread.get(self.list) {
            unread.store(false, Ordering::Release);
        }
    }
}

impl Counted {
    fn part_of(sum: &Arc<AtomicUsize>, part: usize) -> Self {
        sum.fetch_add(part, Ordering::AcqRel);
        Self { sum: Arc::clone(sum), part }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.part, Ordering::AcqRel);
    }
}

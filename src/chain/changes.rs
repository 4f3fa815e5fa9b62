//! What the gateway itself tells on a stream that lies open: that a list has become another one. Told from outside, like an end
//! (`ending.rs`), and by the stream's own task. Bounded: a list that has changed twice before it is told has changed once.
//!
//! [`Listed`] is what a session keeps for it, however many streams it has and whether it has one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::{MessageStream, Rejection, ServerMessage};
use crate::protocol::{ListKind, ListMarks, ListSet};

/// The changes that are to be told on one stream. Clones are the same.
#[derive(Clone, Default)]
pub struct Changes(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// What the client was told that it would hear of.
    promised: AtomicU8,
    /// What it has yet to hear of.
    untold: AtomicU8,
    waker: AtomicWaker,
}

impl Changes {
    /// From here on the client expects to hear of these, besides those before.
    pub fn promise(&self, lists: ListSet) {
        self.0.promised.fetch_or(lists.bits(), Ordering::AcqRel);
    }

    /// What the client expects to hear of.
    pub fn promised(&self) -> ListSet {
        ListSet::from_bits(self.0.promised.load(Ordering::Acquire))
    }

    /// These have changed. What nobody expects to hear of is not told.
    pub fn tell(&self, lists: ListSet) {
        let lists = lists.and(self.promised());
        if !lists.is_empty() {
            self.0.untold.fetch_or(lists.bits(), Ordering::AcqRel);
            self.0.waker.wake();
        }
    }

    /// The next list to tell of.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<ListKind> {
        // Before the look, or a change between the two would wake nobody.
        self.0.waker.register(cx.waker());
        let untold = ListSet::from_bits(self.0.untold.load(Ordering::Acquire));
        let Some(next) = ListSet::KINDS.into_iter().find(|list| untold.has(*list)) else { return Poll::Pending };
        self.0.untold.fetch_and(!ListSet::from_iter([next]).bits(), Ordering::AcqRel);
        Poll::Ready(next)
    }
}

/// What the client of one session was shown of the lists of its server, and which of them have changed since. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Listed(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    /// As it was looked at last.
    marks: Option<ListMarks>,
    /// How often approvals of definitions had turned by then.
    turns: Option<u64>,
    /// What has changed since its client has asked for it, told or not: what was told on a stream whose client is gone was told nobody.
    stale: ListSet,
}

impl Listed {
    /// The client asks for this list, and is shown it as `marks` say, which are those in force, and as it was after so many `turns` at least.
    pub fn show(&self, list: ListKind, marks: ListMarks, turns: u64) {
        let mut shown = self.0.lock();
        let is_old = list == ListKind::Tools && shown.turns.is_some_and(|looked| looked > turns);
        if !is_old {
            shown.stale = shown.stale.without(ListSet::from_iter([list]));
        }
        shown.marks = Some(shown.marks.map_or(marks, |known| known.with(list, marks)));
        if list == ListKind::Tools || shown.turns.is_none() {
            // What has turned while it was asked for is looked at once more: nobody knows whether it is in it.
            shown.turns = Some(turns);
        }
    }

    /// They are as `marks` say from now on, after so many `turns`: what is other than at the last look. Each change is seen by one look. `is_shown`
    /// says whether something has turned since that many that the client may be shown.
    pub fn look(&self, marks: ListMarks, turns: u64, is_shown: impl FnOnce(u64) -> bool) -> ListSet {
        let mut shown = self.0.lock();
        let mut changed = shown.marks.map_or(ListSet::default(), |known| marks.differ_from(known));
        if shown.turns.is_some_and(|looked| looked < turns && is_shown(looked)) {
            changed = changed.or(ListSet::from_iter([ListKind::Tools]));
        }
        shown.stale = shown.stale.or(changed);
        shown.marks = Some(marks);
        shown.turns = Some(turns);
        changed
    }

    /// How often approvals had turned at the last look.
    pub fn turns(&self) -> Option<u64> {
        self.0.lock().turns
    }

    /// What the client has not asked for since it changed.
    pub fn stale(&self) -> ListSet {
        self.0.lock().stale
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Changes").field(&self.promised()).finish()
    }
}

/// A stream with such messages between its own, as `say` writes them. It ends when it would have ended.
pub(super) struct Telling<F> {
    pub(super) inner: MessageStream,
    pub(super) changes: Changes,
    pub(super) say: F,
    pub(super) ended: bool,
}

// The function is never pinned.
impl<F> Unpin for Telling<F> {}

impl<F> Stream for Telling<F>
where
    F: Fn(ListKind) -> Option<ServerMessage> + Send,
{
    type Item = Result<ServerMessage, Rejection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        while let Poll::Ready(list) = this.changes.poll(cx) {
            if let Some(message) = (this.say)(list) {
                return Poll::Ready(Some(Ok(message)));
            }
        }
        let next = this.inner.as_mut().poll_next(cx);
        this.ended = match &next {
            Poll::Ready(Some(Ok(message))) => message.is_final(),
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Pending => false,
        };
        next
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;

    use super::*;

    fn next(changes: &Changes) -> Option<ListKind> {
        poll_fn(|cx| changes.poll(cx)).now_or_never()
    }

    #[test]
    fn what_was_not_promised_is_not_told_and_what_changes_twice_is_told_once() {
        let (changes, tools) = (Changes::default(), ListSet::from_iter([ListKind::Tools]));
        changes.tell(tools);
        changes.promise(tools);
        assert_eq!(next(&changes), None, "it was not promised when it changed");
        changes.tell(ListSet::from_iter([ListKind::Prompts, ListKind::Tools]));
        changes.tell(tools);
        assert_eq!((next(&changes), next(&changes)), (Some(ListKind::Tools), None));
    }

    #[test]
    fn a_change_is_seen_by_one_look_and_stays_until_its_list_is_asked_for() {
        let (listed, tools) = (Listed::default(), ListSet::from_iter([ListKind::Tools]));
        let look = |marks| listed.look(marks, 0, |_| true);
        assert!(look(ListMarks([1, 1, 1])).is_empty(), "nothing was shown before");
        assert_eq!(look(ListMarks([1, 1, 2])), tools);
        assert!(look(ListMarks([1, 1, 2])).is_empty());
        listed.show(ListKind::Prompts, ListMarks([1, 1, 2]), 0);
        assert_eq!(listed.stale(), tools, "it has asked for another");
        listed.show(ListKind::Tools, ListMarks([1, 1, 3]), 0);
        assert!(listed.stale().is_empty() && look(ListMarks([1, 1, 3])).is_empty());
    }

    #[test]
    fn what_turns_while_a_list_is_asked_for_is_seen_by_another_look() {
        let (listed, tools, marks) = (Listed::default(), ListSet::from_iter([ListKind::Tools]), ListMarks([1, 1, 1]));
        let look = |turns| listed.look(marks, turns, |since| since < turns);
        assert!(look(5).is_empty(), "nothing was shown before");
        assert!(listed.look(marks, 6, |_| false).is_empty(), "nothing that it may be shown");
        assert_eq!((look(7), look(7)), (tools, ListSet::default()));
        listed.show(ListKind::Prompts, marks, 7);
        assert_eq!(listed.stale(), tools, "it has asked for another");
        // Asked for before the last turn, and answered after the look at it.
        listed.show(ListKind::Tools, marks, 6);
        assert_eq!((listed.stale(), look(7), look(7)), (tools, tools, ListSet::default()));
        listed.show(ListKind::Tools, marks, 7);
        assert!(listed.stale().is_empty() && look(7).is_empty());
        assert_eq!((look(8), look(8)), (tools, ListSet::default()));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let changes = Changes::default();
        changes.promise(ListSet::from_iter([ListKind::Prompts]));
        let mut waiting = Box::pin(poll_fn(|cx| changes.poll(cx)));
        assert!((&mut waiting).now_or_never().is_none());
        changes.tell(ListSet::from_iter([ListKind::Prompts]));
        assert_eq!(waiting.await, ListKind::Prompts);
    }
}

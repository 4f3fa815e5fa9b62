//! The order in which a client has spoken, where messages go on by themselves. Over HTTP+SSE a POST is answered before its message is at the
//! server, so that the client sends the next one while it is on its way.
//!
//! Requests wait for the notifications and answers that were sent before them, and those for each other; nobody waits for a request.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Of one session.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Inner>);

/// One message's. Dropped, it is over.
#[derive(Debug)]
pub struct Turn {
    all: Arc<Inner>,
    number: u64,
    /// Whether others wait for it.
    counts: bool,
}

#[derive(Debug, Default)]
struct Inner {
    given: Mutex<Given>,
    /// Somebody's turn is over.
    over: Notify,
}

#[derive(Debug, Default)]
struct Given {
    next: u64,
    open: BTreeSet<u64>,
}

impl Turns {
    /// The next; `counts` if others are to wait for it.
    pub(super) fn take(&self, counts: bool) -> Turn {
        let mut given = self.0.given.lock();
        let number = given.next;
        if counts {
            given.next += 1;
            given.open.insert(number);
        }
        Turn { all: Arc::clone(&self.0), number, counts }
    }
}

impl Turn {
    /// Waits until it has come.
    pub async fn come(&self) {
        loop {
            let mut over = pin!(self.all.over.notified());
            // Before the look, so that no end goes unnoticed.
            over.as_mut().enable();
            if self.all.given.lock().open.first().is_none_or(|first| *first >= self.number) {
                return;
            }
            over.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.counts {
            self.all.given.lock().open.remove(&self.number);
            self.all.over.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_message_waits_for_what_was_said_before_it_also_when_what_lies_between_is_gone() {
        let turns = Turns::default();
        let [first, second, refused] = [true, true, true].map(|counts| turns.take(counts));
        let [request, another] = [false, false].map(|counts| turns.take(counts));
        assert!(first.come().now_or_never().is_some());
        drop(refused);
        assert!(second.come().now_or_never().is_none() && request.come().now_or_never().is_none());
        drop(first);
        assert!(second.come().now_or_never().is_some());
        let later = turns.take(true);
        let mut waiting = Box::pin(request.come());
        assert!((&mut waiting).now_or_never().is_none());
        drop(second);
        assert!(waiting.now_or_never().is_some() && another.come().now_or_never().is_some());
        assert!(later.come().now_or_never().is_some(), "it waits for requests");
    }
}

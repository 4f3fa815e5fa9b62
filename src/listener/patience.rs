//! How long a client may take nothing of what is written to it.

use std::io;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::closing::StallHandle;
use super::pace::{Alarm, after};

/// Watches the writes of one connection.
#[derive(Debug)]
pub(super) struct Patience {
    allowed: Duration,
    /// When a client that takes nothing is given up; `None` while it takes what is written.
    give_up: Option<Instant>,
    /// The same of what TLS holds back until it is flushed.
    flush_by: Option<Instant>,
    alarm: Alarm,
    stalled: StallHandle,
}

impl Patience {
    pub(super) fn new(allowed: Duration) -> Self {
        Self { allowed, give_up: None, flush_by: None, alarm: Alarm::default(), stalled: StallHandle::default() }
    }

    /// Where to ask whether it has run out.
    pub(super) fn handle(&self) -> StallHandle {
        self.stalled.clone()
    }

    /// What became of a write. hyper asks again when the client takes something, or when the alarm rings.
    pub(super) fn poll_written(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.give_up = None;
            return written;
        }
        let deadline = *self.give_up.get_or_insert_with(|| after(Instant::now(), self.allowed));
        ready!(self.alarm.poll(deadline, cx));
        Poll::Ready(Err(self.is_over()))
    }

    /// What became of a flush, or of a goodbye that has to be flushed. A socket has nothing to flush; TLS may hold a record that the
    /// client does not take, and nothing else would ever ask about it.
    pub(super) fn poll_flushed(&mut self, flushed: Poll<io::Result<()>>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if flushed.is_ready() {
            self.flush_by = None;
            return flushed;
        }
        let deadline = *self.flush_by.get_or_insert_with(|| after(Instant::now(), self.allowed));
        ready!(self.alarm.poll(deadline, cx));
        Poll::Ready(Err(self.is_over()))
    }

    /// It has run out.
    pub(super) fn is_over(&self) -> io::Error {
        self.stalled.0.store(true, Ordering::Release);
        io::ErrorKind::TimedOut.into()
    }
}

//! How long the filter waits for a client.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::FramingLimits;

/// One timer for all deadlines of a connection. Moving a deadline back costs nothing: the timer fires at the old one and is set again.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `deadline` has passed.
    pub(super) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            if sleep.deadline() > deadline || sleep.is_elapsed() {
                sleep.as_mut().reset(deadline);
            }
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}

/// A deadline; a setting of "for ever" does not overflow.
pub(super) fn after(now: Instant, allowed: Duration) -> Instant {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    now + allowed.min(YEAR)
}

/// The time one body has taken, counted only while the gateway waits for the client.
#[derive(Debug, Default)]
pub(super) struct BodyPace {
    waiting_since: Option<Instant>,
    waited: Duration,
    waited_in_window: Duration,
    arrived_in_window: u64,
}

impl BodyPace {
    /// Bytes came.
    pub(super) fn arrived(&mut self, bytes: usize) {
        if self.waiting_since.is_some() {
            self.settle();
            self.waiting_since = None;
        }
        self.arrived_in_window += bytes as u64;
    }

    /// None came. When to look again; `None` when the client has been too slow.
    pub(super) fn next_deadline(&mut self, limits: &FramingLimits) -> Option<Instant> {
        let now = self.settle();
        if self.waited >= limits.body_timeout {
            return None;
        }
        let window = limits.body_window.max(Duration::from_millis(1));
        if self.waited_in_window >= window {
            let least = window.as_millis().saturating_mul(u128::from(limits.body_rate)) / 1000;
            if u128::from(self.arrived_in_window) < least {
                return None;
            }
            self.waited_in_window = Duration::ZERO;
            self.arrived_in_window = 0;
        }
        Some(after(now, (limits.body_timeout.saturating_sub(self.waited)).min(window.saturating_sub(self.waited_in_window))))
    }

    fn settle(&mut self) -> Instant {
        let now = Instant::now();
        let since = self.waiting_since.replace(now).map_or(Duration::ZERO, |since| now - since);
        self.waited += since;
        self.waited_in_window += since;
        now
    }
}

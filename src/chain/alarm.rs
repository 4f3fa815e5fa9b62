//! A moment that a stream waits for besides its messages. Layers know no clock; this is how one asks to be polled again.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Rings once, some time after it was set.
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Sets it, unless it is set already.
    pub fn set(&mut self, after: Duration) {
        self.0.get_or_insert_with(|| Box::pin(sleep(after)));
    }

    /// Takes it back.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// Ready when it rings, which clears it; pending for ever when it is not set.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.0 else { return Poll::Pending };
        ready!(sleep.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(())
    }
}

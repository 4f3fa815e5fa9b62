//! A reply whose server closes the connection before the response, to be asked again for the rest: by GET, with the id of the last event,
//! after the time that it has named. MCP 2025-11-25, "Resumability and Redelivery".
//!
//! A message is still never sent twice: what is asked for is what the server has not told yet.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Response};
use hyper::body::Incoming;

use super::pool::Lease;
use super::sse::Event;
use crate::chain::{Polling, Rejection};

/// What is waited where the server names no time.
const PAUSE: Duration = Duration::from_secs(1);

/// What is waited at the least and at the most, whatever the server names; the client is told the same. A server must not make anybody call
/// without end, nor come back when nothing is kept for it any more.
const LEAST: Duration = Duration::from_millis(100);
const MOST_PAUSE: Duration = Duration::from_mins(1);

/// How often one reply is taken up again without a message between.
const MOST: u32 = 100;

/// Longest id that is kept.
const LONGEST: usize = 1024;

pub(super) type Resumed = Pin<Box<dyn Future<Output = Result<(Response<Incoming>, Lease), Rejection>> + Send>>;

/// Asks for what comes after an event.
pub(super) struct Resumption {
    ask: Arc<dyn Fn(HeaderValue) -> Resumed + Send + Sync>,
    polling: Arc<Polling>,
    /// Whether it is a stream of pushes. Its client's end of it is ours: it can be come back for whatever the server says, and lasts while
    /// the server is asked again.
    pushes: bool,
    last: Option<HeaderValue>,
    pause: Duration,
    taken: u32,
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resumption")
    }
}

impl Resumption {
    pub(super) fn new<F>(polling: Polling, pushes: bool, ask: impl Fn(HeaderValue) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(Response<Incoming>, Lease), Rejection>> + Send + 'static,
    {
        if pushes {
            polling.prime();
        }
        let ask = Arc::new(move |last| -> Resumed { Box::pin(ask(last)) });
        Self { ask, polling: Arc::new(polling), pushes, last: None, pause: PAUSE, taken: 0 }
    }

    /// What the client's end of the stream is told.
    pub(super) fn polling(&self) -> Arc<Polling> {
        Arc::clone(&self.polling)
    }

    /// Notes what an event says about coming back.
    pub(super) fn note(&mut self, event: &Event) {
        if let Some(id) = &event.id {
            // An empty one takes the last back, and one that cannot stand in a header is none.
            self.last = HeaderValue::from_str(id).ok().filter(|id| !id.is_empty() && id.len() <= LONGEST);
        }
        if let Some(retry) = event.retry {
            self.pause = Duration::from_millis(retry).clamp(LEAST, MOST_PAUSE);
            self.polling.wait(u64::try_from(self.pause.as_millis()).unwrap_or_default());
        }
        if !event.data.is_empty() {
            self.taken = 0;
        }
        if self.last.is_some() {
            self.polling.prime();
        }
    }

    /// How long to wait, and the request to be made then; `None` where the server has not said from where to go on, or too often.
    pub(super) fn next(&mut self) -> Option<(Duration, Resumed)> {
        let last = self.last.clone().filter(|_| self.taken < MOST)?;
        self.taken += 1;
        if !self.pushes {
            self.polling.leave();
        }
        Some((self.pause, (self.ask)(last)))
    }
}

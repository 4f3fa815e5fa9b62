//! A stream of a session whose connection may end before it does: the client comes back for the rest. MCP 2025-11-25, "Resumability and
//! Redelivery".
//!
//! What is kept meanwhile is the stream itself, behind all layers, and the last events as they left: nothing is judged again, and nothing
//! is released that was not.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{CallId, End, MessageStream};

/// What is kept of a stream's last events.
const MOST_BYTES: usize = 64 << 10;

/// What the two ends of a stream tell each other past the layers, which see messages only.
#[derive(Debug)]
pub struct Polling {
    tasks: TaskTracker,
    stop: CancellationToken,
    end: End,
    primed: AtomicBool,
    retry: AtomicU64,
    left: AtomicBool,
    keeper: OnceLock<Arc<dyn Keeper>>,
}

/// Keeps streams until their clients come back.
pub trait Keeper: fmt::Debug + Send + Sync {
    /// The id that an event of the stream has for the client.
    fn event_id(&self, event: u64) -> String;

    /// Keeps it, as long as there is room and not for ever.
    fn keep(&self, kept: Box<Kept>);
}

/// A stream without a connection.
pub struct Kept {
    /// The rest of it.
    pub stream: MessageStream,
    /// Its two ends.
    pub polling: Arc<Polling>,
    /// The call that it answers.
    pub call: CallId,
    /// What has left.
    pub sent: Sent,
    /// Whether that was all.
    pub ended: bool,
    /// The event after which the client goes on.
    pub after: u64,
}

/// The last events of a stream, as they were written; numbered from 1, the priming event being 0.
#[derive(Debug, Default)]
pub struct Sent {
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// The last one of all, and the last one that is not kept any more.
    last: u64,
    lost: u64,
}

/// Takes a kept stream, once.
pub struct Claim(Box<dyn FnOnce() -> Option<Box<Kept>> + Send + Sync>);

impl Polling {
    /// For a stream that must not be kept once `stop` or its `end` comes; whoever watches over it runs on `tasks`.
    pub fn new(tasks: TaskTracker, stop: CancellationToken, end: End) -> Self {
        let (primed, left) = (AtomicBool::default(), AtomicBool::default());
        Self { tasks, stop, end, primed, retry: AtomicU64::default(), left, keeper: OnceLock::new() }
    }

    /// Does `then` after `life`, when the stream's end comes, or when the gateway stops, unless `taken` comes first; `false` where nobody can watch.
    pub fn watch(&self, life: Duration, taken: CancellationToken, then: impl FnOnce() + Send + 'static) -> bool {
        // A body may be dropped anywhere.
        let Ok(runtime) = Handle::try_current() else { return false };
        let (stop, ended) = (self.stop.clone(), self.end.wait());
        self.tasks.spawn_on(
            async move {
                tokio::select! {
                    () = taken.cancelled() => {}
                    () = stop.cancelled() => then(),
                    _because = ended => then(),
                    () = tokio::time::sleep(life) => then(),
                }
            },
            &runtime,
        );
        true
    }

    /// What ends the stream from outside.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// The server has named an event to come back to.
    pub fn prime(&self) {
        self.primed.store(true, Ordering::Release);
    }

    /// The server has said when to come back, in milliseconds.
    pub fn wait(&self, retry: u64) {
        self.retry.store(retry, Ordering::Release);
    }

    /// The server has closed the connection of a stream that goes on.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Release);
    }

    /// Whether the client can be told that it may come back.
    pub fn is_primed(&self) -> bool {
        self.primed.load(Ordering::Acquire)
    }

    /// When it should, in milliseconds.
    pub fn retry(&self) -> Option<u64> {
        Some(self.retry.load(Ordering::Acquire)).filter(|retry| *retry > 0)
    }

    /// Whether the server has left since this was last asked.
    pub fn has_left(&self) -> bool {
        self.left.swap(false, Ordering::AcqRel)
    }

    /// Who keeps it; without anybody the client's connection lasts as long as the stream. The first word holds.
    pub fn kept_by(&self, keeper: Arc<dyn Keeper>) {
        self.keeper.get_or_init(|| keeper);
    }

    /// Who keeps it.
    pub fn keeper(&self) -> Option<&Arc<dyn Keeper>> {
        self.keeper.get()
    }
}

impl Sent {
    /// The number of the event that leaves next.
    pub fn next(&self) -> u64 {
        self.last + 1
    }

    /// An event leaves.
    pub fn add(&mut self, event: Bytes) {
        self.last += 1;
        self.bytes += event.len();
        self.events.push_back((self.last, event));
        while self.bytes > MOST_BYTES {
            let Some((number, event)) = self.events.pop_front() else { return };
            self.bytes -= event.len();
            self.lost = number;
        }
    }

    /// What has left after event `number`; `None` if that is not known any more, or no event of this stream.
    pub fn after(&self, number: u64) -> Option<Vec<Bytes>> {
        let known = (self.lost..=self.last).contains(&number);
        known.then(|| self.events.iter().filter(|(sent, _)| *sent > number).map(|(_, event)| event.clone()).collect())
    }
}

impl Kept {
    /// Nobody comes back for it any more. If its end has come, its record says why.
    pub fn close(mut self) {
        if self.polling.end.has_come() {
            // Never more than the end: that goes before any message.
            let _told = self.stream.next().now_or_never();
        }
    }
}

impl Claim {
    /// By whatever takes it.
    pub fn new(take: impl FnOnce() -> Option<Box<Kept>> + Send + Sync + 'static) -> Self {
        Self(Box::new(take))
    }

    /// The stream, unless somebody was faster.
    pub fn take(self) -> Option<Box<Kept>> {
        (self.0)()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("call", &self.call).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_left_can_be_told_again_while_it_is_kept() {
        let mut sent = Sent::default();
        assert_eq!(sent.after(0), Some(Vec::new()));
        assert_eq!(sent.after(1), None, "no such event");
        for event in ["a", "b", "c"] {
            sent.add(Bytes::from_static(event.as_bytes()));
        }
        assert_eq!(sent.after(0).unwrap(), ["a", "b", "c"]);
        assert_eq!(sent.after(2).unwrap(), ["c"]);
        assert_eq!((sent.after(3), sent.after(4)), (Some(Vec::new()), None));
        sent.add(Bytes::from(vec![b'x'; MOST_BYTES]));
        assert_eq!(sent.after(2), None, "c is gone");
        assert_eq!(sent.after(3).unwrap().len(), 1);
        sent.add(Bytes::from(vec![b'x'; MOST_BYTES + 1]));
        assert_eq!(sent.after(4), None, "too large to be kept");
        assert_eq!(sent.after(5), Some(Vec::new()));
    }
}

//! Streams that lie open for hours: what let one begin has to hold for as long as it lasts.
//!
//! The task of a stream sleeps while nothing comes, so it is the [`Vigil`] that looks at all of them, every second, and wakes the one whose
//! ground is gone. Layers say what the ground is, as a function of the time; they know no clock.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{McpResponse, Reason, ResponseBody, Trail};

/// Ends one stream from outside, whatever it is at. Clones end the same one; the first word holds.
#[derive(Clone, Debug, Default)]
pub struct End(Arc<Inner>);

/// The same, without keeping it.
#[derive(Clone, Debug)]
pub struct WeakEnd(Weak<Inner>);

#[derive(Debug, Default)]
struct Inner {
    because: OnceLock<Reason>,
    come: CancellationToken,
}

/// Ready once an end has come.
pub type Ended = Pin<Box<dyn Future<Output = Reason> + Send>>;

/// Whether what let a stream begin holds still.
type Holds = Box<dyn Fn(Timestamp) -> Result<(), Reason> + Send + Sync>;

/// A stream, and its ground.
type Watched = (WeakEnd, Holds);

/// Looks at open streams again and again.
#[derive(Default)]
pub struct Vigil(Mutex<Vec<Watched>>);

impl End {
    /// It ends, and this is why.
    pub fn come(&self, because: Reason) {
        self.0.because.get_or_init(|| because);
        self.0.come.cancel();
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        self.0.come.is_cancelled()
    }

    /// Waits for it.
    pub fn wait(&self) -> Ended {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            inner.come.cancelled().await;
            inner.because.get().cloned().unwrap_or(Reason::StreamOver)
        })
    }

    /// A handle that does not outlive the stream.
    pub fn downgrade(&self) -> WeakEnd {
        WeakEnd(Arc::downgrade(&self.0))
    }
}

impl WeakEnd {
    /// The end, unless the stream is gone already.
    pub fn upgrade(&self) -> Option<End> {
        self.0.upgrade().map(End)
    }
}

impl Vigil {
    /// Watches over a reply for as long as it streams: it ends with what `holds` objects. A reply of one message has been given already.
    pub fn over(
        &self,
        response: &McpResponse,
        trail: &Trail,
        holds: impl Fn(Timestamp) -> Result<(), Reason> + Send + Sync + 'static,
    ) {
        let end = match &response.body {
            ResponseBody::Opened(_) | ResponseBody::Stream(_) => trail.end(),
            // Begun by another call. Whoever comes back for it has to have ground to stand on as well.
            ResponseBody::Resumed(kept) => kept.polling.end().clone(),
            ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Json(..) => return,
        };
        self.0.lock().push((end.downgrade(), Box::new(holds)));
    }

    /// Looks at every stream once, and forgets those that are gone. Whose ground cannot be looked at for a panic ends, alone.
    pub fn look(&self, now: Timestamp) {
        // Aside: a stream that opens meanwhile does not wait until thousands are looked at.
        let mut watched = std::mem::take(&mut *self.0.lock());
        watched.retain(|(end, holds)| {
            let Some(end) = end.upgrade() else { return false };
            let held = catch_unwind(AssertUnwindSafe(|| holds(now))).unwrap_or(Err(Reason::Internal("panic")));
            held.map_err(|because| end.come(because)).is_ok()
        });
        let mut streams = self.0.lock();
        watched.append(&mut streams);
        *streams = watched;
    }
}

impl fmt::Debug for Vigil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vigil").field("open", &self.0.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};

    use super::*;

    fn streamed() -> (McpResponse, Trail) {
        let body = ResponseBody::Stream(Box::pin(stream::pending()));
        (McpResponse { body, session: None, polling: None }, Trail::default())
    }

    #[test]
    fn a_stream_ends_when_its_ground_is_gone_and_not_before() {
        let vigil = Vigil::default();
        let (response, trail) = streamed();
        let until = Timestamp::from_second(100).unwrap();
        vigil.over(&response, &trail, move |now| if now < until { Ok(()) } else { Err(Reason::Killed) });
        let mut ended = trail.end().wait();
        vigil.look(Timestamp::from_second(99).unwrap());
        assert!((&mut ended).now_or_never().is_none());
        vigil.look(until);
        assert_eq!(ended.now_or_never(), Some(Reason::Killed));
        assert_eq!(vigil.0.lock().len(), 0, "nobody looks at it any more");
    }

    #[test]
    fn a_panic_over_one_stream_ends_it_and_no_other() {
        let vigil = Vigil::default();
        let until = Timestamp::from_second(100).unwrap();
        let (broken, sound) = (streamed(), streamed());
        vigil.over(&broken.0, &broken.1, |_| panic!("its ground cannot be looked at"));
        vigil.over(&sound.0, &sound.1, move |now| if now < until { Ok(()) } else { Err(Reason::Killed) });
        vigil.look(Timestamp::UNIX_EPOCH);
        assert_eq!(broken.1.end().wait().now_or_never(), Some(Reason::Internal("panic")));
        assert_eq!(sound.1.end().wait().now_or_never(), None);
        vigil.look(until);
        assert_eq!(sound.1.end().wait().now_or_never(), Some(Reason::Killed), "nobody looks at it any more");
    }

    #[test]
    fn the_first_word_holds() {
        let end = End::default();
        end.come(Reason::SessionEnded);
        end.come(Reason::Killed);
        assert_eq!(end.wait().now_or_never(), Some(Reason::SessionEnded));
    }

    #[test]
    fn streams_that_are_gone_are_forgotten_and_single_replies_not_watched() {
        let vigil = Vigil::default();
        let (response, trail) = streamed();
        vigil.over(&response, &trail, |_| Ok(()));
        vigil.over(&McpResponse::accepted(), &Trail::default(), |_| Ok(()));
        assert_eq!(vigil.0.lock().len(), 1);
        vigil.look(Timestamp::UNIX_EPOCH);
        assert_eq!(vigil.0.lock().len(), 1, "it is open still");
        drop((response, trail));
        vigil.look(Timestamp::UNIX_EPOCH);
        assert_eq!(vigil.0.lock().len(), 0);
    }
}

//! What is under way in a session: requests that are with its server, and streams that are open.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::chain::{CallId, End, Reason, WeakEnd};
use crate::protocol::RequestId;

/// Requests of one session whose clients have gone before the response. They are remembered because a cancellation may yet come: a lost
/// connection is none.
const LOST: usize = 32;

/// Of one session. Whoever holds it keeps neither the session nor a stream.
#[derive(Default)]
pub struct Live(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    requests: Vec<Request>,
    lost: usize,
    streams: Vec<WeakEnd>,
    handshake: Handshake,
    ended: bool,
}

/// Where a session that begins with its stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Handshake {
    #[default]
    None,
    UnderWay,
    Done,
}

/// A request that has no response yet.
struct Request {
    call: CallId,
    id: RequestId,
    token: Option<RequestId>,
    lost: bool,
}

/// A request is under way until it is answered. Dropped, it has lost its client.
#[must_use = "dropped, the request counts as lost"]
pub struct Underway {
    live: Arc<Live>,
    call: CallId,
}

/// The one handshake of a session that is under way. Dropped, another may be tried, unless it was taken.
#[derive(Debug)]
#[must_use = "dropped, another may be tried"]
pub struct Greeting(Arc<Live>);

impl Live {
    /// A handshake begins, unless one is under way or was taken: a second session at the server would have nobody who ends it.
    pub fn greet(self: &Arc<Self>) -> Option<Greeting> {
        let mut inner = self.0.lock();
        (inner.handshake == Handshake::None).then(|| {
            inner.handshake = Handshake::UnderWay;
            Greeting(Arc::clone(self))
        })
    }

    /// The server has taken the handshake.
    pub(super) fn greeted(&self) {
        self.0.lock().handshake = Handshake::Done;
    }

    /// A request begins, by its client's own id and progress token. There is one for each call under way, which are bounded.
    pub fn begin(self: &Arc<Self>, call: CallId, id: RequestId, token: Option<RequestId>) -> Underway {
        self.0.lock().requests.push(Request { call, id, token, lost: false });
        Underway { live: Arc::clone(self), call }
    }

    /// Whether the client has a request of that id that has no response yet.
    pub fn has_request(&self, id: &RequestId) -> bool {
        self.0.lock().requests.iter().any(|request| request.id == *id)
    }

    /// The client's own progress token of a call that is under way.
    pub fn token_of(&self, call: CallId) -> Option<RequestId> {
        let inner = self.0.lock();
        inner.requests.iter().find(|request| request.call == call)?.token.clone()
    }

    /// Whether a request under way has that progress token of its client's.
    pub fn has_token(&self, token: &RequestId) -> bool {
        self.0.lock().requests.iter().any(|request| request.token.as_ref() == Some(token))
    }

    /// A stream is open, and ends with the session: at once, if that is over already.
    pub fn open(&self, stream: &End) {
        let mut inner = self.0.lock();
        if inner.ended {
            return stream.come(Reason::SessionEnded);
        }
        inner.streams.retain(|open| open.upgrade().is_some());
        inner.streams.push(stream.downgrade());
    }

    /// Whether a stream is open: then somebody is there, though nothing is asked.
    pub(super) fn has_streams(&self) -> bool {
        self.0.lock().streams.iter().any(|open| open.upgrade().is_some())
    }

    /// The session is over, and every stream of it.
    pub fn end(&self, because: &Reason) {
        let streams = {
            let mut inner = self.0.lock();
            inner.ended = true;
            std::mem::take(&mut inner.streams)
        };
        streams.iter().filter_map(WeakEnd::upgrade).for_each(|stream| stream.come(because.clone()));
    }
}

impl Underway {
    /// It has its response, or will never have one.
    pub fn done(self) {
        self.live.0.lock().requests.retain(|request| request.call != self.call);
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let mut inner = self.0.0.lock();
        if inner.handshake == Handshake::UnderWay {
            inner.handshake = Handshake::None;
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut inner = self.live.0.lock();
        let Some(request) = inner.requests.iter_mut().find(|request| request.call == self.call) else { return };
        request.lost = true;
        inner.lost += 1;
        if inner.lost > LOST
            && let Some(oldest) = inner.requests.iter().position(|request| request.lost)
        {
            inner.requests.remove(oldest);
            inner.lost -= 1;
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl fmt::Debug for Underway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Underway").field("call", &self.call).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};

    fn id(json: &str) -> RequestId {
        let document = Document::parse(Bytes::copy_from_slice(json.as_bytes()), Limits::default()).unwrap();
        RequestId::read(document.root()).unwrap()
    }

    #[test]
    fn a_request_is_under_way_until_it_is_answered_also_when_its_client_is_lost() {
        let live = Arc::new(Live::default());
        let (one, two) = (CallId::new(), CallId::new());
        let first = live.begin(one, id("1"), Some(id(r#""t""#)));
        let _second = live.begin(two, id(r#""1""#), None);
        assert!(live.has_request(&id("1")) && live.has_request(&id(r#""1""#)) && !live.has_request(&id("2")));
        assert_eq!((live.token_of(one), live.token_of(two)), (Some(id(r#""t""#)), None));
        first.done();
        assert!(!live.has_request(&id("1")) && live.has_request(&id(r#""1""#)));
        assert_eq!(live.token_of(one), None);
        for number in 0..=LOST {
            drop(live.begin(CallId::new(), id(&format!("10{number}")), None));
        }
        assert!(!live.has_request(&id("100")) && live.has_request(&id("101")) && live.has_request(&id("1032")));
        assert_eq!(live.0.lock().requests.len(), LOST + 1);
    }

    #[test]
    fn one_handshake_is_under_way_at_most_and_none_follows_one_that_was_taken() {
        let live = Arc::new(Live::default());
        let first = live.greet().unwrap();
        assert!(live.greet().is_none());
        drop(first);
        let second = live.greet().unwrap();
        live.greeted();
        drop(second);
        assert!(live.greet().is_none());
    }

    #[test]
    fn streams_end_with_their_session_also_one_that_comes_too_late() {
        let live = Live::default();
        let (open, gone, late) = (End::default(), End::default(), End::default());
        live.open(&gone);
        drop(gone);
        assert!(!live.has_streams());
        live.open(&open);
        assert!(live.has_streams() && !open.has_come());
        live.end(&Reason::SessionEnded);
        assert!(open.has_come());
        live.open(&late);
        assert!(late.has_come());
    }
}

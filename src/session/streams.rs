//! Sessions of HTTP+SSE (2024-11-05), which are there before their handshake: with the stream on which everything is said in them.

use std::sync::atomic::Ordering;

use http::HeaderValue;
use tokio::time::Instant;

use super::{Session, SessionError, Sessions};
use crate::chain::Outlet;
use crate::layers::authn::Principal;
use crate::protocol::{Answerable, ProtocolVersion};

/// Streams in all, and of one caller on one route. Each is a connection.
const MAX_STREAMS: usize = 10_000;
const MAX_PER_CALLER: usize = 100;

impl Sessions {
    /// Makes the session of that id for `owner` on `resource`, whose replies go to `outlet`.
    pub fn open(&self, id: &HeaderValue, owner: &Principal, resource: &str, outlet: Outlet) -> Result<(), SessionError> {
        let (mut all, mut own) = (0, 0);
        for entry in self.table.lock().values().filter(|entry| entry.seat.is_some()) {
            all += 1;
            own += usize::from(entry.session.belongs_to(owner, resource));
        }
        if all >= MAX_STREAMS || own >= MAX_PER_CALLER {
            return Err(SessionError::Full);
        }
        let session = Session::new(id, owner, resource, (ProtocolVersion::V2024_11_05, Answerable::NOTHING));
        self.insert(id, session, Some(outlet.seat()))?;
        // After it is in the table: whoever closes the streams sets this first, and finds it there or is found here.
        if self.closing.load(Ordering::Acquire) {
            self.end(id);
            return Err(SessionError::Full);
        }
        Ok(())
    }

    /// Notes what the handshake has settled. A session that is over by then has its end told to the server.
    pub fn begin(&self, id: &HeaderValue, (version, answerable): (ProtocolVersion, Answerable), upstream: Option<HeaderValue>) {
        let mut upstream = upstream;
        let begun = self.with(id, |entry| {
            let session = &mut entry.session;
            (session.version, session.answerable, session.upstream) = (version, answerable, upstream.take());
            (session.begun, session.used) = (true, Instant::now());
            session.live.greeted();
            Some(())
        });
        if begun.is_none() {
            self.farewell.get().zip(upstream.as_ref()).into_iter().for_each(|(farewell, id)| farewell(id));
        }
    }

    /// Opens no stream from now on, and ends those that are open, each once what is under way in it is told.
    pub fn close_streams(&self) {
        self.closing.store(true, Ordering::Release);
        // What is under way in them still finds its session.
        let _gone: Vec<_> = self.table.lock().values_mut().filter_map(|entry| entry.seat.take()).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::super::IDLE;
    use super::*;
    use crate::chain::{Channel, Shown, Unsaid};
    use crate::places::Share;

    fn shown() -> Shown {
        Shown { until: None, holds: Arc::new(|_now| Ok(())) }
    }

    fn ada() -> Principal {
        Principal::for_test("ada", &[])
    }

    fn opened(sessions: &Sessions) -> Result<(HeaderValue, Channel), SessionError> {
        let (channel, outlet) = Channel::open(1024, shown(), (Unsaid::default(), Share::of(&ada())));
        let id = Sessions::draw()?;
        sessions.open(&id, &ada(), "r", outlet)?;
        Ok((id, channel))
    }

    fn ends(mut channel: Channel) -> bool {
        matches!(poll_fn(|cx| channel.poll_event(cx)).now_or_never(), Some(None))
    }

    #[tokio::test]
    async fn a_session_is_there_before_its_handshake_and_knows_what_that_settles() {
        let sessions = Sessions::default();
        let (id, channel) = opened(&sessions).unwrap();
        let before = sessions.find(&id, &ada(), "r").unwrap();
        assert!(!before.begun && before.outlet.is_some());
        sessions.begin(&id, (ProtocolVersion::V2025_06_18, Answerable::NOTHING), Some(HeaderValue::from_static("theirs")));
        let after = sessions.find(&id, &ada(), "r").unwrap();
        assert!(after.begun);
        assert_eq!(after.version, ProtocolVersion::V2025_06_18);
        assert_eq!(after.upstream.as_ref().unwrap(), "theirs");
        drop((before.outlet, after.outlet));
        sessions.end(&id);
        assert!(ends(channel), "its stream outlives it");
    }

    #[tokio::test(start_paused = true)]
    async fn the_stream_of_an_idle_session_ends() {
        let sessions = Sessions::default();
        let (_id, channel) = opened(&sessions).unwrap();
        tokio::time::advance(IDLE + Duration::from_secs(1)).await;
        sessions.expire();
        assert!(sessions.is_empty() && ends(channel));
    }

    #[tokio::test]
    async fn one_caller_cannot_open_streams_without_end() {
        let sessions = Sessions::default();
        let _open: Vec<_> = (0..MAX_PER_CALLER).map(|_| opened(&sessions).unwrap()).collect();
        assert_eq!(opened(&sessions).map(drop), Err(SessionError::Full));
        let (_channel, outlet) = Channel::open(1024, shown(), (Unsaid::default(), Share::of(&ada())));
        let (id, bob) = (Sessions::draw().unwrap(), Principal::for_test("bob", &[]));
        assert_eq!(sessions.open(&id, &bob, "r", outlet), Ok(()));
    }

    #[tokio::test]
    async fn a_stop_ends_the_streams_and_opens_none() {
        let sessions = Sessions::default();
        let (_id, channel) = opened(&sessions).unwrap();
        sessions.close_streams();
        assert!(ends(channel));
        assert_eq!(opened(&sessions).map(drop), Err(SessionError::Full));
        assert_eq!(sessions.len(), 1, "the one that was refused is in the table");
    }
}

//! A client's session, and the stream of the server that stands behind it. A stream that was lost is opened again for the next call, with
//! the handshake that the client has made: nothing that was under way is sent twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::post::{Poster, Whose};
use crate::chain::{Reason, Rejection};
use crate::places::Place;
use crate::protocol::json::Limits;
use crate::protocol::{Access, Message, Side};

/// What a session is called in `paired/`: there is one on each stream.
pub(super) const ONLY: u64 = 1;

/// How long a client may take to say its second message: until then it may not have heard of its session.
const UNCLAIMED: Duration = Duration::from_mins(1);

const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// See the module.
pub(super) struct Session {
    /// What the client has shaken hands with, as it was judged.
    hello: Bytes,
    access: Access,
    link: Mutex<Arc<Link>>,
    over: CancellationToken,
    since: Instant,
    claimed: AtomicBool,
    /// Its place among the server's streams.
    _place: Place,
}

impl Session {
    /// On a stream that ends with `over`, which is the session's own.
    pub(super) fn new(hello: Bytes, access: Access, link: Arc<Link>, over: CancellationToken, place: Place) -> Self {
        let (link, claimed) = (Mutex::new(link), AtomicBool::new(false));
        Self { hello, access, link, over, since: Instant::now(), claimed, _place: place }
    }

    /// Whether its client may never have heard of it.
    pub(super) fn is_lost(&self) -> bool {
        !self.claimed.load(Ordering::Acquire) && self.since.elapsed() > UNCLAIMED
    }

    /// Its client has named it.
    pub(super) fn claim(&self) {
        self.claimed.store(true, Ordering::Release);
    }

    /// Since when nothing is open in it, if that is so.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        // Held, it is about to be used.
        let link = self.link.try_lock().ok()?;
        if link.is_over() { Some(self.since) } else { link.paired.idle_since() }
    }

    /// Ends it, and what is under way in it.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    /// The stream, if it is open.
    pub(super) async fn open_link(&self) -> Option<Arc<Link>> {
        let link = self.link.lock().await;
        (!link.is_over()).then(|| Arc::clone(&link))
    }

    /// The stream, opened again if it was lost.
    pub(super) async fn link(&self, poster: &Arc<Poster>, whose: Whose<'_>) -> Result<Arc<Link>, Rejection> {
        let mut link = self.link.lock().await;
        if link.is_over() {
            *link = Arc::new(self.shake_hands_again(poster, whose).await?);
        }
        Ok(Arc::clone(&link))
    }

    async fn shake_hands_again(&self, poster: &Arc<Poster>, whose: Whose<'_>) -> Result<Link, Rejection> {
        let link = Link::open(poster, &self.over, whose).await?;
        let hello = Message::parse(self.hello.clone(), Limits::NONE, Side::Client);
        let mut hello = hello.map_err(|_judged| Rejection::internal("handshake"))?;
        let (bytes, mut call) = link.paired.open(&mut hello, &self.access, Some(ONLY))?;
        poster.post(&link.target, bytes, whose).await?;
        let answer = loop {
            let said = call.response_or_more().await?;
            if said.is_final() {
                break said;
            }
        };
        if answer.message.result().is_none() {
            return Err(Reason::UpstreamFailed("handshake").into());
        }
        poster.post(&link.target, Bytes::from_static(INITIALIZED), whose).await?;
        Ok(link)
    }
}

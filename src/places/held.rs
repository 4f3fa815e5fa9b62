//! Bytes that have places until they are gone, and who is asked to let go of them.
//!
//! SECURITY: what a client is to read is handed to the HTTP library whole, and stays there for as long as the client takes. Its places must
//! not be given back before; and a client that takes a little now and then must not keep them from everybody else for ever, nor from
//! its own caller's other clients.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Place;

/// How long bytes may hold places that somebody waits for who holds fewer, and how often it is looked whether somebody does after that.
const LENT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// What a client has to take in each such time to keep its places from those who hold as many, and from its own caller: 25 KiB a second.
const LEAST: u64 = 128 << 10;

/// Bytes and their places.
struct Held {
    bytes: Bytes,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What one connection has not taken yet. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Untaken(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Since when; the oldest first, which is the first to be taken.
    held: Mutex<VecDeque<(Instant, Weak<Place>)>>,
    come: Notify,
    taken: AtomicU64,
}

impl Untaken {
    /// The same bytes, which have their places until the last of them is gone.
    pub fn hold(&self, bytes: Bytes, place: Place) -> Bytes {
        let place = Arc::new(place);
        let mut held = self.0.held.lock();
        held.retain(|(_, place)| place.strong_count() > 0);
        if held.is_empty() {
            self.0.come.notify_one();
        }
        held.push_back((Instant::now(), Arc::downgrade(&place)));
        drop(held);
        Bytes::from_owner(Held { bytes, _place: place })
    }

    /// The client has taken so many bytes, as far as can be known: its connection has.
    pub fn took(&self, bytes: usize) {
        self.0.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns once what is held has been for a while and is wanted by others who hold less, or by anybody who holds as little while the
    /// client takes next to nothing.
    pub async fn pressed(&self) {
        loop {
            let (mut begin, mut before, mut slow) = (Instant::now(), self.taken(), false);
            while let Some((since, place)) = self.oldest() {
                let now = Instant::now();
                if now.duration_since(begin) >= LENT {
                    let taken = self.taken();
                    slow = taken.saturating_sub(before) < LEAST;
                    (begin, before) = (now, taken);
                }
                let lent = now.duration_since(since);
                if lent >= LENT && (place.is_pressed() || (slow && place.is_wanted())) {
                    return;
                }
                drop(place);
                tokio::time::sleep(LENT.saturating_sub(lent).max(LOOK)).await;
            }
            // Not first of all: what is held already was told to whoever looked before.
            self.0.come.notified().await;
        }
    }

    fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    fn oldest(&self) -> Option<(Instant, Arc<Place>)> {
        self.0.held.lock().iter().find_map(|(since, place)| Some((*since, place.upgrade()?)))
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;

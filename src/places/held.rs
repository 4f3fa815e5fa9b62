//! Bytes that have places until they are gone, and who is asked to let go of them.
//!
//! SECURITY: what a client is to read is handed to the HTTP library whole, and stays there for as long as the client takes. Its places must
//! not be given back before; and a client that takes a little now and then must not keep them from everybody else for ever.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Place;

/// How long bytes may hold places that somebody waits for who holds fewer, and how often it is looked whether somebody does after that.
const LENT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

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
    first: Mutex<Weak<Place>>,
    come: Notify,
}

impl Untaken {
    /// The same bytes, which have their places until the last of them is gone.
    pub fn hold(&self, bytes: Bytes, place: Place) -> Bytes {
        let place = Arc::new(place);
        let mut first = self.0.first.lock();
        if first.strong_count() == 0 {
            *first = Arc::downgrade(&place);
            self.0.come.notify_one();
        }
        drop(first);
        Bytes::from_owner(Held { bytes, _place: place })
    }

    /// Returns once what is held is wanted by others, and has been held for a while.
    pub async fn pressed(&self) {
        loop {
            self.0.come.notified().await;
            let held = Weak::clone(&self.0.first.lock());
            tokio::time::sleep(LENT).await;
            while let Some(place) = held.upgrade() {
                if place.is_pressed() {
                    return;
                }
                drop(place);
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

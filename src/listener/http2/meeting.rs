//! Where the head of a new stream and the endpoint meet.
//!
//! The HTTP library does not say which stream a request came on, nor which it has answered by itself. But it reads one head at a time when it
//! is given one at a time: whatever it calls the endpoint with next came on that stream.

use std::sync::Arc;

use parking_lot::Mutex;

use super::ledger::Arrived;

/// A place for one stream. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Meeting(Arc<Mutex<Option<Arrived>>>);

impl Meeting {
    /// A stream waits to be taken.
    pub(super) fn offer(&self, stream: Arrived) {
        *self.0.lock() = Some(stream);
    }

    /// A request has come to the endpoint.
    pub(super) fn take(&self) -> Arrived {
        self.0.lock().take().unwrap_or_default()
    }

    /// Whether one still waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.lock().is_some()
    }

    /// It waits no more. Whether it was taken.
    pub(super) fn close(&self) -> bool {
        self.0.lock().take().is_none()
    }
}

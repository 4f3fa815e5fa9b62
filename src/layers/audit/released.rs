//! What of a stream has been released since its last record, and when the next one is due.

use std::mem;

use aws_lc_rs::digest::{Context, SHA256};

/// A record is due after so many events, so many bytes, or so long after the first event without one (SECURITY.md 2.3).
const EVENTS: u64 = 64;
const BYTES: usize = 1024 * 1024;

/// See the module.
#[derive(Clone)]
pub(super) struct Released {
    /// Over all bytes of all events so far, from the first of the stream on.
    sum: Context,
    /// Number of this record within its stream, from 0.
    pub(super) number: u64,
    /// Number of the first event it covers, from 0.
    pub(super) first: u64,
    /// Events it covers.
    pub(super) events: u64,
    /// Bytes of these events' messages.
    pub(super) bytes: usize,
}

impl Default for Released {
    fn default() -> Self {
        Self { sum: Context::new(&SHA256), number: 0, first: 0, events: 0, bytes: 0 }
    }
}

impl Released {
    /// Counts a message that is about to leave.
    pub(super) fn add(&mut self, message: &[u8]) {
        self.sum.update(message);
        self.events += 1;
        self.bytes += message.len();
    }

    /// Whether anything is not in a record yet.
    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Whether so much is not in a record yet that no time has to pass.
    pub(super) fn is_due(&self) -> bool {
        self.events >= EVENTS || self.bytes >= BYTES
    }

    /// Events of the whole stream.
    pub(super) fn total(&self) -> u64 {
        self.first + self.events
    }

    /// SHA-256 over all messages of the stream so far.
    pub(super) fn digest(&self) -> Vec<u8> {
        self.sum.clone().finish().as_ref().to_vec()
    }

    /// What the next record is about; what is left begins the one after it.
    pub(super) fn take(&mut self) -> Self {
        let next = Self { sum: self.sum.clone(), number: self.number + 1, first: self.total(), events: 0, bytes: 0 };
        mem::replace(self, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_due_by_events_or_bytes_and_its_sum_runs_on() {
        let mut released = Released::default();
        for _ in 0..EVENTS - 1 {
            released.add(b"x");
        }
        assert!(!released.is_due());
        released.add(b"x");
        assert!(released.is_due());
        let first = released.take();
        assert_eq!((first.number, first.first, first.events, first.bytes), (0, 0, 64, 64));
        assert_eq!((released.number, released.first, released.events, released.is_empty()), (1, 64, 0, true));
        assert_eq!(first.digest(), released.digest(), "the sum is over the whole stream");

        released.add(&vec![b'y'; BYTES - 1]);
        assert!(!released.is_due());
        released.add(b"z");
        assert!(released.is_due());
        assert_eq!(released.total(), 66);
        assert_ne!(first.digest(), released.digest());
    }
}

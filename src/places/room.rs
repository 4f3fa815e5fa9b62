//! Places that nobody waits for: there is one, or there is none.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Entry, Fair, Share};

/// Places of one kind. Clones count together.
#[derive(Clone, Debug)]
pub struct Room(Arc<Mutex<Fair<Share>>>);

/// A place; given back when dropped.
#[derive(Debug)]
pub struct Taken {
    room: Room,
    share: Share,
}

impl Room {
    /// So many places.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Fair::new(places, 0))))
    }

    /// One of them, where it is within this share.
    pub fn enter(&self, share: Share) -> Option<Taken> {
        let granted = self.0.lock().enter(&share, 1) == Entry::Granted;
        granted.then(|| Taken { room: self.clone(), share })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // Nobody waits here, so nobody is to be told.
        let _ = self.room.0.lock().leave(&self.share, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_there_for_the_next() {
        let room = Room::new(1);
        let share = || Share::Caller("ada".into());
        let taken = room.enter(share());
        assert!(taken.is_some() && room.clone().enter(share()).is_none());
        drop(taken);
        assert!(room.enter(share()).is_some());
        assert!(Room::new(0).enter(share()).is_none());
    }
}

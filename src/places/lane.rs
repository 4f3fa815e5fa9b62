//! Places of one kind, and waiting for them: [`Fair`] with a clock and wake-ups.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Entry, Fair, Share, Ticket};
use crate::telemetry::Level;

/// Places of one kind.
#[derive(Debug)]
pub struct Lane {
    state: Mutex<Waiters>,
    patience: Duration,
    in_flight: Level,
    waiting: Level,
}

#[derive(Debug)]
struct Waiters {
    fair: Fair<Share>,
    /// A message means a place; an end without one, that the room was needed for somebody else.
    called: HashMap<Ticket, oneshot::Sender<()>>,
}

/// A place, or several, given back when dropped.
#[derive(Debug)]
pub struct Place {
    lane: Arc<Lane>,
    share: Share,
    places: usize,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No room to wait, or it was needed for somebody else.
    Full,
    /// Waited in vain.
    Late,
}

/// Somebody who waits. Dropped, they wait no more, and a place that came in the same moment goes on to the next.
struct Waiting {
    lane: Arc<Lane>,
    share: Share,
    places: usize,
    ticket: Ticket,
    call: oneshot::Receiver<()>,
    done: bool,
}

impl Lane {
    /// These places; whoever waits does so for `patience` at most. The levels show how many there are, and wait.
    pub fn new(fair: Fair<Share>, patience: Duration, (in_flight, waiting): (Level, Level)) -> Self {
        Self { state: Mutex::new(Waiters { fair, called: HashMap::new() }), patience, in_flight, waiting }
    }

    /// So many places, now or in a while.
    pub async fn enter(self: &Arc<Self>, share: Share, places: usize) -> Result<Place, Refused> {
        let mut waiting = {
            let mut state = self.state.lock();
            let entry = state.fair.enter(&share, places);
            self.show(&state);
            match entry {
                Entry::Granted => return Ok(Place { lane: Arc::clone(self), share, places }),
                Entry::Refused => return Err(Refused::Full),
                Entry::Waits { ticket, evicted } => {
                    evicted.and_then(|evicted| state.called.remove(&evicted));
                    let (caller, call) = oneshot::channel();
                    state.called.insert(ticket, caller);
                    Waiting { lane: Arc::clone(self), share, places, ticket, call, done: false }
                }
            }
        };
        match tokio::time::timeout(self.patience, &mut waiting.call).await {
            Ok(Ok(())) => Ok(waiting.into_place()),
            Ok(Err(_evicted)) => Err(Refused::Full),
            // A place that came in the last moment is one all the same.
            Err(_elapsed) if waiting.call.try_recv().is_ok() => Ok(waiting.into_place()),
            Err(_elapsed) => Err(Refused::Late),
        }
    }

    /// Whether somebody has no place here.
    pub fn has_none(&self, share: &Share) -> bool {
        self.state.lock().fair.held(share) == 0
    }

    fn leave(&self, share: &Share, places: usize) {
        let mut state = self.state.lock();
        let granted = state.fair.leave(share, places);
        state.call(&granted);
        self.show(&state);
    }

    fn show(&self, state: &Waiters) {
        self.in_flight.set(i64::try_from(state.fair.used()).unwrap_or(i64::MAX));
        self.waiting.set(i64::try_from(state.fair.waiting()).unwrap_or(i64::MAX));
    }
}

impl Waiters {
    /// Tells them that they have their places.
    fn call(&mut self, granted: &[Ticket]) {
        for ticket in granted {
            // Whoever has stopped waiting in this moment finds the call, and gives the places back.
            let _ = self.called.remove(ticket).map(|caller| caller.send(()));
        }
    }
}

impl Waiting {
    fn into_place(mut self) -> Place {
        self.done = true;
        Place { lane: Arc::clone(&self.lane), share: self.share.clone(), places: self.places }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut state = self.lane.state.lock();
        state.called.remove(&self.ticket);
        let waited = state.fair.cancel(&self.share, self.ticket);
        state.call(waited.as_deref().unwrap_or_default());
        self.lane.show(&state);
        drop(state);
        if waited.is_none() && self.call.try_recv().is_ok() {
            self.lane.leave(&self.share, self.places);
        }
    }
}

impl Place {
    /// Gives back all places but so many.
    pub fn shrink_to(&mut self, places: usize) {
        let spare = self.places.saturating_sub(places);
        if spare > 0 {
            self.places -= spare;
            self.lane.leave(&self.share, spare);
        }
    }

    /// Whether another caller waits for places who holds fewer than the one who has this.
    pub fn is_pressed(&self) -> bool {
        self.lane.state.lock().fair.is_pressed(&self.share)
    }

    /// Whether a caller waits for places who holds no more than the one who has this, who may be the same.
    pub fn is_wanted(&self) -> bool {
        self.lane.state.lock().fair.is_wanted(&self.share)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.leave(&self.share, self.places);
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;

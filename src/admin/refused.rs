//! How often the admin API was asked without its token: told once a second, so that nobody fills the log by asking.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// One record in this time, after the first.
const EVERY: Duration = Duration::from_secs(1);

/// Counts between two records.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    told: Option<Instant>,
    count: u64,
}

impl Refused {
    /// Counts one; gives how many a record is to tell now, if one is due.
    pub(super) fn one_more(&self) -> Option<u64> {
        let mut state = self.0.lock();
        state.count += 1;
        if state.told.is_some_and(|told| told.elapsed() < EVERY) {
            return None;
        }
        state.told = Some(Instant::now());
        Some(std::mem::take(&mut state.count))
    }

    /// What no record has told.
    pub(super) fn rest(&self) -> Option<u64> {
        let count = std::mem::take(&mut self.0.lock().count);
        (count > 0).then_some(count)
    }
}

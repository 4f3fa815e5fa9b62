//! How often the admin API was asked without its token, or by an auditor for what is not for auditors: told once a second, so that nobody
//! fills the log by asking.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// One record of each in this time, after the first.
const EVERY: Duration = Duration::from_secs(1);

/// Counts between two records, by auditor; `None` is whoever had no token.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<BTreeMap<Option<String>, State>>);

#[derive(Debug, Default)]
struct State {
    told: Option<Instant>,
    count: u64,
}

impl Refused {
    /// Counts one; gives how many a record is to tell now, if one is due.
    pub(super) fn one_more(&self, auditor: Option<&str>) -> Option<u64> {
        let mut states = self.0.lock();
        let state = states.entry(auditor.map(str::to_owned)).or_default();
        state.count += 1;
        if state.told.is_some_and(|told| told.elapsed() < EVERY) {
            return None;
        }
        state.told = Some(Instant::now());
        Some(std::mem::take(&mut state.count))
    }

    /// What no record has told.
    pub(super) fn rest(&self) -> Vec<(Option<String>, u64)> {
        let states = std::mem::take(&mut *self.0.lock());
        states.into_iter().map(|(auditor, state)| (auditor, state.count)).filter(|(_, count)| *count > 0).collect()
    }
}

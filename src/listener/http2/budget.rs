//! An allowance that comes back with time and with honest work.

use std::time::Duration;

use tokio::time::Instant;

/// So many of something at once.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    most: u32,
    /// One comes back in so long.
    pace: Duration,
    since: Instant,
}

impl Budget {
    pub(super) const fn new(most: u32, pace: Duration, now: Instant) -> Self {
        Self { left: most, most, pace, since: now }
    }

    /// Takes one. `false`: there was none.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.since).as_nanos() / self.pace.as_nanos().max(1);
        if let Ok(due @ 1..) = u32::try_from(due.min(u128::from(self.most))) {
            self.earn(due);
            self.since = now;
        }
        let rest = self.left.checked_sub(1);
        self.left = rest.unwrap_or_default();
        rest.is_some()
    }

    /// So many come back.
    pub(super) fn earn(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_with_time_and_work_and_never_beyond_its_most() {
        let begin = Instant::now();
        let mut budget = Budget::new(3, Duration::from_secs(1), begin);
        let mut spend = |after: u64, earned: u32| {
            budget.earn(earned);
            budget.spend(begin + Duration::from_secs(after))
        };
        assert_eq!([spend(0, 0), spend(0, 0), spend(0, 0), spend(0, 0)], [true, true, true, false]);
        assert_eq!([spend(0, 1), spend(0, 0)], [true, false]);
        assert_eq!([spend(1, 0), spend(1, 0)], [true, false]);
        assert_eq!([spend(99, 99), spend(99, 0), spend(99, 0), spend(99, 0)], [true, true, true, false]);
    }
}

//! Is the disk slow? The ninety-ninth hundredth of its latest syncs says so.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Syncs that are remembered, and for how long: an old one says nothing about now.
const SYNCS: usize = 100;
const MEMORY: Duration = Duration::from_secs(10);

/// A sync beyond this is slow (SECURITY.md 2.3).
pub(crate) const SLOW: Duration = Duration::from_millis(250);

/// The latest syncs.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When each ended, and whether it was slow.
    syncs: VecDeque<(Instant, bool)>,
    slow: usize,
}

impl Pace {
    pub(crate) fn note(&mut self, sync: Duration) {
        let now = Instant::now();
        let slow = sync > SLOW;
        self.syncs.push_back((now, slow));
        self.slow += usize::from(slow);
        while let Some(&(at, was_slow)) = self.syncs.front()
            // Of a disk that takes longer than the memory lasts, the last two still tell.
            && (self.syncs.len() > SYNCS || (self.syncs.len() > 2 && now.duration_since(at) > MEMORY))
        {
            self.syncs.pop_front();
            self.slow -= usize::from(was_slow);
        }
    }

    /// More than one in a hundred was slow; of fewer than a hundred, two.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow > 1 && self.syncs.back().is_some_and(|(at, _)| at.elapsed() <= MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_slow_syncs_of_the_last_hundred_are_slow_until_they_are_old() {
        let mut pace = Pace::default();
        pace.note(Duration::from_secs(1));
        assert!(!pace.is_slow(), "one slow sync may be anything");
        pace.note(SLOW);
        assert!(!pace.is_slow(), "250 ms is not yet slow");
        pace.note(SLOW + Duration::from_millis(1));
        assert!(pace.is_slow());
        for _ in 0..97 {
            pace.note(Duration::from_millis(1));
        }
        assert!(pace.is_slow(), "two of a hundred");
        pace.note(Duration::from_millis(1));
        assert!(!pace.is_slow(), "the first was forgotten");

        pace.note(Duration::from_secs(1));
        assert!(pace.is_slow());
        tokio::time::advance(MEMORY + Duration::from_millis(1)).await;
        assert!(!pace.is_slow(), "nothing was heard of the disk for long");
        for _ in 0..2 {
            pace.note(Duration::from_millis(1));
        }
        assert!(!pace.is_slow());

        for _ in 0..2 {
            tokio::time::advance(2 * MEMORY).await;
            pace.note(2 * MEMORY);
        }
        assert!(pace.is_slow(), "the slower the disk, the fewer syncs it has to show");
    }
}

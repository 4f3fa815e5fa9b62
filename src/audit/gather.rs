//! When a batch is worth a short wait: records come so fast that many will be there in a moment, and one sync will do for all.
//!
//! On a disk that takes milliseconds a batch forms while the one before it is synced. One that answers in a tenth of that would be
//! asked for every second record, and the asking, the waking and the sleeping cost more than everything else that is done for a
//! call. Below the rate nothing ever waits; what the rate is, is the durability mode's to say.

use std::time::Duration;

use tokio::time::Instant;

/// Over how long the rate is taken, and how long a batch waits.
const WINDOW: Duration = Duration::from_millis(10);
const WINDOWS: u32 = 100;
const WAIT: Duration = Duration::from_millis(1);

/// Counts what comes.
#[derive(Debug)]
pub(crate) struct Gather {
    since: Instant,
    records: u32,
    /// Records in each of the windows that have passed last.
    recent: u32,
}

impl Gather {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), records: 0, recent: 0 }
    }

    /// Notes records that were taken.
    pub(crate) fn note(&mut self, records: usize) {
        self.records = self.records.saturating_add(u32::try_from(records).unwrap_or(u32::MAX));
        let passed = self.since.elapsed();
        if passed >= WINDOW {
            let windows = u32::try_from(passed.as_micros() / WINDOW.as_micros()).unwrap_or(u32::MAX);
            self.recent = self.records / windows.max(1);
            self.since = Instant::now();
            self.records = 0;
        }
    }

    /// How long to wait for more, with so many records there, if it is worth it from `rate` records a second on.
    pub(crate) fn wait(&self, rate: u32, pending: usize, full: usize) -> Option<Duration> {
        (self.recent >= rate / WINDOWS && pending < full).then_some(WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_rate_that_fills_the_wait_makes_it() {
        let mut gather = Gather::new();
        assert_eq!(gather.wait(8_000, 1, 256), None);
        for (each_millisecond, waits) in [(7, false), (8, true), (100, true), (0, false), (4, false)] {
            for _ in 0..20 {
                tokio::time::advance(Duration::from_millis(1)).await;
                gather.note(each_millisecond);
            }
            assert_eq!(gather.wait(8_000, 1, 256).is_some(), waits, "{each_millisecond} a millisecond");
        }
        for _ in 0..10 {
            tokio::time::advance(Duration::from_millis(1)).await;
            gather.note(50);
        }
        assert_eq!(gather.wait(8_000, 256, 256), None, "a full batch waits for nothing");
        tokio::time::advance(Duration::from_secs(5)).await;
        gather.note(50);
        assert_eq!(gather.wait(8_000, 1, 256), None, "a burst after silence is no rate");
    }
}

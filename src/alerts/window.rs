//! How much there was in the span that ends now.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// A span is cut into so many parts; what is counted may be one part older than it.
const PARTS: i64 = 60;

/// Sums over a span that moves on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// By part of time, the oldest first.
    parts: VecDeque<(i64, u64)>,
}

/// Which different things there were in a span that moves on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Distinct {
    /// Each with when it was there last, in milliseconds; the one that was there longest ago first.
    last: VecDeque<(i64, String)>,
}

impl Sums {
    /// Adds at a time, in milliseconds, and says how much there was in the span up to it.
    pub(super) fn add(&mut self, now: i64, span: i64, much: u64) -> u64 {
        let length = (span / PARTS).max(1);
        let part = now.div_euclid(length);
        self.parts.retain(|(at, _)| part - at <= PARTS);
        match self.parts.back_mut() {
            Some((at, sum)) if *at == part => *sum = sum.saturating_add(much),
            // Not before the last one: a clock that was put back counts as one that stood still.
            Some((at, sum)) if *at > part => *sum = sum.saturating_add(much),
            Some(_) | None => self.parts.push_back((part, much)),
        }
        self.parts.iter().fold(0, |sum, (_, much)| sum.saturating_add(*much))
    }
}

impl Distinct {
    /// Notes what was there, and says how many different ones there were; no more than `most` and one are told apart.
    pub(super) fn add(&mut self, now: i64, span: i64, what: &str, most: u64) -> u64 {
        self.last.retain(|(at, known)| now - at < span && known != what);
        self.last.push_back((now, what.to_owned()));
        while u64::try_from(self.last.len()).is_ok_and(|known| known > most.saturating_add(1)) {
            self.last.pop_front();
        }
        u64::try_from(self.last.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn what_lies_behind_the_span_counts_no_more() {
        let mut sums = Sums::default();
        assert_eq!(sums.add(0, MINUTE, 5), 5);
        assert_eq!(sums.add(MINUTE / 2, MINUTE, 1), 6);
        assert_eq!(sums.add(MINUTE, MINUTE, 1), 7, "one part more than the span");
        assert_eq!(sums.add(MINUTE + 1_001, MINUTE, 0), 2, "and no more than that");
        assert_eq!(sums.add(10 * MINUTE, MINUTE, 1), 1);
        assert_eq!(sums.parts.len(), 1, "nothing is kept that does not count");
    }

    #[test]
    fn a_clock_that_is_put_back_loses_nothing() {
        let mut sums = Sums::default();
        assert_eq!(sums.add(10 * MINUTE, MINUTE, 2), 2);
        assert_eq!(sums.add(5 * MINUTE, MINUTE, 2), 4);
    }

    #[test]
    fn different_things_count_once_and_only_as_long_as_the_span() {
        let mut tools = Distinct::default();
        assert_eq!(tools.add(0, MINUTE, "a", 5), 1);
        assert_eq!(tools.add(1, MINUTE, "b", 5), 2);
        assert_eq!(tools.add(2, MINUTE, "a", 5), 2);
        assert_eq!(tools.add(MINUTE + 1, MINUTE, "c", 5), 2, "`b` is gone");
        for number in 0..100 {
            assert!(tools.add(MINUTE + 2, MINUTE, &number.to_string(), 5) <= 6);
        }
    }
}

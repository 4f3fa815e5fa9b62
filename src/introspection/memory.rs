//! What issuers have said of tokens, for as long as it is believed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::protocol::json::Document;

/// Tokens remembered of one issuer: good ones, and others. An answer is 32 KiB at most.
const REMEMBERED: usize = 10_000;

/// How long an answer holds that says no. Short: a token may be asked about before its issuer's other replicas know it.
const INACTIVE: Duration = Duration::from_secs(5);

/// How long it is not tried again after there was none.
const FAILED: Duration = Duration::from_secs(1);

/// Stands for a token.
pub(super) type Hash = [u8; 32];

/// What was said of a token.
#[derive(Debug)]
pub struct Told {
    /// What.
    pub verdict: Verdict,
    /// When, on both clocks.
    at: Timestamp,
    at_monotonic: Instant,
}

/// What an issuer says.
#[derive(Debug)]
pub enum Verdict {
    /// It is good, and this is what is known of it.
    Active(Document),
    /// Nothing that could be used.
    Failed,
    /// It is not good, or none of theirs.
    Inactive,
    /// Too many are asked about: this one was not.
    Overloaded,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    // Apart, so that made-up tokens push no good one out.
    good: HashMap<Hash, Arc<Told>>,
    other: HashMap<Hash, Arc<Told>>,
}

impl Told {
    pub(super) fn new(verdict: Verdict, at: Timestamp) -> Self {
        Self { verdict, at, at_monotonic: Instant::now() }
    }

    /// By the clock that has gone further, as with keys.
    pub(super) fn age(&self, now: Timestamp) -> Duration {
        let wall = Duration::try_from(now.duration_since(self.at)).unwrap_or_default();
        wall.max(self.at_monotonic.elapsed())
    }

    /// Whether it holds at `now`, where good news holds for `cache`.
    pub(super) fn holds(&self, now: Timestamp, cache: Duration) -> bool {
        let longest = match self.verdict {
            Verdict::Active(_) => cache,
            Verdict::Failed => FAILED,
            Verdict::Inactive => INACTIVE.min(cache),
            Verdict::Overloaded => return false,
        };
        self.age(now) <= longest
    }
}

impl Memory {
    /// What holds of a token at `now`.
    pub(super) fn recall(&self, token: &Hash, now: Timestamp, cache: Duration) -> Option<Arc<Told>> {
        let found = [&self.other, &self.good].into_iter().filter_map(|shelf| shelf.get(token));
        found.into_iter().find(|told| told.holds(now, cache)).cloned()
    }

    /// The last good news of a token, however old.
    pub(super) fn last_good(&self, token: &Hash) -> Option<Arc<Told>> {
        self.good.get(token).cloned()
    }

    /// Whether the last answer was that a token is bad.
    pub(super) fn is_bad(&self, token: &Hash) -> bool {
        self.other.get(token).is_some_and(|told| matches!(told.verdict, Verdict::Inactive))
    }

    pub(super) fn keep(&mut self, token: Hash, told: &Arc<Told>, now: Timestamp, cache: Duration) {
        let (place, stale) = match told.verdict {
            Verdict::Active(_) => {
                self.other.remove(&token);
                // Streams go by good news that is a little too old.
                (&mut self.good, cache * 2)
            }
            Verdict::Inactive => {
                self.good.remove(&token);
                (&mut self.other, cache)
            }
            Verdict::Failed => (&mut self.other, cache),
            Verdict::Overloaded => return,
        };
        if place.len() >= REMEMBERED {
            place.retain(|_, told| told.holds(now, stale));
        }
        if place.len() >= REMEMBERED {
            place.clear();
        }
        place.insert(token, Arc::clone(told));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::Limits;

    const CACHE: Duration = Duration::from_secs(30);

    fn told(verdict: Verdict, at: Timestamp) -> Arc<Told> {
        Arc::new(Told::new(verdict, at))
    }

    fn active(at: Timestamp) -> Arc<Told> {
        let document = Document::parse(Bytes::from_static(b"{\"active\":true}"), Limits::default()).unwrap();
        told(Verdict::Active(document), at)
    }

    fn number(number: usize) -> Hash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    #[tokio::test(start_paused = true)]
    async fn good_news_holds_for_the_window_and_bad_news_for_less_on_either_clock() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (made, seconds) in [(active(now), 30), (told(Verdict::Inactive, now), 5), (told(Verdict::Failed, now), 1)] {
            let last = now + Duration::from_secs(seconds);
            assert!(made.holds(last, CACHE), "{made:?}");
            assert!(!made.holds(last + Duration::from_millis(1), CACHE), "{made:?}");
            assert!(made.holds(now - CACHE, CACHE), "a clock that was set back");
        }
        let made = active(now);
        tokio::time::advance(CACHE + Duration::from_millis(1)).await;
        assert!(!made.holds(now - CACHE, CACHE), "set back, but old all the same");
    }

    #[tokio::test(start_paused = true)]
    async fn news_replaces_news_and_a_failure_does_not_replace_what_holds() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let (mut memory, token) = (Memory::default(), number(1));
        let good = active(now);
        memory.keep(token, &good, now, CACHE);
        assert!(Arc::ptr_eq(&memory.recall(&token, now, CACHE).unwrap(), &good));
        memory.keep(token, &told(Verdict::Failed, now), now, CACHE);
        assert!(memory.last_good(&token).is_some() && !memory.is_bad(&token));
        memory.keep(token, &told(Verdict::Inactive, now), now, CACHE);
        assert!(memory.last_good(&token).is_none() && memory.is_bad(&token));
        memory.keep(token, &active(now), now, CACHE);
        assert!(memory.last_good(&token).is_some() && !memory.is_bad(&token));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_answers_is_bounded_and_made_up_tokens_push_no_good_one_out() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let mut memory = Memory::default();
        memory.keep(number(0), &active(now), now, CACHE);
        for made_up in 1..=REMEMBERED * 2 {
            memory.keep(number(made_up), &told(Verdict::Inactive, now), now, CACHE);
        }
        assert!(memory.recall(&number(0), now, CACHE).is_some());
        assert!(memory.other.len() <= REMEMBERED, "{}", memory.other.len());
    }
}

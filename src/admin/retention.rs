//! When a month's keys are old enough to go, and whether the clock that says so can be believed.
//!
//! A clock that jumps ahead must destroy nothing. So time is believed only as far as it has passed: since the start by the monotonic
//! clock, and between two runs by at most [`LONGEST_PAUSE`]. What is beyond needs an operator's word.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::privacy::{NO_KEYS, Privacy, PrivacyError, words};
use crate::audit::Kind;
use crate::clock::Clock;
use crate::vault::{Change, Month};

/// Longest time between two runs that is believed to have passed.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24 * 35);

/// How far wall clock and believed time may differ before an operator is asked.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Retention {
    keep: Duration,
    clock: Arc<dyn Clock>,
    /// A wall time that is believed, and when it was; `None` after a pause that is too long to be believed.
    anchor: Mutex<Option<(Timestamp, Instant)>>,
}

/// What an expiry has destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Keys of this month and before.
    pub month: Month,
    /// How many.
    pub keys: u64,
    /// How many tokens that were last used then.
    pub tokens: u64,
}

impl Retention {
    /// `seen`: the latest time that was believed before this start.
    pub(super) fn new(keep: Duration, clock: Arc<dyn Clock>, seen: Option<Timestamp>) -> Self {
        let now = clock.now();
        let credible = seen.is_none_or(|seen| now.duration_since(seen) <= LONGEST_PAUSE);
        Self { keep, clock, anchor: Mutex::new(credible.then(|| (now, Instant::now()))) }
    }

    /// The time as far as it is believed: never ahead of the wall clock.
    pub(super) fn believed(&self) -> Option<Timestamp> {
        let (wall, since) = (*self.anchor.lock())?;
        let passed = SignedDuration::try_from(since.elapsed()).ok()?;
        Some(wall.checked_add(passed).ok()?.min(self.clock.now()))
    }

    pub(super) fn trust_now(&self) {
        *self.anchor.lock() = Some((self.clock.now(), Instant::now()));
    }

    /// Whether the wall clock tells the believed time.
    pub(super) fn is_steady(&self) -> bool {
        self.believed().is_some_and(|believed| self.clock.now().duration_since(believed).abs() <= TOLERANCE)
    }
}

impl Privacy {
    /// Destroys the keys of months that are older than the configured time, but for those of callers under a legal hold, and tokens that
    /// were not used since. By itself now and then; an order of an operator may `trust` the clock where the gateway would not. `None`: there was nothing to destroy.
    pub async fn expire(&self, trust: bool, requester: &str) -> Result<Option<Expired>, PrivacyError> {
        self.promise();
        let _turn = self.begin().await?;
        words("requester", requester)?;
        if trust {
            self.trust_clock(requester).await?;
        }
        if !self.retention.is_steady() {
            self.record(Kind::Erasure, |what| {
                what.text("act", "refuse").text("reason", "clock").text("requester", requester);
            })
            .await?;
            return Err(PrivacyError::Clock);
        }
        self.expire_believed(requester).await
    }

    /// Takes an operator's word that the clock is right. By it much may be destroyed later that nobody asked for: so it is an act of its own.
    pub(super) async fn trust_clock(&self, requester: &str) -> Result<(), PrivacyError> {
        self.record(Kind::Admin, |what| {
            what.text("act", "clock.trust").text("requester", requester).text("target", "clock");
        })
        .await?;
        self.retention.trust_now();
        Ok(())
    }

    /// The same without anybody asking: a clock that is in doubt makes it wait, and is no error.
    pub async fn expire_in_time(&self) -> Result<Option<Expired>, PrivacyError> {
        let _turn = self.begin().await?;
        self.expire_believed("retention").await
    }

    async fn expire_believed(&self, requester: &str) -> Result<Option<Expired>, PrivacyError> {
        let Some(now) = self.retention.believed() else {
            tracing::warn!("the clock has jumped since the last run: nothing expires until `yett audit expire --trust-clock`");
            return Ok(None);
        };
        let Some(month) = Month::expired_at(now, self.retention.keep) else { return Ok(None) };
        let (keys, tokens) = (self.vault.expiring(month).await?, self.vault.expiring_tokens(month).await?);
        if keys == 0 && tokens == 0 {
            return Ok(None);
        }
        let at = self
            .record(Kind::Erasure, |what| {
                what.text("act", "expire").text("month", &month.to_string()).integer("n", keys).text("requester", requester);
                if tokens > 0 {
                    what.integer("tokens", tokens);
                }
            })
            .await?;
        self.finish(at, NO_KEYS, &Change::Expire(month)).await?;
        Ok(Some(Expired { month, keys, tokens }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Set(Mutex<Timestamp>);

    impl Clock for Set {
        fn now(&self) -> Timestamp {
            *self.0.lock()
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn time_is_believed_as_far_as_it_has_passed() {
        let clock = Arc::new(Set(Mutex::new(at("2026-11-21T00:00:00Z"))));
        let retention = Retention::new(Duration::ZERO, Arc::clone(&clock) as Arc<_>, Some(at("2026-11-20T00:00:00Z")));
        assert_eq!(retention.believed(), Some(at("2026-11-21T00:00:00Z")));
        *clock.0.lock() = at("2036-11-21T00:00:00Z");
        assert_eq!(retention.believed(), Some(at("2026-11-21T00:00:00Z")), "ten years ahead in no time");
        assert!(!retention.is_steady());
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(retention.believed(), Some(at("2026-11-21T01:00:00Z")));
        *clock.0.lock() = at("2026-11-20T00:00:00Z");
        assert_eq!(retention.believed(), Some(at("2026-11-20T00:00:00Z")), "never ahead of the wall clock");
        *clock.0.lock() = at("2026-11-21T01:00:00Z");
        assert!(retention.is_steady(), "the clock is right again");
    }

    #[tokio::test]
    async fn a_pause_of_years_is_not_believed_until_somebody_says_so() {
        let clock = Arc::new(Set(Mutex::new(at("2034-11-21T00:00:00Z"))));
        let retention = Retention::new(Duration::ZERO, clock, Some(at("2026-11-20T00:00:00Z")));
        assert_eq!(retention.believed(), None);
        retention.trust_now();
        assert!(retention.is_steady());
    }
}

//! One access token, and how long it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::shown::Shown;
use crate::upstream::echo::Echo;

/// How long a token is used whose issuer does not say (RFC 6749, section 5.1: it should).
const UNSAID: Duration = Duration::from_mins(5);

/// However long it says.
const LONGEST: Duration = Duration::from_hours(24);

/// A server that refuses every token is no reason to ask for one with every call.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Token {
    pub(super) shown: Shown,
    made: Instant,
    /// Until when nobody looks for another one.
    fresh: Instant,
    /// Until when it is sent: its end, but for what a request takes.
    good: Instant,
    refused: AtomicBool,
    /// It has followed one that was refused.
    second: bool,
    /// What was sent with the one before may be answered yet.
    pub(super) before: Option<Arc<Echo>>,
}

impl Token {
    /// A token that was asked for at `made`, good for `lifetime`, in the place of `before`.
    pub(super) fn new(shown: Shown, made: Instant, lifetime: Option<Duration>, before: Option<&Self>) -> Self {
        let lifetime = lifetime.unwrap_or(UNSAID).min(LONGEST);
        let good = made + lifetime.saturating_sub((lifetime / 10).min(Duration::from_secs(10)));
        let fresh = made + lifetime.saturating_sub((lifetime / 4).min(Duration::from_mins(1)));
        let second = before.is_some_and(|before| before.refused.load(Ordering::Acquire));
        let before = before.and_then(|before| before.shown.echo.clone());
        Self { shown, made, fresh, good, refused: AtomicBool::new(false), second, before }
    }

    /// Its server did not take it: the next call has another one.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Release);
    }

    /// Whether its server did not take it.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// Whether it may be sent.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        let dropped = self.refused.load(Ordering::Acquire) && !(self.second && now < self.made + PATIENCE);
        now < self.good && !dropped
    }

    /// Whether nobody need look for another one.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now < self.fresh && self.is_good(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(made: Instant, lifetime: u64, before: Option<&Token>) -> Token {
        Token::new(Shown::bearer("a-token-of-ours").unwrap(), made, Some(Duration::from_secs(lifetime)), before)
    }

    #[test]
    fn a_token_is_renewed_before_its_end_and_not_sent_shortly_before_it() {
        let now = Instant::now();
        for (lifetime, fresh, good) in [(3600, 3540, 3590), (60, 45, 54), (4, 3, 3), (0, 0, 0), (1_000_000, 86_340, 86_390)] {
            let token = token(now, lifetime, None);
            assert_eq!((token.fresh - now).as_secs(), fresh, "{lifetime}");
            assert_eq!((token.good - now).as_secs(), good, "{lifetime}");
        }
        let unsaid = Token::new(Shown::bearer("a-token-of-ours").unwrap(), now, None, None);
        assert_eq!((unsaid.good - now).as_secs(), 290);
    }

    #[test]
    fn a_refused_token_is_dropped_and_its_successor_only_after_a_while() {
        let now = Instant::now();
        let first = token(now, 3600, None);
        assert!(first.is_fresh(now));
        first.refuse();
        assert!(!first.is_good(now));
        let second = token(now, 3600, Some(&first));
        second.refuse();
        assert!(second.is_good(now + Duration::from_secs(4)), "it would be asked for with every call");
        assert!(!second.is_good(now + PATIENCE));
    }
}

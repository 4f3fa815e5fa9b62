//! Wall time that a test moves.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use yett::clock::Clock;

/// The host's time plus what the test has added, or one moment that stays.
#[derive(Debug, Default)]
pub(crate) struct TestClock(Mutex<Time>);

#[derive(Debug, Default)]
struct Time {
    ahead: SignedDuration,
    frozen: Option<Timestamp>,
}

impl TestClock {
    /// Moves on by whole seconds.
    pub(crate) fn advance(&self, seconds: i64) {
        let by = SignedDuration::from_secs(seconds);
        let mut time = self.0.lock();
        time.ahead += by;
        time.frozen = time.frozen.map(|frozen| frozen + by);
    }

    /// Time stands still from now on, at a whole second, but for [`TestClock::advance`].
    pub(crate) fn freeze(&self) {
        let second = Timestamp::from_second(self.seconds()).expect("a time");
        self.0.lock().frozen = Some(second);
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.now().as_second()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let time = self.0.lock();
        time.frozen.unwrap_or_else(|| Timestamp::now() + time.ahead)
    }
}

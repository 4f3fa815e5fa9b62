//! What requests see of an issuer's keys: the last good set, and a bell to ring when a key is missing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::set::KeySet;

/// How long a request that names an unknown key may wait for an attempt that is on its way, and how many may do so at once.
/// SECURITY: more would let anybody pile up requests here by making up key names; whoever finds no place is refused at once.
const PATIENCE: Duration = Duration::from_secs(1);
const WAITING: usize = 32;

/// The keys of one issuer, as last published. Clones share them.
#[derive(Clone)]
pub struct Keys(Arc<Shared>);

struct Shared {
    published: ArcSwapOption<Published>,
    stale: Duration,
    cooldown: Duration,
    gate: Mutex<Gate>,
    /// Somebody has named a key that is not in the set.
    wanted: AtomicBool,
    bell: Notify,
    waiting: Semaphore,
    /// Counts attempts that have ended.
    attempts: watch::Sender<u64>,
}

/// When the next attempt may begin.
struct Gate {
    running: bool,
    not_before: Instant,
}

/// A key set that was good when it was read.
#[derive(Debug)]
pub struct Published {
    /// The keys.
    pub set: Arc<KeySet>,
    /// Counts changes of the set: what was verified under another generation is verified again.
    pub generation: u64,
    digest: [u8; 32],
    /// When it was last seen to be what the issuer publishes, on both clocks.
    at: Timestamp,
    at_monotonic: Instant,
}

/// There are no keys, or none young enough to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer's keys are missing or too old")]
pub struct Stale;

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("published", &*self.0.published.load()).finish_non_exhaustive()
    }
}

impl Keys {
    pub(super) fn new(stale: Duration, cooldown: Duration) -> Self {
        Self(Arc::new(Shared {
            published: ArcSwapOption::empty(),
            stale,
            cooldown,
            gate: Mutex::new(Gate { running: false, not_before: Instant::now() }),
            wanted: AtomicBool::new(false),
            bell: Notify::new(),
            waiting: Semaphore::new(WAITING),
            attempts: watch::Sender::new(0),
        }))
    }

    /// The set in force at `now`.
    pub fn current(&self, now: Timestamp) -> Result<Arc<Published>, Stale> {
        self.0.published.load_full().filter(|published| published.age(now) <= self.0.stale).ok_or(Stale)
    }

    /// Says that a token names a key that is not in the set, and waits a moment if an attempt to read the set again is running or
    /// can begin. Whether one has ended meanwhile, so that looking again is worth it.
    pub async fn look_again(&self) -> bool {
        let mut attempts = self.0.attempts.subscribe();
        self.0.wanted.store(true, Ordering::Release);
        self.0.bell.notify_one();
        let may_begin = {
            let gate = self.0.gate.lock();
            gate.running || Instant::now() >= gate.not_before
        };
        let Ok(_place) = self.0.waiting.try_acquire() else { return false };
        may_begin && timeout(PATIENCE, attempts.changed()).await.is_ok_and(|changed| changed.is_ok())
    }

    /// Whether there has been a good set, however old it is by now.
    pub fn have_arrived(&self) -> bool {
        self.0.published.load().is_some()
    }

    /// Ends when a set was asked for and an attempt may begin.
    pub(super) async fn asked(&self) {
        while !self.0.wanted.load(Ordering::Acquire) {
            self.0.bell.notified().await;
        }
        let not_before = self.0.gate.lock().not_before;
        sleep_until(not_before).await;
    }

    /// Notes that an attempt begins: what was asked for until now is answered by it.
    pub(super) fn begin(&self) -> Attempt<'_> {
        let mut gate = self.0.gate.lock();
        gate.running = true;
        gate.not_before = Instant::now() + self.0.cooldown;
        self.0.wanted.store(false, Ordering::Release);
        Attempt(&self.0)
    }

    /// Puts a set in force that was read at `now`. Whether it is another than before.
    pub(super) fn publish(&self, set: KeySet, digest: [u8; 32], now: Timestamp) -> bool {
        let before = self.0.published.load_full();
        let same = before.as_ref().filter(|before| before.digest == digest);
        let (set, generation) = match same {
            Some(before) => (Arc::clone(&before.set), before.generation),
            None => (Arc::new(set), before.as_ref().map_or(1, |before| before.generation + 1)),
        };
        let changed = same.is_none();
        self.0.published.store(Some(Arc::new(Published { set, generation, digest, at: now, at_monotonic: Instant::now() })));
        changed
    }
}

impl Published {
    /// By the clock that has gone further: a wall clock that is set back makes no key young again, and one that slept with the
    /// machine makes none younger.
    fn age(&self, now: Timestamp) -> Duration {
        let wall = Duration::try_from(now.duration_since(self.at)).unwrap_or_default();
        wall.max(self.at_monotonic.elapsed())
    }
}

/// An attempt that is running; it has ended when this is dropped.
pub(super) struct Attempt<'a>(&'a Shared);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.gate.lock().running = false;
        self.0.attempts.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const EMPTY: [u8; 32] = [0; 32];
    const MINUTE: Duration = Duration::from_mins(1);

    fn set() -> KeySet {
        let text = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"}]}"#;
        KeySet::parse(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_is_good_until_it_is_stale_on_either_clock() {
        let keys = Keys::new(MINUTE, MINUTE);
        let now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(keys.current(now).unwrap_err(), Stale);
        assert!(keys.publish(set(), EMPTY, now));
        assert!(keys.current(now + MINUTE).is_ok());
        assert!(keys.current(now + MINUTE + Duration::from_millis(1)).is_err());
        assert!(keys.current(now - MINUTE * 60).is_ok(), "a clock that was set back");
        tokio::time::advance(MINUTE).await;
        assert!(keys.current(now).is_ok());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(keys.current(now - MINUTE * 60).is_err(), "set back, but old all the same");
        assert!(!keys.publish(set(), EMPTY, now), "the same set, seen again");
        assert_eq!(keys.current(now).unwrap().generation, 1);
        assert!(keys.publish(set(), [1; 32], now));
        assert_eq!(keys.current(now).unwrap().generation, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_cause_one_attempt_in_each_cooldown() {
        let keys = Keys::new(MINUTE, MINUTE);
        let started = Instant::now();
        let attempts = async {
            for _ in 0..3 {
                keys.asked().await;
                drop(keys.begin());
            }
        };
        let callers = async {
            loop {
                keys.look_again().await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! { () = attempts => {}, () = callers => {} }
        assert!(started.elapsed() >= MINUTE * 2, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_only_for_an_attempt_that_can_end_soon() {
        let keys = Keys::new(MINUTE, MINUTE);
        let answer = async {
            keys.asked().await;
            drop(keys.begin());
        };
        assert!(tokio::join!(keys.look_again(), answer).0);
        let before = Instant::now();
        assert!(!keys.look_again().await, "nothing may begin now");
        assert_eq!(before.elapsed(), Duration::ZERO);
        // One that takes for ever holds few callers, and none for long.
        let running = keys.begin();
        let callers: Vec<_> = (0..WAITING * 3).map(|_| keys.look_again()).collect();
        let seen = futures_util::future::join_all(callers).await;
        assert!(seen.iter().all(|seen| !seen));
        assert_eq!(before.elapsed(), PATIENCE);
        drop(running);
    }
}

//! What witnesses have confirmed, and what follows when they have not.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::audit::Log;
use crate::config::WitnessMode;
use crate::telemetry::Metrics;

/// Lag from which on it is an operator's business.
const ALERT: Duration = Duration::from_secs(30);

/// How far the quorum is behind the log.
#[derive(Debug)]
pub(super) struct Board {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    mode: WitnessMode,
    max_lag: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Records under the newest head that a quorum has cosigned in this run.
    anchored: Option<u64>,
    /// When that head was the newest.
    as_of: Instant,
    alerted: bool,
}

impl Board {
    pub(super) fn new(log: Arc<Log>, metrics: Arc<Metrics>, mode: WitnessMode, max_lag: Duration) -> Self {
        let state = State { anchored: None, as_of: Instant::now(), alerted: false };
        Self { log, metrics, mode, max_lag, state: Mutex::new(state) }
    }

    /// A quorum has cosigned a head over `size` records, which was the newest at `as_of`.
    pub(super) fn anchored(&self, size: u64, as_of: Instant) {
        let mut state = self.state.lock();
        if state.anchored.is_none_or(|before| before < size) {
            (state.anchored, state.as_of) = (Some(size), as_of);
        }
        drop(state);
        self.judge();
    }

    /// Records that the quorum has cosigned.
    pub(super) fn size(&self) -> u64 {
        self.state.lock().anchored.unwrap_or(0)
    }

    /// Shows the lag, tells of it once, and in strict mode lets no call begin while it is too long.
    pub(super) fn judge(&self) {
        let newest = self.log.heads().borrow().as_ref().map_or(0, |signed| signed.head.size);
        let mut state = self.state.lock();
        let records = newest.saturating_sub(state.anchored.unwrap_or(0));
        // What came after that head came later than it.
        let lag = if records > 0 { state.as_of.elapsed() } else { Duration::ZERO };
        self.metrics.anchor_lag(records, lag);
        if self.mode == WitnessMode::Strict {
            self.log.set_lagging(state.anchored.is_none() || lag > self.max_lag);
        }
        let alert = lag >= ALERT;
        if alert != std::mem::replace(&mut state.alerted, alert) {
            let (log, seconds) = (self.log.name(), lag.as_secs());
            if alert {
                tracing::warn!(log, records, seconds, "no quorum of witnesses has cosigned the audit log for 30 s");
            } else {
                tracing::info!(log, "a quorum of witnesses has cosigned the audit log again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Condition, Disk, Draft, Kind, Options};
    use crate::clock::SystemClock;
    use crate::seal::Key;

    /// A closed log, which has a head over all its records.
    async fn log(folder: &tempfile::TempDir) -> Arc<Log> {
        let options = Options::new(folder.path(), "gw.example", "r1", Key::generate().unwrap());
        let opening = tokio::task::spawn_blocking(move || {
            let (log, _) = Log::open(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
            log.append_unhurried(Draft::new(Kind::Start));
            log.close();
            log
        });
        Arc::new(opening.await.unwrap())
    }

    #[tokio::test]
    async fn aud_043_half_a_minute_of_silence_is_told_and_too_long_a_silence_stops_calls_in_strict_mode() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder).await;
        let size = log.heads().borrow().as_ref().unwrap().head.size;
        tokio::time::pause();
        let max_lag = Duration::from_secs(40);
        for (mode, late) in [(WitnessMode::Strict, Condition::Lagging), (WitnessMode::Async, Condition::Writing)] {
            let board = Board::new(Arc::clone(&log), Arc::default(), mode, max_lag);
            let told = || board.state.lock().alerted;
            board.judge();
            assert_eq!(*log.condition().borrow(), late, "{mode:?}: before anybody has cosigned");
            board.anchored(size - 1, Instant::now());
            for (advance, tells, condition) in [(29, false, Condition::Writing), (2, true, Condition::Writing), (10, true, late)]
            {
                tokio::time::advance(Duration::from_secs(advance)).await;
                board.judge();
                assert_eq!((told(), *log.condition().borrow()), (tells, condition), "{mode:?}, {advance} s later");
            }
            board.anchored(size, Instant::now());
            assert_eq!((told(), *log.condition().borrow()), (false, Condition::Writing), "{mode:?}: it is back");
            tokio::time::advance(Duration::from_hours(1)).await;
            board.judge();
            assert!(!told(), "{mode:?}: nothing new, so nothing is behind");
        }
    }
}

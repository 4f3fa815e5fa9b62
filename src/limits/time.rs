//! The two clocks of limits: one that never jumps, and the wall's.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::clock::Clock;

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since some start, monotonic: rates, repetitions.
    pub ticks: u64,
    /// Seconds since 1970, UTC: windows of quotas.
    pub wall: i64,
}

/// Tells the time by both clocks.
pub trait Time: fmt::Debug + Send + Sync {
    /// Now.
    fn now(&self) -> Moment;
}

/// The host's monotonic clock, and the gateway's wall clock.
#[derive(Debug)]
pub struct HostTime {
    start: Instant,
    wall: Arc<dyn Clock>,
}

impl HostTime {
    /// Counted from now.
    pub fn new(wall: Arc<dyn Clock>) -> Self {
        Self { start: Instant::now(), wall }
    }
}

impl Time for HostTime {
    fn now(&self) -> Moment {
        let ticks = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Moment { ticks, wall: self.wall.now().as_second() }
    }
}

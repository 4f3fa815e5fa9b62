//! What a counter holds, and whether more fits: plain arithmetic.

use std::collections::VecDeque;
use std::time::Duration;

use super::time::Moment;
use super::window::Window;

const SECOND: u64 = 1_000_000_000;

/// How long a total is remembered that nobody adds to: longer than a session may be idle. One that is kept open for longer without a call
/// begins anew, as its client could with another session.
const REMEMBERED: u32 = 2 * 60 * 60;

/// How many calls of one key are remembered, whatever they are.
///
/// SECURITY: callers choose their arguments. Were each call a key of its own, one caller could fill the room of all.
pub const REMEMBERED_CALLS: usize = 256;

/// How soon to try again where it depends on others: something held may be given back at any time.
const SOON: Duration = Duration::from_secs(1);

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One each `every` nanoseconds, and `burst` at once (GCRA).
    Rate {
        /// At least one.
        every: u64,
        /// At least one.
        burst: u32,
    },
    /// So much in a window.
    Quota {
        /// Which.
        window: Window,
        /// How much.
        most: u64,
    },
    /// So many at a time.
    Held {
        /// How many.
        most: u32,
    },
    /// So many ever.
    Total {
        /// How many.
        most: u32,
    },
    /// So many of the same in any span of this length, among the latest [`REMEMBERED_CALLS`].
    Repeats {
        /// Which it is.
        what: u32,
        /// How many.
        most: u32,
        /// How long, at most 49 days.
        within: Duration,
    },
}

/// What is remembered of one key. As small as can be: there are a million of them.
#[derive(Debug)]
pub(super) enum Slot {
    /// When everything that was taken will be there again.
    Rate(u64),
    /// The window it counts in (its first minute since 1970), since when (monotonic seconds), and how much.
    Quota {
        window: Window,
        start: u32,
        since: u32,
        count: u64,
    },
    Held(u32),
    /// When it was last added to (monotonic seconds), and how many.
    Total {
        last: u32,
        count: u32,
    },
    Repeats(Box<Recent>),
}

/// What was done lately.
#[derive(Debug)]
pub(super) struct Recent {
    /// When, in milliseconds, and what. Those of the past `within`, oldest first.
    calls: VecDeque<(u32, u32)>,
    within: u32,
}

/// What does not fit: how long until it may, and what is left.
pub(super) type Short = (Duration, u64);

impl Rule {
    /// A counter of which nothing was taken.
    pub(super) fn fresh(self, at: Moment) -> Slot {
        match self {
            Self::Rate { .. } => Slot::Rate(0),
            Self::Quota { window, .. } => {
                Slot::Quota { window, start: minute(window.around(at.wall).0), since: seconds(at), count: 0 }
            }
            Self::Held { .. } => Slot::Held(0),
            Self::Total { .. } => Slot::Total { last: seconds(at), count: 0 },
            Self::Repeats { within, .. } => {
                let within = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
                Slot::Repeats(Box::new(Recent { calls: VecDeque::new(), within }))
            }
        }
    }

    /// Whether `cost` fits. What has run out is let go of on the way.
    pub(super) fn fits(self, slot: &mut Slot, cost: u64, at: Moment) -> Result<(), Short> {
        slot.catch_up(at);
        match (self, &*slot) {
            (Self::Rate { every, burst }, Slot::Rate(full)) => {
                let taken = full.saturating_sub(at.ticks);
                let (room, asked) = (every.saturating_mul(u64::from(burst)), every.saturating_mul(cost));
                let beyond = taken.saturating_add(asked).saturating_sub(room);
                let left = room.saturating_sub(taken) / every.max(1);
                fits_if(beyond == 0 && (cost > 0 || left > 0), Duration::from_nanos(beyond.max(1)), left)
            }
            (Self::Quota { window, most }, Slot::Quota { start, count, .. }) => {
                let (_, end) = window.around(i64::from(*start) * 60);
                // Where the wall clock was put back, its window ends by the other one.
                let ends = u64::try_from(end.saturating_sub(at.wall)).unwrap_or(0);
                let wait = Duration::from_secs(ends.clamp(1, window.longest()));
                let left = most.saturating_sub(*count);
                fits_if(left >= cost.max(1), wait, left)
            }
            (Self::Held { most }, Slot::Held(count)) => {
                let left = u64::from(most.saturating_sub(*count));
                fits_if(left >= cost.max(1), SOON, left)
            }
            (Self::Total { most }, Slot::Total { count, .. }) => {
                let left = u64::from(most.saturating_sub(*count));
                // Nothing gives it back while the session lasts.
                fits_if(left >= cost.max(1), Duration::from_hours(1), left)
            }
            (Self::Repeats { what, most, within }, Slot::Repeats(recent)) => {
                let same = || recent.calls.iter().filter(|(_, done)| *done == what);
                let count = u32::try_from(same().count()).unwrap_or(u32::MAX);
                let left = u64::from(most.saturating_sub(count));
                let age = same().next().map_or(0, |(first, _)| age(*first, at));
                let wait = within.saturating_sub(Duration::from_millis(u64::from(age)));
                fits_if(left >= cost.max(1), wait.max(Duration::from_millis(1)), left)
            }
            // Another kind of counter under this key: the key has the kind in it, so there is none.
            (
                Self::Rate { .. } | Self::Quota { .. } | Self::Held { .. } | Self::Total { .. } | Self::Repeats { .. },
                Slot::Rate(_) | Slot::Quota { .. } | Slot::Held(_) | Slot::Total { .. } | Slot::Repeats(_),
            ) => Err((SOON, 0)),
        }
    }
}

fn fits_if(fits: bool, wait: Duration, left: u64) -> Result<(), Short> {
    if fits { Ok(()) } else { Err((wait, left)) }
}

impl Slot {
    /// Takes `cost`, whether it fits or not.
    pub(super) fn add(&mut self, rule: Rule, cost: u64, at: Moment) {
        self.catch_up(at);
        let small = u32::try_from(cost).unwrap_or(u32::MAX);
        match self {
            Self::Rate(full) => {
                if let Rule::Rate { every, .. } = rule {
                    *full = (*full).max(at.ticks).saturating_add(every.saturating_mul(cost));
                }
            }
            Self::Quota { count, .. } => *count = count.saturating_add(cost),
            Self::Held(count) => *count = count.saturating_add(small),
            Self::Total { last, count } => {
                *last = seconds(at);
                *count = count.saturating_add(small);
            }
            Self::Repeats(recent) => {
                if let Rule::Repeats { what, .. } = rule {
                    recent.calls.push_back((millis(at), what));
                    while recent.calls.len() > REMEMBERED_CALLS {
                        recent.calls.pop_front();
                    }
                }
            }
        }
    }

    /// One less is held; whether none is any more.
    pub(super) fn release(&mut self) -> bool {
        match self {
            Self::Held(count) => {
                *count = count.saturating_sub(1);
                *count == 0
            }
            Self::Rate(_) | Self::Quota { .. } | Self::Total { .. } | Self::Repeats(_) => false,
        }
    }

    /// Whether a fresh counter would say the same.
    pub(super) fn is_idle(&mut self, at: Moment) -> bool {
        self.catch_up(at);
        match self {
            Self::Rate(full) => *full <= at.ticks,
            Self::Quota { count, .. } => *count == 0,
            Self::Held(count) => *count == 0,
            Self::Total { last, count } => *count == 0 || seconds(at).saturating_sub(*last) > REMEMBERED,
            Self::Repeats(recent) => recent.calls.is_empty(),
        }
    }

    /// Lets go of what has run out.
    fn catch_up(&mut self, at: Moment) {
        match self {
            Self::Quota { window, start, since, count } => {
                if (0..window.shortest()).contains(&(at.wall - i64::from(*start) * 60)) {
                    return;
                }
                let now = minute(window.around(at.wall).0);
                // SECURITY: a wall clock that is put back begins no window anew. What was counted in one that lies ahead of it stays until
                // as much time has passed as a window has, by the clock that never jumps.
                let over = u64::from(seconds(at).saturating_sub(*since)) >= window.longest();
                if now > *start || (now < *start && over) {
                    (*start, *since, *count) = (now, seconds(at), 0);
                }
            }
            Self::Repeats(recent) => {
                while recent.calls.front().is_some_and(|(time, _)| age(*time, at) >= recent.within) {
                    recent.calls.pop_front();
                }
            }
            Self::Rate(_) | Self::Held(_) | Self::Total { .. } => {}
        }
    }
}

fn minute(second: i64) -> u32 {
    u32::try_from(second / 60).unwrap_or(u32::MAX)
}

fn seconds(at: Moment) -> u32 {
    u32::try_from(at.ticks / SECOND).unwrap_or(u32::MAX)
}

/// How long ago it was, in milliseconds. What seems to be still to come was a moment ago: whoever did it was quicker to the lock.
fn age(time: u32, at: Moment) -> u32 {
    let age = millis(at).wrapping_sub(time);
    if age > u32::MAX / 2 { 0 } else { age }
}

/// Wraps after 49 days; nobody looks back for longer than an hour.
#[expect(clippy::cast_possible_truncation, reason = "it is to wrap")]
fn millis(at: Moment) -> u32 {
    (at.ticks / 1_000_000) as u32
}

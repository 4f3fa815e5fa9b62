//! What becomes of a log with time: sealed segments are compressed, old heads thinned, and what is older than it must be kept is removed.
//!
//! What passes through: files of a log that never change any more. What it guarantees: nothing is removed before its successor, or the
//! record that says so, is durable and was read back; what is interrupted is finished or undone by the next run; the writer's files
//! are not touched, and its space on the volume is not taken. What it does not: decide what is old. That is who knows the time.
//!
//! | file | what it does |
//! | --- | --- |
//! | `compress` | a compressed file in the place of each sealed segment |
//! | `keeper` | the thread that does so |
//! | `kept` | lines of pruned records that are still needed |
//! | `plan` | what is old enough, held by nobody, and proven |
//! | `prune` | removes it |
//! | `record` | what a `prune` record says |
//! | `thin` | one head a minute of those that are old |

mod compress;
mod keeper;
mod kept;
mod plan;
mod prune;
mod record;
mod thin;

use parking_lot::{Mutex, MutexGuard};

#[cfg(test)]
pub(crate) use compress::Compressor;
pub use keeper::{Stock, look_after, unhurried};
pub(crate) use kept::{Kept, KeptLine, NextKept};
pub use plan::{Plan, PlanError, Question, Stopped, plan};
pub use prune::{PruneError, carry_out, resume, settle};
pub(crate) use record::Ordered;
pub use record::{PruneReason, Removal};
pub use thin::thin;

/// Held by whoever takes a segment away or puts another file in its place.
static REPLACING: Mutex<()> = Mutex::new(());

/// One at a time: a copy that was made of a segment must not take its place once it is pruned, or it would be there again.
fn alone() -> MutexGuard<'static, ()> {
    REPLACING.lock()
}

//! Limits: counters by key, charged all together or not at all.
//!
//! A policy's `limits:` become charges (`layers/rate_limit`, `layers/quota`): a key, a rule and a cost. A store takes all charges of a
//! message at once, or none and says which is the tightest. What the keys stand for it never learns: they are keyed hashes.
//!
//! [`Memory`] counts in this process, exactly. A store that replicas share takes its place behind [`Store`].

mod key;
mod memory;
mod plan;
mod rule;
#[cfg(test)]
mod tests;
mod time;
mod who;
mod window;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use key::{Key, Keyer};
pub use memory::{MAX_KEYS, Memory};
pub use plan::{Counted, Measure, Plan};
pub use rule::{REMEMBERED_CALLS, Rule};
pub use time::{HostTime, Moment, Time};
pub use who::{Asked, MAX_KEYS_OF_ONE};
pub use window::Window;

/// After how long somebody who has made too many keys may try again: most are forgotten by then.
pub const FULL: Duration = Duration::from_mins(1);

/// One thing to count.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// Of whom, by which limit.
    pub key: Key,
    /// How much there may be.
    pub rule: Rule,
    /// How much it is: one call, so many bytes. Nothing asks whether anything is left.
    pub cost: u64,
    /// Counted, but never a reason to refuse.
    pub shadow: bool,
    /// Whose message it is: by whom a key that is new is made.
    pub maker: Maker,
}

/// Who makes keys, by what stands for their names: short, since it is kept with each key. Two who share it by chance share their part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The caller.
    pub caller: u32,
    /// Their tenant; 0 if they have none.
    pub tenant: u32,
}

/// A charge that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Which one, by its place among those asked for.
    pub charge: usize,
    /// After how long it may fit.
    pub wait: Duration,
    /// What is left there now.
    pub remaining: u64,
}

/// What a store says.
#[derive(Debug)]
pub enum Verdict {
    /// Everything was charged, but for the charges in shadow that do not fit.
    Taken {
        /// Gives back what is held at a time, when dropped.
        lease: Option<Lease>,
        /// Charges in shadow that do not fit.
        shadowed: Vec<Over>,
    },
    /// Nothing was charged; this is the charge that takes longest to fit.
    Refused(Over),
    /// Nothing was charged: a key is new, and there is no room for it.
    Full {
        /// The caller has made all that one caller may have made; others have room.
        own: bool,
    },
}

/// Keeps the counters.
pub trait Store: fmt::Debug + Send + Sync {
    /// Takes all charges or none. Keys of one batch are different ones.
    fn take<'a>(&'a self, charges: &'a [Charge], at: Moment) -> Taking<'a>;

    /// Adds to a counter what has passed already. What does not fit is added all the same, and said.
    fn add(&self, charge: Charge, at: Moment) -> Adding<'_>;

    /// How many keys are held.
    fn keys(&self) -> usize;
}

/// An answer that is there already, or that a store has to be asked for.
pub enum Answer<'a, T> {
    /// There.
    Here(T),
    /// On its way.
    Later(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

/// What [`Store::take`] gives.
pub type Taking<'a> = Answer<'a, Verdict>;

/// What [`Store::add`] gives.
pub type Adding<'a> = Answer<'a, Result<(), Over>>;

impl<T> Answer<'_, T> {
    /// Waits for it.
    pub async fn come(self) -> T {
        match self {
            Self::Here(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Answer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(answer) => f.debug_tuple("Here").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Takes back what was held at a time.
pub trait Release: Send + Sync {
    /// One less is held of this key.
    fn release(&self, key: Key);
}

/// What is held at a time, until this is dropped.
pub struct Lease {
    to: Arc<dyn Release>,
    keys: Vec<Key>,
}

impl Lease {
    /// Of these keys, given back to `to`.
    pub fn new(to: Arc<dyn Release>, keys: Vec<Key>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self { to, keys })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            self.to.release(key);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.keys.len()).finish()
    }
}

/// A store, the time it counts in, and what makes its keys. Clones are the same; it outlives every policy.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Arc<dyn Store>,
    time: Arc<dyn Time>,
    keyer: Arc<Keyer>,
}

impl Ledger {
    /// Counters in this process.
    pub fn in_memory(time: impl Time + 'static) -> Self {
        Self { store: Arc::new(Memory::new(MAX_KEYS)), time: Arc::new(time), keyer: Arc::new(Keyer::new()) }
    }

    /// What makes keys.
    pub fn keyer(&self) -> &Keyer {
        &self.keyer
    }

    /// Takes all charges or none, now.
    pub async fn take(&self, charges: &[Charge]) -> Verdict {
        self.store.take(charges, self.time.now()).come().await
    }

    /// Adds what has passed already, now. Only a store in this process can say at once whether it fits; from any other, the next call hears
    /// of it.
    pub fn add(&self, charge: Charge) -> Result<(), Over> {
        match self.store.add(charge, self.time.now()) {
            Answer::Here(added) => added,
            Answer::Later(_) => Ok(()),
        }
    }

    /// How many keys are held.
    pub fn keys(&self) -> usize {
        self.store.keys()
    }
}

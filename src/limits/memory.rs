//! Counters in this process: exact, and bounded.
//!
//! Keys lie in shards, each behind a short lock. A batch locks the shards of its keys in their order, looks at all of them, and only then
//! takes, so that nobody ever sees half of one. A key is forgotten once its counter says no more than a fresh one; shards are swept as they
//! have doubled, so that forgetting costs a constant for each key that was new.

use std::collections::HashMap;
use std::collections::hash_map;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::key::AsItIs;
use super::rule::Slot;
use super::{Adding, Answer, Charge, Key, Lease, Maker, Moment, Over, Release, Rule, Store, Taking, Verdict};

/// Keys of all limits together, beyond which new ones are refused: some 130 MB.
pub const MAX_KEYS: usize = 1_000_000;

const SHARDS: usize = 64;

/// One caller may have made one part in so many of all keys, or some tools and sessions of theirs would leave no room for others.
const SHARES: usize = 64;

/// The callers of one tenant may have made one part in so many, or enough of them would leave other tenants none.
const SHARES_OF_TENANTS: usize = 2;

/// How many keys of a shard one caller may have made at least: keys are spread by chance.
const FEW: usize = 64;

/// How many keys a shard has at least before it is swept.
const SMALL: usize = 64;

/// How long a full shard of which nothing could be forgotten is left alone, in nanoseconds: or each new key would buy a sweep.
const REST: u64 = 1_000_000_000;

/// See the module. Clones count together.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    shards: Vec<Mutex<Shard>>,
    /// Of one shard.
    most: usize,
    keys: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    slots: HashMap<Key, Made, BuildHasherDefault<AsItIs>>,
    /// How many of them which caller has made.
    makers: HashMap<u32, u32>,
    /// The same of tenants.
    tenants: HashMap<u32, u32>,
    /// At how many keys it is swept.
    sweep_at: usize,
    /// Until when it is left alone.
    rests_until: u64,
}

/// A counter, and by whom it was made.
pub(super) struct Made {
    slot: Slot,
    maker: Maker,
}

/// Why there is no room for a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NoRoom {
    ForAnybody,
    ForThisCaller,
}

impl Memory {
    /// With room for so many keys, rounded up to the shards.
    pub fn new(keys: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard { sweep_at: SMALL, ..Shard::default() })).collect();
        Self(Arc::new(Shared { shards, most: keys.div_ceil(SHARDS).max(1), keys: AtomicUsize::new(0) }))
    }

    fn take_now(&self, charges: &[Charge], at: Moment) -> Verdict {
        let mut locked = self.0.lock(charges);
        locked.make_room(charges, at);
        let mut verdicts = Vec::with_capacity(charges.len());
        let mut fresh = Vec::new();
        let mut full = None;
        for charge in charges {
            let verdict = match locked.slot(charge, at, &mut fresh) {
                Ok(slot) => Some(charge.rule.fits(slot, charge.cost, at)),
                Err(why) => {
                    full = full.or((!charge.shadow).then_some(why));
                    None
                }
            };
            verdicts.push(verdict);
        }
        let over = |index: usize, verdict: &Option<Result<(), super::rule::Short>>| {
            let (wait, remaining) = verdict.as_ref()?.as_ref().err().copied()?;
            Some(Over { charge: index, wait, remaining })
        };
        let all = || verdicts.iter().zip(charges).enumerate();
        let refused = all().filter(|(_, (_, charge))| !charge.shadow).filter_map(|(index, (verdict, _))| over(index, verdict));
        // The first of those that take longest.
        let tightest = refused.reduce(|worst, next| if next.wait > worst.wait { next } else { worst });
        if full.is_some() || tightest.is_some() {
            locked.forget(&fresh);
            return tightest.map_or(Verdict::Full { own: full == Some(NoRoom::ForThisCaller) }, Verdict::Refused);
        }
        let shadowed: Vec<Over> = all().filter_map(|(index, (verdict, _))| over(index, verdict)).collect();
        let mut held = Vec::new();
        for (charge, verdict) in charges.iter().zip(&verdicts) {
            if matches!(verdict, Some(Ok(()))) {
                locked.add(charge, at);
                if matches!(charge.rule, Rule::Held { .. }) {
                    held.push(charge.key);
                }
            }
        }
        drop(locked);
        Verdict::Taken { lease: Lease::new(Arc::clone(&self.0) as Arc<dyn Release>, held), shadowed }
    }

    fn add_now(&self, charge: Charge, at: Moment) -> Result<(), Over> {
        let over = |(wait, remaining)| Over { charge: 0, wait, remaining };
        let mut locked = self.0.lock(std::slice::from_ref(&charge));
        locked.make_room(std::slice::from_ref(&charge), at);
        let Ok(slot) = locked.slot(&charge, at, &mut Vec::new()) else {
            return Err(over((std::time::Duration::from_secs(1), 0)));
        };
        let fits = charge.rule.fits(slot, 0, at);
        slot.add(charge.rule, charge.cost, at);
        fits.map_err(over)
    }
}

impl Store for Memory {
    fn take<'a>(&'a self, charges: &'a [Charge], at: Moment) -> Taking<'a> {
        Answer::Here(self.take_now(charges, at))
    }

    fn add(&self, charge: Charge, at: Moment) -> Adding<'_> {
        Answer::Here(self.add_now(charge, at))
    }

    fn keys(&self) -> usize {
        self.0.keys.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("keys", &self.keys()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Locks the shards of these keys, in order: two batches never wait for each other in a circle.
    fn lock(&self, charges: &[Charge]) -> Locked<'_> {
        let mut wanted: Vec<usize> = charges.iter().map(|charge| shard_of(charge.key)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let guards = wanted.into_iter().filter_map(|index| Some((index, self.shards.get(index)?.lock()))).collect();
        Locked { shared: self, guards }
    }
}

impl Release for Shared {
    fn release(&self, key: Key) {
        let Some(shard) = self.shards.get(shard_of(key)) else { return };
        let mut shard = shard.lock();
        if shard.slots.get_mut(&key).is_some_and(|made| made.slot.release()) && shard.remove(key) {
            self.keys.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The shards of a batch.
struct Locked<'a> {
    shared: &'a Shared,
    guards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl Locked<'_> {
    fn shard(&mut self, key: Key) -> Option<&mut Shard> {
        let index = shard_of(key);
        self.guards.iter_mut().find(|(locked, _)| *locked == index).map(|(_, shard)| &mut **shard)
    }

    /// Forgets what is idle in shards that have grown.
    ///
    /// SECURITY: before any counter is looked at. One that was looked at and is idle yet would be forgotten by the next, and its charge lost.
    fn make_room(&mut self, charges: &[Charge], at: Moment) {
        for (index, shard) in &mut self.guards {
            let mine = charges.iter().filter(|charge| shard_of(charge.key) == *index);
            let fresh = || mine.clone().filter(|charge| !shard.slots.contains_key(&charge.key));
            let (count, is_crowded) =
                (fresh().count(), fresh().any(|charge| shard.is_crowded_by(charge.maker, self.shared.most)));
            if count > 0 {
                shard.make_room(count, is_crowded, self.shared, at);
            }
        }
    }

    /// The counter of a charge, made if there is none and room for one more.
    fn slot(&mut self, charge: &Charge, at: Moment, fresh: &mut Vec<Key>) -> Result<&mut Slot, NoRoom> {
        let all = self.shared;
        let shard = self.shard(charge.key).ok_or(NoRoom::ForAnybody)?;
        if !shard.slots.contains_key(&charge.key) {
            shard.insert(charge, all.most, at)?;
            all.keys.fetch_add(1, Ordering::Relaxed);
            fresh.push(charge.key);
        }
        shard.slots.get_mut(&charge.key).map(|made| &mut made.slot).ok_or(NoRoom::ForAnybody)
    }

    fn add(&mut self, charge: &Charge, at: Moment) {
        if let Some(made) = self.shard(charge.key).and_then(|shard| shard.slots.get_mut(&charge.key)) {
            made.slot.add(charge.rule, charge.cost, at);
        }
    }

    /// Takes back what was made for a batch that takes nothing.
    fn forget(&mut self, fresh: &[Key]) {
        for key in fresh {
            let gone = self.shard(*key).is_some_and(|shard| shard.remove(*key));
            self.shared.keys.fetch_sub(usize::from(gone), Ordering::Relaxed);
        }
    }
}

impl Shard {
    fn insert(&mut self, charge: &Charge, most: usize, at: Moment) -> Result<(), NoRoom> {
        if self.slots.len() >= most {
            return Err(NoRoom::ForAnybody);
        }
        if self.is_crowded_by(charge.maker, most) {
            return Err(NoRoom::ForThisCaller);
        }
        *self.makers.entry(charge.maker.caller).or_default() += 1;
        if charge.maker.tenant != 0 {
            *self.tenants.entry(charge.maker.tenant).or_default() += 1;
        }
        self.slots.insert(charge.key, Made { slot: charge.rule.fresh(at), maker: charge.maker });
        Ok(())
    }

    fn remove(&mut self, key: Key) -> bool {
        let Some(Made { maker, .. }) = self.slots.remove(&key) else { return false };
        unmake(&mut self.makers, maker.caller);
        unmake(&mut self.tenants, maker.tenant);
        true
    }

    /// Whether there is no room for another key of whoever makes it, or of their tenant.
    fn is_crowded_by(&self, maker: Maker, most: usize) -> bool {
        let has = |counts: &HashMap<u32, u32>, who: u32, share: usize| {
            counts.get(&who).is_some_and(|made| *made as usize >= share.max(FEW))
        };
        has(&self.makers, maker.caller, most / SHARES) || has(&self.tenants, maker.tenant, most / SHARES_OF_TENANTS)
    }

    /// Forgets what is idle, if it is time to, or if there is no room for so many more, or for more of one caller.
    fn make_room(&mut self, fresh: usize, is_crowded: bool, all: &Shared, at: Moment) {
        let held = self.slots.len();
        let wanted = held.saturating_add(fresh);
        let is_full = is_crowded || wanted > all.most;
        if (!is_full && wanted <= self.sweep_at) || (is_full && at.ticks < self.rests_until) {
            return;
        }
        let (makers, tenants) = (&mut self.makers, &mut self.tenants);
        self.slots.retain(|_, Made { slot, maker }| {
            let stays = !slot.is_idle(at);
            if !stays {
                unmake(makers, maker.caller);
                unmake(tenants, maker.tenant);
            }
            stays
        });
        let left = self.slots.len();
        all.keys.fetch_sub(held - left, Ordering::Relaxed);
        self.sweep_at = (2 * left).max(SMALL);
        self.rests_until = at.ticks.saturating_add(REST);
    }
}

/// One less of whoever made it.
fn unmake(makers: &mut HashMap<u32, u32>, maker: u32) {
    if let hash_map::Entry::Occupied(mut made) = makers.entry(maker) {
        *made.get_mut() = made.get().saturating_sub(1);
        if *made.get() == 0 {
            made.remove();
        }
    }
}

/// By the half of the key that the shard's own table does not go by.
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are all that is looked at")]
fn shard_of(key: Key) -> usize {
    key.1 as usize % SHARDS
}

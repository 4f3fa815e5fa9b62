//! From the limits of a policy to the charges of one message.

use super::{Asked, Charge, Key, Keyer, Maker, Over, Rule};
use crate::policy::{Allowance, Limit, Rate};

/// What of a limit is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Calls at a time.
    Concurrency,
    /// Calls in a window.
    Quota,
    /// Messages by time.
    Rate,
    /// The same call again.
    Repeats,
    /// Bytes to a server.
    RequestBytes,
    /// Bytes from a server.
    ResultBytes,
    /// Calls of a session.
    SessionCalls,
}

impl Measure {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 7] =
        [Self::Concurrency, Self::Quota, Self::Rate, Self::Repeats, Self::RequestBytes, Self::ResultBytes, Self::SessionCalls];

    /// Its name in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::Repeats => "repeats",
            Self::RequestBytes => "request_bytes",
            Self::ResultBytes => "result_bytes",
            Self::SessionCalls => "session_calls",
        }
    }
}

/// A limit, and what tells it apart from all others.
#[derive(Clone, Debug)]
pub struct Counted {
    /// What is written.
    pub limit: Limit,
    /// One for each measure.
    seeds: [Key; Measure::ALL.len()],
}

impl Counted {
    /// SECURITY: the seed is made of everything that is written, so that a limit which says the same after a reload goes on counting where
    /// it was, and one that says something else begins anew.
    pub fn new(keyer: &Keyer, limit: &Limit) -> Self {
        let written = format!("{limit:?}");
        let seed = |measure: Measure| keyer.key([written.as_bytes(), measure.as_str().as_bytes()]);
        Self { limit: limit.clone(), seeds: Measure::ALL.map(seed) }
    }

    fn seed_of(&self, measure: Measure) -> Key {
        // Each has its place in the list of all.
        self.seeds.get(measure as usize).copied().unwrap_or(self.seeds[0])
    }
}

/// The charges of one message, and which limit each is of.
#[derive(Debug)]
pub struct Plan<'l> {
    maker: Maker,
    charges: Vec<Charge>,
    owners: Vec<(&'l Counted, Measure)>,
}

impl<'l> Plan<'l> {
    /// Of a message of this caller.
    pub fn of(asked: &Asked<'_>, keyer: &Keyer) -> Self {
        Self { maker: asked.maker(keyer), charges: Vec::new(), owners: Vec::new() }
    }

    /// One charge for each key that the limit counts this message under.
    pub fn count(&mut self, keyer: &Keyer, counted: &'l Counted, measure: Measure, rule: Rule, cost: u64, asked: &Asked<'_>) {
        for key in asked.keys(keyer, counted.seed_of(measure), &counted.limit.per) {
            self.charge(counted, measure, Charge { key, rule, cost, shadow: counted.limit.shadow, maker: self.maker });
        }
    }

    /// One charge under a key of its own, made of these parts: the caller's session, or the caller.
    pub fn count_apart(&mut self, keyer: &Keyer, counted: &'l Counted, measure: Measure, rule: Rule, parts: &[&[u8]]) {
        let seed = counted.seed_of(measure).bytes();
        let key = keyer.key(std::iter::once(seed.as_slice()).chain(parts.iter().copied()));
        self.charge(counted, measure, Charge { key, rule, cost: 1, shadow: counted.limit.shadow, maker: self.maker });
    }

    fn charge(&mut self, counted: &'l Counted, measure: Measure, charge: Charge) {
        self.charges.push(charge);
        self.owners.push((counted, measure));
    }

    /// What to take.
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// Of which limit a charge is that does not fit, and by what.
    pub fn owner(&self, over: &Over) -> Option<(&'l Limit, Measure)> {
        self.owners.get(over.charge).map(|(counted, measure)| (&counted.limit, *measure))
    }

    /// The charges by one measure, with the names of their limits.
    pub fn by(&self, wanted: Measure) -> impl Iterator<Item = (&'l str, Charge)> {
        let owned = self.owners.iter().zip(&self.charges);
        owned
            .filter(move |((_, measure), _)| *measure == wanted)
            .map(|((counted, _), charge)| (counted.limit.name.as_str(), *charge))
    }
}

impl From<Rate> for Rule {
    fn from(rate: Rate) -> Self {
        // Rounded up, so that it never lets through more than is written.
        let every = rate.period.as_nanos().div_ceil(u128::from(rate.calls.max(1)));
        Self::Rate { every: u64::try_from(every).unwrap_or(u64::MAX).max(1), burst: rate.burst }
    }
}

impl From<Allowance> for Rule {
    fn from(allowance: Allowance) -> Self {
        Self::Quota { window: allowance.window, most: allowance.most }
    }
}

//! Which bytes a pattern can have around its anchor: what a sieve is made of.
//!
//! A pattern is taken for the automaton of Glushkov: each byte it can read is a place, and places follow one another. From the places where the
//! anchor can stand, steps forward and backward give the bytes that are possible at each distance. Assertions are taken to hold, so this allows
//! too much and never too little.

mod needed;

use std::ops::RangeInclusive;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::detector::Edges;

/// How far behind and before the beginning of an anchor bytes are told apart.
pub(super) const BEHIND: usize = 16;
pub(super) const BEFORE: usize = 4;

/// The most places of a pattern, and how often one follows another; of a larger one nothing is known.
const PLACES: usize = 4096;
const FOLLOWS: usize = 64 << 10;

/// What may stand at one distance from the anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    bits: [u64; 4],
    /// Whether the text may end before it.
    pub(super) end: bool,
}

/// What is known of an anchor.
#[derive(Clone, Debug)]
pub(super) struct Start {
    /// What its bytes are.
    pub(super) bytes: Vec<Bytes>,
    /// Whether none of the first of these stands before it.
    pub(super) apart: bool,
    /// How many bytes before it a match may begin.
    pub(super) before: usize,
}

/// What may stand around an anchor.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// At the beginning of the anchor and behind it.
    pub(super) behind: [Bytes; BEHIND],
    /// Before it, the nearest first.
    pub(super) before: [Bytes; BEFORE],
    pub(super) extent: Extent,
}

/// What a match is of, and how much of it.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    /// Before the beginning of the anchor, and from there on.
    pub(super) before: Bytes,
    pub(super) behind: Bytes,
    /// What it begins with.
    pub(super) first: Bytes,
    /// How many bytes it has at least.
    pub(super) least: usize,
    /// One of these it has.
    pub(super) needed: Option<Bytes>,
    /// Whether it asserts nothing of what stands beside it.
    pub(super) is_free: bool,
}

/// What of a pattern is known while it is read: whether it can be empty, where it can begin and end.
struct Part {
    empty: bool,
    first: Vec<usize>,
    last: Vec<usize>,
}

#[derive(Default)]
struct Places {
    bytes: Vec<Bytes>,
    next: Vec<Vec<usize>>,
    follows: usize,
}

impl Bytes {
    pub(super) const ANY: Self = Self { bits: [u64::MAX; 4], end: true };

    pub(super) fn one(byte: u8) -> Self {
        let mut bytes = Self::default();
        bytes.add(byte..=byte);
        bytes
    }

    pub(super) fn of(holds: impl Fn(u8) -> bool) -> Self {
        let mut bytes = Self::default();
        (0..=u8::MAX).filter(|byte| holds(*byte)).for_each(|byte| bytes.add(byte..=byte));
        bytes
    }

    #[inline]
    pub(super) fn holds(&self, byte: u8) -> bool {
        self.bits.get(usize::from(byte >> 6)).is_some_and(|bits| bits >> (byte & 63) & 1 == 1)
    }

    fn add(&mut self, range: RangeInclusive<u8>) {
        for byte in range {
            if let Some(bits) = self.bits.get_mut(usize::from(byte >> 6)) {
                *bits |= 1 << (byte & 63);
            }
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        let mut bits = self.bits;
        bits.iter_mut().zip(other.bits).for_each(|(one, two)| *one |= two);
        Self { bits, end: self.end || other.end }
    }

    fn and(self, other: Self) -> Self {
        let mut bits = self.bits;
        bits.iter_mut().zip(other.bits).for_each(|(one, two)| *one &= two);
        Self { bits, end: self.end && other.end }
    }

    fn not(self) -> Self {
        Self { bits: self.bits.map(|bits| !bits), end: !self.end }
    }

    fn is_none(&self) -> bool {
        self.bits == [0; 4]
    }
}

impl Start {
    fn first(&self) -> Bytes {
        self.bytes.first().copied().unwrap_or(Bytes::ANY)
    }
}

impl Shape {
    /// Of what nothing is known.
    pub(super) const ANY: Self = Self {
        behind: [Bytes::ANY; BEHIND],
        before: [Bytes::ANY; BEFORE],
        extent: Extent { before: Bytes::ANY, behind: Bytes::ANY, first: Bytes::ANY, least: 0, needed: None, is_free: false },
    };

    /// Of a pattern, which matches only where a start stands and nothing touches the match that edges hold.
    pub(super) fn new(pattern: &str, start: &Start, edges: Edges) -> Self {
        let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
        parsed.ok().and_then(|hir| Self::of(&hir, start, edges)).unwrap_or(Self::ANY)
    }

    /// Whether the bytes around an anchor may be those of a match; so many of its own are known to be.
    pub(super) fn allows(&self, text: &[u8], at: usize, known: usize) -> bool {
        let holds =
            |bytes: &Bytes, at: Option<usize>| at.and_then(|at| text.get(at)).map_or(bytes.end, |byte| bytes.holds(*byte));
        let behind = self.behind.iter().zip(at..).skip(known).all(|(bytes, at)| holds(bytes, Some(at)));
        behind && self.before.iter().zip(1..).all(|(bytes, distance)| holds(bytes, at.checked_sub(distance)))
    }

    fn of(hir: &Hir, start: &Start, edges: Edges) -> Option<Self> {
        let mut places = Places::default();
        let whole = places.part(hir)?;
        if whole.empty {
            return None;
        }
        let mut beside = Bytes::of(|byte| !edges.holds(byte));
        beside.end = true;
        let before = places.before();
        let anchors = places.anchors(&whole, &before, start);
        let behind = places.closure(&anchors, &places.next);
        let extent = Extent {
            before: places.union(&places.closure(&anchors, &before)),
            behind: places.union(&behind).or(places.union(&anchors)),
            first: places.union(&whole.first),
            least: hir.properties().minimum_len().unwrap_or_default(),
            needed: needed::needed(hir),
            is_free: hir.properties().look_set().is_empty(),
        };
        Some(Self {
            behind: places.steps(anchors.clone(), &whole.last, beside, start),
            before: places.steps_back(anchors, &before, &whole.first, beside, start),
            extent,
        })
    }
}

impl Places {
    /// Adds the places of a pattern; `None` where they are too many, or not of bytes.
    fn part(&mut self, hir: &Hir) -> Option<Part> {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Some(Part::empty()),
            HirKind::Literal(literal) => literal.0.iter().try_fold(Part::empty(), |before, byte| {
                let one = self.place(Bytes::one(*byte))?;
                Some(self.behind(before, one))
            }),
            HirKind::Class(Class::Bytes(class)) => {
                let mut bytes = Bytes::default();
                class.iter().for_each(|range| bytes.add(range.start()..=range.end()));
                self.place(bytes)
            }
            // Letters of more than a byte.
            HirKind::Class(Class::Unicode(_)) => None,
            HirKind::Repetition(repetition) => self.repetition(repetition),
            HirKind::Capture(capture) => self.part(&capture.sub),
            HirKind::Concat(all) => all.iter().try_fold(Part::empty(), |before, one| {
                let one = self.part(one)?;
                Some(self.behind(before, one))
            }),
            HirKind::Alternation(all) => {
                let mut any = Part { empty: false, first: Vec::new(), last: Vec::new() };
                for one in all {
                    let one = self.part(one)?;
                    any.empty |= one.empty;
                    any.first.extend(one.first);
                    any.last.extend(one.last);
                }
                Some(any)
            }
        }
    }

    fn place(&mut self, bytes: Bytes) -> Option<Part> {
        let place = self.bytes.len();
        self.bytes.push(bytes);
        self.next.push(Vec::new());
        (place < PLACES && self.follows < FOLLOWS).then(|| Part { empty: false, first: vec![place], last: vec![place] })
    }

    fn repetition(&mut self, of: &Repetition) -> Option<Part> {
        // The further ones, from the last on: each may be missing with all behind it.
        let mut rest = Part::empty();
        if let Some(max) = of.max {
            for _ in of.min..max {
                let one = self.part(&of.sub)?;
                rest = Part { empty: true, ..self.behind(one, rest) };
            }
        } else {
            rest = self.part(&of.sub)?;
            self.follow(&rest.last, &rest.first);
            rest.empty = true;
        }
        let least = (0..of.min).try_fold(Part::empty(), |before, _| {
            let one = self.part(&of.sub)?;
            Some(self.behind(before, one))
        })?;
        Some(self.behind(least, rest))
    }

    fn behind(&mut self, one: Part, two: Part) -> Part {
        self.follow(&one.last, &two.first);
        let (mut first, mut last) = (one.first, two.last);
        if one.empty {
            first.extend(two.first);
        }
        if two.empty {
            last.extend(one.last);
        }
        Part { empty: one.empty && two.empty, first, last }
    }

    fn follow(&mut self, last: &[usize], first: &[usize]) {
        for place in last {
            if let Some(next) = self.next.get_mut(*place) {
                next.extend(first);
            }
        }
        self.follows += last.len() * first.len();
    }

    /// What stands before each place.
    fn before(&self) -> Vec<Vec<usize>> {
        let mut before = vec![Vec::new(); self.next.len()];
        for (place, next) in self.next.iter().enumerate() {
            for next in next {
                if let Some(before) = before.get_mut(*next) {
                    before.push(place);
                }
            }
        }
        before
    }

    fn bytes(&self, place: usize) -> Bytes {
        self.bytes.get(place).copied().unwrap_or_default()
    }

    /// Where the first byte of the anchor can stand.
    fn anchors(&self, whole: &Part, before: &[Vec<usize>], start: &Start) -> Vec<usize> {
        let mut reached = vec![false; self.bytes.len()];
        let mut places = unique(whole.first.clone());
        for _ in 0..=start.before {
            places.retain(|place| reached.get_mut(*place).is_some_and(|reached| !std::mem::replace(reached, true)));
            places = unique(places.iter().filter_map(|place| self.next.get(*place)).flatten().copied().collect());
        }
        let bytes = start.first();
        let is_apart = |place: usize| {
            let mut before = before.get(place).into_iter().flatten();
            whole.first.contains(&place) || before.any(|place| !self.bytes(*place).and(bytes.not()).is_none())
        };
        let reached = reached.iter().enumerate().filter(|(_, reached)| **reached).map(|(place, _)| place);
        reached.filter(|place| !self.bytes(*place).and(bytes).is_none() && (!start.apart || is_apart(*place))).collect()
    }

    /// What may stand at each distance forwards.
    fn steps(&self, from: Vec<usize>, last: &[usize], beside: Bytes, start: &Start) -> [Bytes; BEHIND] {
        let (mut places, mut is_over, mut may_be_over) = (from, false, false);
        let mut anchor = start.bytes.iter();
        [(); BEHIND].map(|()| {
            // The text does not end within its anchor.
            let wanted = anchor.next().copied().unwrap_or(Bytes::ANY);
            let bytes = at_the_end(self.union(&places), beside, may_be_over, &mut is_over);
            places.retain(|place| !self.bytes(*place).and(wanted).is_none());
            may_be_over = places.iter().any(|place| last.contains(place));
            places = unique(places.iter().filter_map(|place| self.next.get(*place)).flatten().copied().collect());
            bytes.and(wanted)
        })
    }

    /// What may stand at each distance backwards.
    fn steps_back(
        &self,
        from: Vec<usize>,
        before: &[Vec<usize>],
        first: &[usize],
        beside: Bytes,
        start: &Start,
    ) -> [Bytes; BEFORE] {
        let (mut places, mut is_over) = (from, false);
        let mut nearest = true;
        [(); BEFORE].map(|()| {
            let may_be_over = places.iter().any(|place| first.contains(place));
            places = unique(places.iter().filter_map(|place| before.get(*place)).flatten().copied().collect());
            let mut bytes = at_the_end(self.union(&places), beside, may_be_over, &mut is_over);
            if std::mem::take(&mut nearest) && start.apart {
                bytes = bytes.and(start.first().not());
            }
            bytes
        })
    }

    fn union(&self, places: &[usize]) -> Bytes {
        places.iter().fold(Bytes::default(), |all, place| all.or(self.bytes(*place)))
    }

    /// All that can be reached from these, themselves only where they can.
    fn closure(&self, from: &[usize], next: &[Vec<usize>]) -> Vec<usize> {
        let mut reached = vec![false; self.bytes.len()];
        let mut todo = from.to_vec();
        while let Some(place) = todo.pop() {
            for next in next.get(place).into_iter().flatten() {
                if reached.get_mut(*next).is_some_and(|reached| !std::mem::replace(reached, true)) {
                    todo.push(*next);
                }
            }
        }
        reached.iter().enumerate().filter(|(_, reached)| **reached).map(|(place, _)| place).collect()
    }
}

impl Part {
    fn empty() -> Self {
        Self { empty: true, first: Vec::new(), last: Vec::new() }
    }
}

/// What may stand at a distance: what the pattern wants there, what may touch it where it may have ended just before, anything behind that.
fn at_the_end(wanted: Bytes, beside: Bytes, may_be_over: bool, is_over: &mut bool) -> Bytes {
    let was_over = std::mem::replace(is_over, *is_over || may_be_over);
    match (was_over, may_be_over) {
        (true, _) => Bytes::ANY,
        (false, true) => wanted.or(beside),
        (false, false) => wanted,
    }
}

fn unique(mut places: Vec<usize>) -> Vec<usize> {
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests;

//! Many detectors with one kind of anchor: which of them the bytes around an anchor allow.
//!
//! A number stands everywhere, and a hundred detectors want one. Each says by its shape which bytes it allows at each distance, so a few lookups
//! leave those that may match, mostly none.

use std::collections::HashMap;

use super::shape::{BEFORE, BEHIND, Bytes, Shape};

/// How many detectors share one table.
pub(super) const SHARED: usize = 128;

/// Up to [`SHARED`] detectors.
#[derive(Debug)]
pub(super) struct Sieve {
    rows: Vec<u16>,
    /// Those of them that are asked at every anchor, a bit each; the others only where one begins that is of several groups.
    always: u128,
    /// Bytes that no detector tells apart are of one class.
    classes: Box<[u16; 256]>,
    end: u16,
    table: Vec<Allowed>,
}

/// Whom bytes of one class do not exclude at each distance, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Allowed {
    behind: [u128; BEHIND],
    before: [u128; BEFORE],
}

impl Sieve {
    /// Of the numbers of detectors, and their shapes; `always` says which are asked at every anchor.
    pub(super) fn new(detectors: &[(u16, &Shape)], always: impl Fn(u16) -> bool) -> Vec<Self> {
        let of = |chunk: &[(u16, &Shape)]| {
            let asked = chunk.iter().enumerate().filter(|(_, (number, _))| always(*number));
            Self { always: asked.fold(0, |bits, (bit, _)| bits | 1 << bit), ..Self::of(chunk) }
        };
        detectors.chunks(SHARED).map(of).collect()
    }

    fn of(detectors: &[(u16, &Shape)]) -> Self {
        let allowed = |holds: &dyn Fn(&Bytes) -> bool| {
            let mut allowed = Allowed::default();
            for (bit, (_, shape)) in detectors.iter().enumerate() {
                let add = |(rows, bytes): (&mut u128, &Bytes)| *rows |= u128::from(holds(bytes)) << bit;
                allowed.behind.iter_mut().zip(&shape.behind).for_each(add);
                allowed.before.iter_mut().zip(&shape.before).for_each(add);
            }
            allowed
        };
        let (mut table, mut known) = (Vec::new(), HashMap::new());
        let mut class = |allowed: Allowed| {
            *known.entry(allowed).or_insert_with(|| {
                table.push(allowed);
                u16::try_from(table.len() - 1).unwrap_or_default()
            })
        };
        let mut classes = Box::new([0; 256]);
        for (byte, of) in (0..=u8::MAX).zip(classes.iter_mut()) {
            *of = class(allowed(&|bytes| bytes.holds(byte)));
        }
        let end = class(allowed(&|bytes| bytes.end));
        Self { rows: detectors.iter().map(|(number, _)| *number).collect(), always: 0, classes, end, table }
    }

    /// Who may match around an anchor that begins at `at`, and whether all are asked.
    pub(super) fn at(&self, text: &[u8], at: usize, all: bool) -> impl Iterator<Item = u16> {
        let mut rows = self.rows_at(text, at, if all { u128::MAX } else { self.always });
        std::iter::from_fn(move || {
            let bit = usize::try_from(rows.trailing_zeros()).ok()?;
            rows &= rows.wrapping_sub(1);
            self.rows.get(bit).copied()
        })
    }

    fn rows_at(&self, text: &[u8], at: usize, asked: u128) -> u128 {
        const AROUND: usize = BEFORE + BEHIND;
        /// Distances that are looked at at once: which of them excludes the last row, nobody can foresee.
        const FEW: usize = 4;
        let around = at.checked_sub(BEFORE).and_then(|from| text.get(from..)?.first_chunk::<AROUND>());
        let Some((before, behind)) = around.and_then(|around| around.split_first_chunk::<BEFORE>()) else {
            return self.rows_beside_an_end(text, at) & asked;
        };
        let [.., nearest] = before;
        let mut rows = asked & self.allowed(Some(nearest)).before.first().copied().unwrap_or_default();
        for (few, bytes) in (0..BEHIND).step_by(FEW).zip(behind.chunks(FEW)) {
            for (distance, byte) in (few..BEHIND).zip(bytes) {
                rows &= self.allowed(Some(byte)).behind.get(distance).copied().unwrap_or_default();
            }
            if rows == 0 {
                return 0;
            }
        }
        let further = before.iter().rev().enumerate().skip(1);
        further.fold(rows, |rows, (distance, byte)| {
            rows & self.allowed(Some(byte)).before.get(distance).copied().unwrap_or_default()
        })
    }

    fn rows_beside_an_end(&self, text: &[u8], at: usize) -> u128 {
        let before = |distance: usize| self.allowed(at.checked_sub(distance + 1).and_then(|at| text.get(at)));
        let behind = |distance: usize| self.allowed(at.checked_add(distance).and_then(|at| text.get(at)));
        let rows = (0..BEFORE)
            .fold(u128::MAX, |rows, distance| rows & before(distance).before.get(distance).copied().unwrap_or_default());
        (0..BEHIND).fold(rows, |rows, distance| rows & behind(distance).behind.get(distance).copied().unwrap_or_default())
    }

    #[inline]
    fn allowed(&self, byte: Option<&u8>) -> &Allowed {
        const NONE: &Allowed = &Allowed { behind: [0; BEHIND], before: [0; BEFORE] };
        let class = byte.map_or(Some(&self.end), |byte| self.classes.get(usize::from(*byte)));
        class.and_then(|class| self.table.get(usize::from(*class))).unwrap_or(NONE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::detector::Edges;
    use super::super::shape::Start;
    use super::*;

    proptest! {
        #[test]
        fn a_sieve_leaves_whose_shape_allows_what_stands_there(text in "[0-4a-c .]{1,30}", more in 0_usize..200) {
            let start = Start { bytes: vec![Bytes::of(|byte| byte.is_ascii_digit())], apart: true, before: 2 };
            let patterns = ["[0-9]{2}", "a?[0-9] [0-9]", "[ab][0-2]+c", "[0-9]{3}(?: [0-9]|\\.[0-9]{2})", "x"];
            let shapes: Vec<Shape> = patterns.iter().cycle().take(more).map(|pattern| Shape::new(pattern, &start, Edges::Word)).collect();
            let numbered: Vec<(u16, &Shape)> = (0..).zip(&shapes).collect();
            let sieves = Sieve::new(&numbered, |number| number % 3 == 0);
            for at in 0..text.len() {
                for all in [true, false] {
                    let left: Vec<u16> = sieves.iter().flat_map(|sieve| sieve.at(text.as_bytes(), at, all)).collect();
                    let allowed = numbered.iter().filter(|(_, shape)| shape.allows(text.as_bytes(), at, 0)).map(|(number, _)| *number);
                    prop_assert_eq!(left, allowed.filter(|number| all || number % 3 == 0).collect::<Vec<_>>());
                }
            }
        }
    }
}

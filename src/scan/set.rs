//! Which detectors of a scanner are meant.

/// How many there can be in one scanner.
pub const MOST: usize = 1024;

const WORDS: usize = MOST / 64;

/// Numbers of detectors of one scanner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set([u64; WORDS]);

impl Set {
    /// None.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Adds the detector of this number.
    pub fn insert(&mut self, number: u16) {
        if let Some(word) = self.0.get_mut(usize::from(number / 64)) {
            *word |= 1 << (number % 64);
        }
    }

    /// Whether the detector of this number is meant.
    pub fn contains(&self, number: u16) -> bool {
        self.0.get(usize::from(number / 64)).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Both sets together.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
        self
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word &= more);
        self
    }

    /// Whether something is in both.
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(word, more)| word & more != 0)
    }

    /// Whether none is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}

impl FromIterator<u16> for Set {
    fn from_iter<I: IntoIterator<Item = u16>>(numbers: I) -> Self {
        let mut set = Self::EMPTY;
        numbers.into_iter().for_each(|number| set.insert(number));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_set_is_in_it() {
        let set: Set = [0, 63, 64, 1023, 1024, u16::MAX].into_iter().collect();
        assert!([0, 63, 64, 1023].iter().all(|number| set.contains(*number)));
        assert!([1, 62, 65, 1022, 1024, u16::MAX].iter().all(|number| !set.contains(*number)));
        let other: Set = [1, 64].into_iter().collect();
        assert!(set.meets(&other) && !set.meets(&[2].into_iter().collect()) && !Set::EMPTY.meets(&set));
        let both = set.intersection(&other);
        assert!(both.contains(64) && !both.contains(63) && !both.contains(1));
        assert!(set.union(&other).contains(1) && Set::EMPTY.is_empty() && !set.is_empty());
    }
}

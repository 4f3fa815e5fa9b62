//! The growing end of the tree: the hashes of its full subtrees, from which its root follows.
//!
//! What passes through: leaf hashes, in order. What it guarantees: one inner hash for each leaf on average, no allocation
//! while it grows, and the root of RFC 6962 at every size. What it does not know: whether a frontier read back from a file
//! is the right one; only a root says that.

use super::hash::Hash;

/// Largest number of leaves: what every format of this module can carry.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// A tree that remembers only its peaks, the roots of its full subtrees, largest first: one for each one bit of the size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// Why size and hashes are no frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// One hash belongs to each one bit of the size.
    #[error("a tree of {size} leaves has {expected} peaks, not {found}")]
    PeakCount {
        /// Leaves of the tree.
        size: u64,
        /// Hashes that size needs.
        expected: u32,
        /// Hashes there are.
        found: usize,
    },
    /// No checkpoint could name this size.
    #[error("a tree of {0} leaves is too large")]
    TooLarge(u64),
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self { size: 0, peaks: Vec::with_capacity(u64::BITS as usize) }
    }

    /// The tree of `size` leaves with these peaks, largest first.
    pub fn from_parts(size: u64, peaks: &[Hash]) -> Result<Self, FrontierError> {
        let expected = size.count_ones();
        if size > MAX_SIZE {
            return Err(FrontierError::TooLarge(size));
        }
        if usize::try_from(expected) != Ok(peaks.len()) {
            return Err(FrontierError::PeakCount { size, expected, found: peaks.len() });
        }
        let mut frontier = Self::new();
        frontier.size = size;
        frontier.peaks.extend_from_slice(peaks);
        Ok(frontier)
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut peak = leaf;
        // As in binary addition: each trailing one bit is a peak as high as the new one, and the two become one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                peak = Hash::node(left, peak);
            }
        }
        self.peaks.push(peak);
        self.size += 1;
    }

    /// The root of the tree so far.
    pub fn root(&self) -> Hash {
        let smallest_first = self.peaks.iter().rev().copied();
        smallest_first.reduce(|right, left| Hash::node(left, right)).unwrap_or_else(Hash::empty_root)
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the full subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }
}

impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight leaves, and the roots of the trees of the first 1 to 8 of them, of the RFC 6962 reference implementation.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn roots_of_the_first_sizes_are_the_known_ones() {
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root(), Hash::empty_root());
        for (leaf, root) in LEAVES.iter().zip(ROOTS) {
            frontier.push(Hash::leaf(&bytes(leaf)));
            assert_eq!(frontier.root().to_string(), root, "size {}", frontier.size());
        }
    }

    #[test]
    fn a_frontier_read_back_grows_into_the_same_tree() {
        let mut whole = Frontier::new();
        for index in 0..1000_u64 {
            let mut read_back = Frontier::from_parts(whole.size(), whole.peaks()).unwrap();
            assert_eq!(read_back, whole);
            let leaf = Hash::leaf(&index.to_be_bytes());
            whole.push(leaf);
            read_back.push(leaf);
            assert_eq!(read_back.root(), whole.root());
        }
    }

    #[test]
    fn a_frontier_with_a_peak_too_many_or_too_few_is_refused() {
        let peaks = [Hash::ZERO; 3];
        assert!(Frontier::from_parts(7, &peaks).is_ok());
        for size in [0_u64, 1, 5, 15] {
            let expected = size.count_ones();
            assert_eq!(Frontier::from_parts(size, &peaks), Err(FrontierError::PeakCount { size, expected, found: 3 }));
        }
        assert!(Frontier::from_parts(MAX_SIZE, &[Hash::ZERO; 63]).is_ok());
        assert_eq!(Frontier::from_parts(1 << 63, &peaks[..1]), Err(FrontierError::TooLarge(1 << 63)));
    }

    #[test]
    fn growing_never_allocates() {
        let mut frontier = Frontier::new();
        let before = frontier.peaks.capacity();
        for index in 0..10_000_u32 {
            frontier.push(Hash::leaf(&index.to_be_bytes()));
        }
        assert_eq!(frontier.peaks.capacity(), before);
    }
}

//! Inclusion and consistency proofs of RFC 6962 section 2.1, checked as RFC 9162 sections 2.1.3.2 and 2.1.4.2 say.
//!
//! What passes through: hashes of full subtrees from a [`HashSource`] into proofs, and proofs of strangers into a yes or a
//! reason. What it guarantees: at most 63 hashes a proof, a logarithmic number of reads for making one, and no proof with a
//! hash too many, too few or out of place passes. Sizes stay below 2^63 everywhere.
//!
//! A tree is consistent with itself and grows out of the empty tree: both have the empty proof. RFC 6962 leaves them
//! undefined, C2SP tlog-witness defines them so.

use super::{hash::Hash, tree::MAX_SIZE};

/// Where the hashes of a tree come from.
pub trait HashSource {
    /// What may go wrong in getting one.
    type Error;

    /// The root of the full subtree over leaves `index * 2^level` to `(index + 1) * 2^level`, the last one excluded.
    fn hash(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Why no proof was made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// Nothing to prove: the leaf is not in the tree.
    #[error("leaf {index} is not in a tree of {size}")]
    NoSuchLeaf {
        /// Leaf asked for.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// The old tree is the larger one.
    #[error("a tree of {old} leaves is no beginning of one of {new}")]
    Shrunk {
        /// Leaves of the old tree.
        old: u64,
        /// Leaves of the new tree.
        new: u64,
    },
    /// The hashes could not be read.
    #[error("cannot read the hashes of the tree")]
    Source(#[source] E),
    /// More leaves than a tree can have.
    #[error("a tree of {0} leaves is too large")]
    TooLarge(u64),
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Trees of equal size, different roots: one of them is a fork.
    #[error("two different roots for one size")]
    Forked,
    /// The proof leads to another root of the new tree.
    #[error("the proof does not lead to the root of the tree")]
    NewRoot,
    /// No tree of this size has this leaf.
    #[error("leaf {index} is not in a tree of {size}")]
    NoSuchLeaf {
        /// Leaf of the proof.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// The proof leads to another root of the old tree.
    #[error("the proof does not start from the root of the old tree")]
    OldRoot,
    /// The old tree is the larger one.
    #[error("a tree of {old} leaves is no beginning of one of {new}")]
    Shrunk {
        /// Leaves of the old tree.
        old: u64,
        /// Leaves of the new tree.
        new: u64,
    },
    /// Hashes left over.
    #[error("the proof has too many hashes")]
    TooLong,
    /// Hashes missing.
    #[error("the proof has too few hashes")]
    TooShort,
}

/// The hashes that lead from leaf `index` to the root of the tree of the first `size` leaves, nearest the leaf first.
pub fn prove_inclusion<S: HashSource>(source: &mut S, index: u64, size: u64) -> Result<Vec<Hash>, ProveError<S::Error>> {
    check_size(size)?;
    if index >= size {
        return Err(ProveError::NoSuchLeaf { index, size });
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = split(start, end);
        if index < middle {
            path.push(subtree(source, middle, end)?);
            end = middle;
        } else {
            path.push(subtree(source, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show the tree of the first `old` leaves to be the beginning of the tree of the first `new` ones.
pub fn prove_consistency<S: HashSource>(source: &mut S, old: u64, new: u64) -> Result<Vec<Hash>, ProveError<S::Error>> {
    check_size(new)?;
    if old > new {
        return Err(ProveError::Shrunk { old, new });
    }
    let mut path = Vec::new();
    if old == 0 {
        return Ok(path);
    }
    let (mut start, mut end) = (0, new);
    while old != end {
        let middle = split(start, end);
        if old <= middle {
            path.push(subtree(source, middle, end)?);
            end = middle;
        } else {
            path.push(subtree(source, start, middle)?);
            start = middle;
        }
    }
    // From the left edge the subtree is the old tree itself, whose root the verifier has.
    if start != 0 {
        path.push(subtree(source, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Root of the tree of the first `size` leaves.
pub fn root_of<S: HashSource>(source: &mut S, size: u64) -> Result<Hash, ProveError<S::Error>> {
    check_size(size)?;
    if size == 0 { Ok(Hash::empty_root()) } else { subtree(source, 0, size) }
}

/// Checks that `leaf` is number `index` of the `size` leaves under `root`.
pub fn verify_inclusion(proof: &[Hash], index: u64, leaf: Hash, size: u64, root: Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if node & 1 == 1 || node == last {
            hash = Hash::node(*sibling, hash);
            skip_lone_levels(&mut node, &mut last);
        } else {
            hash = Hash::node(hash, *sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::TooShort);
    }
    if hash == root { Ok(()) } else { Err(ProofError::NewRoot) }
}

/// A tree to compare: how many leaves, which root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of that many leaves.
    pub root: Hash,
}

/// Checks that the tree of `old` is the beginning of the tree of `new`.
pub fn verify_consistency(proof: &[Hash], old: Head, new: Head) -> Result<(), ProofError> {
    if old.size > new.size {
        return Err(ProofError::Shrunk { old: old.size, new: new.size });
    }
    if old.size == new.size || old.size == 0 {
        return verify_trivial(proof, old, new);
    }
    let (mut node, mut last) = (old.size - 1, new.size - 1);
    let full_levels = node.trailing_ones();
    (node, last) = (node >> full_levels, last >> full_levels);

    let mut hashes = proof.iter().copied();
    // An old tree that is one full subtree is where the proof starts, and is left out of it.
    let first = if old.size.is_power_of_two() { old.root } else { hashes.next().ok_or(ProofError::TooShort)? };
    let (mut old_hash, mut new_hash) = (first, first);
    for hash in hashes {
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if node & 1 == 1 || node == last {
            old_hash = Hash::node(hash, old_hash);
            new_hash = Hash::node(hash, new_hash);
            skip_lone_levels(&mut node, &mut last);
        } else {
            new_hash = Hash::node(new_hash, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::TooShort);
    }
    if old_hash != old.root {
        return Err(ProofError::OldRoot);
    }
    if new_hash == new.root { Ok(()) } else { Err(ProofError::NewRoot) }
}

fn verify_trivial(proof: &[Hash], old: Head, new: Head) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::TooLong);
    }
    if old.size == new.size {
        return if old.root == new.root { Ok(()) } else { Err(ProofError::Forked) };
    }
    if old.root == Hash::empty_root() { Ok(()) } else { Err(ProofError::OldRoot) }
}

/// A last node without a sibling is its own parent: nothing of the proof belongs to those levels.
fn skip_lone_levels(node: &mut u64, last: &mut u64) {
    let levels = if *node == 0 { 0 } else { node.trailing_zeros() };
    (*node, *last) = (*node >> levels, *last >> levels);
}

/// Where RFC 6962 splits the leaves from `start` to `end`: after the largest power of two smaller than their number.
fn split(start: u64, end: u64) -> u64 {
    let largest = u64::BITS - 1 - (end - start - 1).leading_zeros();
    start + (1 << largest)
}

/// Root over the leaves from `start` to `end`, of which there is at least one. `start` is a multiple of the power of two that
/// spans them, as all ranges of a proof are, so that they fall into full subtrees, larger ones first.
fn subtree<S: HashSource>(source: &mut S, start: u64, end: u64) -> Result<Hash, ProveError<S::Error>> {
    let mut peaks = Vec::new();
    let mut at = start;
    while at < end {
        let level = u64::BITS - 1 - (end - at).leading_zeros();
        let hash = source.hash(u8::try_from(level).unwrap_or(u8::MAX), at >> level).map_err(ProveError::Source)?;
        peaks.push(hash);
        at += 1 << level;
    }
    Ok(peaks.into_iter().rev().reduce(|right, left| Hash::node(left, right)).unwrap_or_else(Hash::empty_root))
}

fn check_size<E>(size: u64) -> Result<(), ProveError<E>> {
    if size > MAX_SIZE { Err(ProveError::TooLarge(size)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;

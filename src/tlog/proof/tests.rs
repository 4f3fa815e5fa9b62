use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::tlog::Frontier;

/// Every full subtree of a tree, in memory.
struct Levels(Vec<Vec<Hash>>);

impl Levels {
    fn of(size: u64) -> Self {
        let mut levels = vec![(0..size).map(leaf).collect::<Vec<_>>()];
        while let Some([_, _, ..]) = levels.last().map(Vec::as_slice) {
            let (pairs, _) = levels[levels.len() - 1].as_chunks::<2>();
            levels.push(pairs.iter().map(|[left, right]| Hash::node(*left, *right)).collect());
        }
        Self(levels)
    }
}

impl HashSource for &Levels {
    type Error = Infallible;

    fn hash(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[usize::from(level)][usize::try_from(index).unwrap()])
    }
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

/// RFC 6962 section 2.1, word by word, over the leaves of [`Levels`]. Full subtrees are looked up, or a proof would cost a tree.
mod naive {
    use super::*;

    /// MTH(D[start:end])
    pub(super) fn root(levels: &Levels, start: u64, end: u64) -> Hash {
        let n = end - start;
        if n == 0 {
            return Hash::sha256(b"");
        }
        if n.is_power_of_two() && start.is_multiple_of(n) {
            return levels.0[n.ilog2() as usize][usize::try_from(start / n).unwrap()];
        }
        let k = k(n);
        Hash::node(root(levels, start, start + k), root(levels, start + k, end))
    }

    /// PATH(m, D[start:end])
    pub(super) fn path(levels: &Levels, m: u64, start: u64, end: u64) -> Vec<Hash> {
        let n = end - start;
        if n == 1 {
            return Vec::new();
        }
        let k = k(n);
        let (mut path, sibling) = if m < k {
            (path(levels, m, start, start + k), root(levels, start + k, end))
        } else {
            (path(levels, m - k, start + k, end), root(levels, start, start + k))
        };
        path.push(sibling);
        path
    }

    /// SUBPROOF(m, D[start:end], b)
    pub(super) fn subproof(levels: &Levels, m: u64, start: u64, end: u64, b: bool) -> Vec<Hash> {
        let n = end - start;
        if m == n {
            return if b { Vec::new() } else { vec![root(levels, start, end)] };
        }
        let k = k(n);
        let (mut proof, sibling) = if m <= k {
            (subproof(levels, m, start, start + k, b), root(levels, start + k, end))
        } else {
            (subproof(levels, m - k, start + k, end, false), root(levels, start, start + k))
        };
        proof.push(sibling);
        proof
    }

    fn k(n: u64) -> u64 {
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }
}

fn head(levels: &Levels, size: u64) -> Head {
    Head { size, root: naive::root(levels, 0, size) }
}

/// What may happen to a proof on the way: a bit, a hash less, one more, two swapped.
fn mutations(proof: &[Hash], at: usize) -> Vec<Vec<Hash>> {
    let mut mutations = vec![[proof, &[Hash::ZERO]].concat(), [&[Hash::ZERO], proof].concat()];
    if let Some(at) = at.checked_rem(proof.len()) {
        let (mut flipped, mut cut, mut swapped) = (proof.to_vec(), proof.to_vec(), proof.to_vec());
        let mut bytes = *flipped[at].as_bytes();
        bytes[at % 32] ^= 1;
        flipped[at] = Hash::new(bytes);
        cut.remove(at);
        swapped.swap(0, at);
        mutations.extend([flipped, cut]);
        if at != 0 {
            mutations.push(swapped);
        }
    }
    mutations
}

#[test]
fn aud_040_true_inclusion_proofs_pass_and_mutated_ones_fail() {
    let levels = Levels::of(1 << 14);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(10_000));
    let cases = (1..=1_u64 << 14, any::<prop::sample::Index>(), any::<usize>());
    let outcome = runner.run(&cases, |(size, index, at)| {
        let index = index.index(usize::try_from(size).unwrap()) as u64;
        let root = naive::root(&levels, 0, size);
        let proof = prove_inclusion(&mut &levels, index, size).unwrap();
        prop_assert_eq!(&proof, &naive::path(&levels, index, 0, size));
        prop_assert_eq!(verify_inclusion(&proof, index, leaf(index), size, root), Ok(()));
        for mutated in mutations(&proof, at) {
            prop_assert!(verify_inclusion(&mutated, index, leaf(index), size, root).is_err());
        }
        prop_assert!(verify_inclusion(&proof, index, leaf(index + 1), size, root).is_err());
        prop_assert!(verify_inclusion(&proof, index, leaf(index), size, leaf(0)).is_err() || size == 1);
        prop_assert!(verify_inclusion(&proof, size, leaf(index), size, root).is_err());
        if index != 0 {
            prop_assert!(verify_inclusion(&proof, index - 1, leaf(index), size, root).is_err());
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn aud_041_random_consistency_proofs_are_those_of_the_definition() {
    let levels = Levels::of(1_000_000);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(25_000));
    let cases = (0..=1_000_000_u64, any::<prop::sample::Index>(), any::<usize>());
    runner
        .run(&cases, |(new, old, at)| {
            let old = old.index(usize::try_from(new + 1).unwrap()) as u64;
            check_consistency(&levels, old, new, at);
            Ok(())
        })
        .unwrap();
}

#[test]
fn aud_041_all_consistency_proofs_of_small_trees_are_those_of_the_definition() {
    let levels = Levels::of(130);
    for new in 0..=130 {
        for old in 0..=new {
            check_consistency(&levels, old, new, 0);
        }
    }
}

#[test]
fn aud_041_powers_of_two_and_their_neighbours() {
    let levels = Levels::of((1 << 19) + 1);
    let edges: Vec<u64> = (1..20).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1]).collect();
    for new in &edges {
        for old in edges.iter().filter(|old| *old <= new) {
            check_consistency(&levels, *old, *new, 1);
        }
    }
}

fn check_consistency(mut levels: &Levels, old: u64, new: u64, at: usize) {
    let proof = prove_consistency(&mut levels, old, new).unwrap();
    let expected = if old == 0 { Vec::new() } else { naive::subproof(levels, old, 0, new, true) };
    assert_eq!(proof, expected, "{old} to {new}");
    let (old, new) = (head(levels, old), head(levels, new));
    assert_eq!(verify_consistency(&proof, old, new), Ok(()), "{old:?} to {new:?}");
    for mutated in mutations(&proof, at) {
        assert!(verify_consistency(&mutated, old, new).is_err(), "{old:?} to {new:?}");
    }
    let other = Hash::sha256(b"other");
    assert!(verify_consistency(&proof, Head { root: other, ..old }, new).is_err(), "{old:?} to {new:?}");
    // Nothing ties the empty tree to what grows out of it.
    if old.size != 0 {
        assert!(verify_consistency(&proof, old, Head { root: other, ..new }).is_err(), "{old:?} to {new:?}");
    }
}

#[test]
fn aud_041_edges_are_those_of_rfc_9162_and_c2sp() {
    let levels = Levels::of(8);
    let (empty, three, eight) = (head(&levels, 0), head(&levels, 3), head(&levels, 8));
    assert_eq!(verify_consistency(&[], empty, empty), Ok(()));
    assert_eq!(verify_consistency(&[], empty, eight), Ok(()));
    assert_eq!(verify_consistency(&[Hash::ZERO], empty, eight), Err(ProofError::TooLong));
    assert_eq!(verify_consistency(&[], Head { size: 0, ..three }, eight), Err(ProofError::OldRoot));
    assert_eq!(verify_consistency(&[], eight, Head { root: three.root, ..eight }), Err(ProofError::Forked));
    assert_eq!(verify_consistency(&[Hash::ZERO], eight, eight), Err(ProofError::TooLong));
    assert_eq!(verify_consistency(&[], eight, three), Err(ProofError::Shrunk { old: 8, new: 3 }));
    assert_eq!(verify_consistency(&[], three, eight), Err(ProofError::TooShort));
    assert_eq!(prove_consistency(&mut &levels, 8, 3), Err(ProveError::Shrunk { old: 8, new: 3 }));
    assert_eq!(prove_consistency(&mut &levels, 3, 1 << 63), Err(ProveError::TooLarge(1 << 63)));
    assert_eq!(prove_inclusion(&mut &levels, 3, 3), Err(ProveError::NoSuchLeaf { index: 3, size: 3 }));
    assert_eq!(prove_inclusion(&mut &levels, 0, 0), Err(ProveError::NoSuchLeaf { index: 0, size: 0 }));
    assert_eq!(prove_inclusion(&mut &levels, 0, 1), Ok(Vec::new()));
    assert_eq!(verify_inclusion(&[], 0, leaf(0), 0, leaf(0)), Err(ProofError::NoSuchLeaf { index: 0, size: 0 }));
    assert_eq!(verify_inclusion(&[], 0, leaf(0), 1, leaf(0)), Ok(()));
    assert_eq!(verify_inclusion(&[], u64::MAX - 1, leaf(0), u64::MAX, leaf(0)), Err(ProofError::TooShort));
}

#[test]
fn roots_of_a_source_are_those_of_the_growing_tree() {
    let levels = Levels::of(1000);
    let mut frontier = Frontier::new();
    for size in 0..=1000 {
        assert_eq!(root_of(&mut &levels, size), Ok(frontier.root()));
        frontier.push(leaf(size));
    }
}

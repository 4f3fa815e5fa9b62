//! Tiles, and proofs from them.

use super::*;
use crate::tlog::{Head, verify_consistency, verify_inclusion};

/// A log of several segments, and its lines.
fn several_segments(fixture: &Fixture, calls: usize) -> Vec<String> {
    let options = Options { segment_bytes: 40_000, ..fixture.options() };
    let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    put(&log, start());
    for call in 0..calls {
        drop(log.append(decision(&format!("c{call}"))));
        if call % 100 == 99 {
            put(&log, outcome(&format!("c{call}")));
        } else {
            drop(log.append(outcome(&format!("c{call}"))));
        }
    }
    put(&log, Draft::new(Kind::Stop));
    log.close();
    assert!(fs::read_dir(fixture.log_dir().join("seg")).unwrap().count() > 3);
    fixture.lines()
}

/// Root of the first so many lines.
fn root(lines: &[String], size: usize) -> Hash {
    let mut tree = Frontier::new();
    lines[..size].iter().for_each(|line| tree.push(Hash::leaf(line.as_bytes())));
    tree.root()
}

#[test]
fn every_record_has_a_proof_under_the_newest_head_without_any_tile() {
    let fixture = Fixture::new();
    let lines = several_segments(&fixture, 600);
    let mut prover = Prover::newest(&fixture.log_dir()).unwrap();
    let head = prover.head().clone();
    assert_eq!((head.size, head.root), (lines.len() as u64, root(&lines, lines.len())));
    for (index, line) in lines.iter().enumerate().step_by(7) {
        let proof = prover.inclusion(index as u64).unwrap();
        assert_eq!(verify_inclusion(&proof.hashes, proof.index, Hash::leaf(line.as_bytes()), head.size, head.root), Ok(()));
    }
    assert_eq!(prove_inclusion(&fixture.log_dir(), 3).unwrap(), prover.inclusion(3).unwrap());
    let size = head.size;
    assert!(matches!(prover.inclusion(size), Err(ProveError::NoSuchRecord { size: found, .. }) if found == size));
}

#[test]
fn a_beginning_of_any_size_has_a_consistency_proof_and_a_size_without_head_has_none() {
    let fixture = Fixture::new();
    let lines = several_segments(&fixture, 600);
    let new = Head { size: lines.len() as u64, root: root(&lines, lines.len()) };
    for old in (0..=lines.len()).step_by(13) {
        let proof = prove_consistency(&fixture.log_dir(), old as u64, new.size).unwrap();
        let old = Head { size: old as u64, root: root(&lines, old) };
        assert_eq!(verify_consistency(&proof, old, new), Ok(()));
    }
    let between = prove_consistency(&fixture.log_dir(), 1, new.size - 1);
    assert!(matches!(between, Err(ProveError::NoHeadOver(size)) if size == new.size - 1), "{between:?}");
    let beyond = prove_consistency(&fixture.log_dir(), new.size + 1, new.size);
    assert!(matches!(beyond, Err(ProveError::Shrunk { .. })), "{beyond:?}");
}

#[test]
fn nothing_is_proven_about_a_log_that_was_changed() {
    let fixture = Fixture::new();
    let lines = several_segments(&fixture, 600);
    let text = fs::read_to_string(fixture.segment(0)).unwrap();
    fs::write(fixture.segment(0), text.replacen("\"allow\"", "\"alloy\"", 1)).unwrap();
    let size = lines.len() as u64;
    // Under the changed record itself, and under one whose proof has a hash over it.
    for index in [2, 700] {
        let proof = prove_inclusion(&fixture.log_dir(), index);
        assert!(matches!(proof, Err(ProveError::Differs(found)) if found == size), "{index}: {proof:?}");
    }
    assert!(matches!(prove_consistency(&fixture.log_dir(), 700, size), Err(ProveError::Differs(_))));
}

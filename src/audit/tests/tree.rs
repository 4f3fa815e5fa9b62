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

/// The files under `tile/`, by their paths.
fn tiles(fixture: &Fixture) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    fn walk(directory: &Path, found: &mut std::collections::BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    let mut found = std::collections::BTreeMap::new();
    walk(&fixture.log_dir().join("tile"), &mut found);
    found
}

#[test]
fn full_tiles_are_written_behind_the_newest_head_and_hold_the_leaves() {
    let fixture = Fixture::new();
    let lines = several_segments(&fixture, 600);
    catch_up(&fixture.log_dir()).unwrap();
    let tiles = tiles(&fixture);
    assert_eq!(tiles.len(), lines.len() / 256);
    for (at, leaves) in lines.chunks_exact(256).enumerate() {
        let expected: Vec<u8> = leaves.iter().flat_map(|line| *Hash::leaf(line.as_bytes()).as_bytes()).collect();
        assert_eq!(tiles[&fixture.log_dir().join(format!("tile/0/{at:03}"))], expected);
    }
    let report = fixture.verify();
    assert_eq!((report.verdict(), report.damaged_tiles), (Verdict::Unanchored, 0));
}

#[test]
fn tiles_grow_with_the_log_as_they_would_have_been_made_at_once() {
    let fixture = Fixture::new();
    let mut held = None;
    let (log, _) = fixture.open();
    for call in 0..900 {
        drop(log.append(decision(&format!("c{call}"))));
        if call % 90 == 0 {
            put(&log, outcome(&format!("c{call}")));
            held = Some(Tiles::follow(held, &fixture.log_dir(), &|| true).unwrap());
        }
        if call == 450 {
            // A second one goes on from what is on disk.
            held = None;
        }
    }
    log.close();
    Tiles::follow(held, &fixture.log_dir(), &|| true).unwrap();
    let grown = tiles(&fixture);
    assert!(grown.len() >= 3, "{}", grown.len());
    fs::remove_dir_all(fixture.log_dir().join("tile")).unwrap();
    catch_up(&fixture.log_dir()).unwrap();
    assert!(tiles(&fixture) == grown);
}

#[test]
fn aud_029_a_damaged_tile_is_reported_proofs_do_without_it_and_repair_makes_the_same_bytes() {
    let fixture = Fixture::new();
    let lines = several_segments(&fixture, 600);
    catch_up(&fixture.log_dir()).unwrap();
    let whole = tiles(&fixture);
    let newest = whole.keys().next_back().unwrap().clone();
    let (mut flipped, short) = (whole[&newest].clone(), &whole[&newest][..100]);
    flipped[4_000] ^= 1;
    for bad in [&flipped[..], short, b""] {
        fs::write(&newest, bad).unwrap();
        let report = fixture.verify();
        assert_eq!((report.verdict(), report.damaged_tiles), (Verdict::Gaps, 1), "{report}");
        assert!(report.to_string().contains("derived data is damaged"), "{report}");
        let head = Head { size: lines.len() as u64, root: root(&lines, lines.len()) };
        let proof = prove_inclusion(&fixture.log_dir(), 3).unwrap();
        assert_eq!(verify_inclusion(&proof.hashes, 3, Hash::leaf(lines[3].as_bytes()), head.size, head.root), Ok(()));
        assert_eq!(repair(&fixture.log_dir()).unwrap(), 1);
        assert!(tiles(&fixture) == whole);
    }
    assert_eq!(repair(&fixture.log_dir()).unwrap(), 0);

    // One that is missing below others is noticed without a repair, and so is a wrong one that the next head needs.
    fs::remove_file(fixture.log_dir().join("tile/0/001")).unwrap();
    fs::write(fixture.log_dir().join("tile/0/003"), &flipped).unwrap();
    catch_up(&fixture.log_dir()).unwrap();
    assert!(tiles(&fixture) == whole);
    assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
}

#[test]
fn tiles_are_not_made_from_a_log_that_was_changed() {
    let fixture = Fixture::new();
    several_segments(&fixture, 600);
    let text = fs::read_to_string(fixture.segment(0)).unwrap();
    fs::write(fixture.segment(0), text.replacen("\"allow\"", "\"alloy\"", 1)).unwrap();
    assert!(matches!(catch_up(&fixture.log_dir()), Err(ProveError::Differs(_))));
    let refused = repair(fixture.dir.path());
    assert!(matches!(refused, Err(RepairError::Tampered { index: 2, .. })), "{refused:?}");
    assert_eq!(tiles(&fixture).len(), 0);
}

#[test]
fn aud_002_tiles_name_the_first_record_of_a_chain_that_was_written_anew() {
    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    for call in 0..1_200 {
        put(&log, denial(&format!("c{call}")));
    }
    log.close();
    let mut lines = fixture.lines();
    let size = |fixture: &Fixture| fixture.verify().head.unwrap();
    assert_eq!(size(&fixture), lines.len() as u64);
    catch_up(&fixture.log_dir()).unwrap();

    lines[500] = lines[500].replace("\"deny\"", "\"den2\"");
    for at in 501..lines.len() {
        let old = json(&lines[at])["prev"].as_str().unwrap().to_owned();
        lines[at] = lines[at].replace(&old, &Hash::leaf(lines[at - 1].as_bytes()).to_string());
    }
    fs::write(fixture.segment(0), lines.join("\n") + "\n").unwrap();
    let fault = fixture.verify().fault.unwrap();
    assert!(matches!(fault.reason, FaultReason::HeadDiffers { size, .. } if size > 500), "{fault:?}");
    assert_eq!(fault.index, 500, "{fault:?}");

    // Tiles that say something else than was signed have nothing to say.
    let tile = fixture.log_dir().join("tile/0/001");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[8_000] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let fault = fixture.verify().fault.unwrap();
    let FaultReason::HeadDiffers { size, .. } = fault.reason else { panic!("{fault:?}") };
    assert_eq!(fault.index, size - 1);
}

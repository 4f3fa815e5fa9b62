//! What is handed to somebody without access to the log.

use super::*;
use crate::tlog::{LinesError, Note as SignedNote, Policy, ProofFile, Scheme, Signer, VerifierKey};

/// A log of four runs, with several segments, and its lines.
fn four_runs(fixture: &Fixture) -> Vec<String> {
    for run in 0..4 {
        let options = Options { segment_bytes: 60_000, ..fixture.options() };
        let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
        put(&log, start());
        for call in 0..250 {
            drop(log.append(denial(&format!("r{run}c{call}"))));
        }
        put(&log, Draft::new(Kind::Stop));
        log.close();
    }
    fixture.lines()
}

/// The key that an auditor knows.
fn genesis(fixture: &Fixture) -> VerifierKey {
    fixture.verify().key.unwrap().parse().unwrap()
}

fn stranger() -> VerifierKey {
    Signer::generate("gw.example/audit/r1", Scheme::Ed25519).unwrap().key().clone()
}

/// The numbers of a cheap generator, for tests that want many and the same.
fn numbers() -> impl Iterator<Item = usize> {
    let mut state = 0x2545_f491_4f6c_dd1d_usize;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

#[test]
fn aud_040_true_proofs_are_accepted_and_changed_ones_refused() {
    let fixture = Fixture::new();
    let lines = four_runs(&fixture);
    catch_up(&fixture.log_dir()).unwrap();
    let mut prover = Prover::newest(&fixture.log_dir()).unwrap();
    let (size, root) = (prover.head().size, prover.head().root);
    assert_eq!(size, lines.len() as u64);
    for number in numbers().take(10_000) {
        let leaf = Hash::leaf(lines[number % lines.len()].as_bytes());
        let index = (number % lines.len()) as u64;
        let proof = prover.inclusion(index).unwrap();
        let holds = |hashes: &[Hash], index| crate::tlog::verify_inclusion(hashes, index, leaf, size, root).is_ok();
        assert!(holds(&proof.hashes, index), "{index}");

        let at = (number >> 32) % proof.hashes.len();
        let mut changed = proof.hashes.clone();
        let mut bytes = *changed[at].as_bytes();
        bytes[number % 32] ^= 1 << (number % 8);
        changed[at] = Hash::new(bytes);
        let mut dropped = proof.hashes.clone();
        dropped.remove(at);
        let mut added = proof.hashes.clone();
        added.insert(at, leaf);
        for bad in [changed, dropped, added] {
            assert!(!holds(&bad, index), "{index}");
        }
        for other in [index ^ 1, (index + 7) % size, size, size + index, u64::MAX] {
            assert!(!holds(&proof.hashes, other), "{index} as {other}");
        }
    }
}

#[test]
fn a_receipt_is_checked_with_the_record_the_proof_the_epochs_and_the_first_key_alone() {
    let fixture = Fixture::new();
    let lines = four_runs(&fixture);
    let (log, key) = (fixture.log_dir(), genesis(&fixture));
    let trust = Trust::Key(key.clone());
    let policy = Trust::Policy(Policy::parse(format!("log {key}\nquorum none\n").as_bytes()).unwrap());
    let history = epochs(&log, lines.len() as u64).unwrap();
    assert_eq!(history.matches("c2sp.org/tlog-proof@v1\n").count(), 4);
    for index in [0, 1, 300, lines.len() - 1] {
        let text = prove_inclusion(&log, index as u64).unwrap().to_string();
        let proof = ProofFile::parse(text.as_bytes()).unwrap();
        let record = lines[index].as_bytes();
        for trust in [&trust, &policy] {
            let head = check_receipt(record, &proof, trust, Some(history.as_bytes())).unwrap();
            assert_eq!(head.size, lines.len() as u64);
        }
        assert!(matches!(check_receipt(record, &proof, &trust, None), Err(ReceiptError::Signature(_))), "it signed no more");
        let untrusted = check_receipt(record, &proof, &Trust::Key(stranger()), Some(history.as_bytes()));
        assert_eq!(untrusted, Err(ReceiptError::Epochs(EpochsError::Untrusted)));

        let changed = lines[index].replacen("\"v\":1", "\"v\":1,\"z\":1", 1);
        assert!(matches!(
            check_receipt(changed.as_bytes(), &proof, &trust, Some(history.as_bytes())),
            Err(ReceiptError::Proof(_))
        ));
        let other = lines[5].as_bytes();
        assert!(matches!(check_receipt(other, &proof, &trust, None), Err(ReceiptError::OtherRecord { record: 5, .. })));
        assert!(matches!(check_receipt(b"{}", &proof, &trust, None), Err(ReceiptError::Record(_))));
    }

    // An early head is signed with the first key itself.
    let early = Prover::over(&log, 1).unwrap().inclusion(0).unwrap();
    check_receipt(lines[0].as_bytes(), &early, &trust, None).unwrap();
}

#[test]
fn epochs_that_do_not_follow_each_other_prove_nothing() {
    let fixture = Fixture::new();
    let lines = four_runs(&fixture);
    let history = epochs(&fixture.log_dir(), lines.len() as u64).unwrap();
    let parts: Vec<String> =
        history.split("c2sp.org/tlog-proof@v1\n").skip(1).map(|part| format!("c2sp.org/tlog-proof@v1\n{part}")).collect();
    let read = |parts: &[&String]| {
        let text: String = parts.iter().map(|part| part.as_str()).collect();
        Epochs::read(text.as_bytes(), |_| true)
    };
    let [first, second, third, fourth] = [&parts[0], &parts[1], &parts[2], &parts[3]];
    assert_eq!(read(&[first, second, third, fourth]).unwrap().first_key(), Some(&genesis(&fixture)));
    read(&[first, second]).unwrap();
    assert_eq!(read(&[]), Err(EpochsError::Empty));
    assert_eq!(read(&[second]), Err(EpochsError::Record(0)));
    assert_eq!(read(&[first, third]), Err(EpochsError::Record(1)));
    assert_eq!(read(&[first, first]), Err(EpochsError::Record(1)));
    let garbage = "garbage\n".to_owned();
    assert!(matches!(read(&[&garbage, first]), Err(EpochsError::Proof { epoch: 0, reason: LinesError::NoBlankLine })));

    // Every line of it counts: another index, hash, root, size, signature or record is refused.
    for (at, line) in third.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let mut changed = line.to_owned();
        if line.starts_with("index") || line.bytes().all(|byte| byte.is_ascii_digit()) {
            changed.push('1');
        } else {
            let at = line.len() - 6;
            let other = if line.as_bytes()[at] == b'7' { "8" } else { "7" };
            changed.replace_range(at..=at, other);
        }
        let text: Vec<String> = third
            .lines()
            .enumerate()
            .map(|(number, line)| if number == at { changed.clone() } else { line.to_owned() })
            .collect();
        let changed = text.join("\n") + "\n";
        assert!(read(&[first, second, &changed, fourth]).is_err(), "line {at}: {line}");
    }
}

#[test]
fn a_key_of_yesterday_signs_no_head_of_today() {
    let fixture = Fixture::new();
    finished(&fixture, 2);
    let layout = Layout::new(&fixture.dir.path().join("audit"), "gw.example", "r1").unwrap();
    let kept = fs::read(layout.epoch_key(0)).unwrap();
    finished(&fixture, 2);
    fs::write(layout.epoch_key(0), kept).unwrap();
    let lines = fixture.lines();
    let old = Epoch::load(&Disk, &layout, &seal(), 0).unwrap();
    let proof = prove_inclusion(&fixture.log_dir(), 3).unwrap();
    let head = Checkpoint::parse(proof.checkpoint.unverified_text()).unwrap();
    let forged = ProofFile { checkpoint: old.sign(&head, 1_000).unwrap(), ..proof.clone() };
    let history = epochs(&fixture.log_dir(), head.size).unwrap();
    let trust = Trust::Key(genesis(&fixture));
    check_receipt(lines[3].as_bytes(), &proof, &trust, Some(history.as_bytes())).unwrap();
    let refused = check_receipt(lines[3].as_bytes(), &forged, &trust, Some(history.as_bytes()));
    assert!(matches!(refused, Err(ReceiptError::Head { .. })), "{refused:?}");
}

#[test]
fn aud_042_two_heads_of_one_size_and_another_root_are_evidence_with_both_notes() {
    let fixture = Fixture::new();
    finished(&fixture, 4);
    let mut lines = fixture.lines();
    let size = lines.len();
    let (one, two) = (fixture.dir.path().join("one"), fixture.dir.path().join("two"));
    let good = heads(&fixture, &lines, &[size]);
    lines[2] = lines[2].replace("allow", "alloy");
    let bad = heads(&fixture, &lines, &[size]);
    fs::write(&one, good.trim_end().to_owned() + "\n").unwrap();
    fs::write(&two, bad.trim_end().to_owned() + "\n").unwrap();

    assert_eq!(compare(&one, &one, &[]).unwrap(), Compared::Same { size: size as u64 });
    assert_eq!(compare(&one, &fixture.log_dir(), &[]).unwrap(), Compared::Same { size: size as u64 });
    let layout = Layout::new(&fixture.dir.path().join("audit"), "gw.example", "r1").unwrap();
    let key = Epoch::load(&Disk, &layout, &seal(), 0).unwrap().keys.ed25519;
    for (a, b) in [(&one, &two), (&fixture.log_dir(), &two), (&two, &fixture.log_dir())] {
        let Compared::Forked(fork) = compare(a, b, std::slice::from_ref(&key)).unwrap() else { panic!("not forked") };
        let text = fork.to_string();
        let notes: Vec<SignedNote> = text
            .split("\n\ngw.example")
            .enumerate()
            .map(
                |(at, note)| if at == 0 { format!("{note}\n") } else { format!("gw.example{note}").trim_end().to_owned() + "\n" },
            )
            .map(|note| SignedNote::parse(note.as_bytes()).unwrap())
            .collect();
        let said: Vec<Checkpoint> =
            notes.iter().map(|note| Checkpoint::parse(note.verify(&[&key]).unwrap().text).unwrap()).collect();
        assert_eq!(said.len(), 2);
        assert_eq!(said[0].size, said[1].size);
        assert_ne!(said[0].root, said[1].root);
    }
    assert!(matches!(compare(&one, &two, &[stranger()]), Err(CompareError::Unsigned { .. })));
}

#[test]
fn two_copies_of_a_log_are_compared_however_far_each_went_on() {
    let fixture = Fixture::new();
    finished(&fixture, 4);
    let copy = fixture.dir.path().join("copy");
    copy_dir(&fixture.log_dir(), &copy);
    let small = fixture.lines().len() as u64;
    finished(&fixture, 9);
    let log = fixture.log_dir();
    let key: Vec<VerifierKey> = Vec::new();
    assert_eq!(compare(&log, &copy, &key).unwrap(), Compared::Same { size: small });
    assert_eq!(compare(&copy, &log, &key).unwrap(), Compared::Same { size: small });
    let newest = log.join("checkpoint");
    let size = fixture.lines().len() as u64;
    assert_eq!(compare(&newest, &copy, &key).unwrap(), Compared::Behind { has: small, counts: size });
    assert!(matches!(compare(&newest, &copy.join("checkpoint"), &key), Err(CompareError::NeedsLog(..))));

    // The copy goes on as another history.
    let other = Fixture::new();
    copy_dir(&copy, &other.log_dir());
    finished(&other, 2);
    let Compared::Forked(fork) = compare(&log, &other.log_dir(), &key).unwrap() else { panic!("not forked") };
    let lines = other.lines();
    let text = fork.to_string();
    assert!(text.contains(&format!("gw.example/audit/r1\n{}\n", lines.len())), "{text}");
    assert!(text.contains(&format!("gw.example/audit/r1\n{size}\n")), "{text}");
    let proof: Vec<Hash> = text.rsplit("\n\n").next().unwrap().lines().map(|line| Hash::from_base64(line).unwrap()).collect();
    let (root, proof) = proof.split_first().unwrap();
    let new = Prover::newest(&log).unwrap().head().clone();
    let old = crate::tlog::Head { size: lines.len() as u64, root: *root };
    assert_eq!(crate::tlog::verify_consistency(proof, old, crate::tlog::Head { size: new.size, root: new.root }), Ok(()));
    assert_ne!(Prover::newest(&other.log_dir()).unwrap().head().root, *root);
}

#[test]
fn a_bundle_verifies_by_itself_and_no_file_of_it_can_be_changed() {
    let fixture = Fixture::new();
    let lines = four_runs(&fixture);
    let (log, out) = (fixture.log_dir(), fixture.dir.path().join("bundle"));
    for (from, to) in [(0, 10), (0, lines.len() as u64 - 1), (1, 1), (299, 700), (600, lines.len() as u64 - 1)] {
        let made = bundle(&log, from, to, &out).unwrap();
        assert!(made.end > to && made.first == from, "{made:?}");
        let report = verify(&out).unwrap().logs.remove(0);
        assert_eq!(report.fault, None, "{from} to {to}: {report}");
        assert_eq!((report.first, report.records, report.uncovered), (from, made.end - from, 0), "{from} to {to}");
        assert_eq!((report.unchecked_heads, report.heads), (0, made.heads), "{from} to {to}: {report}");
        assert_eq!(report.key, Some(genesis(&fixture).to_string()), "{from} to {to}");
        if from > 0 {
            assert_eq!(report.verdict(), Verdict::Incomplete);
        }
        fs::remove_dir_all(&out).unwrap();
    }
    assert!(matches!(bundle(&log, 5, 4, &out), Err(BundleError::Backwards { .. })));
    let beyond = bundle(&log, 5, lines.len() as u64, &out);
    assert!(matches!(beyond, Err(BundleError::Tree(ProveError::NoSuchRecord { .. }))), "{beyond:?}");

    bundle(&log, 299, 700, &out).unwrap();
    let exit = || verify(&out).unwrap().verdict();
    assert_eq!(exit(), Verdict::Incomplete);
    let first = fs::read_dir(out.join("seg")).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    for path in [first, out.join("frontier"), out.join("epochs"), out.join("checkpoints/0000000000299.notes")] {
        let whole = fs::read(&path).unwrap();
        for number in numbers().take(200) {
            let mut bytes = whole.clone();
            bytes[number % whole.len()] ^= 1 << (number >> 40 & 7);
            fs::write(&path, bytes).unwrap();
            assert_eq!(exit(), Verdict::Tampered, "{} at {}", path.display(), number % whole.len());
        }
        fs::write(&path, &whole).unwrap();
    }
    fs::remove_file(out.join("frontier")).unwrap();
    assert_eq!(exit(), Verdict::Tampered, "nobody can say whether the heads are right");
}

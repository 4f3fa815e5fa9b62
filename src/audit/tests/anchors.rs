//! What somebody knows of a log from elsewhere.

use super::*;
use crate::tlog::{Note, Policy, Scheme, Signer};

fn judged(fixture: &Fixture, trust: &Known) -> LogReport {
    verify_with(fixture.dir.path(), trust, &mut |_| ()).unwrap().logs.remove(0)
}

/// The head over the first so many records.
fn head_over(fixture: &Fixture, size: usize) -> Checkpoint {
    let text = heads(fixture, &fixture.lines(), &[size]);
    Checkpoint::parse(Note::parse(&text.as_bytes()[..text.len() - 1]).unwrap().unverified_text()).unwrap()
}

fn pinned(pin: Checkpoint) -> Known {
    Known { pins: vec![pin], ..Known::default() }
}

#[test]
fn a_kept_head_confirms_a_log_until_it_is_a_day_old() {
    let fixture = Fixture::new();
    finished(&fixture, 3);
    let pin = head_over(&fixture, 5);
    let report = judged(&fixture, &pinned(pin.clone()));
    assert_eq!((report.verdict(), report.anchored.as_ref().unwrap().size), (Verdict::Verified, 5), "{report}");
    assert_eq!(report.verdict().exit_code(), 0);

    let time: Timestamp = json(&fixture.lines()[4])["t"].as_str().unwrap().parse().unwrap();
    let later = |hours: i64| Some(Timestamp::from_second(time.as_second() + hours * 3_600).unwrap());
    for (hours, verdict) in [(23, Verdict::Verified), (25, Verdict::Unanchored)] {
        let report = judged(&fixture, &Known { now: later(hours), ..pinned(pin.clone()) });
        assert_eq!(report.verdict(), verdict, "{hours} hours later: {report}");
    }
    let of_another = Checkpoint { origin: "other/audit/r1".to_owned(), ..pin };
    let refused = verify_with(fixture.dir.path(), &pinned(of_another), &mut |_| ());
    assert!(matches!(refused, Err(VerifyIo::NoPinned(_))), "a pin of another log confirms nothing: {refused:?}");
}

#[test]
fn a_log_that_was_rolled_back_or_written_anew_does_not_pass_a_kept_head() {
    let (fixture, anew) = (Fixture::new(), Fixture::new());
    finished(&fixture, 3);
    finished(&anew, 3);
    let pin = head_over(&fixture, 9);
    let fault = |fixture: &Fixture| judged(fixture, &pinned(pin.clone())).fault.unwrap();
    assert_eq!(fault(&anew), Fault { index: 8, reason: FaultReason::PinDiffers { size: 9 } }, "the same name, another history");
    // Cut back together with its heads: nothing inside can tell.
    let lines = fixture.lines();
    fs::write(fixture.segment(0), lines[..5].join("\n") + "\n").unwrap();
    fs::write(fixture.heads_file(), heads(&fixture, &lines, &[1, 5])).unwrap();
    assert_eq!(fixture.verify().fault, None);
    assert_eq!(fault(&fixture), Fault { index: 5, reason: FaultReason::PinAhead { size: 9 } });
}

#[test]
fn a_log_begun_with_a_key_that_nobody_knows_is_another_log() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    finished(&fixture, 1);
    finished(&other, 1);
    let key = |fixture: &Fixture| fixture.verify().key.unwrap();
    let trust = |keys: &[String]| {
        let logs = keys.iter().fold(String::new(), |logs, key| logs + "log " + key + "\n");
        Known { policy: Some(Policy::parse(format!("{logs}quorum none\n").as_bytes()).unwrap()), ..Known::default() }
    };
    let report = judged(&fixture, &trust(&[key(&fixture)]));
    assert_eq!((report.verdict(), report.anchored), (Verdict::Unanchored, None), "a known key alone confirms no end");
    assert_eq!(judged(&fixture, &trust(&[key(&other)])).fault, Some(Fault { index: 0, reason: FaultReason::UnknownKey }));
    assert_eq!(judged(&fixture, &trust(&[key(&other), key(&fixture)])).fault, None);
}

#[test]
fn heads_that_enough_witnesses_have_cosigned_confirm_a_log_and_others_do_not() {
    let fixture = Fixture::new();
    finished(&fixture, 3);
    let witnesses: Vec<_> =
        ["w1", "w2", "w3"].iter().map(|name| Signer::generate(name, Scheme::CosignatureV1).unwrap()).collect();
    let names = ["x0", "x1", "x2"].into_iter().zip(&witnesses);
    let lines = names.fold(String::new(), |lines, (name, signer)| format!("{lines}witness {name} {}\n", signer.key()));
    let policy = Policy::parse(format!("{lines}group g 2 x0 x1 x2\nquorum g\n").as_bytes()).unwrap();
    let trust = Known { policy: Some(policy), ..Known::default() };
    let note = |head: &Checkpoint, signers: &[&Signer]| {
        let mut note = Note::new(head.to_string()).unwrap();
        for signer in signers {
            note.sign(signer, 1_000).unwrap();
        }
        format!("{note}\n")
    };
    let (head, directory) = (head_over(&fixture, 9), fixture.log_dir().join("witnessed"));
    fs::create_dir(&directory).unwrap();
    let file = directory.join("0000000000000.notes");
    let unknown = Signer::generate("w1", Scheme::CosignatureV1).unwrap();
    for (signers, verdict) in [
        (vec![&witnesses[0], &witnesses[2]], Verdict::Verified),
        (vec![&witnesses[0]], Verdict::Unanchored),
        (vec![&witnesses[0], &unknown], Verdict::Unanchored),
    ] {
        fs::write(&file, note(&head, &signers)).unwrap();
        let report = judged(&fixture, &trust);
        assert_eq!(report.verdict(), verdict, "{report}");
    }
    let forked = Checkpoint { root: Hash::leaf(b"another"), ..head };
    fs::write(&file, note(&forked, &[&witnesses[0], &witnesses[1]])).unwrap();
    assert_eq!(judged(&fixture, &trust).fault, Some(Fault { index: 8, reason: FaultReason::WitnessDiffers { size: 9 } }));
    assert_eq!(fixture.verify().verdict(), Verdict::Tampered, "whoever asks");
}

#[test]
fn a_second_signature_is_announced_made_and_missed() {
    let fixture = Fixture::new();
    let options = Options { second_signature: true, epoch: Duration::from_millis(300), ..fixture.options() };
    let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    put(&log, start());
    eventually(|| fixture.kinds().iter().filter(|kind| *kind == "key.rotate").count() >= 3);
    put(&log, Draft::new(Kind::Stop));
    log.close();
    let report = fixture.verify();
    assert_eq!(report.verdict(), Verdict::Unanchored, "keys change within a run: {report}");
    assert_eq!(fs::read_dir(fixture.log_dir().join("keys")).unwrap().count(), 1, "old keys are destroyed");
    let text = fs::read_to_string(fixture.heads_file()).unwrap();
    let signatures = text.lines().filter(|line| line.starts_with('\u{2014}')).count();
    assert_eq!(signatures as u64, 2 * report.heads);
    // Ed25519 alone is not enough in such an epoch.
    let longest = text.lines().rfind(|line| line.len() > 3_000).unwrap();
    fs::write(fixture.heads_file(), text.replace(&format!("{longest}\n"), "")).unwrap();
    let fault = fixture.verify().fault.unwrap();
    assert!(matches!(fault.reason, FaultReason::HeadUnsigned { .. }), "{}", fault.reason);
}

#[test]
fn no_junk_beside_a_pin_has_it_passed_by() {
    let (fixture, anew) = (Fixture::new(), Fixture::new());
    finished(&fixture, 3);
    finished(&anew, 3);
    let trust = pinned(head_over(&fixture, 9));
    let directory = anew.log_dir().join("witnessed");
    fs::create_dir(&directory).unwrap();
    let junk = |sizes: std::ops::Range<u64>| {
        sizes.fold(String::new(), |text, size| {
            let head = Checkpoint { size, root: Hash::ZERO, ..head_over(&anew, 1) };
            text + &head.to_string() + "\n\u{2014} x AAAAAAA=\n\n"
        })
    };
    for sizes in [0..20, 1..9, 5..6, 10..30] {
        fs::write(directory.join("0000000000000.notes"), junk(sizes.clone())).unwrap();
        assert_eq!(judged(&anew, &trust).verdict(), Verdict::Tampered, "{sizes:?}");
    }
}

/// The last head under each of the log's keys but the newest, newest first, as a witness keeps them.
fn last_heads(fixture: &Fixture) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    let text = fs::read_to_string(fixture.heads_file()).unwrap();
    let parts: Vec<_> = text.split_terminator("\n\n").collect();
    for note in parts.chunks(2).map(|note| Note::parse(format!("{}\n\n{}\n", note[0], note[1]).as_bytes()).unwrap()) {
        match notes.last_mut().filter(|last| last.signatures()[0].id() == note.signatures()[0].id()) {
            Some(last) => *last = note,
            None => notes.push(note),
        }
    }
    notes.reverse();
    notes
}

#[test]
fn only_what_a_key_of_the_log_has_signed_proves_another_history() {
    let (fixture, old, stranger) = (Fixture::new(), Fixture::new(), Fixture::new());
    finished(&fixture, 1);
    finished(&fixture, 1);
    let copy = |from: &Fixture, to: &Fixture| {
        let copied = std::process::Command::new("cp").arg("-a").arg(from.dir.path().join(".")).arg(to.dir.path()).status();
        assert!(copied.unwrap().success());
    };
    copy(&fixture, &old);
    let weigh = |fixture: &Fixture, notes: &[Note]| weigh_heads(&fixture.log_dir(), notes, true).unwrap();
    assert_eq!(weigh(&old, &last_heads(&fixture)), Evidence::Nothing, "all of it is known");
    finished(&fixture, 1);
    let shown = last_heads(&fixture);
    let hand_over = Checkpoint::parse(shown[1].unverified_text()).unwrap().size;
    assert_eq!(weigh(&old, &shown), Evidence::Proves { size: hand_over }, "the key of the last common epoch has signed more");
    // However much the copy that was put back has grown since, and through however many keys.
    for _ in 0..3 {
        finished(&old, 4);
        assert_eq!(weigh(&old, &shown), Evidence::Proves { size: hand_over });
    }
    assert_eq!(weigh_heads(&old.log_dir(), &shown[..2], false).unwrap(), Evidence::Undecided, "nobody knows who had to sign");

    finished(&stranger, 9);
    assert_eq!(weigh(&old, &last_heads(&stranger)), Evidence::Nothing, "keys that the log never had");
    let claimed = Checkpoint { size: 1_000_000, ..Checkpoint::parse(shown[1].unverified_text()).unwrap() };
    let made_up = Note::parse(shown[1].to_string().replace(shown[1].unverified_text(), &claimed.to_string()).as_bytes()).unwrap();
    let rest = shown[2..].iter().cloned();
    assert_eq!(weigh(&old, &[made_up].into_iter().chain(rest).collect::<Vec<_>>()), Evidence::Nothing, "a bad signature");
}

#[test]
fn heads_that_were_cosigned_are_looked_at_one_by_one_in_their_order() {
    let fixture = Fixture::new();
    finished(&fixture, 5);
    let directory = fixture.log_dir().join("witnessed");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("0000000000000.notes");
    let note = |size: usize| format!("{}\n\u{2014} x AAAAAAA=\n\n", head_over(&fixture, size));
    let all = fixture.lines().len();
    for (what, text, fault) in [
        ("one size again", note(3) + &note(3) + &note(all), None),
        ("what is no head, behind one", note(5) + "x\ny\n\nz\n\n" + &note(6), Some(4)),
        ("what is no head, at the start", "x\ny\n\nz\n\n".to_owned() + &note(6), Some(0)),
        ("backwards", note(6) + &note(5), Some(5)),
        ("torn at the end", note(5) + "gw.exam", None),
        ("torn, and another behind it", note(5) + "gw.exam\n" + &note(6).replace("\n\n", "\n"), Some(4)),
    ] {
        fs::write(&file, text).unwrap();
        assert_eq!(fixture.verify().fault.map(|fault| fault.index), fault, "{what}");
    }
}

//! What a start makes of what a crash left, and what it refuses.

use super::*;

/// Puts the log back into `to`, cut or edited there.
fn copy_of(fixture: &Fixture) -> Fixture {
    let copy = Fixture::new();
    copy_dir(&fixture.log_dir(), &copy.log_dir());
    copy
}

fn cut(path: &Path, length: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..length]).unwrap();
}

/// The head as it was when the log had `size` records.
fn old_head(fixture: &Fixture, size: usize) -> String {
    heads(fixture, &fixture.lines(), &[size])
}

#[test]
fn every_cut_behind_the_acknowledged_records_is_repaired() {
    let fixture = Fixture::new();
    finished(&fixture, 2);
    let acknowledged = 4;
    let full = fs::read(fixture.segment(0)).unwrap();
    let counted: usize = fixture.lines()[..acknowledged].iter().map(|line| line.len() + 1).sum();
    let head = old_head(&fixture, acknowledged);
    for length in counted..=full.len() {
        let copy = copy_of(&fixture);
        cut(&copy.segment(0), length);
        fs::write(copy.heads_file(), &head).unwrap();
        let whole = full[..length].split(|byte| *byte == b'\n').count() - 1;
        let torn = length - full[..length].iter().rposition(|byte| *byte == b'\n').unwrap() - 1;

        let (log, opened) = copy.open();
        assert_eq!(opened.quarantined_bytes, torn as u64, "cut at {length}");
        // The second call is open once its decision, record 4, is there whole, and closed again by record 5.
        assert_eq!(opened.unfinished.len(), usize::from(whole == 5), "cut at {length}");
        put(&log, Draft::new(Kind::Stop));
        log.close();

        assert_eq!(copy.lines()[..whole], fixture.lines()[..whole], "cut at {length}");
        let report = copy.verify();
        assert_eq!(report.verdict(), if torn > 0 { Verdict::Gaps } else { Verdict::Unanchored }, "cut at {length}: {report}");
        if torn > 0 {
            let kept = fs::read(copy.log_dir().join(format!("quarantine/{whole:013}.0.part"))).unwrap();
            assert_eq!(kept, full[length - torn..length]);
            let recovery = json(&copy.lines()[whole]);
            assert_eq!(recovery["recovery"]["bytes"], torn);
            assert_eq!(recovery["recovery"]["sha256"].as_str().unwrap().len(), 64);
        }
    }
}

#[test]
fn every_cut_into_acknowledged_records_is_refused_and_changes_nothing() {
    let fixture = Fixture::new();
    finished(&fixture, 1);
    let full = fs::read(fixture.segment(0)).unwrap();
    for length in 0..full.len() {
        let copy = copy_of(&fixture);
        cut(&copy.segment(0), length);
        let refused = copy.try_open().unwrap_err();
        assert!(matches!(refused, OpenError::Recovery(RecoveryError::Cut { size: 5, .. })), "cut at {length}: {refused}");
        assert_eq!(fs::read(copy.segment(0)).unwrap(), full[..length]);
        let report = copy.verify();
        assert_eq!(report.verdict(), Verdict::Tampered, "cut at {length}");
    }
    fs::remove_file(fixture.segment(0)).unwrap();
    assert!(matches!(fixture.try_open().unwrap_err(), OpenError::Recovery(RecoveryError::Cut { size: 5, found: 0 })));
    assert_eq!(fixture.verify().fault, Some(Fault { index: 0, reason: FaultReason::Cut { size: 5 } }));
}

#[test]
fn every_changed_byte_stops_the_start() {
    let fixture = Fixture::new();
    finished(&fixture, 1);
    let full = fs::read(fixture.segment(0)).unwrap();
    let copy = copy_of(&fixture);
    for at in 0..full.len() {
        let mut bytes = full.clone();
        bytes[at] ^= 1;
        fs::write(copy.segment(0), &bytes).unwrap();
        let refused = copy.try_open().unwrap_err();
        assert!(matches!(refused, OpenError::Recovery(_)), "byte {at}: {refused}");
        assert_eq!(fs::read(copy.segment(0)).unwrap(), bytes, "evidence is left alone");
    }
}

#[test]
fn the_head_must_be_there_and_true() {
    let fixture = Fixture::new();
    finished(&fixture, 1);
    let write = |text: &str| fs::write(fixture.heads_file(), text).unwrap();
    let refusal = || {
        let OpenError::Recovery(error) = fixture.try_open().unwrap_err() else { panic!("not refused by recovery") };
        error
    };
    let good = old_head(&fixture, 5);

    fs::remove_file(fixture.heads_file()).unwrap();
    assert!(matches!(refusal(), RecoveryError::HeadMissing(_)));
    for bad in ["", "x", good.strip_suffix('\n').unwrap(), good.get(..good.len() / 2 - 9).unwrap()] {
        write(bad);
        assert!(matches!(refusal(), RecoveryError::HeadMissing(_)), "{bad}");
    }
    write(&good.replace("gw.example/audit/r1\n5", "other.example/audit/r1\n5"));
    assert!(matches!(refusal(), RecoveryError::HeadUnsigned { size: 5, .. }));
    write(&good.replace("\u{2014} gw.example", "\u{2014} other.example"));
    assert!(matches!(refusal(), RecoveryError::HeadUnsigned { size: 5, .. }));
    write(&good.replace("\n5\n", "\n4\n"));
    assert!(matches!(refusal(), RecoveryError::HeadDiffers { size: 4 }));
    write(&good.replace("\n5\n", "\n6\n"));
    assert!(matches!(refusal(), RecoveryError::Cut { size: 6, found: 5 }));
    write(&format!("{}{good}", good.replace('\u{2014}', "-")));
    assert!(matches!(refusal(), RecoveryError::HeadUnreadable { .. }));
    write(&good);
    fixture.open();
}

#[test]
fn a_crash_at_creation_is_created_again() {
    let fixture = Fixture::new();
    for directory in ["seg", "checkpoints", "keys"] {
        fs::create_dir_all(fixture.log_dir().join(directory)).unwrap();
    }
    fs::write(fixture.log_dir().join("keys/000000.key"), "half a k").unwrap();
    fs::write(fixture.segment(0), "").unwrap();
    let (log, opened) = fixture.open();
    assert_eq!(opened, Opened { next_index: 1, ..Opened::default() });
    put(&log, start());
    log.close();
    assert_eq!(fixture.kinds(), ["key.rotate", "start"]);
    assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
}

#[test]
fn open_calls_are_ended_once_and_found_across_sealed_segments() {
    let fixture = Fixture::new();
    let options = Options { segment_bytes: 600, ..fixture.options() };
    let (log, _) = open_with(options.clone(), Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    put(&log, start());
    for call in 0..100 {
        drop(log.append(decision(&format!("long-{call}"))));
    }
    put(&log, outcome("long-7"));
    for call in 0..20 {
        put(&log, denial(&call.to_string()));
    }
    assert!(fixture.verify().segments > 10);
    log.close();

    // The run wrote no stop: that is a crash, whatever else is in order.
    let (log, opened) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    assert!(opened.unclean);
    assert_eq!(opened.unfinished.len(), 99);
    let index = fixture.lines().iter().position(|line| json(line)["call"] == "long-0").unwrap() as u64;
    assert_eq!(opened.unfinished[0], Unfinished { call: "long-0".to_owned(), index });
    put(&log, start());
    put(&log, Draft::new(Kind::Stop));
    log.close();
    let ended = fixture.lines().iter().map(|line| json(line)).filter(|line| line["out"]["status"] == "unknown").count();
    assert_eq!(ended, 99);
    let report = fixture.verify();
    assert_eq!((report.verdict(), report.open_calls), (Verdict::Unanchored, 0), "{report}");

    let (_, opened) = fixture.open();
    assert_eq!((opened.unclean, opened.unfinished.len()), (false, 0));
}

#[test]
fn an_empty_segment_left_by_rotation_is_continued() {
    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    put(&log, start());
    put(&log, decision("c1"));
    log.close();
    fs::write(fixture.segment(3), "").unwrap();
    let (log, opened) = fixture.open();
    assert_eq!(opened.unfinished.len(), 1);
    put(&log, Draft::new(Kind::Stop));
    log.close();
    let kinds = ["key.rotate", "start", "call.decision", "tick", "recovery", "call.outcome", "key.rotate", "stop"];
    assert_eq!(fixture.kinds(), kinds);
    let report = fixture.verify();
    assert_eq!((report.verdict(), report.segments), (Verdict::Unanchored, 2), "{report}");
}

#[test]
fn a_head_older_than_the_last_segment_is_refused() {
    let fixture = Fixture::new();
    let options = Options { segment_bytes: 600, ..fixture.options() };
    let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    for call in 0..10 {
        put(&log, denial(&call.to_string()));
    }
    log.close();
    let head = old_head(&fixture, 1);
    fs::remove_dir_all(fixture.log_dir().join("checkpoints")).unwrap();
    fs::create_dir(fixture.log_dir().join("checkpoints")).unwrap();
    fs::write(fixture.heads_file(), head).unwrap();
    assert!(matches!(fixture.try_open().unwrap_err(), OpenError::Recovery(RecoveryError::HeadOld { size: 1, .. })));
}

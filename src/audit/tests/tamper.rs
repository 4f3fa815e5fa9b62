//! Verification of logs that somebody changed.

use super::*;

fn write_lines(fixture: &Fixture, lines: &[String]) {
    fs::write(fixture.segment(0), lines.join("\n") + if lines.is_empty() { "" } else { "\n" }).unwrap();
}

fn fault(fixture: &Fixture) -> Fault {
    let report = fixture.verify();
    assert_eq!(report.verdict(), Verdict::Tampered, "{report}");
    report.fault.unwrap()
}

/// Replaces `prev` from record `from` on, as somebody without a key can.
fn rechain(lines: &mut [String], from: usize) {
    for at in from.max(1)..lines.len() {
        let old = json(&lines[at])["prev"].as_str().unwrap().to_owned();
        let new = Hash::leaf(lines[at - 1].as_bytes()).to_string();
        lines[at] = lines[at].replace(&old, &new);
    }
}

#[test]
fn every_changed_byte_is_found_and_its_record_named() {
    let fixture = Fixture::new();
    finished(&fixture, 2);
    let full = fs::read(fixture.segment(0)).unwrap();
    let (mut record, mut checked) = (0, 0);
    for at in 0..full.len() {
        let bits = (0..8).map(|bit| full[at] ^ 1 << bit);
        for byte in bits.chain([b'\n', b' ', 0]).filter(|byte| *byte != full[at]) {
            let mut bytes = full.clone();
            bytes[at] = byte;
            fs::write(fixture.segment(0), &bytes).unwrap();
            let report = fixture.verify();
            assert_eq!(report.verdict().exit_code(), 1, "byte {at} to {byte:#x}: {report}");
            assert_eq!(report.fault.as_ref().map(|fault| fault.index), Some(record), "byte {at} to {byte:#x}: {report}");
            checked += 1;
        }
        record += u64::from(full[at] == b'\n');
    }
    assert!(checked > 10_000, "{checked}");
    fs::write(fixture.segment(0), full).unwrap();
    assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
}

#[test]
fn every_changed_byte_of_the_head_is_found() {
    let fixture = Fixture::new();
    finished(&fixture, 2);
    let full = fs::read(fixture.heads_file()).unwrap();
    let last = full.len() / 2;
    for at in 0..full.len() {
        let mut bytes = full.clone();
        bytes[at] ^= 1;
        fs::write(fixture.heads_file(), &bytes).unwrap();
        let report = fixture.verify();
        // A head without an end is one that a crash has torn: the one before is the newest then.
        let torn = at > last && full[at] == b'\n' && report.head == Some(1);
        assert!(torn || report.verdict() == Verdict::Tampered, "byte {at}: {report}");
    }
    fs::remove_file(fixture.heads_file()).unwrap();
    assert_eq!(fault(&fixture).reason, FaultReason::HeadMissing);
}

#[test]
fn a_deleted_a_swapped_an_inserted_and_a_repeated_record_are_named() {
    let fixture = Fixture::new();
    finished(&fixture, 4);
    let lines = fixture.lines();

    let mut deleted = lines.clone();
    deleted.remove(3);
    write_lines(&fixture, &deleted);
    assert_eq!(fault(&fixture), Fault { index: 3, reason: FaultReason::Missing { index: 3, last: 3 } });

    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    write_lines(&fixture, &swapped);
    assert_eq!(fault(&fixture).index, 3);

    for at in 0..lines.len() {
        let mut forged = lines.clone();
        forged.insert(at, lines[at].replace(r#""v":1"#, r#""v":1,"z":"forged""#));
        write_lines(&fixture, &forged);
        assert_eq!(fault(&fixture).index, at as u64, "inserted at {at}");

        let mut repeated = lines.clone();
        repeated.insert(at, lines[at].clone());
        write_lines(&fixture, &repeated);
        assert!(fault(&fixture).index <= at as u64 + 1, "repeated at {at}");
    }

    for end in 0..lines.len() {
        write_lines(&fixture, &lines[..end]);
        assert_eq!(fault(&fixture), Fault { index: end as u64, reason: FaultReason::Cut { size: 11 } });
    }
}

#[test]
fn a_chain_written_anew_fails_at_the_head_and_a_line_in_another_form_at_itself() {
    let fixture = Fixture::new();
    finished(&fixture, 4);
    let lines = fixture.lines();

    let mut edited = lines.clone();
    edited[4] = edited[4].replace("allow", "alloy");
    rechain(&mut edited, 5);
    write_lines(&fixture, &edited);
    assert_eq!(fault(&fixture), Fault { index: 10, reason: FaultReason::HeadDiffers { from: 1, size: 11 } });

    for (from, to) in [
        ("\"v\":1", "\"v\":1 "),
        ("allow", "\\u0061llow"),
        ("{\"effect\":\"allow\",", "{\"effect\":\"allow\",\"effect\":\"deny\","),
        ("\"i\":4", "\"i\":4.0"),
        ("\"v\":1", "\"v\":2"),
        ("gw.example/audit/r1", "gw.example/audit/r2"),
    ] {
        let mut edited = lines.clone();
        edited[4] = edited[4].replace(from, to);
        assert_ne!(edited[4], lines[4], "{from}");
        rechain(&mut edited, 5);
        write_lines(&fixture, &edited);
        let fault = fault(&fixture);
        assert_eq!(fault.index, 4, "{from}: {}", fault.reason);
    }

    let mut older = lines.clone();
    let time = json(&older[3])["t"].as_str().unwrap().to_owned();
    older[3] = older[3].replace(&time, "2020-01-01T00:00:00.000000Z");
    rechain(&mut older, 4);
    write_lines(&fixture, &older);
    assert_eq!(fault(&fixture), Fault { index: 3, reason: FaultReason::Line(Broken::Time) });
}

#[test]
fn missing_swapped_and_foreign_segments_are_named() {
    let build = || {
        let fixture = Fixture::new();
        let options = Options { segment_bytes: 600, ..fixture.options() };
        let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
        for call in 0..12 {
            put(&log, denial(&call.to_string()));
        }
        log.close();
        let mut firsts: Vec<u64> = fs::read_dir(fixture.log_dir().join("seg"))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().parse().unwrap())
            .collect();
        firsts.sort_unstable();
        (fixture, firsts)
    };

    let (fixture, firsts) = build();
    fs::remove_file(fixture.segment(firsts[1])).unwrap();
    assert_eq!(
        fault(&fixture),
        Fault { index: firsts[1], reason: FaultReason::Missing { index: firsts[1], last: firsts[2] - 1 } }
    );

    let (fixture, firsts) = build();
    let size = fixture.verify().head.unwrap();
    fs::remove_file(fixture.segment(*firsts.last().unwrap())).unwrap();
    assert_eq!(fault(&fixture), Fault { index: *firsts.last().unwrap(), reason: FaultReason::Cut { size } });

    let (fixture, firsts) = build();
    fs::remove_file(fixture.segment(0)).unwrap();
    let report = fixture.verify();
    assert_eq!((report.verdict().exit_code(), report.first), (5, firsts[1]), "{report}");

    let (fixture, firsts) = build();
    let aside = fixture.log_dir().join("seg/aside");
    fs::rename(fixture.segment(0), &aside).unwrap();
    fs::rename(fixture.segment(firsts[1]), fixture.segment(0)).unwrap();
    fs::rename(&aside, fixture.segment(firsts[1])).unwrap();
    assert_eq!(fault(&fixture).index, 0);

    let (fixture, firsts) = build();
    fs::copy(fixture.segment(firsts[1]), fixture.segment(firsts[1] + 1)).unwrap();
    // The heads of the segment it overlaps count more than may come before it.
    assert_eq!(fault(&fixture).index, firsts[1]);

    let (fixture, firsts) = build();
    let bytes = fs::read(fixture.segment(firsts[1])).unwrap();
    fs::write(fixture.segment(firsts[1]), &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(fault(&fixture), Fault { index: firsts[2] - 1, reason: FaultReason::Line(Broken::Torn) });
}

#[test]
fn bytes_behind_what_the_head_counts_are_unfinished_not_tampered() {
    let fixture = Fixture::new();
    finished(&fixture, 1);
    let mut bytes = fs::read(fixture.segment(0)).unwrap();
    bytes.extend_from_slice(b"{\"call\":");
    fs::write(fixture.segment(0), &bytes).unwrap();
    let report = fixture.verify();
    assert_eq!((report.verdict().exit_code(), report.unfinished_bytes), (5, 8), "{report}");
}

#[test]
fn silence_and_missing_outcomes_are_declared_gaps() {
    let fixture = Fixture::new();
    finished(&fixture, 1);
    let quiet = |line: &String| {
        let time = json(line)["t"].as_str().unwrap().to_owned();
        line.replace(&time, "2020-01-01T00:00:00.000000Z")
    };
    let mut lines = fixture.lines();
    lines[0] = quiet(&lines[0]);
    lines[1] = quiet(&lines[1]);
    rechain(&mut lines, 1);
    write_lines(&fixture, &lines);
    fs::write(fixture.heads_file(), heads(&fixture, &lines, &[5])).unwrap();
    let report = fixture.verify();
    assert_eq!((report.verdict().exit_code(), report.gaps.listed[0].index), (2, 2), "{report}");

    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    put(&log, start());
    put(&log, decision("c1"));
    assert_eq!(fixture.verify().open_calls, 1);
    put(&log, Draft::new(Kind::Stop));
    log.close();
    let report = fixture.verify();
    assert_eq!((report.verdict().exit_code(), report.gaps.listed[0].index), (2, 2), "{report}");
}

#[test]
fn a_growing_log_is_never_called_tampered() {
    let fixture = Fixture::new();
    let options = Options { segment_bytes: 20_000, ..fixture.options() };
    let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    put(&log, start());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..600).for_each(|call| assert!(log.append(denial(&call.to_string())).wait().is_ok())));
        while !writer.is_finished() {
            let report = fixture.verify();
            assert_eq!(report.fault, None, "{report}");
        }
    });
}

#[test]
fn hostile_directories_are_answered_not_followed() {
    let fixture = Fixture::new();
    assert!(matches!(verify(fixture.dir.path()), Err(VerifyIo::NoLog(_))));
    assert!(matches!(verify(&fixture.dir.path().join("absent")), Err(VerifyIo::Read { .. })));
    fs::create_dir_all(fixture.segment(0)).unwrap();
    assert_eq!(fault(&fixture).reason, FaultReason::NotAFile);
    fs::remove_dir(fixture.segment(0)).unwrap();
    for bytes in [vec![b'x'; 1 << 20], vec![b'\n'; 100], b"{}\n".to_vec(), vec![0xff, b'\n'], vec![b'['; 2 << 20]] {
        fs::write(fixture.segment(0), bytes).unwrap();
        assert_eq!(fault(&fixture).index, 0);
    }
    #[cfg(unix)]
    {
        fs::remove_file(fixture.segment(0)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", fixture.segment(0)).unwrap();
        assert_eq!(fault(&fixture).reason, FaultReason::NotAFile);
    }
}

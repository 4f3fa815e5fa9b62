//! The structured attacks of SECURITY.md 2.9 on a log of several segments, epochs and heads, by their ids.

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::*;
use crate::tlog::{Note, Scheme, Signer};

/// Three runs, so three epochs; segments of some twenty records.
fn log_of_three_runs() -> Fixture {
    let fixture = Fixture::new();
    for run in 0..3 {
        let options = Options { segment_bytes: 8_000, ..fixture.options() };
        let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
        put(&log, start());
        for call in 0..15 {
            put(&log, decision(&format!("r{run}-{call}")));
            put(&log, outcome(&format!("r{run}-{call}")));
        }
        put(&log, Draft::new(Kind::Stop));
        log.close();
    }
    let report = fixture.verify();
    assert!(report.segments > 3 && report.heads > 8 && report.verdict() == Verdict::Unanchored, "{report}");
    fixture
}

fn segments_of(fixture: &Fixture) -> Vec<PathBuf> {
    sorted(&fixture.log_dir().join("seg"))
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn copy_of(fixture: &Fixture) -> Fixture {
    let copy = Fixture::new();
    copy_dir(&fixture.log_dir(), &copy.log_dir());
    copy
}

fn fault(fixture: &Fixture) -> Fault {
    let report = fixture.verify();
    assert_eq!(report.verdict().exit_code(), 1, "{report}");
    report.fault.unwrap()
}

/// Rewrites the lines of one segment.
fn edit(segment: &Path, edit: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = fs::read_to_string(segment).unwrap().lines().map(str::to_owned).collect();
    edit(&mut lines);
    fs::write(segment, lines.join("\n") + "\n").unwrap();
}

/// Makes every record name the one before, as somebody without a key can.
fn rechain(fixture: &Fixture) {
    let mut previous = Hash::ZERO.to_string();
    for segment in segments_of(fixture) {
        edit(&segment, |lines| {
            for line in lines {
                let old = json(line)["prev"].as_str().unwrap().to_owned();
                *line = line.replacen(&old, &previous, 1);
                previous = Hash::leaf(line.as_bytes()).to_string();
            }
        });
    }
}

#[test]
fn aud_001_one_byte_of_a_sealed_segment_is_changed() {
    let fixture = log_of_three_runs();
    let segment = &segments_of(&fixture)[1];
    let first: u64 = segment.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    edit(segment, |lines| {
        lines[5] = lines[5].replacen("r15", "r16", 1).replacen("\"ok\"", "\"no\"", 1);
    });
    let fault = fault(&fixture);
    assert_eq!(
        (fault.index, fault.reason.to_string().contains("does not match the chain")),
        (first + 5, true),
        "{}",
        fault.reason
    );
}

#[test]
fn aud_002_a_record_is_edited_and_the_chain_written_anew() {
    let fixture = log_of_three_runs();
    let good = fixture.verify();
    edit(&segments_of(&fixture)[1], |lines| lines[3] = lines[3].replacen("\"v\":1", "\"v\":1,\"x\":1", 1));
    rechain(&fixture);
    let fault = fault(&fixture);
    let FaultReason::HeadDiffers { from, size } = fault.reason else { panic!("{}", fault.reason) };
    let edited: u64 = segments_of(&fixture)[1].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap() + 3;
    assert!(from <= edited && edited < size && size <= good.head.unwrap(), "{from} <= {edited} < {size}");
}

#[test]
fn aud_004_aud_006_aud_008_records_deleted_swapped_and_inserted_are_named() {
    let fixture = log_of_three_runs();
    for (what, index) in [("delete", 24), ("swap", 24), ("insert", 24)] {
        let copy = copy_of(&fixture);
        let segment = segments_of(&copy)
            .into_iter()
            .rfind(|segment| segment.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap() <= index);
        let segment = segment.unwrap();
        let first: u64 = segment.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let at = usize::try_from(index - first).unwrap();
        edit(&segment, |lines| match what {
            "delete" => drop(lines.remove(at)),
            "swap" => lines.swap(at, at + 1),
            _ => lines.insert(at, lines[at].replacen("\"v\":1", "\"v\":1,\"x\":1", 1)),
        });
        assert_eq!(fault(&copy).index, index, "{what}");
    }
}

#[test]
fn aud_005_aud_007_segments_removed_and_renamed_are_named() {
    let fixture = log_of_three_runs();
    let copy = copy_of(&fixture);
    let segments = segments_of(&copy);
    fs::remove_file(&segments[1]).unwrap();
    assert!(matches!(fault(&copy).reason, FaultReason::Missing { .. }));

    let copy = copy_of(&fixture);
    let segments = segments_of(&copy);
    let aside = copy.log_dir().join("aside");
    fs::rename(&segments[1], &aside).unwrap();
    fs::rename(&segments[2], &segments[1]).unwrap();
    fs::rename(&aside, &segments[2]).unwrap();
    let first: u64 = segments[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(fault(&copy).index, first);

    let copy = copy_of(&fixture);
    fs::remove_file(&segments_of(&copy)[0]).unwrap();
    assert_eq!(copy.verify().verdict().exit_code(), 5, "the beginning is not here");
}

#[test]
fn aud_010_the_last_record_is_cut_after_it_was_signed() {
    let fixture = log_of_three_runs();
    let size = fixture.verify().head.unwrap();
    edit(segments_of(&fixture).last().unwrap(), |lines| drop(lines.pop()));
    assert_eq!(fault(&fixture), Fault { index: size - 1, reason: FaultReason::Cut { size } });
}

#[test]
fn aud_028_ten_thousand_flipped_bits_are_all_found_and_their_records_named() {
    let fixture = log_of_three_runs();
    let segments: Vec<(PathBuf, Vec<u8>)> =
        segments_of(&fixture).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[28; 32]);
    let mut chance = |of: usize| usize::try_from(random.next_u64()).unwrap() % of;
    for trial in 0..10_000 {
        let (path, bytes) = &segments[chance(segments.len())];
        let (at, bit) = (chance(bytes.len()), chance(8));
        let mut changed = bytes.clone();
        changed[at] ^= 1 << bit;
        fs::write(path, &changed).unwrap();
        let first: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let record = first + memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64;
        let report = fixture.verify();
        assert_eq!(report.verdict().exit_code(), 1, "trial {trial}: bit {bit} of byte {at}: {report}");
        assert_eq!(
            report.fault.as_ref().map(|fault| fault.index),
            Some(record),
            "trial {trial}: bit {bit} of byte {at}: {report}"
        );
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
}

#[test]
fn aud_031_a_head_signed_by_another_key_of_the_same_name_is_not_believed() {
    let fixture = log_of_three_runs();
    for file in sorted(&fixture.log_dir().join("checkpoints")) {
        let text = fs::read_to_string(&file).unwrap();
        let other = Signer::generate("gw.example/audit/r1", Scheme::Ed25519).unwrap();
        let mut forged = String::new();
        let mut last = 0;
        for note in text.split_inclusive("\n\n").collect::<Vec<_>>().chunks(2) {
            let head = Checkpoint::parse(note[0].strip_suffix('\n').unwrap()).unwrap();
            let mut resigned = Note::new(head.to_string()).unwrap();
            resigned.sign(&other, 0).unwrap();
            forged = forged + &resigned.to_string() + "\n";
            last = head.size;
        }
        fs::write(&file, forged).unwrap();
        let fault = fault(&fixture);
        assert!(matches!(fault.reason, FaultReason::HeadUnsigned { .. }) && fault.index < last, "{}", fault.reason);
        fs::write(&file, text).unwrap();
    }
}

#[test]
fn aud_036_another_form_of_the_same_record_is_no_record() {
    let fixture = log_of_three_runs();
    for (from, to) in [
        ("{\"effect\":\"allow\",\"rule\":\"r15\"}", "{\"rule\":\"r15\",\"effect\":\"allow\"}"),
        ("allow", "\\u0061llow"),
        ("\"effect\":\"allow\",", "\"effect\":\"allow\",\"effect\":\"allow\","),
    ] {
        let copy = copy_of(&fixture);
        edit(&segments_of(&copy)[0], |lines| {
            assert!(lines[4].contains(from), "{}", lines[4]);
            lines[4] = lines[4].replacen(from, to, 1);
        });
        rechain(&copy);
        assert_eq!(fault(&copy).index, 4, "{to}");
    }
}

/// Heads over the whole log, signed by the key of the last epoch: in another epoch's place they are not believed.
#[test]
fn aud_045_a_head_signed_by_a_key_before_or_after_its_time_is_not_believed() {
    let fixture = log_of_three_runs();
    let lines = fixture.lines();
    let last = sorted(&fixture.log_dir().join("checkpoints")).pop().unwrap();
    let first = fixture.heads_file();
    let early = heads(&fixture, &lines, &[1]);
    let text = fs::read_to_string(&first).unwrap();
    let end = text.match_indices("\n\n").nth(1).unwrap().0 + 2;
    fs::write(&first, early + text.get(end..).unwrap()).unwrap();
    let found = fault(&fixture);
    assert!(matches!(found, Fault { index: 0, reason: FaultReason::HeadUnsigned { size: 1, .. } }), "{}", found.reason);
    fs::write(&first, &text).unwrap();

    // The last hand-over, which is the old key's to sign, signed by the new one.
    let rotation = lines.iter().rposition(|line| json(line)["kind"] == "key.rotate").unwrap();
    let file = sorted(&fixture.log_dir().join("checkpoints"))
        .into_iter()
        .rfind(|file| file.file_stem().unwrap().to_str().unwrap().parse::<usize>().unwrap() <= rotation)
        .unwrap_or(last);
    let text = fs::read_to_string(&file).unwrap();
    let notes: Vec<&str> = text.split_inclusive("\n\n").collect();
    let resigned: String = notes
        .chunks(2)
        .map(|note| {
            let size: usize = note[0].lines().nth(1).unwrap().parse().unwrap();
            if size == rotation + 1 { heads(&fixture, &lines, &[size]) } else { note.concat() }
        })
        .collect();
    assert_ne!(resigned, text);
    fs::write(&file, resigned).unwrap();
    let found = fault(&fixture);
    assert!(matches!(found.reason, FaultReason::HeadUnsigned { .. }) && found.index == rotation as u64, "{}", found.reason);
}

#[test]
fn a_thousand_clean_logs_raise_no_alarm() {
    for number in 0..1_000_usize {
        let fixture = Fixture::new();
        let options = Options {
            segment_bytes: 1_000 + number as u64 * 37 % 9_000,
            second_signature: number % 50 == 0,
            ..fixture.options()
        };
        for run in 0..=number % 3 {
            let (log, _) = open_with(options.clone(), Arc::new(Disk), Arc::new(SystemClock)).unwrap();
            put(&log, start());
            for call in 0..number % 7 {
                put(&log, decision(&format!("{run}-{call}")));
                put(&log, outcome(&format!("{run}-{call}")));
            }
            if number % 5 != 0 {
                put(&log, Draft::new(Kind::Stop));
            }
            log.close();
        }
        let report = fixture.verify();
        assert_eq!(report.verdict(), Verdict::Unanchored, "log {number}: {report}");
    }
}

#[test]
fn records_appended_without_a_key_behind_an_orderly_end_stop_the_start() {
    let fixture = log_of_three_runs();
    let (last, lines) = (segments_of(&fixture).pop().unwrap(), fixture.lines());
    let previous = json(lines.last().unwrap())["prev"].as_str().unwrap().to_owned();
    let forged = lines.last().unwrap().replace("\"kind\":\"stop\"", "\"kind\":\"erasure\"");
    let forged = forged.replace(&previous, &Hash::leaf(lines.last().unwrap().as_bytes()).to_string());
    let forged = forged.replace(&format!("\"i\":{}", lines.len() - 1), &format!("\"i\":{}", lines.len()));
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, [bytes.as_slice(), forged.as_bytes(), b"\n"].concat()).unwrap();
    let refused = fixture.try_open().unwrap_err();
    let expected = lines.len() as u64;
    assert!(matches!(refused, OpenError::Recovery(RecoveryError::Foreign { index }) if index == expected), "{refused}");
    assert_eq!(fixture.verify().uncovered, 1, "verify says that no head covers it");
    fs::write(&last, bytes).unwrap();
    fixture.open();
}

#[test]
fn what_follows_a_stop_under_no_head_is_not_of_this_log_unless_a_run_begins_so() {
    let fixture = Fixture::new();
    finished(&fixture, 1);
    let lines = fixture.lines();
    assert!(lines.last().unwrap().contains("\"kind\":\"stop\""));
    let append = |kinds: &[&str]| {
        let (mut all, mut index) = (lines.clone(), lines.len());
        for kind in kinds {
            let before = json(all.last().unwrap());
            let (prev, t) = (Hash::leaf(all.last().unwrap().as_bytes()), before["t"].as_str().unwrap().to_owned());
            let log = before["log"].as_str().unwrap();
            all.push(format!(
                "{{\"i\":{index},\"kind\":\"{kind}\",\"log\":\"{log}\",\"prev\":\"{prev}\",\"t\":\"{t}\",\"v\":1}}"
            ));
            index += 1;
        }
        fs::write(fixture.segment(0), all.join("\n") + "\n").unwrap();
        fixture.verify()
    };
    let at = |index: usize| Some(Fault { index: (lines.len() + index) as u64, reason: FaultReason::BehindStop });
    assert_eq!(append(&["recovery", "call.outcome", "tick", "clock.step"]).fault, None, "a run that was cut off as it began");
    for kind in ["call.decision", "start", "stop", "erasure", "admin", "made.up"] {
        assert_eq!(append(&[kind]).fault, at(0), "{kind}");
        assert_eq!(append(&["call.outcome", kind, "call.decision"]).fault, at(1), "{kind}");
        // What a start refuses, and for the same reason.
        let refused = open_with(fixture.options(), Arc::new(Disk), Arc::new(SystemClock)).map(drop).unwrap_err();
        assert!(refused.to_string().contains("not"), "{kind}: {refused}");
    }
}

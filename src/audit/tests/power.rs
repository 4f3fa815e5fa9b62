//! Power cuts on a disk that forgets what was not synced, in any order: nothing acknowledged is lost, whatever is left.

use super::sim::{Kept, SimDisk};
use super::*;

const KEPT: [Kept; 4] = [Kept::Nothing, Kept::Everything, Kept::Prefix, Kept::AnySectors];

/// Calls of the workload.
const CALLS: usize = 40;

/// A power cut at operation `at` of a run on `disk`; returns what was acknowledged, as (index, call).
fn run_until_power_fails(fixture: &Fixture, disk: &SimDisk, at: usize, run: usize) -> Vec<(u64, String)> {
    disk.cut_power_at(at);
    let options = Options { segment_bytes: 6_000, ..fixture.options() };
    // Power may fail during the start already.
    let Ok((log, _)) = open_with(options, Arc::new(disk.clone()), Arc::new(SystemClock)) else { return Vec::new() };
    let mut waiting = vec![("start".to_owned(), log.append(start()))];
    let mut acknowledged = Vec::new();
    for call in 0..CALLS {
        let call = format!("r{run}-{call}");
        waiting.push((call.clone(), log.append(decision(&call))));
        if call.ends_with(['3', '5', '8']) {
            waiting.push((call.clone(), log.append(outcome(&call))));
        }
        // Batches of one, and of many.
        if call.ends_with(['1', '5', '6', '7']) {
            acknowledged.extend(waiting.drain(..).filter_map(|(call, receipt)| Some((receipt.wait().ok()?.index, call))));
        }
    }
    acknowledged.extend(waiting.drain(..).filter_map(|(call, receipt)| Some((receipt.wait().ok()?.index, call))));
    log.close();
    acknowledged
}

/// The log on `disk` as a directory that any tool reads.
fn on_real_disk(fixture: &Fixture, disk: &SimDisk) -> Fixture {
    let copy = Fixture::new();
    disk.copy_to(fixture.dir.path(), copy.dir.path());
    copy
}

fn assert_acknowledged(copy: &Fixture, acknowledged: &[(u64, String)], what: &str) {
    let lines = copy.lines();
    for (index, call) in acknowledged {
        let line = lines.get(usize::try_from(*index).unwrap()).unwrap_or_else(|| panic!("{what}: record {index} is lost"));
        let record = json(line);
        assert_eq!(record["i"], *index, "{what}");
        if call != "start" {
            assert_eq!(record["call"], call.as_str(), "{what}");
        }
    }
}

/// How many operations a run without a cut takes.
fn operations() -> usize {
    let fixture = Fixture::new();
    let disk = SimDisk::default();
    run_until_power_fails(&fixture, &disk, usize::MAX, 0);
    disk.operations()
}

/// `YETT_POWER_CUTS` asks for more than the thousand of every test run.
#[expect(clippy::disallowed_methods, reason = "a knob of this test")]
fn cuts() -> usize {
    std::env::var("YETT_POWER_CUTS").map_or(1_000, |cuts| cuts.parse().expect("YETT_POWER_CUTS is a number"))
}

#[test]
#[expect(clippy::print_stderr, reason = "the figures are what docs/operations.md quotes")]
fn aud_018_a_thousand_power_cuts_lose_no_acknowledged_record() {
    let (operations, cuts) = (operations(), cuts());
    let (mut kept_records, mut torn, mut second_cuts) = (0, 0, 0);
    for cut in 0..cuts {
        let kept = KEPT[cut % KEPT.len()];
        let what = format!("cut {cut} at operation {} of {operations}, {kept:?}", cut % operations);
        let fixture = Fixture::new();
        let disk = SimDisk::default();
        let mut acknowledged = run_until_power_fails(&fixture, &disk, cut % operations, 0);
        let mut disk = disk.after_power_cut(kept, cut as u64);
        // The start after the cut may be cut as well, more than once, and must leave no less.
        for again in 0..cut % 3 {
            acknowledged.extend(run_until_power_fails(&fixture, &disk, (cut * 7 + again * 3) % 40, again + 1));
            disk = disk.after_power_cut(KEPT[(cut + again) % KEPT.len()], (cut * 31 + again) as u64);
            second_cuts += 1;
        }
        // What the cut left is never called tampered, before a start has repaired it and after.
        let raw = on_real_disk(&fixture, &disk);
        // Every fifth: verification waits for a writer that may be at work.
        if cut % 5 == 0 && raw.log_dir().join("seg").exists() {
            let before = raw.verify();
            assert_ne!(before.verdict(), Verdict::Tampered, "{what}: {before}");
        }
        let (log, opened) = open_with(fixture.options(), Arc::new(disk.clone()), Arc::new(SystemClock))
            .unwrap_or_else(|error| panic!("{what}: the log cannot be continued: {error:?}"));
        torn += usize::from(opened.quarantined_bytes > 0);
        put(&log, start());
        put(&log, Draft::new(Kind::Stop));
        log.close();
        let copy = on_real_disk(&fixture, &disk);
        assert_acknowledged(&copy, &acknowledged, &what);
        kept_records += acknowledged.len();
        let report = copy.verify();
        let expected = if copy.lines().iter().any(|line| json(line)["recovery"]["bytes"].as_u64() > Some(0)) {
            Verdict::Gaps
        } else {
            Verdict::Unanchored
        };
        assert_eq!((report.verdict(), report.open_calls), (expected, 0), "{what}: {report}");
    }
    eprintln!(
        "{cuts} power cuts and {second_cuts} during the starts after them: {kept_records} acknowledged records, 0 lost; \
         {torn} torn batches moved to quarantine"
    );
    assert!(kept_records > cuts && torn > cuts / 20, "the cuts hit nothing: {kept_records} records, {torn} torn");
}

#[test]
fn aud_018_every_byte_of_the_last_batch_can_be_the_last() {
    let fixture = Fixture::new();
    finished(&fixture, 3);
    let full = fs::read(fixture.segment(0)).unwrap();
    let acknowledged = 4;
    let counted: usize = fixture.lines()[..acknowledged].iter().map(|line| line.len() + 1).sum();
    let head = heads(&fixture, &fixture.lines(), &[acknowledged]);
    let key_file = fixture.log_dir().join("keys/000000.key");
    let key = fs::read(&key_file).unwrap();
    for length in counted..full.len() {
        // Room was made before the batch: what was not written is zeros.
        let mut bytes = full[..length].to_vec();
        bytes.resize(full.len() + 5_000, 0);
        let (segment, head_file) = (fixture.segment(0), fixture.heads_file());
        let disk = SimDisk::holding([(segment, bytes), (head_file, head.clone().into_bytes()), (key_file.clone(), key.clone())]);
        let torn = length - full[..length].iter().rposition(|byte| *byte == b'\n').unwrap() - 1;
        // Verification waits for a writer that may be at work, so not at every byte.
        if length % 16 == 0 {
            let before = on_real_disk(&fixture, &disk).verify();
            assert_eq!(before.unfinished_bytes, torn as u64, "cut at {length}: {before}");
        }

        let (log, opened) = open_with(fixture.options(), Arc::new(disk.clone()), Arc::new(SystemClock)).unwrap();
        assert_eq!(opened.quarantined_bytes, torn as u64, "cut at {length}");
        put(&log, Draft::new(Kind::Stop));
        log.close();
        let copy = on_real_disk(&fixture, &disk);
        assert_eq!(copy.lines()[..acknowledged], fixture.lines()[..acknowledged]);
        assert_eq!(copy.verify().verdict(), if torn > 0 { Verdict::Gaps } else { Verdict::Unanchored }, "cut at {length}");
        assert!(!fs::read(copy.segment(0)).unwrap().contains(&0), "a closed log is plain lines");
    }
}

#[test]
fn zeros_where_the_head_counts_a_record_are_no_crash() {
    let fixture = Fixture::new();
    finished(&fixture, 2);
    let full = fs::read(fixture.segment(0)).unwrap();
    let lines = fixture.lines();
    let third: usize = lines[..2].iter().map(|line| line.len() + 1).sum();
    for (from, to) in [(third, full.len()), (third + 9, third + 10), (0, full.len()), (full.len() - 1, full.len())] {
        let copy = Fixture::new();
        copy_dir(&fixture.log_dir(), &copy.log_dir());
        let mut bytes = full.clone();
        bytes[from..to].fill(0);
        fs::write(copy.segment(0), &bytes).unwrap();
        assert_eq!(copy.verify().verdict(), Verdict::Tampered, "zeros from {from} to {to}");
        let refused = copy.try_open().unwrap_err();
        assert!(matches!(refused, OpenError::Recovery(_)), "zeros from {from} to {to}: {refused}");
        assert_eq!(fs::read(copy.segment(0)).unwrap(), bytes, "evidence is left alone");
    }
}

#[test]
fn a_zero_behind_an_old_head_does_not_hide_the_records_of_several_batches() {
    let fixture = Fixture::new();
    finished(&fixture, 3);
    let full = fs::read(fixture.segment(0)).unwrap();
    let second: usize = fixture.lines()[..1].iter().map(|line| line.len() + 1).sum();
    let mut bytes = full;
    fs::write(fixture.heads_file(), heads(&fixture, &fixture.lines(), &[1])).unwrap();
    bytes[second + 20] = 0;
    fs::write(fixture.segment(0), &bytes).unwrap();
    assert_eq!(fixture.verify().verdict(), Verdict::Tampered, "records that were acknowledged one by one");
    assert!(matches!(fixture.try_open().unwrap_err(), OpenError::Recovery(RecoveryError::Broken { index: 1, .. })));
    assert_eq!(fs::read(fixture.segment(0)).unwrap(), bytes, "evidence is left alone");
}

#[test]
fn a_sealed_segment_has_no_room_behind_its_lines() {
    let fixture = Fixture::new();
    let options = Options { segment_bytes: 600, ..fixture.options() };
    let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    for call in 0..10 {
        put(&log, denial(&call.to_string()));
    }
    let grows = fs::read_dir(fixture.log_dir().join("seg")).unwrap().filter(|entry| {
        let bytes = fs::read(entry.as_ref().unwrap().path()).unwrap();
        bytes.contains(&0)
    });
    assert_eq!(grows.count(), 1, "only the last one has room");
    log.close();
    let mut bytes = fs::read(fixture.segment(0)).unwrap();
    bytes.extend([0; 100]);
    fs::write(fixture.segment(0), bytes).unwrap();
    assert_eq!(fixture.verify().verdict(), Verdict::Tampered);
}

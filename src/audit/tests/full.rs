//! A full volume: calls that have begun are recorded, no other begins, and nothing is left half-written.

use super::disk::{Faults, FaultyDisk};
use super::*;

const MIB: u64 = 1024 * 1024;

fn until(log: &Log, wanted: Condition) {
    eventually(|| *log.condition().borrow() == wanted);
}

#[test]
fn a_segment_that_is_sealed_on_a_full_volume_has_no_room_behind_its_lines() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let options = Options { segment_bytes: 20_000, room: 64 * 1024, ..fixture.options() };
    let (log, _) = open_with(options.clone(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    put(&log, start());
    // Room is made in part only, again and again, and files can still be created.
    disk.fill(40_000);
    for call in 0..60 {
        put(&log, denial(&format!("{call}{}", "x".repeat(700))));
    }
    put(&log, Draft::new(Kind::Stop));
    log.close();
    let report = fixture.verify();
    assert_eq!(report.verdict(), Verdict::Unanchored, "{report}");
    assert!(report.segments > 2, "{report}");
    let (log, opened) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    assert!(!opened.unclean);
    log.close();
}

/// Fills the room that was made already.
fn use_up_the_room(log: &Log) -> usize {
    let line = "x".repeat(1_000);
    let mut records = 0;
    while *log.condition().borrow() == Condition::Writing {
        let mut draft = denial(&format!("f{records}"));
        draft.object("what", |what| {
            for key in ["a", "b", "c"] {
                what.text(key, &line);
            }
        });
        put(log, draft);
        records += 1;
    }
    records
}

#[test]
fn aud_021_calls_in_flight_are_recorded_in_the_reserve_and_no_other_begins_until_there_is_room() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    put(&log, start());
    let slot = log.try_reserve().unwrap();
    put(&log, decision("c1"));

    disk.fill(4 * MIB);
    let refused = use_up_the_room(&log);
    assert_eq!(*log.condition().borrow(), Condition::Full);
    assert_eq!(log.try_reserve().unwrap_err(), Full, "no call begins on a full volume");
    assert!(disk.journal().iter().any(|step| step == "release reserve"));
    put(&log, outcome("c1"));
    drop(slot);
    assert_eq!(log.try_reserve().unwrap_err(), Full);

    disk.clear();
    until(&log, Condition::Writing);
    let slot = log.try_reserve().expect("there is room again");
    put(&log, decision("c2"));
    put(&log, outcome("c2"));
    drop(slot);
    put(&log, Draft::new(Kind::Stop));
    log.close();
    let report = fixture.verify();
    assert_eq!((report.verdict(), report.open_calls), (Verdict::Unanchored, 0), "{report}");
    assert_eq!(report.records, 7 + u64::try_from(refused).unwrap());
}

#[test]
fn a_batch_that_finds_no_space_half_way_is_written_again_out_of_the_reserve() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults { full_write: Some(2), ..Faults::default() });
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    put(&log, start());
    assert!(disk.occupied() > 0);
    assert_eq!(put(&log, decision("c1")), 2, "a record of which half is on the disk is lost");
    assert_eq!(disk.occupied(), 0, "the reserve is still held");
    assert_eq!(disk.writes(), 3, "written by halves once, and once as a whole");
    assert_eq!(put(&log, outcome("c1")), 3);
    put(&log, Draft::new(Kind::Stop));
    log.close();
    assert_eq!(fixture.kinds(), ["key.rotate", "start", "call.decision", "call.outcome", "stop"]);
    assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
}

#[test]
fn bytes_of_a_torn_batch_are_moved_on_a_full_volume_too() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    put(&log, start());
    log.close();
    let torn = "{\"call\":\"c1\",\"dec\":{\"eff";
    let mut segment = fs::OpenOptions::new().append(true).open(fixture.segment(0)).unwrap();
    std::io::Write::write_all(&mut segment, torn.as_bytes()).unwrap();

    disk.fill(4 * MIB);
    let (log, opened) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    assert_eq!(opened.quarantined_bytes, torn.len() as u64);
    until(&log, Condition::Full);
    put(&log, Draft::new(Kind::Stop));
    log.close();
    assert_eq!(fixture.kinds(), ["key.rotate", "start", "recovery", "key.rotate", "stop"]);
    let recovery = json(&fixture.lines()[2]);
    let moved = fixture.log_dir().join("quarantine").join(recovery["recovery"]["file"].as_str().unwrap());
    assert_eq!(fs::read_to_string(moved).unwrap(), torn, "the bytes are not where the record says");
}

#[test]
fn a_reserve_that_is_used_up_fails_the_log_at_a_whole_line() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    put(&log, start());
    disk.fill(0);
    let line = "x".repeat(1_000);
    let mut acknowledged = 1;
    let failure = loop {
        let mut draft = denial(&format!("f{acknowledged}"));
        draft.object("what", |what| {
            for key in ["a", "b", "c"] {
                what.text(key, &line);
            }
        });
        match log.append(draft).wait() {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(failure, AppendError::Failed);
    assert_eq!(log.failure().unwrap().source.kind(), std::io::ErrorKind::StorageFull);
    log.close();
    assert_eq!(fixture.lines().len(), 1 + acknowledged, "the line that did not fit was not begun");

    let (log, opened) = fixture.open();
    assert_eq!((opened.quarantined_bytes, opened.unclean), (0, true));
    log.close();
    assert_eq!(fixture.verify().fault, None);
}

#[test]
fn heads_wait_for_room_and_records_do_not_wait_for_them() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    let size = || log.heads().borrow().as_ref().map(|head| head.head.size);
    disk.fill(0);
    put(&log, start());
    std::thread::sleep(Duration::from_millis(1_200));
    put(&log, denial("a"));
    assert_eq!(size(), Some(1), "there was no room for a head");
    assert_eq!(fixture.verify().uncovered, 2);
    disk.clear();
    eventually(|| size() == Some(3));
    log.close();
    assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
}

#[test]
fn without_a_reserve_nothing_begins_but_the_log_says_so() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    disk.fill(8 * MIB);
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    until(&log, Condition::Full);
    assert_eq!(log.try_reserve().unwrap_err(), Full);
    disk.clear();
    until(&log, Condition::Writing);
    assert!(log.try_reserve().is_ok());
}

#[test]
fn the_reserve_is_an_eighth_of_a_small_volume() {
    use super::super::layout::Layout;
    use super::super::reserve::Reserve;
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let layout = Layout::new(&fixture.options().dir, "gw.example", "r1").unwrap();
    // The disk of the tests has 1 GiB.
    for (asked, given) in [(64 * MIB, 64 * MIB), (128 * MIB, 128 * MIB), (512 * MIB, 128 * MIB)] {
        let reserve = Reserve::take(Arc::clone(&disk) as _, &layout, asked, 0);
        assert!(reserve.is_held());
        assert_eq!(disk.occupied(), given);
    }
}

#[test]
fn a_disk_that_becomes_slow_takes_two_batches_at_most_and_loses_nothing() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    assert!(!log.load().slow);
    disk.slow_down(Duration::from_millis(260));
    put(&log, start());
    put(&log, denial("a"));
    assert!(log.load().slow);
    let slots: Vec<_> = std::iter::from_fn(|| log.try_reserve().ok()).take(1_000).collect();
    assert_eq!(slots.len(), 1_000, "calls that are with their servers do not wait for the disk");
    disk.pause();
    let waiting: Vec<_> = (0..511).map(|call| log.append(denial(&call.to_string()))).collect();
    assert_eq!(log.try_reserve().unwrap_err(), Full, "two batches wait already");
    disk.resume();
    assert!(waiting.into_iter().all(|receipt| receipt.wait().is_ok()));
    drop(slots);
    disk.slow_down(Duration::ZERO);
    for call in 0..100 {
        put(&log, denial(&call.to_string()));
    }
    assert!(!log.load().slow);
    assert!(log.try_reserve().is_ok());
}

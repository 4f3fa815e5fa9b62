//! A disk or a writer that fails: what was acknowledged stays, and nothing else is.

use super::disk::{Faults, FaultyDisk};
use super::*;

#[test]
fn what_is_acknowledged_survives_a_power_cut() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    let in_audit = |step: &String| !step.starts_with("sync_dir .tmp");
    assert_eq!(
        disk.journal().into_iter().filter(in_audit).collect::<Vec<_>>(),
        [
            "sync_dir audit",
            "sync_dir gw.example",
            "sync_dir r1",
            "create 0000000000000.jsonl",
            "sync_dir seg",
            "destroy 000000.key",
            "create 000000.key",
            "write 000000.key",
            "sync 000000.key",
            "sync_dir keys",
            "take reserve",
            "append 0000000000000.jsonl",
            "sync 0000000000000.jsonl",
            "sync_dir checkpoints",
            "write 0000000000000.notes",
            "sync 0000000000000.notes",
            "publish checkpoint"
        ]
    );
    for call in 0..20 {
        let index = put(&log, denial(&call.to_string()));
        let end: usize = fixture.lines()[..=usize::try_from(index).unwrap()].iter().map(|line| line.len() + 1).sum();
        assert!(disk.synced() >= end as u64);
    }
    log.close();
    assert_eq!(
        disk.journal()[disk.journal().len() - 3..],
        ["sync 0000000000000.notes", "publish checkpoint", "cut 0000000000000.jsonl"]
    );
}

#[test]
fn room_is_refused_when_the_disk_is_behind_and_given_again_later() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let options = Options { queue: 8, ..fixture.options() };
    let (log, _) = open_with(options, Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    disk.pause();
    let slots: Vec<_> = (0..2).map(|_| log.try_reserve().unwrap()).collect();
    let receipts: Vec<_> = (0..4).map(|call| log.append(denial(&call.to_string()))).collect();
    assert_eq!(log.try_reserve().unwrap_err(), Full);
    drop(slots);
    // The slots are back, the records are not written yet.
    assert_eq!(log.load().queued, 4);
    let slots: Vec<_> = (0..2).map(|_| log.try_reserve().unwrap()).collect();
    assert_eq!(log.try_reserve().unwrap_err(), Full);
    disk.resume();
    assert!(receipts.into_iter().all(|receipt| receipt.wait().is_ok()));
    assert_eq!(log.load().queued, 0);
    assert!(log.try_reserve().is_ok());
    drop(slots);
    assert_eq!(log.load().slots, 0);
}

#[test]
fn after_one_failed_sync_nothing_is_acknowledged_and_nothing_is_synced_again() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults { sync: Some(2), ..Faults::default() });
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    put(&log, start());
    let condition = log.condition();
    assert_eq!(*condition.borrow(), Condition::Writing);
    let batch = log.append(decision("c1"));
    assert_eq!(batch.wait(), Err(AppendError::Failed));
    assert_eq!(*condition.borrow(), Condition::Failed, "whoever sees a failed receipt finds the log failed");
    assert_eq!(log.append(outcome("c1")).wait(), Err(AppendError::Failed));
    assert_eq!(log.try_reserve().unwrap_err(), Full);
    let failure = log.failure().unwrap();
    assert_eq!((failure.action, failure.source.raw_os_error()), ("sync", Some(5)));
    log.close();
    assert_eq!(disk.syncs(), 2);

    // The line was written but not acknowledged; the next start takes it in, writes it again and ends the call.
    let disk = FaultyDisk::new(Faults::default());
    let (log, opened) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    assert_eq!(opened.unfinished, [Unfinished { call: "c1".to_owned(), index: 2 }]);
    let length: usize = fixture.lines()[1..3].iter().map(|line| line.len() + 1).sum();
    let offset = fixture.lines()[0].len() + 1;
    assert!(disk.journal().contains(&format!("replace_tail {offset}+{length}")), "{:?}", disk.journal());
    log.close();
    assert_eq!(fixture.verify().fault, None);
}

#[test]
fn a_short_write_fails_its_batch_and_is_moved_by_the_next_start() {
    for kept in [0, 1, 100, 250] {
        let fixture = Fixture::new();
        let disk = FaultyDisk::new(Faults { short_write: Some((2, kept)), ..Faults::default() });
        let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
        put(&log, start());
        assert_eq!(log.append(decision("c1")).wait(), Err(AppendError::Failed));
        assert_eq!(disk.syncs(), 1, "a batch that was not written is not synced");
        drop(log);

        let (log, opened) = fixture.open();
        assert_eq!(opened.quarantined_bytes, kept as u64);
        assert_eq!(opened.unfinished, []);
        log.close();
        assert_eq!(fixture.kinds(), ["key.rotate", "start", "recovery", "key.rotate"]);
        assert_eq!(fixture.verify().verdict(), if kept > 0 { Verdict::Gaps } else { Verdict::Unanchored });
    }
}

#[test]
fn a_panic_of_the_writer_fails_all_callers() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults { panic: Some(1), ..Faults::default() });
    let (log, _) = open_with(fixture.options(), disk, Arc::new(SystemClock)).unwrap();
    assert_eq!(log.append(start()).wait(), Err(AppendError::Failed));
    assert_eq!(*log.condition().borrow(), Condition::Failed);
    assert_eq!(log.append(start()).wait(), Err(AppendError::Failed));
}

//! Appending: order, durability, bounds, failure.

use super::disk::{Faults, FaultyDisk};
use super::*;

#[test]
fn records_are_numbered_chained_and_verified() {
    let fixture = Fixture::new();
    let (log, opened) = fixture.open();
    assert_eq!(opened, Opened { next_index: 1, ..Opened::default() });
    assert_eq!(log.name(), "gw.example/audit/r1");
    assert_eq!(put(&log, start()), 1);
    assert_eq!(put(&log, decision("c1")), 2);
    assert_eq!(put(&log, outcome("c1")), 3);
    assert_eq!(put(&log, Draft::new(Kind::Stop)), 4);
    log.close();

    let lines = fixture.lines();
    let mut prev = "0".repeat(64);
    for (index, line) in lines.iter().enumerate() {
        let record = json(line);
        assert_eq!(record["i"], index);
        assert_eq!(record["prev"], prev.as_str());
        assert_eq!(record["log"], "gw.example/audit/r1");
        assert_eq!(record["v"], 1);
        prev = Hash::leaf(line.as_bytes()).to_string();
    }
    let mut tree = Frontier::new();
    for line in &lines {
        tree.push(Hash::leaf(line.as_bytes()));
    }
    let head = fs::read_to_string(fixture.log_dir().join("checkpoint")).unwrap();
    let said = format!("gw.example/audit/r1\n5\n{}\n\n\u{2014} gw.example/audit/r1 ", tree.root().base64());
    assert!(head.starts_with(&said), "{head}");
    assert!(fs::read_to_string(fixture.heads_file()).unwrap().ends_with(&format!("{head}\n")));
    let report = fixture.verify();
    assert_eq!((report.verdict(), report.records, report.open_calls), (Verdict::Unanchored, 5, 0), "{report}");
    assert_eq!((report.head, report.uncovered, report.root), (Some(5), 0, Some(tree.root().base64())));
    assert_eq!(report.modes[0].mode, "strict");
}

#[test]
fn an_unhurried_record_keeps_its_place_and_goes_with_the_next() {
    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    put(&log, start());
    log.append_unhurried(decision("c1"));
    assert_eq!(put(&log, outcome("c1")), 3, "the decision stands before its outcome");
    log.append_unhurried(decision("c2"));
    let written = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        fixture.lines().len() == 5
    });
    assert!(written, "an unhurried record nobody followed was not written");
    log.append_unhurried(Draft::new(Kind::Stop));
    log.close();
    assert_eq!(fixture.lines().len(), 6, "closing writes what is queued");
}

#[test]
fn the_open_calls_that_a_segment_begins_with_fit_into_its_first_batch_and_none_is_cut() {
    const OPEN: usize = 4_096;
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let options = Options { segment_bytes: 1_000_000, ..fixture.options() };
    let (log, _) = open_with(options.clone(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    put(&log, start());
    // Ids as long as ours.
    let calls: Vec<_> = (0..OPEN).map(|number| format!("0199a3c4-7d2e-7aaa-8bbb-{number:012}")).collect();
    for call in &calls {
        drop(log.append(decision(call)));
    }
    put(&log, denial("last"));
    let full = || {
        let mut draft = denial("full");
        draft.object("what", |what| {
            for key in ["a", "b", "c", "d"] {
                what.text(key, &"x".repeat(3_000));
            }
        });
        draft
    };
    // Whole batches wait for the segment to begin.
    disk.pause();
    let waiting: Vec<_> = (0..600).map(|_| log.append(full())).collect();
    disk.resume();
    assert!(waiting.into_iter().all(|receipt| receipt.wait().is_ok()));
    log.close();

    let lines = fixture.lines();
    let mut batches: Vec<(String, usize)> = Vec::new();
    let mut carried = std::collections::HashMap::<String, usize>::new();
    for line in &lines {
        let record = json(line);
        let time = record["t"].as_str().unwrap();
        match batches.last_mut() {
            Some((last, bytes)) if last == time => *bytes += line.len() + 1,
            _ => batches.push((time.to_owned(), line.len() + 1)),
        }
        assert!(record["kind"] != "tick" || record.get("cut").is_none(), "{line}");
        for call in record["carry"].as_array().into_iter().flatten() {
            *carried.entry(call["call"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(calls.iter().all(|call| carried.contains_key(call)), "a call is missing: {} of {OPEN}", carried.len());
    let largest = batches.iter().map(|(_, bytes)| *bytes).max().unwrap();
    assert!(largest > 900_000, "no batch is full: {largest}");
    assert!(largest <= 1_048_576 + 16_384, "a batch of {largest} bytes, torn, would be no torn batch to the next start");
    let (log, opened) = fixture.open();
    assert_eq!(opened.unfinished.len(), OPEN);
    log.close();
}

#[test]
fn nothing_stands_behind_the_last_record_however_many_append() {
    let fixture = Fixture::new();
    for round in 1..=20 {
        let (log, _) = fixture.open();
        put(&log, start());
        std::thread::scope(|scope| {
            let appending: Vec<_> = (0..4)
                .map(|_| {
                    let log = log.clone();
                    scope.spawn(move || {
                        let mut appended = 0;
                        while log.append(denial("c1")).wait().is_ok() {
                            appended += 1;
                        }
                        appended
                    })
                })
                .collect();
            let before = fixture.lines().len();
            eventually(|| fixture.lines().len() > before + 10);
            log.append_last(Draft::new(Kind::Stop)).wait().unwrap();
            assert_eq!(log.append(denial("c2")).wait(), Err(AppendError::Closed));
            assert!(appending.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>() > 0);
        });
        log.close();
        assert_eq!(fixture.kinds().last().map(String::as_str), Some("stop"), "round {round}");
    }
    assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
}

#[test]
fn many_threads_lose_nothing_and_keep_their_order() {
    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = log.clone();
            scope.spawn(move || {
                for call in 0..50 {
                    let _slot = log.try_reserve().unwrap();
                    let call = format!("t{thread}-{call}");
                    let decided = log.append(decision(&call));
                    let ended = log.append(outcome(&call));
                    assert!(decided.wait().unwrap().index < ended.wait().unwrap().index);
                }
            });
        }
    });
    put(&log, Draft::new(Kind::Stop));
    log.close();
    let report = fixture.verify();
    assert_eq!((report.records, report.open_calls, report.warnings.total), (802, 0, 0), "{report}");
    assert_eq!(report.verdict(), Verdict::Unanchored);
}

#[test]
fn one_sync_covers_all_that_was_queued_during_the_last_one() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let (log, _) = open_with(fixture.options(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    disk.pause();
    let first = log.append(start());
    eventually(|| disk.syncs() == 1);
    let rest: Vec<_> = (0..300).map(|call| log.append(denial(&call.to_string()))).collect();
    disk.resume();
    assert_eq!(first.wait().unwrap().index, 1);
    for (at, receipt) in rest.into_iter().enumerate() {
        assert_eq!(receipt.wait().unwrap().index, at as u64 + 2);
    }
    // 300 records are one batch of 256 and one of 44.
    assert_eq!((disk.syncs(), disk.writes()), (3, 3));
}

#[tokio::test]
async fn a_receipt_can_be_awaited_and_a_dropped_one_loses_nothing() {
    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    drop(log.append(start()));
    assert_eq!(log.append(Draft::new(Kind::Stop)).durable().await, Ok(Position { index: 2 }));
    assert_eq!(*log.condition().borrow(), Condition::Writing);
    log.close();
    assert_eq!(log.append(start()).durable().await, Err(AppendError::Closed));
    assert_eq!(log.try_reserve().unwrap_err(), Full);
    assert_eq!(fixture.kinds(), ["key.rotate", "start", "stop"]);
}

#[test]
fn an_idle_log_ticks() {
    let fixture = Fixture::new();
    let options = Options { tick: Duration::from_millis(20), ..fixture.options() };
    let (log, _) = open_with(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    put(&log, decision("c1"));
    eventually(|| fixture.kinds().iter().filter(|kind| *kind == "tick").count() >= 2);
    log.close();
    let line = fixture.lines().into_iter().find(|line| line.contains("\"tick\"")).unwrap();
    assert_eq!(json(&line)["n"], serde_json::json!({"open": 1, "queued": 0, "slots": 0}));
    assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
}

#[test]
fn aud_064_segments_are_sealed_by_size_and_age_and_a_new_one_is_durable_before_it_is_used() {
    let fixture = Fixture::new();
    let disk = FaultyDisk::new(Faults::default());
    let options = Options { segment_bytes: 1_000, ..fixture.options() };
    let (log, _) = open_with(options.clone(), Arc::clone(&disk) as _, Arc::new(SystemClock)).unwrap();
    for call in 0..12 {
        put(&log, denial(&call.to_string()));
    }
    log.close();
    let report = fixture.verify();
    assert!(report.segments >= 3 && report.verdict() == Verdict::Unanchored, "{report}");
    let journal = disk.journal();
    for (at, step) in journal
        .iter()
        .enumerate()
        .filter(|(_, step)| step.starts_with("create") && step.contains(".jsonl") && !step.contains("0.jsonl"))
    {
        let name = step.strip_prefix("create ").unwrap();
        assert!(journal[at - 1].starts_with("cut "), "the room of the old one is given back first");
        assert_eq!(journal[at - 2], "publish checkpoint", "what is sealed is under a head");
        assert_eq!(journal[at + 1..at + 4], ["sync_dir seg", &format!("append {name}"), &format!("sync {name}")]);
    }

    let fixture = Fixture::new();
    let clock = FakeClock::at("2026-11-21T03:00:00Z");
    let options = Options { segment_age: Duration::from_mins(1), ..fixture.options() };
    let (log, _) = open_with(options, Arc::new(Disk), Arc::clone(&clock) as _).unwrap();
    put(&log, start());
    clock.advance(59);
    put(&log, denial("a"));
    clock.advance(1);
    put(&log, denial("b"));
    log.close();
    // Records: key.rotate, start, clock.step, a, tick, b.
    assert!(fixture.segment(4).exists());
    assert_eq!(fixture.kinds()[4..], ["tick", "call.decision"]);
    assert_eq!(fixture.verify().segments, 2);
}

#[test]
fn aud_026_time_never_runs_back_except_at_a_record_that_says_so() {
    let fixture = Fixture::new();
    let clock = FakeClock::at("2026-11-21T03:00:00.5Z");
    let (log, _) = open_with(fixture.options(), Arc::new(Disk), Arc::clone(&clock) as _).unwrap();
    put(&log, start());
    clock.advance(-3_600);
    put(&log, denial("a"));
    clock.advance(10 * 365 * 86_400);
    put(&log, denial("b"));
    clock.advance(-10 * 365 * 86_400);
    put(&log, denial("c"));
    log.close();
    assert_eq!(
        fixture.kinds(),
        [
            "key.rotate",
            "start",
            "clock.step",
            "call.decision",
            "clock.step",
            "tick",
            "call.decision",
            "clock.step",
            "tick",
            "call.decision"
        ]
    );
    let lines = fixture.lines();
    assert_eq!(json(&lines[2])["t"], "2026-11-21T02:00:00.500000Z");
    assert_eq!(json(&lines[8])["t"], "2026-11-21T02:00:00.500000Z");
    let report = fixture.verify();
    assert_eq!((report.verdict(), report.warnings.total), (Verdict::Unanchored, 3), "{report}");

    // A small step back is swallowed.
    let moved = *clock.0.lock();
    *clock.0.lock() = Timestamp::from_microsecond(moved.as_microsecond() - 500_000).unwrap();
    let (log, _) = open_with(fixture.options(), Arc::new(Disk), clock).unwrap();
    put(&log, start());
    log.close();
    assert_eq!(json(fixture.lines().last().unwrap())["t"], "2026-11-21T02:00:00.500000Z");
    assert_eq!(fixture.verify().fault, None);
}

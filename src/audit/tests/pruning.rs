//! Pruned logs: what is still proven of them, what is missed, and what no crash may do to them.

use std::collections::HashSet;

use super::super::layout::segment_index;
use super::compression::{KEPT, compress, old_log, on_real_disk, on_sim, segments_of, shown};
use super::*;
use crate::tlog::{VerifierKey, verify_inclusion};

fn question(held: &HashSet<String>) -> Question<'_> {
    Question { from: None, before: "2020-01-01T00:00:00Z".parse().unwrap(), held, limit: 100 }
}

fn plan_of(log: &Path) -> Plan {
    plan(log, &question(&HashSet::new())).unwrap()
}

/// A run of today that records what is to be removed; gives the plan, and the index of the record.
fn authorised(fixture: &Fixture, held: &HashSet<String>) -> (Plan, u64) {
    record(fixture, plan(&fixture.log_dir(), &question(held)).unwrap())
}

fn record(fixture: &Fixture, plan: Plan) -> (Plan, u64) {
    let log = fixture.log_dir();
    let (opened, _) = fixture.open();
    put(&opened, start());
    let draft = plan.removal.as_ref().unwrap().draft(PruneReason::Policy, "retention");
    let index = put(&opened, draft);
    put(&opened, Draft::new(Kind::Stop));
    opened.close();
    catch_up(&log).unwrap();
    settle(&log, &plan).unwrap();
    (plan, index)
}

/// A log of which everything old was removed that can be, and the lines it had.
fn pruned(compressed: bool) -> (Fixture, Vec<String>, Plan, u64) {
    let fixture = Fixture::new();
    old_log(&fixture, 4, 150);
    if compressed {
        compress(Arc::new(Disk), &fixture.log_dir()).unwrap();
    }
    let (plan, index) = authorised(&fixture, &HashSet::new());
    let lines = shown(&fixture.log_dir());
    carry_out(&Disk, &fixture.log_dir(), &plan, index).unwrap();
    (fixture, lines, plan, index)
}

#[test]
fn of_a_pruned_log_everything_that_is_left_is_proven_and_the_rest_is_named() {
    for compressed in [false, true] {
        let (fixture, lines, plan, index) = pruned(compressed);
        let log = fixture.log_dir();
        let removal = plan.removal.unwrap();
        assert!(removal.to > 600 && removal.from == 0, "{removal:?}");
        let report = fixture.verify();
        assert_eq!((report.verdict(), report.first, report.pruned), (Verdict::Gaps, removal.to, removal.to), "{report}");
        assert_eq!(report.gaps.listed[0].index, index);
        assert_eq!(report.gaps.listed[0].meaning, format!("records 0 to {} were pruned, as this record says", removal.to - 1));
        assert!(report.heads > report.segments && report.unchecked_heads == 0, "heads of what is gone are checked: {report}");
        assert_eq!(shown(&log), lines[usize::try_from(removal.to).unwrap()..]);

        let mut prover = Prover::newest(&log).unwrap();
        let (size, root) = (prover.head().size, prover.head().root);
        let key: VerifierKey = report.key.unwrap().parse().unwrap();
        let epochs = epochs(&log, size).unwrap();
        for (at, line) in lines.iter().enumerate().step_by(11) {
            let proof = prover.inclusion(at as u64).unwrap();
            assert_eq!(verify_inclusion(&proof.hashes, at as u64, Hash::leaf(line.as_bytes()), size, root), Ok(()));
            assert_eq!(
                check_receipt(line.as_bytes(), &proof, &Trust::Key(VerifierKey::clone(&key)), Some(epochs.as_bytes()))
                    .unwrap()
                    .size,
                size
            );
        }
        assert!(matches!(prover.record(1), Err(ProveError::Pruned(1))), "{:?}", prover.record(1));
        assert_eq!(prover.record(0).unwrap(), lines[0].as_bytes(), "the announcement of the first keys is kept");
        prover.consistency(300).unwrap();

        let mut orders = records_from(&log, 0, &[Kind::Erasure]).unwrap();
        let found: Vec<_> = std::iter::from_fn(|| orders.next_record().unwrap()).map(|found| found.line).collect();
        let expected: Vec<_> = lines.iter().filter(|line| line.contains("\"kind\":\"erasure\"")).cloned().collect();
        assert!(found == expected && found.len() > 10, "orders to erase outlive what they stood in");

        let bundled = Fixture::new();
        bundle(&log, removal.to + 5, removal.to + 50, &bundled.log_dir()).unwrap();
        assert_eq!(bundled.verify().verdict(), Verdict::Incomplete);
        assert!(bundle(&log, 5, removal.to + 50, &bundled.dir.path().join("other")).is_err());
        assert_eq!(repair(&log).unwrap(), 0);
        fs::remove_file(log.join("tile/1/000")).ok();
        repair(&log).unwrap();

        let (opened, found) = fixture.open();
        assert!(!found.unclean);
        opened.close();
        // What is pruned later continues what was pruned before.
        let next = plan_of(&log);
        assert!(next.removal.is_none_or(|next| next.from == removal.to));
    }
}

#[test]
fn what_is_missing_of_a_pruned_log_and_was_not_pruned_is_found() {
    let (fixture, _, plan, index) = pruned(true);
    let log = fixture.log_dir();
    let to = plan.removal.unwrap().to;
    let fault = |change: &dyn Fn(&Path)| {
        let copy = Fixture::new();
        copy_dir(&log, &copy.log_dir());
        change(&copy.log_dir());
        let report = copy.verify();
        (report.verdict(), report.fault.map(|fault| fault.index))
    };
    assert_eq!(fault(&|_| ()), (Verdict::Gaps, None));
    let remove = |name: &str| {
        let name = name.to_owned();
        move |log: &Path| fs::remove_file(log.join(&name)).unwrap()
    };
    let tampered = |index| (Verdict::Tampered, Some(index));
    assert_eq!(fault(&remove(&format!("seg/{}", segments_of(&log)[0]))), tampered(to), "one more segment");
    assert_eq!(fault(&remove("tile/0/000")), tampered(0));
    assert_eq!(fault(&remove("tile/0/001")), tampered(256));
    assert_eq!(fault(&remove("kept.jsonl")).0, Verdict::Incomplete);
    let flip = |name: &str, at: usize| {
        let name = name.to_owned();
        move |log: &Path| {
            let mut bytes = fs::read(log.join(&name)).unwrap();
            bytes[at] ^= 1;
            fs::write(log.join(&name), bytes).unwrap();
        }
    };
    assert_eq!(fault(&flip("tile/0/001", 32 * 7 + 3)).0, Verdict::Tampered);
    assert_eq!(fault(&flip("tile/0/000", 5)), tampered(0), "its line was kept");
    assert_eq!(fault(&flip("kept.jsonl", 30)), tampered(0));
    for at in 0..40 {
        assert_eq!(fault(&flip("kept.jsonl", at * 37)).0, Verdict::Tampered, "byte {at}");
    }
    let without = |kind: &'static str, nth: usize| {
        move |log: &Path| {
            let text = fs::read_to_string(log.join("kept.jsonl")).unwrap();
            let mut seen = 0;
            let lines = text.lines().filter(|line| {
                seen += usize::from(line.contains(kind));
                !(line.contains(kind) && seen == nth + 1)
            });
            fs::write(log.join("kept.jsonl"), lines.flat_map(|line| [line, "\n"]).collect::<String>()).unwrap();
        }
    };
    assert_eq!(fault(&without("\"key.rotate\"", 0)), tampered(0));
    assert_eq!(fault(&without("\"key.rotate\"", 1)).0, Verdict::Tampered);
    assert_eq!(fault(&without("\"kind\":\"prune\"", 0)), tampered(0), "the last line says what was removed");
    let first_heads = fs::read_dir(log.join("checkpoints")).unwrap().count();
    assert!(first_heads > segments_of(&log).len());
    assert_eq!(fault(&flip("checkpoints/0000000000000.notes", 40)).0, Verdict::Tampered, "a head over what is gone");
    assert!(index > to);
}

#[test]
fn a_record_of_another_log_behind_pruned_ones_is_the_first_bad_one() {
    let (fixture, _, plan, _) = pruned(false);
    let log = fixture.log_dir();
    let to = plan.removal.unwrap().to;
    let first = log.join("seg").join(&segments_of(&log)[0]);
    // Its name is another, and what was kept still says which one is right.
    let text = fs::read_to_string(&first).unwrap();
    fs::write(first, text.replacen("/audit/r1\"", "/audit/r2\"", 1)).unwrap();
    let renamed = fixture.verify().fault.map(|fault| (fault.index, fault.reason.to_string()));
    assert_eq!(renamed, Some((to, "the record names another log".to_owned())));
}

#[test]
fn a_prune_record_that_no_head_counts_excuses_nothing() {
    let fixture = Fixture::new();
    old_log(&fixture, 3, 150);
    let log = fixture.log_dir();
    let nobody = HashSet::new();
    let (plan, index) = record(&fixture, plan(&log, &Question { limit: 5, ..question(&nobody) }).unwrap());
    carry_out(&Disk, &log, &plan, index).unwrap();
    // Behind a run that ended in order none may stand at all.
    let (opened, _) = fixture.open();
    put(&opened, start());
    opened.close();
    // Nobody but the writer could have made this record; behind the last head anybody could.
    let removal = plan.removal.unwrap();
    let record = shown(&log).into_iter().find(|line| line.contains("\"kind\":\"prune\"")).unwrap();
    let forged = record.replace(&format!("\"to\":{}", removal.to), &format!("\"to\":{}", index - 1));
    let last = log.join("seg").join(segments_of(&log).last().unwrap());
    let mut text = fs::read_to_string(&last).unwrap();
    let previous = Hash::leaf(text.lines().last().unwrap().as_bytes());
    let count = fixture.verify().head.unwrap();
    let prev = json(&forged)["prev"].as_str().unwrap().to_owned();
    let (time, newest) =
        (json(&forged)["t"].as_str().unwrap().to_owned(), json(text.lines().last().unwrap())["t"].as_str().unwrap().to_owned());
    let forged = forged
        .replace(&prev, &previous.to_string())
        .replace(&time, &newest)
        .replace(&format!("\"i\":{index}"), &format!("\"i\":{count}"));
    text.push_str(&forged);
    text.push('\n');
    fs::write(&last, text).unwrap();
    assert_eq!(fixture.verify().verdict(), Verdict::Gaps, "{}", fixture.verify());
    fs::remove_file(log.join("seg").join(&segments_of(&log)[0])).unwrap();
    let fault = fixture.verify().fault.unwrap();
    assert_eq!(fault.index, removal.to, "{}", fault.reason);
}

#[test]
fn a_hold_keeps_what_is_about_somebody_and_everything_behind_it() {
    let fixture = Fixture::new();
    old_log(&fixture, 3, 100);
    let log = fixture.log_dir();
    let everybody = plan(&log, &question(&HashSet::new())).unwrap();
    let held = HashSet::from(["p-1".to_owned()]);
    let none = plan(&log, &question(&held)).unwrap();
    assert!(everybody.removal.is_some() && none.removal.is_none());
    assert!(matches!(none.stopped, Stopped::Held { record, ref name } if record < 5 && name == "p-1"), "{:?}", none.stopped);
    // One that is met later: whoever an erasure is about.
    let held = HashSet::from(["e-1-39".to_owned()]);
    let some = plan(&log, &question(&held)).unwrap();
    let Stopped::Held { record, .. } = some.stopped else { panic!("{:?}", some.stopped) };
    let (to, all) = (some.removal.unwrap().to, everybody.removal.unwrap().to);
    assert!(to <= record && to < all, "up to {to}, held {record}, without {all}");
}

#[test]
fn what_is_younger_or_in_no_full_tile_or_needed_by_a_start_stays() {
    let fixture = Fixture::new();
    old_log(&fixture, 3, 100);
    let log = fixture.log_dir();
    let ask = |before: &str| plan(&log, &Question { before: before.parse().unwrap(), ..question(&HashSet::new()) }).unwrap();
    let young = ask("2018-03-01T12:00:00Z");
    assert!(young.removal.is_none() && matches!(young.stopped, Stopped::Young(_)), "{:?}", young.stopped);
    let first_run = ask("2018-03-01T12:30:00Z").removal.unwrap();
    assert!(*first_run.newest < *"2018-03-01T12:30", "{first_run:?}");
    let all = ask("2026-01-01T00:00:00Z");
    assert!(all.removal.unwrap().to > first_run.to);
    let left = segments_of(&log);
    let oldest_needed: u64 = segment_index(&left[left.len() - 2]).unwrap();
    assert!(ask("2026-01-01T00:00:00Z").removal.unwrap().to <= oldest_needed);
    fs::remove_dir_all(log.join("tile")).unwrap();
    let none = ask("2026-01-01T00:00:00Z");
    assert!(none.removal.is_none() && none.stopped == Stopped::Tiles, "{:?}", none.stopped);
}

#[test]
fn nothing_is_removed_that_could_be_evidence() {
    let fixture = Fixture::new();
    old_log(&fixture, 3, 100);
    let log = fixture.log_dir();
    let text = fs::read_to_string(fixture.segment(0)).unwrap();
    fs::write(fixture.segment(0), text.replacen("\"allow\"", "\"alloy\"", 1)).unwrap();
    let refused = plan(&log, &question(&HashSet::new())).unwrap_err();
    assert!(matches!(refused, PlanError::Differs(2)), "{refused:?}");
    fs::write(fixture.segment(0), text).unwrap();
    fs::remove_file(fixture.segment(0)).unwrap();
    let refused = plan(&log, &question(&HashSet::new())).unwrap_err();
    assert!(matches!(refused, PlanError::Incomplete { .. }), "{refused:?}");
}

#[test]
fn no_power_cut_while_segments_are_removed_leaves_a_log_that_cannot_say_why() {
    let fixture = Fixture::new();
    old_log(&fixture, 2, 80);
    let log = fixture.log_dir();
    let lines = shown(&log);
    // Few segments, since each operation is cut off in each way.
    let nobody = HashSet::new();
    let few = Question { limit: 3, ..question(&nobody) };
    let (plan, index) = record(&fixture, plan(&log, &few).unwrap());
    let to = plan.removal.as_ref().unwrap().to;
    let whole = on_sim(&log);
    let removed = carry_out(&whole, &log, &plan, index).unwrap();
    assert_eq!(removed, 3);
    let (mut untouched, mut partly) = (0, 0);
    for cut in 0..whole.operations() {
        for (round, kept) in KEPT.into_iter().enumerate() {
            let disk = on_sim(&log);
            disk.cut_power_at(cut);
            carry_out(&disk, &log, &plan, index).unwrap_err();
            let found = on_real_disk(&fixture, &disk.after_power_cut(kept, (cut * 4 + round) as u64));
            let here = found.verify();
            let what = format!("cut {cut}, {kept:?}: {here}");
            assert_eq!(here.verdict(), if here.first == 0 { Verdict::Unanchored } else { Verdict::Gaps }, "{what}");
            assert!(here.first <= to, "{what}");
            untouched += usize::from(here.first == 0);
            partly += usize::from(here.first > 0 && here.first < to);
            // The next run of the gateway goes on, and one that is cut as well goes on after that.
            let again = on_sim(&found.log_dir());
            again.cut_power_at(cut % 5);
            let _ = resume(&again, &found.log_dir());
            let found = on_real_disk(&found, &again.after_power_cut(kept, cut as u64));
            let begun = found.log_dir().join("kept.jsonl").exists();
            resume(&Disk, &found.log_dir()).unwrap();
            let end = found.verify();
            assert_eq!(end.first, if begun { to } else { 0 }, "{what}, then {end}");
            assert_eq!(end.verdict(), if begun { Verdict::Gaps } else { Verdict::Unanchored }, "{what}, then {end}");
            assert!(
                shown(&found.log_dir()).iter().any(|line| *line == lines[lines.len() - 1]),
                "{what}: it lost what was to stay"
            );
        }
    }
    assert!(untouched > 4 && partly > 2, "the cuts hit nothing: {untouched}, {partly}");
}

#[test]
fn a_file_alone_has_nothing_removed() {
    let fixture = Fixture::new();
    old_log(&fixture, 2, 150);
    let log = fixture.log_dir();
    let (plan, index) = authorised(&fixture, &HashSet::new());
    let record = shown(&log)[usize::try_from(index).unwrap()].clone();
    let removal = plan.removal.unwrap();
    let more = record.replace(&format!("\"to\":{}", removal.to), &format!("\"to\":{}", index - 1));
    assert_ne!(more, record);
    let before = segments_of(&log);
    fs::write(log.join("kept.jsonl"), format!("{more}\n")).unwrap();
    assert!(matches!(resume(&Disk, &log), Err(PruneError::Unauthorised(found)) if found == index));
    assert_eq!(segments_of(&log), before);
}

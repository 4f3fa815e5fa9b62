//! Old heads, of which few are kept: what is proven by the others, and what no crash may do to them.

use std::collections::HashSet;

use super::super::layout::{heads_name, segment_index};
use super::compression::{KEPT, on_real_disk, on_sim, segments_of, shown};
use super::*;

/// A log of one run in 2018, a call each five seconds, with a head over each record of its first segments.
fn with_many_heads(fixture: &Fixture) -> usize {
    let clock = FakeClock::at("2018-03-01T12:00:00Z");
    let options = Options { segment_bytes: 20_000, ..fixture.options() };
    let (log, _) = open_with(options, Arc::new(Disk), Arc::clone(&clock) as Arc<_>).unwrap();
    for call in 0..200 {
        put(&log, denial(&format!("c{call}")));
        // Less than what would be a step of the clock.
        for _ in 0..5 {
            clock.advance(1);
        }
    }
    log.close();
    let (lines, names) = (fixture.lines(), segments_of(&fixture.log_dir()));
    let first = |at: usize| usize::try_from(segment_index(&names[at]).unwrap()).unwrap();
    let mut made = 0;
    for at in 0..names.len() - 2 {
        let sizes: Vec<usize> = (first(at) + 1..=first(at + 1)).collect();
        for directory in ["checkpoints", "witnessed"] {
            fs::create_dir_all(fixture.log_dir().join(directory)).unwrap();
            let path = fixture.log_dir().join(directory).join(heads_name(first(at) as u64));
            fs::write(path, heads(fixture, &lines, &sizes)).unwrap();
        }
        made += sizes.len();
    }
    made
}

#[test]
fn old_heads_are_thinned_to_one_a_minute_and_the_log_is_as_good_as_before() {
    let fixture = Fixture::new();
    let made = with_many_heads(&fixture);
    let log = fixture.log_dir();
    let before = fixture.verify();
    assert!(before.verdict() == Verdict::Unanchored && before.heads > made as u64 - 2, "{before}");
    let year = |year: i16| format!("{year}-01-01T00:00:00Z").parse().unwrap();
    assert_eq!(thin(&Disk, &log, year(2018)).unwrap(), (0, false), "they are younger than that");
    assert_eq!(fixture.verify(), before);

    let (dropped, more) = thin(&Disk, &log, year(2019)).unwrap();
    let after = fixture.verify();
    assert!(!more && after.verdict() == Verdict::Unanchored, "{after}");
    assert_eq!(before.heads - after.heads, dropped / 2, "as many here as in `witnessed`");
    assert!(after.heads < before.heads / 4, "{} of {}", after.heads, before.heads);
    let minutes: HashSet<String> =
        shown(&log).iter().map(|line| json(line)["t"].as_str().unwrap().chars().take(16).collect()).collect();
    assert!(after.heads + 4 > minutes.len() as u64 / 2, "{} heads in {} minutes", after.heads, minutes.len());
    assert_eq!((after.head, after.root.clone()), (before.head, before.root.clone()));
    assert_eq!(thin(&Disk, &log, year(2019)).unwrap().0, 0, "once is enough");
    // Nothing that needs heads misses one.
    catch_up(&log).unwrap();
    let mut prover = Prover::newest(&log).unwrap();
    let size = prover.head().size;
    prover.inclusion(3).unwrap();
    epochs(&log, size).unwrap();
    next_hand_over(&log, 1).unwrap();
    let bundled = Fixture::new();
    bundle(&log, 5, 30, &bundled.log_dir()).unwrap();
    assert_eq!(bundled.verify().verdict(), Verdict::Incomplete);
    let (opened, _) = fixture.open();
    opened.close();
}

#[test]
fn no_power_cut_while_heads_are_thinned_loses_what_a_log_needs() {
    let fixture = Fixture::new();
    with_many_heads(&fixture);
    let log = fixture.log_dir();
    let before = "2019-01-01T00:00:00Z".parse().unwrap();
    let whole = on_sim(&log);
    thin(&whole, &log, before).unwrap();
    for cut in 0..whole.operations() {
        let kept = KEPT[cut % KEPT.len()];
        let disk = on_sim(&log);
        disk.cut_power_at(cut);
        let _ = thin(&disk, &log, before);
        let found = on_real_disk(&fixture, &disk.after_power_cut(kept, cut as u64));
        assert_eq!(found.verify().verdict(), Verdict::Unanchored, "cut {cut}, {kept:?}: {}", found.verify());
        thin(&Disk, &found.log_dir(), before).unwrap();
        let again = found.verify();
        assert_eq!(again.verdict(), Verdict::Unanchored, "cut {cut}, {kept:?}, then {again}");
    }
}

//! The store in memory: all or nothing, exact, bounded.

mod model;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::memory::Made;
use super::*;

const SECOND: u64 = 1_000_000_000;

/// One call a second, and three at once.
const RATE: Rule = Rule::Rate { every: SECOND, burst: 3 };

fn wall(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

/// Both clocks after so many milliseconds.
fn after(milliseconds: u64) -> Moment {
    let start = wall("2026-02-27T23:58:00Z");
    Moment { ticks: milliseconds * 1_000_000, wall: start + i64::try_from(milliseconds / 1000).unwrap() }
}

fn low(number: u64) -> u32 {
    u32::try_from(number).unwrap()
}

fn key(number: u64) -> Key {
    // Spread as hashes are.
    Key(number.wrapping_mul(0x9E37_79B9_7F4A_7C15), number.wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(17))
}

fn charge(number: u64, rule: Rule) -> Charge {
    Charge { key: key(number), rule, cost: 1, shadow: false, maker: Maker { caller: low(number), tenant: 0 } }
}

fn take(store: &Memory, charges: &[Charge], at: Moment) -> Verdict {
    match store.take(charges, at) {
        Answer::Here(verdict) => verdict,
        Answer::Later(_) => panic!("it is in memory"),
    }
}

fn is_taken(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Taken { .. })
}

#[test]
fn a_rate_lets_a_burst_through_and_then_one_at_a_time() {
    let store = Memory::new(100);
    let one = [charge(1, RATE)];
    for at in [0, 0, 0] {
        assert!(is_taken(&take(&store, &one, after(at))));
    }
    let Verdict::Refused(over) = take(&store, &one, after(400)) else { panic!("a fourth at once") };
    assert_eq!(over, Over { charge: 0, wait: Duration::from_millis(600), remaining: 0 });
    assert!(!is_taken(&take(&store, &one, after(999))), "a refused one costs nothing, and waits no shorter");
    assert!(is_taken(&take(&store, &one, after(1000))));
    assert!(!is_taken(&take(&store, &one, after(1000))));
}

#[test]
fn a_quota_begins_anew_with_its_window() {
    for (window, last, first) in [
        (Window::Minute, "2026-02-28T23:59:59Z", "2026-03-01T00:00:00Z"),
        (Window::Month, "2026-02-28T23:59:59Z", "2026-03-01T00:00:00Z"),
        (Window::Month, "2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z"),
        (Window::Week, "2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z"),
    ] {
        let store = Memory::new(100);
        let one = [charge(1, Rule::Quota { window, most: 2 })];
        let at = |text: &str| Moment { ticks: 0, wall: wall(text) };
        assert!(is_taken(&take(&store, &one, at(last))) && is_taken(&take(&store, &one, at(last))));
        let Verdict::Refused(over) = take(&store, &one, at(last)) else { panic!("a third in {window:?}") };
        assert_eq!((over.wait, over.remaining), (Duration::from_secs(1), 0), "{window:?}");
        assert!(is_taken(&take(&store, &one, at(first))), "{window:?}");
    }
}

#[test]
fn avl_028_a_wall_clock_that_jumps_is_no_new_allowance_and_stops_nobody_for_good() {
    let store = Memory::new(100);
    let one = [charge(1, Rule::Quota { window: Window::Hour, most: 1 })];
    let at = |seconds: u64, text: &str| Moment { ticks: seconds * SECOND, wall: wall(text) };
    assert!(is_taken(&take(&store, &one, at(0, "2026-11-29T12:30:00Z"))));
    // Back by a day, and by a minute: what was counted stays.
    for back in ["2026-11-28T12:30:00Z", "2026-11-29T12:29:00Z", "2026-11-29T11:59:00Z"] {
        assert!(!is_taken(&take(&store, &one, at(60, back))), "{back}");
    }
    // Ahead and back: the next window has begun once, and not again.
    assert!(is_taken(&take(&store, &one, at(120, "2026-11-29T13:00:00Z"))));
    for (seconds, jump) in [(130, "2026-11-29T12:30:00Z"), (140, "2026-11-29T13:30:00Z"), (150, "2026-11-29T12:59:59Z")] {
        assert!(!is_taken(&take(&store, &one, at(seconds, jump))), "{jump}");
    }
    // A clock that was years ahead and was put right: an hour later by the other clock it is another hour.
    assert!(is_taken(&take(&store, &one, at(200, "2031-01-01T00:00:00Z"))));
    assert!(!is_taken(&take(&store, &one, at(3_700, "2026-11-29T13:31:00Z"))));
    assert!(is_taken(&take(&store, &one, at(3_800, "2026-11-29T13:33:00Z"))));
    // Rates, repetitions and what is held do not look at it at all.
    for rule in [RATE, Rule::Repeats { what: 1, most: 3, within: Duration::from_secs(1) }] {
        let one = [charge(7, rule)];
        let store = Memory::new(100);
        let walls = ["2026-11-29T12:00:00Z", "2031-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "2026-11-29T12:00:00Z"];
        let taken = walls.map(|text| is_taken(&take(&store, &one, at(5, text))));
        assert_eq!(taken, [true, true, true, false], "{rule:?}");
        assert!(is_taken(&take(&store, &one, at(6, "1970-01-01T00:00:00Z"))), "{rule:?}");
    }
}

#[test]
fn all_charges_are_taken_or_none_and_the_one_that_takes_longest_answers() {
    let store = Memory::new(1000);
    let day = charge(2, Rule::Quota { window: Window::Day, most: 1 });
    let minute = charge(3, Rule::Quota { window: Window::Minute, most: 1 });
    let both = [charge(1, RATE), minute, day];
    assert!(is_taken(&take(&store, &both, after(0))));
    let Verdict::Refused(over) = take(&store, &both, after(1000)) else { panic!("taken twice") };
    assert_eq!((over.charge, over.wait), (2, Duration::from_secs(119)), "the day ends later than the minute");
    // Nothing of it was charged: the burst of the rate is whole.
    let left = (0..4).map(|_| is_taken(&take(&store, &both[..1], after(1000)))).filter(|taken| *taken).count();
    assert_eq!(left, 3);
    assert!(!is_taken(&take(&store, &[charge(9, RATE), day], after(1000))));
    assert_eq!(store.keys(), 3, "a key was made for what was not taken");
}

#[test]
fn what_is_held_comes_back_with_its_lease_and_is_forgotten() {
    let store = Memory::new(100);
    let one = [charge(1, Rule::Held { most: 2 })];
    let hold = || match take(&store, &one, after(0)) {
        Verdict::Taken { lease, .. } => lease,
        Verdict::Refused(_) | Verdict::Full { .. } => None,
    };
    let (first, second) = (hold().unwrap(), hold().unwrap());
    let Verdict::Refused(over) = take(&store, &one, after(0)) else { panic!("a third at a time") };
    assert_eq!((over.wait, over.remaining), (Duration::from_secs(1), 0));
    drop(first);
    let third = hold().unwrap();
    assert!(hold().is_none());
    drop((second, third));
    assert_eq!(store.keys(), 0);
}

#[test]
fn charges_in_shadow_never_refuse_and_are_said() {
    let store = Memory::new(100);
    let shadow = Charge { shadow: true, ..charge(1, Rule::Quota { window: Window::Day, most: 1 }) };
    let both = [shadow, charge(2, RATE)];
    for expected in [0, 1, 1] {
        let Verdict::Taken { shadowed, .. } = take(&store, &both, after(0)) else { panic!("refused") };
        assert_eq!(shadowed.len(), expected);
    }
    assert!(!is_taken(&take(&store, &both, after(0))), "the other one refuses still");
}

#[test]
fn bytes_that_have_passed_are_counted_whether_they_fit_or_not() {
    let store = Memory::new(100);
    let rule = Rule::Quota { window: Window::Day, most: 100 };
    let ask = [Charge { cost: 0, ..charge(1, rule) }];
    let add = |cost| match store.add(Charge { cost, ..charge(1, rule) }, after(0)) {
        Answer::Here(added) => added.is_ok(),
        Answer::Later(_) => panic!("it is in memory"),
    };
    assert!(is_taken(&take(&store, &ask, after(0))));
    assert!(add(99));
    assert!(is_taken(&take(&store, &ask, after(0))), "one byte is left");
    assert!(add(50), "it began while something was left");
    assert!(!is_taken(&take(&store, &ask, after(0))));
    assert!(!add(1));
}

#[test]
fn repetitions_are_counted_over_any_span() {
    let store = Memory::new(100);
    let one = [charge(1, Rule::Repeats { what: 1, most: 2, within: Duration::from_secs(10) })];
    let taken = [0, 9_000, 9_500, 10_000, 10_500, 18_999, 19_000].map(|at| is_taken(&take(&store, &one, after(at))));
    assert_eq!(taken, [true, true, false, true, false, false, true]);
}

#[test]
fn a_caller_who_never_does_the_same_twice_takes_no_more_than_their_own_memory() {
    let store = Memory::new(100);
    let within = Duration::from_hours(1);
    let call = |what: u32| charge(1, Rule::Repeats { what, most: 1, within });
    for what in 0..100_000 {
        assert!(is_taken(&take(&store, &[call(what)], after(u64::from(what)))));
    }
    assert_eq!(store.keys(), 1);
    // What was done lately is known still, and what lies further back is not.
    let known = u32::try_from(REMEMBERED_CALLS).unwrap();
    assert!(!is_taken(&take(&store, &[call(99_999)], after(100_000))));
    assert!(!is_taken(&take(&store, &[call(100_000 - known)], after(100_000))));
    assert!(is_taken(&take(&store, &[call(100_000 - known - 1)], after(100_000))));
    // Two at once: the one that looked at the clock first may come second.
    let store = Memory::new(100);
    let twice = [charge(1, Rule::Repeats { what: 1, most: 1, within })];
    assert!(is_taken(&take(&store, &twice, after(5))));
    assert!(!is_taken(&take(&store, &twice, after(4))));
}

#[test]
fn nothing_that_was_taken_is_forgotten_while_its_batch_or_others_make_room() {
    let store = Memory::new(MAX_KEYS);
    let once = Rule::Quota { window: Window::Day, most: 1 };
    let batch = |number: u64| [0, 1, 2, 3, 4].map(|part| charge(number * 5 + part, once));
    for number in 0..40_000 {
        assert!(is_taken(&take(&store, &batch(number), after(0))));
    }
    assert_eq!(store.keys(), 200_000);
    // Buckets that are whole are idle, and are in use all the same once somebody takes from them.
    let rates = |number: u64| [0, 1].map(|part| charge(1_000_000 + number * 2 + part, RATE));
    for round in 0..3 {
        for number in 0..20_000 {
            assert!(is_taken(&take(&store, &rates(number), after(round))), "{number}");
        }
    }
    for number in 0..20_000 {
        for single in rates(number) {
            assert!(!is_taken(&take(&store, &[single], after(3))), "a charge was lost");
        }
    }
    for number in 0..40_000 {
        for single in batch(number) {
            assert!(!is_taken(&take(&store, &[single], after(1))), "a charge was lost");
        }
    }
}

#[test]
fn eight_threads_take_exactly_what_there_is() {
    let store = Memory::new(10_000);
    let taken = AtomicU64::new(0);
    let most = 5_000;
    thread::scope(|scope| {
        for thread in 0..8 {
            let (store, taken) = (&store, &taken);
            scope.spawn(move || {
                for round in 0..2_000_u64 {
                    // The same two counters in two orders, and one that is another each time: no order of locks may matter.
                    let total = charge(1, Rule::Quota { window: Window::Day, most });
                    let rate = charge(2, Rule::Rate { every: SECOND, burst: 6_000 });
                    let own = charge(10 + (thread * 2_000 + round) % 5_000, Rule::Held { most: 100 });
                    let batch = if round % 2 == 0 { [total, rate, own] } else { [own, rate, total] };
                    taken.fetch_add(u64::from(is_taken(&take(store, &batch, after(0)))), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(taken.load(Ordering::Relaxed), most);
    let left = (0..2_000).filter(|_| is_taken(&take(&store, &[charge(2, Rule::Rate { every: SECOND, burst: 6_000 })], after(0))));
    assert_eq!(left.count(), 1_000, "the rate was charged for what the quota refused");
    assert_eq!(store.keys(), 2, "leases are back");
}

#[test]
fn a_million_keys_have_a_bound_and_idle_ones_make_room() {
    let store = Memory::new(MAX_KEYS);
    let mut full = 0;
    for number in 0..1_100_000 {
        match take(&store, &[charge(number, RATE)], after(0)) {
            Verdict::Taken { .. } => {}
            Verdict::Full { .. } => full += 1,
            Verdict::Refused(over) => panic!("{number}: {over:?}"),
        }
    }
    assert_eq!(store.keys(), MAX_KEYS);
    assert_eq!(full, 100_000);
    assert!(is_taken(&take(&store, &[charge(5, RATE)], after(0))), "who is known goes on");
    // Each call is there again after a second; then a new key costs a sweep of its shard, once.
    for number in 2_000_000..2_010_000 {
        assert!(is_taken(&take(&store, &[charge(number, RATE)], after(2_500))), "{number}");
    }
    assert!(store.keys() < 10_100, "{} keys are held", store.keys());
    // A table is at most half empty after it has grown, and has a byte of its own for each place; each key may be another caller's.
    let most = 2 * MAX_KEYS * (size_of::<(Key, Made)>() + 1 + 2 * (size_of::<(u32, u32)>() + 1));
    assert!(most < 130 << 20, "{most} bytes");
}

#[test]
fn one_caller_takes_a_part_of_the_room_and_others_have_theirs() {
    let store = Memory::new(MAX_KEYS);
    let by = |caller: u32, number: u64| Charge { maker: Maker { caller, tenant: 0 }, ..charge(number, RATE) };
    let mut made = 0;
    let mut refused = 0;
    for number in 0..30_000 {
        match take(&store, &[by(1, number)], after(0)) {
            Verdict::Taken { .. } => made += 1,
            Verdict::Full { own } => {
                assert!(own);
                refused += 1;
            }
            Verdict::Refused(over) => panic!("{number}: {over:?}"),
        }
    }
    assert!((12_000..=MAX_KEYS / 64).contains(&made), "{made} keys of one caller");
    assert_eq!(store.keys(), made);
    assert!(refused > 0);
    // What they have goes on, and so does everybody else.
    assert!(is_taken(&take(&store, &[by(1, 0)], after(0))));
    for number in 100_000..110_000 {
        assert!(is_taken(&take(&store, &[by(low(number), number)], after(0))), "{number}");
    }
    // What is idle by now is forgotten, and makes room for more of theirs.
    for number in 200_000..205_000 {
        assert!(is_taken(&take(&store, &[by(1, number)], after(5_000))), "{number}");
    }
    // A charge in shadow refuses nobody for want of room.
    let store = Memory::new(64);
    for number in 0..1_000 {
        assert!(is_taken(&take(&store, &[Charge { shadow: true, ..by(1, number) }], after(0))));
    }
}

#[test]
fn the_callers_of_one_tenant_together_leave_others_their_room() {
    let store = Memory::new(MAX_KEYS);
    let by =
        |tenant: u32, number: u64| Charge { maker: Maker { caller: low(number / 1_000) + 1, tenant }, ..charge(number, RATE) };
    let made = (0..600_000).filter(|number| is_taken(&take(&store, &[by(1, *number)], after(0)))).count();
    assert!((480_000..=MAX_KEYS / 2).contains(&made), "{made} keys of one tenant");
    assert!(matches!(take(&store, &[by(1, 600_000)], after(0)), Verdict::Full { own: true }));
    for number in 1_000_000..1_010_000 {
        assert!(is_taken(&take(&store, &[by(2, number)], after(0))), "{number}");
        assert!(is_taken(&take(&store, &[by(0, number + 500_000)], after(0))), "{number}, who has no tenant");
    }
}

//! What does counting cost a call? One limit and five, one key and a million.
//!
//! `cargo bench --bench limits`. The numbers to defend, keys included: 250 ns for one limit and 1 us for
//! five; where a million keys are used in turn and none is in the cache, 500 ns and 4 us.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use yett::limits::{Answer, Charge, Keyer, MAX_KEYS, Maker, Memory, Moment, Rule, Store as _, Verdict, Window};

const RULES: [Rule; 5] = [
    Rule::Rate { every: 1, burst: u32::MAX },
    Rule::Quota { window: Window::Minute, most: u64::MAX },
    Rule::Quota { window: Window::Month, most: u64::MAX },
    Rule::Quota { window: Window::Day, most: u64::MAX },
    Rule::Held { most: u32::MAX },
];

/// The charges of one caller.
fn charges(keyer: &Keyer, caller: u64, rules: &[Rule]) -> Vec<Charge> {
    let charge = |(index, rule): (usize, &Rule)| {
        let key = keyer.key([b"corp".as_slice(), &caller.to_le_bytes(), &index.to_le_bytes()]);
        let maker = Maker { caller: u32::try_from(caller).unwrap_or_default(), tenant: 0 };
        Charge { key, rule: *rule, cost: 1, shadow: false, maker }
    };
    rules.iter().enumerate().map(charge).collect()
}

fn take(store: &Memory, charges: &[Charge], at: Moment) -> bool {
    match store.take(charges, at) {
        Answer::Here(Verdict::Taken { .. }) => true,
        Answer::Here(_) | Answer::Later(_) => false,
    }
}

/// The price of a batch, its keys included, in turn for as many callers as have `keys` keys together.
fn batches(criterion: &mut Criterion) {
    for count in [1, 5] {
        for keys in [count as u64, MAX_KEYS as u64 * 9 / 10] {
            let (store, keyer) = (Memory::new(MAX_KEYS), Keyer::new());
            let callers = (keys / count as u64).max(1);
            let rules = RULES.get(..count).unwrap_or(&RULES);
            // An hour before, so that no bucket of theirs is whole yet, and nothing is forgotten on the way.
            for caller in 0..callers {
                let mut first = charges(&keyer, caller, rules);
                for charge in &mut first {
                    charge.rule = slow(charge.rule);
                }
                assert!(take(&store, &first, Moment { ticks: 0, wall: 1_795_000_000 }), "there is room");
            }
            let (mut caller, mut ticks) = (0, 1);
            let name = format!("limits/{count} of them, {} keys", store.keys());
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    caller = (caller + 7_919) % callers;
                    ticks += 100;
                    let batch = charges(&keyer, caller, rules);
                    black_box(take(&store, &batch, Moment { ticks, wall: 1_795_000_000 }))
                });
            });
        }
    }
}

/// The same with a bucket that is whole again a day later.
fn slow(rule: Rule) -> Rule {
    match rule {
        Rule::Rate { .. } => Rule::Rate { every: 86_400_000_000_000, burst: 2 },
        Rule::Quota { .. } | Rule::Held { .. } | Rule::Total { .. } | Rule::Repeats { .. } => rule,
    }
}

/// What the hash of a caller costs by itself.
fn keys(criterion: &mut Criterion) {
    let keyer = Keyer::new();
    criterion.bench_function("limits/one key", |bencher| {
        bencher.iter(|| keyer.key([b"corp".as_slice(), black_box(b"acme"), black_box(b"00u1a2b3c4d5e6f7g8")]));
    });
}

criterion_group!(benches, keys, batches);
criterion_main!(benches);

//! What the store decides, compared with a model written as slowly as possible.

use proptest::prelude::*;

use super::*;

/// A model: everything that was ever taken.
#[derive(Default)]
struct Model(Vec<(u64, u64, Moment)>);

impl Model {
    fn fits(&self, number: u64, rule: Rule, cost: u64, at: Moment) -> bool {
        let mine = self.0.iter().filter(|(taken, ..)| *taken == number);
        match rule {
            Rule::Rate { every, burst } => {
                let (mut debt, mut last) = (0_u64, 0);
                for (_, cost, when) in mine {
                    debt = debt.saturating_sub(when.ticks - last) + every * cost;
                    last = when.ticks;
                }
                debt.saturating_sub(at.ticks - last) + every * cost <= every * u64::from(burst)
            }
            Rule::Quota { window, most } => {
                let now = window.around(at.wall);
                mine.filter(|(.., when)| window.around(when.wall) == now).map(|(_, cost, _)| cost).sum::<u64>() + cost <= most
            }
            Rule::Total { most } | Rule::Held { most } => mine.map(|(_, cost, _)| cost).sum::<u64>() + cost <= u64::from(most),
            Rule::Repeats { most, within, .. } => {
                let within = u64::try_from(within.as_millis()).unwrap();
                let recent = mine.filter(|(.., when)| at.ticks / 1_000_000 - when.ticks / 1_000_000 < within);
                recent.count() < usize::try_from(most).unwrap()
            }
        }
    }
}

fn rules() -> [Rule; 8] {
    [
        RATE,
        Rule::Rate { every: 350_000_000, burst: 2 },
        Rule::Quota { window: Window::Minute, most: 4 },
        Rule::Quota { window: Window::Hour, most: 9 },
        Rule::Quota { window: Window::Month, most: 12 },
        Rule::Repeats { what: 1, most: 2, within: Duration::from_secs(3) },
        Rule::Total { most: 20 },
        Rule::Held { most: 25 },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn it_decides_as_the_model_does(
        steps in proptest::collection::vec((1_u8..=255, 1_u64..3, prop_oneof![0_u64..2_000, Just(0), 0_u64..400_000]), 1..80)
    ) {
        let (store, mut model, mut now) = (Memory::new(1_000), Model::default(), 0);
        let mut leases = Vec::new();
        for (chosen, cost, passed) in steps {
            now += passed;
            let at = after(now);
            let batch: Vec<(u64, Charge)> = rules()
                .into_iter()
                .enumerate()
                .filter(|(index, _)| chosen & (1 << index) != 0)
                .map(|(index, rule)| {
                    let cost = if matches!(rule, Rule::Repeats { .. }) { 1 } else { cost };
                    (index as u64, Charge { cost, ..charge(index as u64, rule) })
                })
                .collect();
            let charges: Vec<Charge> = batch.iter().map(|(_, charge)| *charge).collect();
            let expected = batch.iter().all(|(number, charge)| model.fits(*number, charge.rule, charge.cost, at));
            match take(&store, &charges, at) {
                Verdict::Taken { lease, .. } => {
                    prop_assert!(expected, "taken at {now}");
                    model.0.extend(batch.iter().map(|(number, charge)| (*number, charge.cost, at)));
                    leases.push(lease);
                }
                Verdict::Refused(over) => {
                    prop_assert!(!expected, "refused at {now}: {over:?}");
                    // What it says is true: it is too early just before, if nobody else takes anything.
                    let (number, charge) = batch[over.charge];
                    prop_assert!(!model.fits(number, charge.rule, charge.cost, at), "another one refused");
                    if let (Rule::Rate { .. }, true) = (charge.rule, charge.cost <= 2) {
                        let wait = u64::try_from(over.wait.as_nanos()).unwrap();
                        let at = |wait: u64| Moment { ticks: at.ticks + wait, wall: at.wall };
                        prop_assert!(!model.fits(number, charge.rule, charge.cost, at(wait - 1)), "it could have come sooner");
                        prop_assert!(model.fits(number, charge.rule, charge.cost, at(wait)), "it waits, and is refused again");
                    }
                }
                Verdict::Full { .. } => prop_assert!(false, "there is room"),
            }
        }
    }
}

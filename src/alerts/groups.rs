//! What one rule remembers of each that it tells apart.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::window::{Distinct, Sums};

/// So many are told apart at once by one rule.
const MOST: usize = 65_536;

/// Calls of a tool before its sizes say what is usual, and how far from that something is, in standard deviations of their logarithm.
const USUAL: f64 = 50.0;
const FAR: f64 = 4.0;

/// One that is told apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    #[serde(default, skip_serializing_if = "is_default")]
    pub sums: Sums,
    #[serde(default, skip_serializing_if = "is_default")]
    pub distinct: Distinct,
    #[serde(default, skip_serializing_if = "is_default")]
    pub sizes: Sizes,
    /// When something of it was seen last, in milliseconds.
    pub seen: i64,
    /// When an alert about it was told last.
    pub told: Option<i64>,
}

/// All that one rule tells apart, by their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Groups(HashMap<String, Group>);

/// How large something usually is: mean and spread of the logarithms of sizes (Welford).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sizes {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Groups {
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Group)> {
        self.0.iter_mut()
    }

    /// The one of that name; a new one, if there is none. What was not seen for `kept` makes room for it, and then what was not seen for longest.
    pub(super) fn of(&mut self, name: &str, now: i64, kept: i64) -> &mut Group {
        if !self.0.contains_key(name) && self.0.len() >= MOST {
            self.0.retain(|_, group| now - group.seen <= kept);
            if self.0.len() >= MOST {
                let mut seen: Vec<i64> = self.0.values().map(|group| group.seen).collect();
                let (_, quarter, _) = seen.select_nth_unstable(MOST / 4);
                let quarter = *quarter;
                self.0.retain(|_, group| group.seen > quarter);
            }
        }
        self.0.entry(name.to_owned()).or_default()
    }
}

impl Sizes {
    /// Takes one more in, and says what is usual if it is more than `times` of that, and far from what came before.
    pub(super) fn add(&mut self, size: u64, times: u32) -> Option<u64> {
        // Sizes are far below 2^52.
        #[expect(clippy::cast_precision_loss, reason = "of a size of a message")]
        let log = (size as f64).ln_1p();
        let spread = (self.squares / self.count.max(1.0)).sqrt();
        let bound = self.mean + f64::from(times).ln().max(FAR * spread);
        let is_far = self.count >= USUAL && log > bound;
        // SECURITY: what is far counts as the most that is not, or one large call would make the next one usual.
        let taken = if is_far { bound } else { log };
        self.count += 1.0;
        let off = taken - self.mean;
        self.mean += off / self.count;
        self.squares += off * (taken - self.mean);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of a mean of logarithms of sizes")]
        is_far.then(|| self.mean.exp_m1().round() as u64)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_far_from_what_is_usual_once_that_is_known() {
        let mut sizes = Sizes::default();
        for number in 0..50 {
            assert_eq!(sizes.add(100 + number % 20, 10), None, "not even {number}");
        }
        assert_eq!(sizes.add(900, 10), None, "nine times as large");
        assert!(sizes.add(4_000, 10).is_some_and(|usual| (100..140).contains(&usual)));
        assert!(sizes.add(4_000, 10).is_some(), "the first one made it usual");
    }

    #[test]
    fn a_tool_whose_sizes_differ_much_may_be_called_with_large_ones() {
        let mut sizes = Sizes::default();
        for number in 0..200_u32 {
            assert_eq!(sizes.add(u64::from(10_u32.pow(1 + number % 5)), 10), None);
        }
        assert_eq!(sizes.add(300_000, 10), None);
        assert!(sizes.add(1 << 50, 10).is_some());
    }

    #[test]
    fn memory_is_bounded_and_the_latest_stay() {
        let mut groups = Groups::default();
        for now in 0..100_000_i64 {
            groups.of(&now.to_string(), now, i64::MAX).seen = now;
        }
        assert!(groups.0.len() <= MOST);
        assert!(groups.0.contains_key("99999") && !groups.0.contains_key("0"));
    }
}

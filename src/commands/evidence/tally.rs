//! Counting and listing what a log says, in bounded memory: who writes a log chooses its words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Most words that are told apart; what comes after is counted together.
pub(super) const TOLD: usize = 10_000;

/// Most entries of a list; what comes after is only counted.
const LISTED: usize = 10_000;

/// What words beyond [`TOLD`] are counted as.
pub(super) const OTHERS: &str = "(others)";

/// How often each word came.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub(super) fn add(&mut self, word: &str, n: u64) {
        let is_told = self.0.len() < TOLD || self.0.contains_key(word);
        let count = self.0.entry(if is_told { word } else { OTHERS }.to_owned()).or_default();
        *count = count.saturating_add(n);
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().fold(0_u64, |sum, n| sum.saturating_add(*n))
    }

    /// The sum over the words that `counts`.
    pub(super) fn of(&self, counts: impl Fn(&str) -> bool) -> u64 {
        self.0.iter().filter(|(word, _)| counts(word)).fold(0_u64, |sum, (_, n)| sum.saturating_add(*n))
    }

    pub(super) fn value(&self) -> Value {
        json!(self.0)
    }
}

/// The first entries of a list, and how many there are in all.
#[derive(Debug, Default)]
pub(super) struct Listed {
    listed: Vec<Value>,
    total: u64,
}

impl Listed {
    pub(super) fn add(&mut self, entry: impl FnOnce() -> Value) {
        self.total += 1;
        if self.listed.len() < LISTED {
            self.listed.push(entry());
        }
    }

    pub(super) fn value(&self) -> Value {
        json!({ "listed": self.listed, "total": self.total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countless_words_are_counted_and_not_kept() {
        let mut tally = Tally::default();
        for number in 0..3 * TOLD {
            tally.add(&format!("word {number}"), 2);
        }
        tally.add("word 0", 1);
        assert_eq!((tally.total(), tally.0.len()), (6 * TOLD as u64 + 1, TOLD + 1));
        assert_eq!((tally.0["word 0"], tally.0[OTHERS]), (3, 4 * TOLD as u64));
        assert_eq!(tally.of(|word| word == "word 1"), 2);
    }
}

//! Where the words stand that rules begin with.

use std::collections::BTreeMap;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memmem::Finder;

use super::rules::{Left, Rule};
use super::score::RuleError;
use crate::scan::grams::{self, Grams};

/// So much of an anchor is searched for. The rest is for the rule to see: where an anchor has a space a text may have a line break.
const PREFIX: usize = 8;

/// Words of orders, turned.
const TURNED: &[&str] = &["vafgehpgvba", "vtaber", "cebzcg", "qvfertneq", "cerivbhf", "erirny", "cnffjbeq", "flfgrz"];
const BACKWARDS: &[&str] = &["noitcurtsni", "snoitcurtsni", "erongi", "tpmorp", "dragersid", "suoiverp", "laever", "drowssap"];

/// What an anchor begins.
#[derive(Debug)]
pub(super) enum Starts {
    /// These rules, as indexes.
    Rules(Vec<usize>),
    /// Nothing, but it says that the text is turned by thirteen letters.
    Turned,
    /// Nothing, but it says that the text is written from its end.
    Backwards,
}

/// What is searched for on one surface: words that only other surfaces' rules begin with would cost time and find nothing.
#[derive(Debug)]
pub(super) struct Anchors {
    search: Search,
    /// What each anchor begins, by its number.
    starts: Vec<Starts>,
}

/// How they are searched for, in any case of ASCII.
#[derive(Debug)]
enum Search {
    Ascii {
        /// Those that begin with a word, or have one inside: nearly all.
        words: Grams<true>,
        /// Those that may stand in the middle of a word.
        grams: Grams<true>,
        /// Those too short for that, which are marks and have no case.
        marks: Vec<(usize, Finder<'static>)>,
    },
    /// An automaton over bytes, for letters that take several each.
    Foreign(AhoCorasick),
}

impl Anchors {
    /// Of those of `wants`, which are all of ASCII.
    pub(super) fn ascii(rules: &[Arc<Rule>], wants: impl Fn(&Rule) -> bool) -> Self {
        let (literals, starts) = begun(rules, |rule, anchor| anchor.is_ascii() && wants(rule));
        let marks = literals.iter().enumerate().filter(|(_, literal)| literal.len() < grams::SHORTEST);
        let marks = marks.map(|(number, literal)| (number, Finder::new(*literal).into_owned())).collect();
        let offsets: Vec<_> =
            literals.iter().zip(&starts).map(|(literal, starts)| word(literal.as_bytes(), starts, rules)).collect();
        let all = || literals.iter().map(|literal| literal.as_bytes()).zip(&offsets);
        let words =
            Grams::of_words(all().enumerate().filter_map(|(number, (literal, offset))| Some((number, literal, (*offset)?))));
        let grams = Grams::new(all().map(|(literal, offset)| if offset.is_none() { literal } else { &[] }));
        Self { search: Search::Ascii { words, grams, marks }, starts }
    }

    /// Of those that are not ASCII, for every surface.
    pub(super) fn foreign(rules: &[Arc<Rule>]) -> Result<Self, RuleError> {
        let (literals, starts) = begun(rules, |_, anchor| !anchor.is_ascii());
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&literals)
            .map_err(|source| RuleError::Anchors(Box::new(source)))?;
        Ok(Self { search: Search::Foreign(automaton), starts })
    }

    /// Where each anchor begins, and what it begins, in their order; `None` where they are more than `most`.
    pub(super) fn found(&self, text: &[u8], most: usize) -> Option<impl Iterator<Item = (usize, &Starts)>> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut note = |number: usize, start: usize| {
            found.push((start, number));
            if found.len() <= most { Ok(()) } else { Err(()) }
        };
        let all = match &self.search {
            Search::Ascii { words, grams, marks } => {
                let mut marks = marks.iter().flat_map(|(number, mark)| mark.find_iter(text).map(|start| (*number, start)));
                let marks = marks.try_for_each(|(number, start)| note(number, start));
                marks.and_then(|()| words.find_at_words(text, &mut note)).and_then(|()| grams.find(text, note))
            }
            Search::Foreign(automaton) => {
                let mut all = automaton.find_overlapping_iter(text);
                all.try_for_each(|anchor| note(anchor.pattern().as_usize(), anchor.start()))
            }
        };
        all.ok()?;
        // Each was found by a part of it.
        found.sort_unstable();
        Some(found.into_iter().filter_map(|(start, number)| self.starts.get(number).map(|starts| (start, starts))))
    }
}

/// How many bytes of an anchor stand before the rarest word that begins in it, and that no letter or digit can stand before: whatever a rule says that
/// may begin anywhere, or the anchor itself. `None` where there is none that can be searched for.
fn word(anchor: &[u8], starts: &Starts, rules: &[Arc<Rule>]) -> Option<usize> {
    let is_anywhere = |at: &usize| rules.get(*at).is_none_or(|rule| rule.left == Left::Any);
    let is_apart = !matches!(starts, Starts::Rules(rules) if rules.iter().any(is_anywhere));
    let begins = |at: &usize| {
        let is_word = |at: usize| anchor.get(at).is_some_and(u8::is_ascii_alphanumeric);
        is_word(*at) && at.checked_sub(1).map_or(is_apart, |before| !is_word(before))
    };
    let places = (0..anchor.len()).filter(begins).filter(|at| anchor.len() - at >= grams::SHORTEST);
    places.min_by_key(|at| grams::commonness(anchor.get(*at..).and_then(|rest| rest.get(..4).or(Some(rest))).unwrap_or_default()))
}

/// The beginnings of the anchors of `wants`, and what they begin; turned words are those of English.
fn begun(rules: &[Arc<Rule>], wants: impl Fn(&Rule, &str) -> bool) -> (Vec<&str>, Vec<Starts>) {
    let mut begun: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, rule) in rules.iter().enumerate() {
        for anchor in rule.anchors.iter().map(String::as_str).filter(|anchor| wants(rule, anchor)) {
            let prefix = anchor.get(..PREFIX).filter(|_| anchor.is_ascii()).unwrap_or(anchor);
            begun.entry(prefix).or_default().push(number);
        }
    }
    begun.values_mut().for_each(Vec::dedup);
    let turned = TURNED.iter().map(|word| (*word, Starts::Turned));
    let backwards = BACKWARDS.iter().map(|word| (*word, Starts::Backwards));
    let rules = begun.into_iter().map(|(anchor, rules)| (anchor, Starts::Rules(rules)));
    rules.chain(turned).chain(backwards).unzip()
}

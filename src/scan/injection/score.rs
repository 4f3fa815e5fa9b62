//! Finds the rules of [`super::rules`] in a text.
//!
//! One automaton searches the readable text for all anchors at once; where one stands at the right place, its rules are tried
//! from there on, anchored, so that a regular expression reads only as far as it still fits. Plain text without anchors costs one
//! pass; the worst case is bounded by a reach for each anchor, so the whole is linear in the text.

use std::cmp::Reverse;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::fit::Compiled;
use super::normalize::Means;
use super::rules::{MOST, Rule, Severity, all};
use super::views::{self, Hints, View};

/// Hidden characters that are still an accident.
const ACCIDENT: usize = 3;

/// Where a text comes from, which decides the rules that apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SurfaceKind {
    /// What a client sends to a tool.
    Argument,
    /// What a server says about its tools, prompts and resources.
    Definition,
    /// What a tool, prompt or resource answers.
    Result,
}

/// One stretch of text that a rule fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hit {
    /// Id of the rule.
    pub rule: &'static str,
    /// How sure the rule is.
    pub severity: Severity,
    /// First byte in the original text, on a character boundary.
    pub start: usize,
    /// One past the last byte in the original text, on a character boundary.
    pub end: usize,
}

impl Hit {
    /// Whether this is more than a remark for the log.
    pub fn is_flag(&self) -> bool {
        self.severity >= Severity::Medium
    }
}

/// Why the rules do not compile: a mistake in `rules.rs`, found by its tests.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// A rule's pattern is not a regular expression, or too large a one.
    #[error("pattern of rule `{rule}`")]
    Pattern {
        /// Id of the rule.
        rule: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// The automaton over all anchors cannot be built.
    #[error("anchors of the rules")]
    Anchors(#[source] Box<aho_corasick::BuildError>),
}

/// The compiled rules. Immutable: one serves all threads.
#[derive(Debug)]
pub struct Scanner {
    anchors: AhoCorasick,
    /// What each anchor begins.
    starts: Vec<Starts>,
    rules: Vec<Compiled>,
}

/// What an anchor begins.
#[derive(Debug)]
enum Starts {
    /// These rules, as indexes.
    Rules(Vec<usize>),
    /// Nothing, but it says that the text is turned by thirteen letters.
    Turned,
    /// Nothing, but it says that the text is written from its end.
    Backwards,
}

/// Words of orders, turned.
const TURNED: &[&str] = &["vafgehpgvba", "vtaber", "cebzcg", "qvfertneq", "cerivbhf", "erirny", "cnffjbeq", "flfgrz"];
const BACKWARDS: &[&str] = &["noitcurtsni", "snoitcurtsni", "erongi", "tpmorp", "dragersid", "suoiverp", "laever", "drowssap"];

impl Scanner {
    /// Compiles all rules; some milliseconds, once.
    pub fn new() -> Result<Self, RuleError> {
        let rules = all().map(Compiled::new).collect::<Result<Vec<_>, _>>()?;
        let mut literals: Vec<&str> = all().flat_map(Rule::anchors).collect();
        literals.sort_unstable();
        literals.dedup();
        let begun_by = |literal: &&str| {
            let rules = (0..).zip(all()).filter(|(_, rule)| rule.anchors().any(|anchor| anchor == *literal));
            Starts::Rules(rules.map(|(at, _)| at).collect())
        };
        let mut starts: Vec<Starts> = literals.iter().map(begun_by).collect();
        literals.extend_from_slice(TURNED);
        starts.extend(TURNED.iter().map(|_| Starts::Turned));
        literals.extend_from_slice(BACKWARDS);
        starts.extend(BACKWARDS.iter().map(|_| Starts::Backwards));
        let anchors = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&literals)
            .map_err(|source| RuleError::Anchors(Box::new(source)))?;
        Ok(Self { anchors, starts, rules })
    }

    /// Appends every rule of `surface` that fits `text` or what stands in it encoded, sorted by start.
    pub fn scan(&self, text: &str, surface: SurfaceKind, out: &mut Vec<Hit>) {
        let before = out.len();
        let complete = views::each(text, &mut |view| self.read(view, surface, out));
        if !complete {
            out.push(Hit { rule: "unread", severity: Severity::Medium, start: 0, end: text.len() });
        }
        let mut own = out.split_off(before);
        own.sort_unstable_by_key(|hit| (hit.start, hit.end, hit.rule, Reverse(hit.severity)));
        // What stands beside something encoded is read twice: as it is, and with what was made of it.
        own.dedup_by_key(|hit| (hit.start, hit.end, hit.rule));
        out.append(&mut own);
    }

    /// One reading of the text; spans of one rule do not overlap in it.
    fn read(&self, view: &View<'_>, surface: SurfaceKind, out: &mut Vec<Hit>) -> Hints {
        concealed(view, surface, out);
        let bytes = view.readable.rewritten.text().as_bytes();
        let mut read_to = [0; MOST];
        let mut hints = Hints::default();
        for anchor in self.anchors.find_overlapping_iter(bytes) {
            let starts = match self.starts.get(anchor.pattern().as_usize()) {
                Some(Starts::Rules(rules)) => rules,
                Some(Starts::Turned) => {
                    hints.rot13 = true;
                    continue;
                }
                Some(Starts::Backwards) => {
                    hints.backwards = true;
                    continue;
                }
                None => continue,
            };
            for at in starts {
                let Some((compiled, read_to)) = self.rules.get(*at).zip(read_to.get_mut(*at)) else {
                    continue;
                };
                if !compiled.rule.surfaces.contains(&surface) || anchor.start() < *read_to {
                    continue;
                }
                if let Some((end, severity)) = compiled.fit(bytes, anchor.start()) {
                    *read_to = end;
                    let span = view.original(anchor.start()..end);
                    out.push(Hit { rule: compiled.rule.id, severity, start: span.start, end: span.end });
                }
            }
        }
        hints
    }
}

fn concealed(view: &View<'_>, surface: SurfaceKind, out: &mut Vec<Hit>) {
    for hidden in view.readable.concealed.iter().filter(|hidden| hidden.length > ACCIDENT) {
        let (rule, severity) = match hidden.means {
            Means::Unicode => ("hidden-unicode", Severity::High),
            Means::Terminal if surface == SurfaceKind::Argument => ("terminal-conceal", Severity::Low),
            Means::Terminal => ("terminal-conceal", Severity::Medium),
        };
        let span = view.concealed(hidden.span.clone());
        out.push(Hit { rule, severity, start: span.start, end: span.end });
    }
}

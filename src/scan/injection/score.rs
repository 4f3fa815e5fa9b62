//! Finds the rules of [`super::rules`] in a text.
//!
//! One automaton searches the readable text for all anchors at once; where one stands at the right place, its rules are tried
//! from there on, anchored, so that a regular expression reads only as far as it still fits. Plain text without anchors costs one
//! pass; the worst case is bounded by a reach for each anchor, so the whole is linear in the text.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

use super::normalize::{Means, Normalized, normalize};
use super::rules::{Left, MOST, Rule, Severity, all, expand};

/// No rule reads further than this from its anchor: room for padding, and a bound on the worst case.
const REACH: usize = 2048;

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
    /// For each anchor the rules it starts, as indexes into `rules`.
    starts: Vec<Vec<usize>>,
    rules: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    rule: &'static Rule,
    pattern: Regex,
}

impl Scanner {
    /// Compiles all rules; some milliseconds, once.
    pub fn new() -> Result<Self, RuleError> {
        let rules = all().map(Compiled::new).collect::<Result<Vec<_>, _>>()?;
        let mut literals: Vec<&str> = all().flat_map(Rule::anchors).collect();
        literals.sort_unstable();
        literals.dedup();
        let begun_by = |literal: &&str| {
            (0..).zip(all()).filter(|(_, rule)| rule.anchors().any(|anchor| anchor == *literal)).map(|(at, _)| at).collect()
        };
        let starts = literals.iter().map(begun_by).collect();
        let anchors = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&literals)
            .map_err(|source| RuleError::Anchors(Box::new(source)))?;
        Ok(Self { anchors, starts, rules })
    }

    /// Appends every rule of `surface` that fits `text`, sorted by start; spans of one rule do not overlap.
    pub fn scan(&self, text: &str, surface: SurfaceKind, out: &mut Vec<Hit>) {
        let before = out.len();
        let readable = normalize(text);
        concealed(&readable, surface, out);
        let bytes = readable.rewritten.text().as_bytes();
        let mut read_to = [0; MOST];
        for anchor in self.anchors.find_overlapping_iter(bytes) {
            for at in self.starts.get(anchor.pattern().as_usize()).into_iter().flatten() {
                let Some((compiled, read_to)) = self.rules.get(*at).zip(read_to.get_mut(*at)) else {
                    continue;
                };
                if !compiled.rule.surfaces.contains(&surface) || anchor.start() < *read_to {
                    continue;
                }
                if let Some(hit) = compiled.fit(bytes, anchor.start()) {
                    *read_to = hit.end;
                    let span = readable.rewritten.original(hit.start..hit.end);
                    out.push(Hit { start: span.start, end: span.end, ..hit });
                }
            }
        }
        if let Some(hits) = out.get_mut(before..) {
            hits.sort_by_key(|hit| hit.start);
        }
    }
}

impl Compiled {
    fn new(rule: &'static Rule) -> Result<Self, RuleError> {
        let pattern = RegexBuilder::new(&format!(r"\A(?:{})", expand(rule.pattern)))
            .case_insensitive(true)
            .unicode(false)
            .dot_matches_new_line(true)
            .build()
            .map_err(|source| RuleError::Pattern { rule: rule.id, source: Box::new(source) })?;
        Ok(Self { rule, pattern })
    }

    fn fit(&self, bytes: &[u8], start: usize) -> Option<Hit> {
        let (before, rest) = bytes.split_at_checked(start)?;
        if !stands(before, self.rule.left) {
            return None;
        }
        let found = self.pattern.find(rest.get(..REACH).unwrap_or(rest))?;
        let end = start + found.end();
        if self.rule.left == Left::Order && is_negated(before) {
            return None;
        }
        let severity = if is_quotation(bytes, start..end) { Severity::Low } else { self.rule.severity };
        Some(Hit { rule: self.rule.id, severity, start, end })
    }
}

fn concealed(readable: &Normalized<'_>, surface: SurfaceKind, out: &mut Vec<Hit>) {
    for hidden in readable.concealed.iter().filter(|hidden| hidden.length > ACCIDENT) {
        let (rule, severity) = match hidden.means {
            Means::Unicode => ("hidden-unicode", Severity::High),
            Means::Terminal if surface == SurfaceKind::Argument => ("terminal-conceal", Severity::Low),
            Means::Terminal => ("terminal-conceal", Severity::Medium),
        };
        out.push(Hit { rule, severity, start: hidden.span.start, end: hidden.span.end });
    }
}

/// Whether an anchor may stand after `before`.
fn stands(before: &[u8], left: Left) -> bool {
    match left {
        Left::Any => true,
        Left::Word | Left::Order => !before.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'),
        Left::Line => {
            const MARKS: usize = 16;
            let tail = before.get(before.len().saturating_sub(MARKS)..).unwrap_or(before);
            let head = tail.iter().rposition(|byte| !b" \t#*>[(<_=|-!".contains(byte));
            match head.and_then(|at| tail.get(at)) {
                None => tail.len() == before.len(),
                Some(byte) => matches!(byte, b'\n' | b'\r' | b'"' | b'`'),
            }
        }
    }
}

/// "never ignore ...", "do not forget ...".
fn is_negated(before: &[u8]) -> bool {
    const NEGATIONS: &[&[u8]] = &[b"not", b"never", b"n't", b"cannot", b"nor", b"dont", b"won't", b"nicht"];
    let text = before.trim_ascii_end();
    let text = text.get(text.len().saturating_sub(8)..).unwrap_or(text).to_ascii_lowercase();
    text.len() < before.len() && NEGATIONS.iter().any(|word| text.ends_with(word))
}

/// A phrase in quotation marks, in a text that speaks about such phrases.
///
/// Marks alone do not excuse: JSON and code quote everything. Nor does the talk: it is as easily written as the order.
fn is_quotation(bytes: &[u8], span: Range<usize>) -> bool {
    const AROUND: usize = 96;
    const TALK: &[&[u8]] =
        &[b"injection", b"jailbreak", b"attack", b"phrase", b"such as", b"e.g.", b"for example", b"detect", b"classic", b"known"];
    let is_mark = |byte: &u8| matches!(byte, b'"' | b'\'' | b'`');
    let opened = span.start.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(is_mark);
    let after = bytes.get(span.end..).unwrap_or_default();
    let closed = after.iter().take(24).take_while(|byte| **byte != b'\n').any(is_mark);
    let around = || {
        let text = bytes.get(span.start.saturating_sub(AROUND)..(span.end + AROUND).min(bytes.len()));
        text.unwrap_or_default().to_ascii_lowercase()
    };
    opened && closed && {
        let around = around();
        TALK.iter().any(|word| memchr::memmem::find(&around, word).is_some())
    }
}

//! Whether a rule fits at an anchor.

use std::ops::Range;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::rules::{Left, Rule, Severity};
use super::score::RuleError;

/// No rule reads further than this from its anchor: room for padding, and a bound on the worst case.
const REACH: usize = 2048;

/// The largest compiled pattern, in bytes.
const PATTERN: usize = 4 << 20;

/// A rule, ready to be tried.
#[derive(Debug)]
pub(super) struct Compiled {
    pub rule: Arc<Rule>,
    pattern: Regex,
}

/// A pattern, spelt out, as it is tried from an anchor on.
pub(super) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})"))
        .case_insensitive(true)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(PATTERN)
        .build()
}

impl Compiled {
    pub(super) fn new(rule: &Arc<Rule>) -> Result<Self, RuleError> {
        let failed = |source| RuleError::Pattern { rule: rule.id, source: Box::new(source) };
        Ok(Self { pattern: compile(&rule.pattern).map_err(failed)?, rule: Arc::clone(rule) })
    }

    /// Whether the rule may begin at `start`, for what stands before it.
    pub(super) fn stands(&self, bytes: &[u8], start: usize) -> bool {
        bytes.get(..start).is_some_and(|before| stands(before, self.rule.left))
    }

    /// Where the rule ends that begins at `start`, and how sure it is there.
    pub(super) fn fit(&self, bytes: &[u8], start: usize) -> Option<(usize, Severity)> {
        let (before, rest) = bytes.split_at_checked(start)?;
        let found = self.pattern.find(rest.get(..REACH).unwrap_or(rest))?;
        let end = start + found.end();
        if self.rule.left == Left::Order && (is_negated(before) || is_told_of_others(before)) {
            return None;
        }
        let severity = if is_quotation(bytes, start..end) { Severity::Low } else { self.rule.severity };
        Some((end, severity))
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
    const NEGATIONS: &[&[u8]] = &[
        b"not",
        b"never",
        b"n't",
        b"cannot",
        b"nor",
        b"dont",
        b"nicht",
        b"nie",
        b"no",
        b"nao",
        b"non",
        b"niet",
        "не".as_bytes(),
    ];
    let text = before.trim_ascii_end();
    let tail = text.get(text.len().saturating_sub(8)..).unwrap_or(text).to_ascii_lowercase();
    let is_word = |rest: &[u8]| !rest.last().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
    let negates = |word: &&[u8]| tail.strip_suffix(*word).is_some_and(|rest| word.len() > 4 || is_word(rest) || *word == b"n't");
    text.len() < before.len() && NEGATIONS.iter().any(negates)
}

/// "attackers try to bypass ...": said of somebody else, not to whoever reads.
fn is_told_of_others(before: &[u8]) -> bool {
    const WHO: &[&[u8]] = &[
        b"users",
        b"attackers",
        b"people",
        b"attacks",
        b"jailbreaks",
        b"personas",
        b"prompts",
        b"they",
        b"who",
        b"that",
        b"which",
        b"someone",
        b"hackers",
        b"adversaries",
        b"injections",
        b"techniques",
    ];
    const DOES: &[&[u8]] =
        &[b"try to", b"tries to", b"trying to", b"want to", b"wants to", b"attempt to", b"attempts to", b"can", b"to"];
    let text = before.trim_ascii_end();
    let text = text.get(text.len().saturating_sub(40)..).unwrap_or(text).to_ascii_lowercase();
    let who = |rest: &[u8]| WHO.iter().any(|word| rest.trim_ascii_end().ends_with(word));
    DOES.iter().any(|does| text.strip_suffix(*does).is_some_and(|rest| rest.ends_with(b" ") && who(rest)))
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

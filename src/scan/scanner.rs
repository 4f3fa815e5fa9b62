//! Many detectors at once: one pass for all anchors, then only what lies around them.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::detector::{Anchor, Detector};
use super::entropy::bits_a_byte;
use super::verify::{is_of_one_letter, is_placeholder, is_word, stands_alone};

/// The largest compiled pattern, and the most a lazily built automaton may take, in bytes.
const PATTERN: usize = 1 << 20;
const CACHE: usize = 64 << 10;

/// How many bytes around anchors are looked at for each byte of the text, and for any text, however short.
///
/// SECURITY: a text of nothing but anchors would cost a window for every few bytes of it.
const FACTOR: usize = 24;
const FREE: usize = 256 << 10;

/// The least letters of base64 in a row that are an anchor.
const BASE64: usize = 20;

/// Detectors, compiled.
#[derive(Debug)]
pub struct Scanner {
    detectors: Vec<Compiled>,
    literals: Option<AhoCorasick>,
    /// Whose literal each is, by its number.
    of_literal: Vec<u16>,
    digits: Vec<u16>,
    ats: Vec<u16>,
    base64: Vec<u16>,
    words: Option<AhoCorasick>,
    /// Whose word each is, by its number.
    of_word: Vec<u16>,
}

/// A detector that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("the detector `{id}` cannot be compiled: {why}")]
pub struct NotCompiled {
    /// Which.
    pub id: String,
    /// Why.
    pub why: String,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// By the detector of this number.
    Found(usize),
    /// From here on nothing was looked at: the text is made to be slow.
    Unread,
}

#[derive(Debug)]
struct Compiled {
    detector: Detector,
    /// Compiled when its anchor is first seen: most never are.
    patterns: OnceLock<Option<Patterns>>,
}

#[derive(Debug)]
struct Patterns {
    /// At the anchor where nothing may lie before it.
    whole: Regex,
    /// The group that is the value, if not all is.
    value: Option<usize>,
    not: Option<RegexSet>,
}

/// The state of one scan.
struct Scan<'t> {
    text: &'t [u8],
    /// How many bytes may still be looked at.
    left: usize,
    /// Where words stand that some detector wants before it: their ends, in order, and whose they are. `None`: not looked for yet.
    words: Option<Vec<(usize, u16)>>,
}

/// The text holds more than is looked at.
struct Spent;

impl Scanner {
    /// Of these; a hit says by its number which it was.
    ///
    /// # Errors
    /// Their anchors are too many.
    pub fn new(detectors: Vec<Detector>) -> Result<Self, NotCompiled> {
        let (mut literals, mut of_literal) = (Vec::new(), Vec::new());
        let [mut digits, mut ats, mut base64] = [const { Vec::new() }; 3];
        let (mut words, mut of_word) = (Vec::new(), Vec::new());
        for (number, detector) in (0_u16..).zip(&detectors) {
            match &detector.anchor {
                Anchor::Literals(all) => all.iter().for_each(|literal| {
                    literals.push(literal.clone());
                    of_literal.push(number);
                }),
                Anchor::Digits => digits.push(number),
                Anchor::At => ats.push(number),
                Anchor::Base64 => base64.push(number),
            }
            for word in detector.near.iter().flat_map(|near| &near.words) {
                words.push(word.clone());
                of_word.push(number);
            }
        }
        let compiled = detectors.into_iter().map(|detector| Compiled { detector, patterns: OnceLock::new() }).collect();
        let literals = automaton(&literals, false)?;
        Ok(Self { detectors: compiled, literals, of_literal, digits, ats, base64, words: automaton(&words, true)?, of_word })
    }

    /// The detector of that number.
    pub fn detector(&self, number: usize) -> Option<&Detector> {
        self.detectors.get(number).map(|compiled| &compiled.detector)
    }

    /// All of them, in the order of their numbers.
    pub fn all(&self) -> impl Iterator<Item = &Detector> {
        self.detectors.iter().map(|compiled| &compiled.detector)
    }

    /// Compiles every pattern now, so that no message waits for it.
    ///
    /// # Errors
    /// One is none.
    pub fn compile(&self) -> Result<(), NotCompiled> {
        for Compiled { detector, patterns } in &self.detectors {
            let failed = |why: regex::Error| NotCompiled { id: detector.id.clone(), why: why.to_string() };
            let compiled = Patterns::new(detector).map_err(failed)?;
            let _already = patterns.set(Some(compiled));
        }
        Ok(())
    }

    /// Hands everything that is found to `visit`, in no order, with its place in `text`; the same place may be found by several.
    pub fn scan(&self, text: &[u8], mut visit: impl FnMut(Hit, Range<usize>)) {
        let mut scan = Scan { text, left: text.len().saturating_mul(FACTOR).saturating_add(FREE), words: None };
        let read = self.literals(&mut scan, &mut visit).and_then(|()| self.runs(&mut scan, &mut visit));
        if read.is_err() {
            // Which anchors were looked at depends on what they are, so nothing of the text counts as read.
            visit(Hit::Unread, 0..text.len());
        }
    }

    fn literals(&self, scan: &mut Scan<'_>, visit: &mut impl FnMut(Hit, Range<usize>)) -> Result<(), Spent> {
        let Some(literals) = &self.literals else { return Ok(()) };
        for found in literals.find_overlapping_iter(scan.text) {
            if let Some(number) = self.of_literal.get(found.pattern().as_usize()) {
                self.look(*number, found.start(), scan, visit)?;
            }
        }
        Ok(())
    }

    /// Everything that is no literal, in one pass.
    fn runs(&self, scan: &mut Scan<'_>, visit: &mut impl FnMut(Hit, Range<usize>)) -> Result<(), Spent> {
        let (digits, ats, base64) = (!self.digits.is_empty(), !self.ats.is_empty(), !self.base64.is_empty());
        if ats {
            for at in memchr::memchr_iter(b'@', scan.text) {
                for number in &self.ats {
                    self.look(*number, at, scan, visit)?;
                }
            }
        }
        let text = scan.text;
        let mut at = 0;
        while digits && let Some(start) = next_digit(text, at) {
            at = end_of_digits(text, start);
            // The groups of one number belong to its first.
            if !continues(text, start) {
                for number in &self.digits {
                    self.look(*number, start, scan, visit)?;
                }
            }
        }
        if base64 {
            let mut start = 0;
            for word in text.split(|byte| !is_base64(*byte)) {
                if word.len() >= BASE64 {
                    for number in &self.base64 {
                        self.look(*number, start, scan, visit)?;
                    }
                }
                start += word.len() + 1;
            }
        }
        Ok(())
    }

    /// Looks around one anchor for what one detector wants.
    fn look(&self, number: u16, at: usize, scan: &mut Scan<'_>, visit: &mut impl FnMut(Hit, Range<usize>)) -> Result<(), Spent> {
        let Some(compiled) = self.detectors.get(usize::from(number)) else { return Ok(()) };
        if !self.is_near(number, compiled, at, scan) {
            return Ok(());
        }
        let from = at.saturating_sub(compiled.detector.before);
        let window = from..at.saturating_add(compiled.detector.after).min(scan.text.len());
        scan.left = scan.left.checked_sub(window.len()).ok_or(Spent)?;
        if let Some(found) = compiled.find(scan.text, window, at) {
            visit(Hit::Found(usize::from(number)), found);
        }
        Ok(())
    }

    fn is_near(&self, number: u16, compiled: &Compiled, at: usize, scan: &mut Scan<'_>) -> bool {
        let Some(near) = &compiled.detector.near else { return true };
        let words = scan.words.get_or_insert_with(|| self.words_in(scan.text));
        let before = words.partition_point(|(end, _)| *end <= at);
        let earliest = at.saturating_sub(near.within);
        let candidates = words.get(..before).unwrap_or_default().iter().rev().take_while(|(end, _)| *end >= earliest);
        candidates.take(64).any(|(_, of)| *of == number)
    }

    fn words_in(&self, text: &[u8]) -> Vec<(usize, u16)> {
        let found = self.words.iter().flat_map(|words| words.find_overlapping_iter(text));
        let found = found.filter(|word| is_word(text, word.range()));
        found.filter_map(|word| Some((word.end(), *self.of_word.get(word.pattern().as_usize())?))).collect()
    }
}

impl Patterns {
    fn new(detector: &Detector) -> Result<Self, regex::Error> {
        let begins = if detector.before == 0 { r"\A" } else { "" };
        let pattern = format!("{begins}(?:{})", detector.pattern);
        let whole = RegexBuilder::new(&pattern).unicode(false).size_limit(PATTERN).dfa_size_limit(CACHE).build()?;
        let value = whole.capture_names().position(|name| name == Some("value"));
        let mut not = RegexSetBuilder::new(&detector.not);
        not.unicode(false).size_limit(PATTERN);
        let not = if detector.not.is_empty() { None } else { Some(not.build()?) };
        Ok(Self { whole, value, not })
    }
}

impl Compiled {
    /// The value, where the whole fits around the anchor and nothing speaks against it.
    fn find(&self, text: &[u8], window: Range<usize>, anchor: usize) -> Option<Range<usize>> {
        // What is no pattern finds nothing; `Scanner::compile` has told of it.
        let patterns = self.patterns.get_or_init(|| Patterns::new(&self.detector).ok()).as_ref()?;
        let (start, slice) = (window.start, text.get(window)?);
        let mut from = 0;
        while let Some(whole) = patterns.whole.find_at(slice, from) {
            let (begin, end) = (start + whole.start(), start + whole.end());
            if begin > anchor {
                return None;
            }
            if end > anchor {
                if !stands_alone(text, begin, end, self.detector.edges) {
                    return None;
                }
                let value = match patterns.value {
                    Some(group) => patterns.whole.captures_at(slice, from)?.get(group)?.range(),
                    None => whole.range(),
                };
                return self.accepts(slice.get(value.clone())?, patterns).then_some(start + value.start..start + value.end);
            }
            // One that ends before the anchor: the next may be the one.
            from = whole.start() + 1;
        }
        None
    }

    fn accepts(&self, value: &[u8], patterns: &Patterns) -> bool {
        // Who has a check digit, or a date, is told from what people write in its place by that.
        let placeholder = if self.detector.check.is_some() { is_of_one_letter(value) } else { is_placeholder(value) };
        !placeholder
            && self.detector.entropy.is_none_or(|least| bits_a_byte(value) >= least)
            && self.detector.check.is_none_or(|passes| passes(value))
            && patterns.not.as_ref().is_none_or(|not| !not.is_match(value))
    }
}

fn automaton(literals: &[String], any_case: bool) -> Result<Option<AhoCorasick>, NotCompiled> {
    if literals.is_empty() {
        return Ok(None);
    }
    let built = AhoCorasick::builder()
        // Literals that lie in one another are found each.
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .ascii_case_insensitive(any_case)
        .build(literals);
    built.map(Some).map_err(|why| NotCompiled { id: "(all)".to_owned(), why: why.to_string() })
}

fn next_digit(text: &[u8], from: usize) -> Option<usize> {
    // Most text is not digits: a block without one is passed over at vector speed.
    const BLOCK: usize = 32;
    let mut at = from;
    while let Some(block) = text.get(at..at + BLOCK) {
        if block.iter().fold(false, |any, byte| any | byte.is_ascii_digit()) {
            break;
        }
        at += BLOCK;
    }
    Some(at + text.get(at..)?.iter().position(u8::is_ascii_digit)?)
}

fn end_of_digits(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
}

/// Whether digits are a further group of a number: behind one separator and a digit.
fn continues(text: &[u8], start: usize) -> bool {
    let separator = start.checked_sub(1).and_then(|at| text.get(at));
    let digit = start.checked_sub(2).and_then(|at| text.get(at));
    matches!(separator, Some(b' ' | b'-' | b'.' | b'/')) && digit.is_some_and(u8::is_ascii_digit)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'=' | b'-')
}

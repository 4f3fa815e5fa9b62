//! Many detectors at once: one pass for all anchors, then only what lies around them.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::detector::{Anchor, Detector, Shape};
use super::embedded::Class;
use super::own::Own;
use super::row::Row;
use super::set::{MOST, Set};
use super::verify::is_word;

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
    rows: Vec<Arc<Row>>,
    literals: Option<AhoCorasick>,
    /// Whose literal each is, by its number.
    of_literal: Vec<u16>,
    digits: Anchored,
    /// Those of `digits` that are matchers: they look at each group of a number.
    groups: Anchored,
    ats: Anchored,
    base64: Anchored,
    /// Those of policies, with what they look for.
    own: Vec<(u16, Arc<Own>)>,
    words: Option<AhoCorasick>,
    /// Whose word each is, by its number.
    of_word: Vec<u16>,
}

/// The detectors that have one anchor in common.
#[derive(Debug, Default)]
struct Anchored {
    numbers: Vec<u16>,
    all: Set,
}

/// What was found, and where in the text: on boundaries of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The detector, by its number.
    pub by: u16,
    /// What it is about.
    pub class: Class,
    /// Its kind.
    pub kind: &'static str,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A text was not read to its end: it is made to be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread;

/// A detector that cannot be one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the detector `{id}` cannot be compiled: {why}")]
pub struct NotCompiled {
    /// Which.
    pub id: String,
    /// Why.
    pub why: String,
}

/// The state of one scan.
struct Scan<'t> {
    text: &'t [u8],
    /// Who is asked.
    wanted: &'t Set,
    /// How many bytes may still be looked at.
    left: usize,
    /// Where words stand that some detector wants before it: their ends, in order, and whose they are. `None`: not looked for yet.
    words: Option<Vec<(usize, u16)>>,
}

/// No match is shorter: `a@b.co`. Most keys and many values of a message are.
const SHORTEST: usize = 6;

impl Anchored {
    fn add(&mut self, number: u16) {
        self.numbers.push(number);
        self.all.insert(number);
    }
}

impl Scanner {
    /// Of these, which are of one class; a hit says by its number which it was.
    ///
    /// # Errors
    /// Their anchors are too many.
    pub fn new(class: Class, detectors: Vec<Detector>) -> Result<Self, NotCompiled> {
        Self::of(detectors.into_iter().map(|detector| Arc::new(Row::new(class, detector))).collect())
    }

    pub(super) fn of(rows: Vec<Arc<Row>>) -> Result<Self, NotCompiled> {
        if rows.len() > MOST {
            return Err(NotCompiled { id: "(all)".to_owned(), why: format!("more than {MOST} detectors in one scanner") });
        }
        let (mut literals, mut of_literal) = (Vec::new(), Vec::new());
        let [mut digits, mut groups, mut ats, mut base64] = [const { Anchored { numbers: Vec::new(), all: Set::EMPTY } }; 4];
        let (mut words, mut of_word, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for (number, row) in (0_u16..).zip(&rows) {
            let detector = row.detector();
            match (&detector.anchor, &detector.shape) {
                (_, Shape::Own(looked_for)) => own.push((number, Arc::clone(looked_for))),
                // Nothing else looks at a text without an anchor.
                (Anchor::Text, _) => {}
                (Anchor::Literals(all), _) => all.iter().for_each(|literal| {
                    literals.push(literal.clone());
                    of_literal.push(number);
                }),
                (Anchor::Digits, Shape::Pattern(_)) => digits.add(number),
                (Anchor::Digits, Shape::Matcher(_)) => groups.add(number),
                (Anchor::At, _) => ats.add(number),
                (Anchor::Base64, _) => base64.add(number),
            }
            for word in detector.near.iter().flat_map(|near| &near.words) {
                words.push(word.clone());
                of_word.push(number);
            }
        }
        let (literals, words) = (automaton(&literals, false)?, automaton(&words, true)?);
        Ok(Self { rows, literals, of_literal, digits, groups, ats, base64, own, words, of_word })
    }

    /// The row of that number.
    pub fn row(&self, number: u16) -> Option<&Row> {
        self.rows.get(usize::from(number)).map(Arc::as_ref)
    }

    /// All of them, in the order of their numbers.
    pub fn all(&self) -> impl Iterator<Item = &Detector> {
        self.rows.iter().map(|row| row.detector())
    }

    /// The numbers of those that `wanted` says.
    pub fn set(&self, wanted: impl Fn(&Row) -> bool) -> Set {
        (0_u16..).zip(&self.rows).filter(|(_, row)| wanted(row)).map(|(number, _)| number).collect()
    }

    /// The rows of a set.
    pub fn members(&self, set: &Set) -> impl Iterator<Item = &Row> {
        (0_u16..).zip(&self.rows).filter(|(number, _)| set.contains(*number)).map(|(_, row)| row.as_ref())
    }

    /// Compiles every pattern now, so that no message waits for it.
    ///
    /// # Errors
    /// One is none.
    pub fn compile(&self) -> Result<(), NotCompiled> {
        for row in &self.rows {
            row.compile().map_err(|why| NotCompiled { id: row.detector().id.clone(), why: why.to_string() })?;
        }
        Ok(())
    }

    /// Appends what those of `wanted` find in `text`, by where it begins, the longer first, and of the same the detector that comes first.
    /// The same place may be found by several.
    ///
    /// # Errors
    /// The text was not read to its end.
    pub fn find(&self, text: &str, wanted: &Set, out: &mut Vec<Found>) -> Result<(), Unread> {
        let before = out.len();
        let read = self.scan(text.as_bytes(), wanted, |by, span| {
            let Some(row) = self.row(by) else { return };
            let (start, end) = (text.floor_char_boundary(span.start), text.ceil_char_boundary(span.end));
            out.push(Found { by, class: row.class(), kind: row.detector().kind, start, end });
        });
        if let Some(found) = out.get_mut(before..) {
            found.sort_unstable_by_key(|found| (found.start, Reverse(found.end), found.by));
        }
        read
    }

    /// Hands everything that those of `wanted` find to `visit`, in no order, with its place in `text`.
    ///
    /// # Errors
    /// The text was not read to its end. Which anchors were looked at depends on what they are, so nothing of it counts as read.
    pub fn scan(&self, text: &[u8], wanted: &Set, mut visit: impl FnMut(u16, Range<usize>)) -> Result<(), Unread> {
        // What a policy looks for may be shorter.
        if text.len() < SHORTEST && self.own.is_empty() {
            return Ok(());
        }
        let mut scan = Scan { text, wanted, left: text.len().saturating_mul(FACTOR).saturating_add(FREE), words: None };
        for (number, own) in self.own.iter().filter(|(number, _)| wanted.contains(*number)) {
            own.find(text, |found| visit(*number, found));
        }
        self.literals(&mut scan, &mut visit)?;
        self.runs(&mut scan, &mut visit)
    }

    fn literals(&self, scan: &mut Scan<'_>, visit: &mut impl FnMut(u16, Range<usize>)) -> Result<(), Unread> {
        let Some(literals) = &self.literals else { return Ok(()) };
        for found in literals.find_overlapping_iter(scan.text) {
            if let Some(number) = self.of_literal.get(found.pattern().as_usize()) {
                self.look(*number, found.start(), scan, visit)?;
            }
        }
        Ok(())
    }

    /// Everything that is no literal.
    fn runs(&self, scan: &mut Scan<'_>, visit: &mut impl FnMut(u16, Range<usize>)) -> Result<(), Unread> {
        let text = scan.text;
        if self.ats.all.meets(scan.wanted) {
            for at in memchr::memchr_iter(b'@', text) {
                self.look_each(&self.ats, at, scan, visit)?;
            }
        }
        let (digits, groups) = (self.digits.all.meets(scan.wanted), self.groups.all.meets(scan.wanted));
        let mut at = 0;
        while (digits || groups)
            && let Some(start) = next_digit(text, at)
        {
            at = end_of_digits(text, start);
            if groups {
                self.look_each(&self.groups, start, scan, visit)?;
            }
            // The groups of one number belong to its first.
            if digits && !continues(text, start) {
                self.look_each(&self.digits, start, scan, visit)?;
            }
        }
        if self.base64.all.meets(scan.wanted) {
            let mut start = 0;
            for word in text.split(|byte| !is_base64(*byte)) {
                if word.len() >= BASE64 {
                    self.look_each(&self.base64, start, scan, visit)?;
                }
                start += word.len() + 1;
            }
        }
        Ok(())
    }

    fn look_each(
        &self,
        anchored: &Anchored,
        at: usize,
        scan: &mut Scan<'_>,
        visit: &mut impl FnMut(u16, Range<usize>),
    ) -> Result<(), Unread> {
        anchored.numbers.iter().try_for_each(|number| self.look(*number, at, scan, visit))
    }

    /// Looks around one anchor for what one detector wants.
    fn look(&self, number: u16, at: usize, scan: &mut Scan<'_>, visit: &mut impl FnMut(u16, Range<usize>)) -> Result<(), Unread> {
        let Some(row) = self.row(number).filter(|_| scan.wanted.contains(number)) else { return Ok(()) };
        if !self.is_near(number, row, at, scan) {
            return Ok(());
        }
        let window = row.window(scan.text, at);
        scan.left = scan.left.checked_sub(window.len()).ok_or(Unread)?;
        if let Some(found) = row.find(scan.text, window, at) {
            visit(number, found);
        }
        Ok(())
    }

    fn is_near(&self, number: u16, row: &Row, at: usize, scan: &mut Scan<'_>) -> bool {
        let Some(near) = &row.detector().near else { return true };
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

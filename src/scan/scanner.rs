//! Many detectors at once: one pass for all anchors, then only what lies around them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::detector::{Anchor, Detector, How};
use super::embedded::Class;
use super::grams::{self, Grams};
use super::own::Own;
use super::row::{Nots, Row};
use super::runs;
use super::set::{MOST, Set};
use super::shape::Shape;
use super::sieve::Sieve;
use super::vocabulary::{WORDS, is_of_protocol};
use super::words::{Seen, Words};

/// How many bytes around anchors are looked at for each byte of a text, and for any message, however short.
///
/// SECURITY: a text of nothing but anchors would cost a window for every few bytes of it.
const FACTOR: usize = 24;
const FREE: usize = 256 << 10;

/// How many bytes around anchors may still be looked at. One for all texts of a message.
///
/// SECURITY: with one for each text, a message of many short ones would have what is free for any text as often.
#[derive(Debug)]
pub struct Effort(usize);

impl Default for Effort {
    fn default() -> Self {
        Self(FREE)
    }
}

/// Detectors, compiled.
#[derive(Debug)]
pub struct Scanner {
    literals: Grams<false>,
    /// Whose literal each is, by its number.
    of_literal: Vec<Vec<u16>>,
    numbers: Anchored,
    ats: Anchored,
    base64: Anchored,
    /// What policies look for themselves.
    own: Vec<(u16, Arc<Own>)>,
    words: Words,
    /// The place in `words` of each detector that wants some.
    near: Vec<Option<usize>>,
    /// No match is shorter.
    shortest: usize,
    /// Whether none of the others finds anything in the words of the protocol: those of this build do not.
    passes_protocol: OnceLock<bool>,
    rows: Vec<Arc<Row>>,
}

/// The detectors that have one kind of anchor in common.
#[derive(Debug)]
struct Anchored {
    all: Set,
    sieves: Vec<Sieve>,
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
    left: &'t mut Effort,
    words: Seen,
}

impl Anchored {
    fn new(rows: &[(u16, &Shape)], always: impl Fn(u16) -> bool) -> Self {
        Self { all: rows.iter().map(|(number, _)| *number).collect(), sieves: Sieve::new(rows, always) }
    }
}

impl Scanner {
    /// Of these, which are of one class; a hit says by its number which it was.
    ///
    /// # Errors
    /// They are too many, or an anchor is too short.
    pub fn new(class: Class, detectors: Vec<Detector>) -> Result<Self, NotCompiled> {
        Self::of(detectors.into_iter().map(|detector| Arc::new(Row::new(class, detector))).collect())
    }

    pub(super) fn of(rows: Vec<Arc<Row>>) -> Result<Self, NotCompiled> {
        let all = |why: String| NotCompiled { id: "(all)".to_owned(), why };
        if rows.len() > MOST {
            return Err(all(format!("more than {MOST} detectors in one scanner")));
        }
        let nears = rows.iter().filter_map(|row| row.detector().near.as_ref());
        let words = Words::new(nears).map_err(|why| all(why.to_string()))?;
        let mut places = 0..;
        let near = rows.iter().map(|row| row.detector().near.as_ref().and_then(|_| places.next())).collect();
        let mut literals: HashMap<&str, Vec<u16>> = HashMap::new();
        let [mut numbers, mut ats, mut base64] = [const { Vec::<(u16, &Shape)>::new() }; 3];
        let mut own = Vec::new();
        for (number, row) in (0_u16..).zip(&rows) {
            let detector = row.detector();
            match (&detector.anchor, &detector.how) {
                (_, How::Own(looked_for)) => own.push((number, Arc::clone(looked_for))),
                // Nothing else looks at a text without an anchor.
                (Anchor::Text, _) => {}
                (Anchor::Literals(own), _) => {
                    if own.iter().any(|literal| literal.len() < grams::SHORTEST) {
                        let why = format!("an anchor is shorter than {} bytes", grams::SHORTEST);
                        return Err(NotCompiled { id: detector.id.clone(), why });
                    }
                    for literal in own {
                        literals.entry(literal).or_default().push(number);
                    }
                }
                (Anchor::Digits, _) => numbers.push((number, row.shape())),
                (Anchor::At, _) => ats.push((number, row.shape())),
                (Anchor::Base64, _) => base64.push((number, row.shape())),
            }
        }
        // Matchers look at each group of a number, patterns where one begins.
        let is_matcher =
            |number: u16| rows.get(usize::from(number)).is_some_and(|row| matches!(row.detector().how, How::Matcher(_)));
        let [numbers, ats, base64] = [numbers, ats, base64].map(|anchored| Anchored::new(&anchored, is_matcher));
        let (literals, of_literal): (Vec<&str>, Vec<Vec<u16>>) = literals.into_iter().unzip();
        let literals = Grams::new(literals.into_iter().map(str::as_bytes));
        let shortest = rows.iter().map(|row| row.least()).min().unwrap_or_default();
        let passes_protocol = OnceLock::new();
        Ok(Self { literals, of_literal, numbers, ats, base64, own, words, near, shortest, passes_protocol, rows })
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
        let mut nots = Nots::new();
        for row in &self.rows {
            let failed = |why: regex::Error| NotCompiled { id: row.detector().id.clone(), why: why.to_string() };
            row.compile(&mut nots).map_err(failed)?;
        }
        self.passes_protocol();
        Ok(())
    }

    /// Appends what those of `wanted` find in `text`, by where it begins, the longer first, and of the same the detector that comes first.
    /// The same place may be found by several.
    ///
    /// # Errors
    /// The text was not read to its end.
    pub fn find(&self, text: &str, wanted: &Set, left: &mut Effort, out: &mut Vec<Found>) -> Result<(), Unread> {
        let before = out.len();
        let note = |by, span: Range<usize>| {
            let Some(row) = self.row(by) else { return };
            let (start, end) = (text.floor_char_boundary(span.start), text.ceil_char_boundary(span.end));
            out.push(Found { by, class: row.class(), kind: row.detector().kind, start, end });
        };
        let read = if is_of_protocol(text) && self.passes_protocol() {
            self.find_own(text.as_bytes(), wanted, note);
            Ok(())
        } else {
            self.scan(text.as_bytes(), wanted, left, note)
        };
        if let Some(found) = out.get_mut(before..) {
            found.sort_unstable_by_key(|found| (found.start, Reverse(found.end), found.by));
        }
        read
    }

    /// Hands everything that those of `wanted` find to `visit`, in no order, with its place in `text`.
    ///
    /// # Errors
    /// The text was not read to its end. Which anchors were looked at depends on what they are, so nothing of it counts as read.
    pub fn scan(
        &self,
        text: &[u8],
        wanted: &Set,
        left: &mut Effort,
        mut visit: impl FnMut(u16, Range<usize>),
    ) -> Result<(), Unread> {
        // Most keys and many values of a message are.
        if text.len() < self.shortest {
            return Ok(());
        }
        left.0 = left.0.saturating_add(text.len().saturating_mul(FACTOR));
        self.find_own(text, wanted, &mut visit);
        let mut scan = Scan { text, wanted, left, words: Seen::default() };
        self.literals(&mut scan, &mut visit)?;
        self.runs(&mut scan, &mut visit)
    }

    fn find_own(&self, text: &[u8], wanted: &Set, mut visit: impl FnMut(u16, Range<usize>)) {
        for (number, own) in self.own.iter().filter(|(number, _)| wanted.contains(*number)) {
            own.find(text, |found| visit(*number, found));
        }
    }

    fn passes_protocol(&self) -> bool {
        *self.passes_protocol.get_or_init(|| {
            let others = self.set(|row| !matches!(row.detector().how, How::Own(_)));
            let mut found = 0;
            let read =
                WORDS.iter().try_for_each(|word| self.scan(word.as_bytes(), &others, &mut Effort::default(), |_, _| found += 1));
            read.is_ok() && found == 0
        })
    }

    /// Whether a literal that some of `wanted` look around stands in a text.
    pub fn has_anchor(&self, text: &[u8], wanted: &Set) -> bool {
        let of_wanted = |literal: usize| self.of_literal.get(literal).into_iter().flatten().any(|row| wanted.contains(*row));
        let none = self.literals.find(text, |literal, _| if of_wanted(literal) { Err(()) } else { Ok(()) });
        none.is_err()
    }

    fn literals(&self, scan: &mut Scan<'_>, visit: &mut impl FnMut(u16, Range<usize>)) -> Result<(), Unread> {
        self.literals.find(scan.text, |literal, at| {
            let mut rows = self.of_literal.get(literal).into_iter().flatten();
            rows.try_for_each(|number| match self.row(*number) {
                Some(row) if row.may_match(scan.text, at) => self.look(*number, at, scan, visit),
                _ => Ok(()),
            })
        })
    }

    /// Everything that is no literal.
    fn runs(&self, scan: &mut Scan<'_>, visit: &mut impl FnMut(u16, Range<usize>)) -> Result<(), Unread> {
        let (text, wanted) = (scan.text, scan.wanted);
        let mut look = |anchored: &Anchored, at: usize, begins: bool| {
            let mut rows = anchored.sieves.iter().flat_map(|sieve| sieve.at(text, at, begins));
            rows.try_for_each(|number| self.look(number, at, scan, visit))
        };
        if self.ats.all.meets(wanted) {
            memchr::memchr_iter(b'@', text).try_for_each(|at| look(&self.ats, at, true))?;
        }
        if self.base64.all.meets(wanted) {
            runs::base64(text, |at| look(&self.base64, at, true))?;
        }
        if self.numbers.all.meets(wanted) {
            runs::digits(text, |at, begins| look(&self.numbers, at, begins))?;
        }
        Ok(())
    }

    /// Whether words that a detector wants stand before an anchor.
    fn stand_before(&self, place: usize, at: usize, scan: &mut Scan<'_>) -> Result<bool, Unread> {
        let read = scan.words.read;
        let stand = self.words.stand_before(place, at, scan.text, &mut scan.words);
        scan.spend(scan.words.read - read)?;
        Ok(stand)
    }

    /// Looks around one anchor for what one detector wants.
    fn look(&self, number: u16, at: usize, scan: &mut Scan<'_>, visit: &mut impl FnMut(u16, Range<usize>)) -> Result<(), Unread> {
        let Some(row) = self.row(number).filter(|_| scan.wanted.contains(number)) else { return Ok(()) };
        let near = self.near.get(usize::from(number)).copied().flatten();
        // Words that were looked for already cost less than a window, and a window less than to look for words.
        let is_known = scan.words.reach(at);
        if let Some(place) = near.filter(|_| is_known)
            && !self.stand_before(place, at, scan)?
        {
            return Ok(());
        }
        let Some(window) = row.window(scan.text, at) else { return Ok(()) };
        if let Some(place) = near.filter(|_| !is_known)
            && !self.stand_before(place, at, scan)?
        {
            return Ok(());
        }
        scan.spend(row.cost(&window))?;
        if let Some(found) = row.find(scan.text, window, at) {
            visit(number, found);
        }
        Ok(())
    }
}

impl Scan<'_> {
    fn spend(&mut self, bytes: usize) -> Result<(), Unread> {
        self.left.0 = self.left.0.checked_sub(bytes).ok_or(Unread)?;
        Ok(())
    }
}

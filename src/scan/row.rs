//! One detector, compiled: what it takes to look around one anchor. Shared by all scanners that look for it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex::bytes::{Captures, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::detector::{Anchor, Detector, Edges, How, Matcher, Pattern};
use super::embedded::Class;
use super::entropy::bits_a_byte;
use super::matchers;
use super::runs::{self, BASE64};
use super::shape::{Bytes, Shape, Start};
use super::verify::{is_blank, is_of_one_letter, is_placeholder, is_stand_in, stands_alone, touches};

/// The largest compiled pattern, and the most a lazily built automaton may take, in bytes.
const PATTERN: usize = 1 << 20;
const CACHE: usize = 256 << 10;

/// At how many places a match may begin that is tried at each of them, rather than searched for.
const FEW: usize = 4;

/// How far behind its anchor a match may end, if a look at all its bytes is to cost less than to try it.
const NEARBY: usize = 64;

/// What a search costs besides what it reads, in bytes that it could read in that time.
const SEARCH: usize = 64;

/// A detector with its pattern.
#[derive(Debug)]
pub struct Row {
    class: Class,
    detector: Detector,
    shape: Shape,
    /// How many bytes of an anchor say nothing, since the anchor was found by them.
    known: usize,
    /// Compiled when its anchor is first seen, if not before.
    patterns: OnceLock<Option<Patterns>>,
}

/// Sets of patterns of values that are none: many detectors have the same.
pub(super) type Nots = HashMap<Vec<String>, Arc<RegexSet>>;

#[derive(Debug)]
struct Patterns {
    /// Where a match may begin at few places, only at the beginning of what is searched.
    whole: Regex,
    /// The group that is the value, if not all is.
    value: Option<usize>,
    not: Option<Arc<RegexSet>>,
}

impl PartialEq for Row {
    /// Everything else of a row is made of these.
    fn eq(&self, other: &Self) -> bool {
        self.class == other.class && self.detector == other.detector
    }
}

impl Row {
    pub(super) fn new(class: Class, detector: Detector) -> Self {
        let (bytes, apart, known) = match &detector.anchor {
            Anchor::Literals(literals) => {
                let bytes = beginnings(literals);
                let known = bytes.len();
                (bytes, false, known)
            }
            Anchor::Digits => (vec![Bytes::of(|byte| byte.is_ascii_digit())], true, 0),
            Anchor::At => (vec![Bytes::one(b'@')], false, 0),
            Anchor::Base64 => (vec![Bytes::of(runs::is_base64); BASE64], true, 0),
            Anchor::Text => (Vec::new(), false, 0),
        };
        let shape = match &detector.how {
            How::Pattern(written) => Shape::new(&written.whole, &Start { bytes, apart, before: written.before }, written.edges),
            How::Matcher(Matcher { outline: Some((outline, before)), .. }) => {
                Shape::new(outline, &Start { bytes, apart, before: *before }, Edges::None)
            }
            How::Matcher(_) | How::Own(_) => Shape::ANY,
        };
        Self { class, detector, shape, known, patterns: OnceLock::new() }
    }

    /// What it is about.
    pub fn class(&self) -> Class {
        self.class
    }

    /// What its row says.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Whether a name stands for it: its id, its kind or its class.
    pub fn goes_by(&self, name: &str) -> bool {
        name == self.detector.id || name == self.detector.kind || name == self.class.name()
    }

    /// How many bytes a match has at least, as far as is known.
    pub(super) fn least(&self) -> usize {
        match self.detector.how {
            How::Pattern(_) => self.shape.extent.least,
            How::Matcher(_) => matchers::SHORTEST,
            How::Own(_) => 0,
        }
    }

    /// Compiles the patterns now.
    pub(super) fn compile(&self, nots: &mut Nots) -> Result<(), regex::Error> {
        if let (How::Pattern(written), None) = (&self.detector.how, self.patterns.get()) {
            let patterns = Patterns::new(written, self.is_tried_at_each(written), nots)?;
            self.patterns.get_or_init(|| Some(patterns));
        }
        Ok(())
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What settles it, where a pattern does.
    fn written(&self) -> Option<&Pattern> {
        match &self.detector.how {
            How::Pattern(written) => Some(written),
            How::Matcher(_) | How::Own(_) => None,
        }
    }

    /// Whether what stands around an anchor may match, as far as a look at single bytes tells.
    pub(super) fn may_match(&self, text: &[u8], at: usize) -> bool {
        // What may not begin before its anchor touches what stands there.
        let touches = |written: &Pattern| written.before == 0 && touches(text, at.checked_sub(1), written.edges);
        !self.written().is_some_and(touches) && self.shape.allows(text, at, self.known)
    }

    /// Where a match can lie around an anchor; `None` where it has no room. What a matcher looks at it bounds itself.
    pub(super) fn window(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let Some(written) = self.written() else { return Some(at..at) };
        let window = at.saturating_sub(written.before)..at.saturating_add(written.after).min(text.len());
        let extent = &self.shape.extent;
        let (left, right) = (text.get(window.start..at)?, text.get(at..window.end)?);
        let from = left.iter().rposition(|byte| !extent.before.holds(*byte)).map_or(window.start, |last| window.start + last + 1);
        let least = extent.least.saturating_sub(at - from);
        let begins = |at: usize| !touches(text, at.checked_sub(1), written.edges);
        if !right.get(..least)?.iter().all(|byte| extent.behind.holds(*byte)) || !(from..=at).rev().any(begins) {
            return None;
        }
        if let Some(needed) = extent.needed.filter(|_| written.after <= NEARBY) {
            let mut all = left.iter().rev().take(at - from).chain(right.iter().take_while(|byte| extent.behind.holds(**byte)));
            if !all.any(|byte| needed.holds(*byte)) {
                return None;
            }
        }
        // An assertion looks at what stands beside a match, so it gets all.
        if !extent.is_free {
            return Some(window);
        }
        // What is tried at one place ends by itself.
        if self.is_tried_at_each(written) {
            return Some(from..window.end);
        }
        Some(from..right.iter().position(|byte| !extent.behind.holds(*byte)).map_or(window.end, |first| at + first))
    }

    /// What it costs to look at a window, in bytes: to search takes longer than to try.
    pub(super) fn cost(&self, window: &Range<usize>) -> usize {
        let tried = self.written().is_none_or(|written| self.is_tried_at_each(written));
        if tried { window.len() } else { window.len() + SEARCH }
    }

    /// The value, where the whole fits around the anchor and nothing speaks against it.
    pub(super) fn find(&self, text: &[u8], window: Range<usize>, anchor: usize) -> Option<Range<usize>> {
        let written = match &self.detector.how {
            How::Pattern(written) => written,
            How::Matcher(matcher) => return (matcher.find)(text, anchor),
            How::Own(_) => return None,
        };
        let tried = self.is_tried_at_each(written);
        // What is no pattern finds nothing; `Scanner::compile` has told of it.
        let patterns = self.patterns.get_or_init(|| Patterns::new(written, tried, &mut Nots::new()).ok()).as_ref()?;
        if !tried {
            return search(patterns, written, text, window, anchor);
        }
        for begin in window.start..=anchor {
            let slice = text.get(begin..window.end)?;
            if slice.first().is_some_and(|byte| self.shape.extent.first.holds(*byte))
                && let Some(whole) = patterns.whole.find(slice)
                // One that ends before the anchor: the next may be the one.
                && begin + whole.end() > anchor
            {
                let captured = || patterns.whole.captures(slice);
                return judge(patterns, written, text, begin..begin + whole.end(), captured);
            }
        }
        None
    }

    fn is_tried_at_each(&self, written: &Pattern) -> bool {
        written.before == 0 || written.before <= FEW && self.shape.extent.is_free
    }
}

fn search(patterns: &Patterns, written: &Pattern, text: &[u8], window: Range<usize>, anchor: usize) -> Option<Range<usize>> {
    let (start, slice) = (window.start, text.get(window)?);
    let mut from = 0;
    while let Some(whole) = patterns.whole.find_at(slice, from) {
        let (begin, end) = (start + whole.start(), start + whole.end());
        if begin > anchor {
            return None;
        }
        if end > anchor {
            let captured = || patterns.whole.captures_at(slice, from);
            return judge(patterns, written, text, begin..end, captured);
        }
        from = whole.start() + 1;
    }
    None
}

/// The value of a match, if it is one.
fn judge<'t>(
    patterns: &Patterns,
    written: &Pattern,
    text: &'t [u8],
    whole: Range<usize>,
    captured: impl FnOnce() -> Option<Captures<'t>>,
) -> Option<Range<usize>> {
    if !stands_alone(text, whole.start, whole.end, written.edges) {
        return None;
    }
    let value = match patterns.value {
        Some(group) => {
            let captured = captured()?;
            let (all, value) = (captured.get(0)?, captured.get(group)?);
            let begin = whole.start + (value.start() - all.start());
            begin..begin + value.len()
        }
        None => whole,
    };
    patterns.accept(text.get(value.clone())?, written).then_some(value)
}

impl Patterns {
    fn new(written: &Pattern, tried_at_each: bool, nots: &mut Nots) -> Result<Self, regex::Error> {
        let begins = if tried_at_each { r"\A" } else { "" };
        let pattern = format!("{begins}(?:{})", written.whole);
        let whole = RegexBuilder::new(&pattern).unicode(false).size_limit(PATTERN).dfa_size_limit(CACHE).build()?;
        let value = whole.capture_names().position(|name| name == Some("value"));
        if written.not.is_empty() {
            return Ok(Self { whole, value, not: None });
        }
        if let Some(not) = nots.get(&written.not) {
            return Ok(Self { whole, value, not: Some(Arc::clone(not)) });
        }
        let not = Arc::new(RegexSetBuilder::new(&written.not).unicode(false).size_limit(PATTERN).build()?);
        nots.insert(written.not.clone(), Arc::clone(&not));
        Ok(Self { whole, value, not: Some(not) })
    }

    fn accept(&self, value: &[u8], written: &Pattern) -> bool {
        let placeholder = match (written.check, self.value) {
            // Who has a check digit, or a date, is told from what people write in its place by that.
            (Some(_), _) => is_of_one_letter(value),
            (None, None) => is_blank(value),
            (None, Some(_)) => is_placeholder(value),
        };
        !placeholder
            && !is_stand_in(value)
            && written.entropy.is_none_or(|least| bits_a_byte(value) >= least)
            && written.check.is_none_or(|passes| passes(value))
            && self.not.as_ref().is_none_or(|not| !not.is_match(value))
    }
}

/// What stands at each distance from the beginning of a literal, as far as all of them go.
fn beginnings(literals: &[String]) -> Vec<Bytes> {
    let shortest = literals.iter().map(String::len).min().unwrap_or_default();
    let bytes = |at: usize| literals.iter().filter_map(move |literal| literal.as_bytes().get(at)).map(|byte| Bytes::one(*byte));
    (0..shortest).map(|at| bytes(at).fold(Bytes::default(), Bytes::or)).collect()
}

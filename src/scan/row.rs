//! One detector, compiled: what lies around one of its anchors.

use std::ops::Range;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::detector::{Detector, Pattern, Shape};
use super::embedded::Class;
use super::entropy::bits_a_byte;
use super::verify::{is_blank, is_of_one_letter, is_placeholder, is_stand_in, stands_alone};

/// The largest compiled pattern, and the most a lazily built automaton may take, in bytes.
const PATTERN: usize = 1 << 20;
const CACHE: usize = 64 << 10;

/// A detector, and its patterns once they are compiled. Shared by all scanners that look for it.
#[derive(Debug)]
pub struct Row {
    class: Class,
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

impl Patterns {
    fn new(written: &Pattern) -> Result<Self, regex::Error> {
        let begins = if written.before == 0 { r"\A" } else { "" };
        let pattern = format!("{begins}(?:{})", written.whole);
        let whole = RegexBuilder::new(&pattern).unicode(false).size_limit(PATTERN).dfa_size_limit(CACHE).build()?;
        let value = whole.capture_names().position(|name| name == Some("value"));
        let mut not = RegexSetBuilder::new(&written.not);
        not.unicode(false).size_limit(PATTERN);
        let not = if written.not.is_empty() { None } else { Some(not.build()?) };
        Ok(Self { whole, value, not })
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

impl Row {
    /// One detector.
    pub(super) fn new(class: Class, detector: Detector) -> Self {
        Self { class, detector, patterns: OnceLock::new() }
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

    /// Compiles its patterns now.
    pub(super) fn compile(&self) -> Result<(), regex::Error> {
        if let (Shape::Pattern(written), None) = (&self.detector.shape, self.patterns.get()) {
            let patterns = Patterns::new(written)?;
            self.patterns.get_or_init(|| Some(patterns));
        }
        Ok(())
    }

    /// How many bytes around an anchor it looks at; a matcher bounds that itself.
    pub(super) fn window(&self, text: &[u8], anchor: usize) -> Range<usize> {
        match &self.detector.shape {
            Shape::Pattern(written) => {
                anchor.saturating_sub(written.before)..anchor.saturating_add(written.after).min(text.len())
            }
            Shape::Matcher(_) | Shape::Own(_) => anchor..anchor,
        }
    }

    /// The value, where the whole fits around the anchor and nothing speaks against it.
    pub(super) fn find(&self, text: &[u8], window: Range<usize>, anchor: usize) -> Option<Range<usize>> {
        let written = match &self.detector.shape {
            Shape::Matcher(matcher) => return matcher(text, anchor),
            Shape::Own(_) => return None,
            Shape::Pattern(written) => written,
        };
        // What is no pattern finds nothing; `Scanner::compile` has told of it.
        let patterns = self.patterns.get_or_init(|| Patterns::new(written).ok()).as_ref()?;
        let (start, slice) = (window.start, text.get(window)?);
        let mut from = 0;
        while let Some(whole) = patterns.whole.find_at(slice, from) {
            let (begin, end) = (start + whole.start(), start + whole.end());
            if begin > anchor {
                return None;
            }
            if end > anchor {
                if !stands_alone(text, begin, end, written.edges) {
                    return None;
                }
                let value = match patterns.value {
                    Some(group) => patterns.whole.captures_at(slice, from)?.get(group)?.range(),
                    None => whole.range(),
                };
                return patterns.accept(slice.get(value.clone())?, written).then_some(start + value.start..start + value.end);
            }
            // One that ends before the anchor: the next may be the one.
            from = whole.start() + 1;
        }
        None
    }
}

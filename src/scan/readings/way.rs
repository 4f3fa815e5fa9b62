//! A text made from another, with the way back.

use std::borrow::Cow;
use std::ops::Range;

/// What a text was made into, and which bytes of it each byte stands for.
#[derive(Clone, Debug)]
pub(in crate::scan) struct Rewritten<'a> {
    source: &'a str,
    text: Cow<'a, str>,
    /// In order of `at`; empty when nothing was changed.
    segments: Vec<Segment>,
}

/// From `at` on in the made text until the next segment: bytes that stand for `source` and what follows it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    at: u32,
    source: u32,
    /// Whether byte n of the segment is byte n of the source; else all of it stands for one stretch of the source.
    verbatim: bool,
}

impl Segment {
    /// Offsets are 32 bits wide to keep the way back small; a text beyond 4 GiB would be refused long before it comes here.
    fn new(at: usize, source: usize, verbatim: bool) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { at: narrow(at), source: narrow(source), verbatim }
    }

    fn source_of(&self, at: usize) -> usize {
        self.source as usize + at.saturating_sub(self.at as usize)
    }
}

impl<'a> Rewritten<'a> {
    /// The text as it is.
    pub(super) fn unchanged(source: &'a str) -> Self {
        Self { source, text: Cow::Borrowed(source), segments: Vec::new() }
    }

    /// Whether it is another text than its source.
    pub(super) fn is_changed(&self) -> bool {
        !self.segments.is_empty()
    }

    /// The made text.
    pub(in crate::scan) fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the source that `span` of the made text stands for, widened to whole characters and whole replaced stretches.
    pub(in crate::scan) fn original(&self, span: Range<usize>) -> Range<usize> {
        if self.segments.is_empty() {
            return span;
        }
        let last = span.end.saturating_sub(1).max(span.start);
        let start = self.source_of(span.start).start;
        let end = self.source_of(last).end;
        self.source.floor_char_boundary(start)..self.source.ceil_char_boundary(end)
    }

    fn source_of(&self, at: usize) -> Range<usize> {
        let next = self.segments.partition_point(|segment| segment.at as usize <= at);
        let Some(segment) = next.checked_sub(1).and_then(|index| self.segments.get(index)) else {
            return at..at + 1;
        };
        if segment.verbatim {
            let source = segment.source_of(at);
            return source..source + 1;
        }
        segment.source as usize..self.segments.get(next).map_or(self.source.len(), |following| following.source as usize)
    }
}

/// Makes the one from the other, from its beginning to its end.
pub(super) struct Writer<'a> {
    source: &'a str,
    text: String,
    segments: Vec<Segment>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(source: &'a str, capacity: usize) -> Self {
        Self { source, text: String::with_capacity(capacity), segments: Vec::new() }
    }

    /// What is made so far.
    pub(in crate::scan) fn text(&self) -> &str {
        &self.text
    }

    /// Takes over what stands at `source`.
    pub(super) fn keep(&mut self, source: usize, text: &str) {
        let at = self.text.len();
        let follows = self.segments.last().is_some_and(|last| last.verbatim && last.source_of(at) == source);
        if !follows && !text.is_empty() {
            self.segments.push(Segment::new(at, source, true));
        }
        self.text.push_str(text);
    }

    /// Puts `text` in the place of what stands from `source` on until whatever is put next.
    pub(super) fn replace(&mut self, source: usize, text: &str) {
        if !text.is_empty() {
            self.segments.push(Segment::new(self.text.len(), source, false));
            self.text.push_str(text);
        }
    }

    pub(super) fn finish(self) -> Rewritten<'a> {
        Rewritten { source: self.source, text: Cow::Owned(self.text), segments: self.segments }
    }
}

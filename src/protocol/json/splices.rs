//! From recorded edits to bytes: edits become splices of the original, splices are sorted, and one pass copies.

use std::ops::Range;

use bytes::Bytes;

use super::edits::Edit;
use super::string::{OffsetMap, escape_into};
use super::{Document, Kind, NodeId, RawJson, Value};

/// The bytes of `document` with `edits` in them. Takes n log n time in the edits and linear time in the document.
pub(super) fn apply(document: &Document, edits: &[Edit]) -> Bytes {
    let mut splices = Splices::default();
    let removals = Removals::of(edits);
    removals.splice(document, &mut splices);
    splice_inserts(document, edits, &removals, &mut splices);
    splice_replacements(document, edits, &mut splices);
    splice_texts(document, edits, &mut splices);
    splices.apply(document.bytes())
}

/// One change of bytes: `span` of the original gives way to `text` of [`Splices::text`].
struct Splice {
    span: Range<usize>,
    text: Range<usize>,
}

#[derive(Default)]
struct Splices {
    splices: Vec<Splice>,
    text: String,
}

impl Splices {
    /// Replaces `span` by what `write` appends.
    fn push(&mut self, span: Range<usize>, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        self.splices.push(Splice { span, text: start..self.text.len() });
    }

    fn apply(mut self, original: &[u8]) -> Bytes {
        // Spans lie side by side or inside each other. Of those that start together an insertion comes first, since it is
        // before the rest, then the longest; equal ones stay as pushed: removals, replacements, texts. The sort is stable.
        self.splices.sort_by_key(|Splice { span, .. }| (span.start, !span.is_empty(), std::cmp::Reverse(span.end)));
        let mut out = Vec::with_capacity(original.len() + self.text.len());
        let mut at = 0;
        for Splice { span, text } in self.splices {
            // Inside a span that is already gone.
            if span.start < at {
                continue;
            }
            out.extend_from_slice(original.get(at..span.start).unwrap_or_default());
            out.extend_from_slice(self.text.as_bytes().get(text).unwrap_or_default());
            at = span.end;
        }
        out.extend_from_slice(original.get(at..).unwrap_or_default());
        Bytes::from(out)
    }
}

/// Containers and what is removed from them, sorted.
struct Removals(Vec<(NodeId, NodeId)>);

impl Removals {
    fn of(edits: &[Edit]) -> Self {
        let removals = edits.iter().filter_map(|edit| match edit {
            Edit::Remove { container, child } => Some((*container, *child)),
            Edit::Insert { .. } | Edit::Replace { .. } | Edit::Text { .. } => None,
        });
        let mut removals: Vec<_> = removals.collect();
        removals.sort_unstable();
        removals.dedup();
        Self(removals)
    }

    fn count_of(&self, container: NodeId) -> usize {
        let start = self.0.partition_point(|(other, _)| *other < container);
        let end = self.0.partition_point(|(other, _)| *other <= container);
        end - start
    }

    /// Cuts runs of children, each with one comma less than it has children around it.
    fn splice(&self, document: &Document, splices: &mut Splices) {
        for removed in self.0.chunk_by(|(a, _), (b, _)| a == b) {
            let Some(&(container, _)) = removed.first() else { continue };
            let mut removed = removed.iter().map(|(_, child)| *child).peekable();
            let mut kept_end = None;
            let mut run: Option<Range<usize>> = None;
            for (child, span) in children(document.value(container)) {
                if removed.next_if_eq(&child).is_some() {
                    // With the comma before it, unless it is the first that is left.
                    let start = run.map_or(kept_end.unwrap_or(span.start), |run| run.start);
                    run = Some(start..span.end);
                } else {
                    if let Some(run) = run.take() {
                        let end = if kept_end.is_none() { span.start } else { run.end };
                        splices.push(run.start..end, |_| ());
                    }
                    kept_end = Some(span.end);
                }
            }
            if let Some(run) = run {
                splices.push(run, |_| ());
            }
        }
    }
}

/// The values of an array or object, each with the bytes that belong to it: for a member from its key on.
fn children(container: Value<'_>) -> impl Iterator<Item = (NodeId, Range<usize>)> {
    let items = container.items().map(|item| (item.id(), item.span()));
    items.chain(container.members().map(|(key, value)| (value.id(), key.span().start..value.span().end)))
}

fn splice_inserts(document: &Document, edits: &[Edit], removals: &Removals, splices: &mut Splices) {
    let inserts = edits.iter().rev().filter_map(|edit| match edit {
        Edit::Insert { object, key, json } => Some((*object, key.as_str(), json)),
        Edit::Remove { .. } | Edit::Replace { .. } | Edit::Text { .. } => None,
    });
    // Sorted by key, so that the order of recording does not show; of one key the latest is first and stays.
    let mut inserts: Vec<(NodeId, &str, &RawJson)> = inserts.collect();
    inserts.sort_by_key(|(object, key, _)| (*object, *key));
    inserts.dedup_by_key(|(object, key, _)| (*object, *key));
    for members in inserts.chunk_by(|(a, ..), (b, ..)| a == b) {
        let Some(&(object, ..)) = members.first() else { continue };
        let object = document.value(object);
        let keeps_some = object.members().count() > removals.count_of(object.id());
        let inside = object.span().start + 1;
        splices.push(inside..inside, |text| {
            for (place, (_, key, json)) in members.iter().enumerate() {
                text.push_str(if place == 0 { "\"" } else { ",\"" });
                escape_into(text, key);
                text.push_str("\":");
                text.push_str(json.as_str());
            }
            if keeps_some {
                text.push(',');
            }
        });
    }
}

fn splice_replacements(document: &Document, edits: &[Edit], splices: &mut Splices) {
    // The latest first: of several for one value the first is taken.
    for edit in edits.iter().rev() {
        if let Edit::Replace { id, json } = edit {
            splices.push(document.value(*id).span(), |text| text.push_str(json.as_str()));
        }
    }
}

/// Text edits of one scalar that overlap, as one.
struct TextRun<'e> {
    range: Range<usize>,
    replacements: Vec<&'e str>,
}

fn splice_texts(document: &Document, edits: &[Edit], splices: &mut Splices) {
    let texts = edits.iter().filter_map(|edit| match edit {
        Edit::Text { id, range, replacement } => Some((*id, range.start, range.end, replacement.as_str())),
        Edit::Insert { .. } | Edit::Remove { .. } | Edit::Replace { .. } => None,
    });
    let mut texts: Vec<_> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    for texts in texts.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(id, ..)) = texts.first() else { continue };
        let mut runs: Vec<TextRun<'_>> = Vec::new();
        for &(_, start, end, replacement) in texts {
            match runs.last_mut() {
                Some(run) if start < run.range.end => {
                    run.range.end = run.range.end.max(end);
                    run.replacements.push(replacement);
                }
                _ => runs.push(TextRun { range: start..end, replacements: vec![replacement] }),
            }
        }
        let value = document.value(id);
        if value.kind() == Kind::String {
            splice_string(document, value, &runs, splices);
        } else {
            splice_as_string(value, &runs, splices);
        }
    }
}

/// Changes the bytes of each run and no others.
fn splice_string(document: &Document, value: Value<'_>, runs: &[TextRun<'_>], splices: &mut Splices) {
    let mut map = OffsetMap::new(document.bytes(), value.span().start + 1, value.is_escaped());
    for run in runs {
        let start = map.raw_at(run.range.start);
        let end = map.raw_at(run.range.end);
        splices.push(start..end, |text| {
            run.replacements.iter().for_each(|replacement| escape_into(text, replacement));
        });
    }
}

/// Turns a number or literal into a string of its characters with the runs replaced.
fn splice_as_string(value: Value<'_>, runs: &[TextRun<'_>], splices: &mut Splices) {
    let raw = value.raw();
    splices.push(value.span(), |text| {
        let mut at = 0;
        text.push('"');
        for run in runs {
            text.push_str(raw.get(at..run.range.start).unwrap_or_default());
            run.replacements.iter().for_each(|replacement| escape_into(text, replacement));
            at = run.range.end;
        }
        text.push_str(raw.get(at..).unwrap_or_default());
        text.push('"');
    });
}

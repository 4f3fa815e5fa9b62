//! What stands over the seams of texts that a client shows as one: the blocks of a result. Pure.

use std::collections::HashMap;
use std::ops::Range;

use super::rules::Applicable;
use super::survey::{Sense, Sighting, Survey};
use crate::protocol::json::NodeId;
use crate::protocol::{Message, content_texts};
use crate::scan::Found;

/// So much of both ends of a text is looked at together with its neighbours. What no detector finds in fewer bytes is no value but a
/// document.
pub(super) const EDGE: usize = 512;

/// A text that is shorter may be the middle of something.
const SHORT: usize = 64;

/// So many texts in a row are looked at as if nothing came behind them: a letter there would be a part of the value.
const FEW: usize = 4;

/// In more pieces nothing is looked for.
const MOST: usize = 32;

/// Parts of what was found, by the text that they stand in.
pub(super) type Parts = HashMap<NodeId, Vec<Sighting>>;

/// Texts in a row, put together, with the way back.
#[derive(Default)]
struct Row {
    text: String,
    stretches: Vec<Stretch>,
}

/// A stretch of a row.
struct Stretch {
    node: NodeId,
    /// Where it begins in its own text.
    start: usize,
    /// Where it ends in the row.
    end: usize,
}

impl Row {
    fn clear(&mut self) {
        self.text.clear();
        self.stretches.clear();
    }

    fn push(&mut self, node: NodeId, text: &str, range: Range<usize>) {
        let start = range.start;
        self.text.push_str(text.get(range).unwrap_or_default());
        self.stretches.push(Stretch { node, start, end: self.text.len() });
    }

    /// The parts of a match that begins in the first text and ends in another, each in its own.
    fn parts(&self, found: &Found) -> impl Iterator<Item = (NodeId, Range<usize>)> {
        let seam = self.stretches.first().map_or(0, |first| first.end);
        let crosses = found.start < seam && found.end > seam;
        let (start, end) = if crosses { (found.start, found.end) } else { (0, 0) };
        let mut before = 0;
        self.stretches.iter().filter_map(move |stretch| {
            let at = std::mem::replace(&mut before, stretch.end);
            let (from, to) = (start.max(at), end.min(stretch.end));
            (from < to).then(|| (stretch.node, from - at + stretch.start..to - at + stretch.start))
        })
    }
}

impl Applicable<'_> {
    /// What is found over the seams, by the text that a part of it stands in. Whether all was read.
    pub(super) fn look_over_seams(&self, message: &Message, survey: &mut Survey) -> (Parts, bool) {
        let texts = content_texts(message).filter_map(|value| Some((value.id(), value.as_str()?)));
        let texts: Vec<_> = texts.filter(|(_, text)| !text.is_empty()).collect();
        let (mut row, mut parts, mut read) = (Row::default(), Parts::new(), true);
        for (first, (node, text)) in (1..).zip(&texts) {
            let Some(others) = texts.get(first..).filter(|others| !others.is_empty()) else { break };
            row.clear();
            row.push(*node, text, text.ceil_char_boundary(text.len().saturating_sub(EDGE))..text.len());
            let edge = row.text.len();
            for (count, (node, text)) in (2..).zip(others) {
                row.push(*node, text, 0..text.floor_char_boundary(EDGE));
                let is_full = row.text.len() >= edge + EDGE || count == MOST;
                let is_last = is_full || text.len() >= SHORT || count == others.len() + 1;
                if count <= FEW || is_last {
                    read &= self.look_over_row(&row, survey, &mut parts);
                }
                if is_last {
                    break;
                }
            }
        }
        (parts, read)
    }

    fn look_over_row(&self, row: &Row, survey: &mut Survey, parts: &mut Parts) -> bool {
        let mut matches = Vec::new();
        let read = self.find(&row.text, &self.ruled(), &mut survey.effort, &mut matches).is_ok();
        for found in matches {
            for (at, (node, range)) in (0..).zip(row.parts(&found)) {
                let found = Found { start: range.start, end: range.end, ..found };
                let sighting = Sighting { found, sense: Sense::Part { is_first: at == 0 } };
                let known = parts.entry(node).or_default();
                // Rows overlap.
                if !known.contains(&sighting) {
                    known.push(sighting);
                }
            }
        }
        read
    }
}

//! What stands over the seams of texts that a client shows as one: the blocks of a result. Pure.

use std::collections::HashMap;

use super::rules::Applicable;
use super::survey::{Sense, Sighting, Survey};
use crate::protocol::json::NodeId;
use crate::protocol::{Message, Row};
use crate::scan::Found;

/// So much of both ends of a text is looked at together with its neighbours. What no detector finds in fewer bytes is no value but a
/// document.
pub(super) const EDGE: usize = 512;

/// Parts of what was found, by the text that they stand in.
pub(super) type Parts = HashMap<NodeId, Vec<Sighting>>;

impl Applicable<'_> {
    /// What is found over the seams, by the text that a part of it stands in. Whether all was read.
    pub(super) fn look_over_seams(&self, message: &Message, survey: &mut Survey) -> (Parts, bool) {
        let (mut parts, mut read, mut matches) = (Parts::new(), true, Vec::new());
        Row::each(message, EDGE, "", &mut |row| {
            read &= self.find(row.text(), &self.ruled(), &mut survey.effort, &mut matches).is_ok();
            for found in matches.drain(..) {
                for (at, (node, range)) in (0..).zip(row.parts(found.start..found.end)) {
                    let found = Found { start: range.start, end: range.end, ..found };
                    let sighting = Sighting { found, sense: Sense::Part { is_first: at == 0 } };
                    let known = parts.entry(node).or_default();
                    // Rows overlap.
                    if !known.contains(&sighting) {
                        known.push(sighting);
                    }
                }
            }
        });
        (parts, read)
    }
}

//! Orders that stand over the seams of texts that a client shows as one: the blocks of a result.

use std::collections::HashMap;

use crate::protocol::json::NodeId;
use crate::protocol::{Message, Row, content_texts};
use crate::scan::injection::{Effort, Hit, MODEL, Scanner, Severity, SurfaceKind, UNREAD};

/// So much of both ends of a text is read together with its neighbours: an order is no longer.
const EDGE: usize = 256;

/// So many rows of one message are read: of small blocks each is read ten times over.
///
/// SECURITY: what stands behind them counts as unread.
const MOST: usize = 4096;

/// What is found over the seams, by the text that a part of it stands in. Blocks are read as if they stood in lines, and as if nothing stood between
/// them: a word may be cut.
pub(super) fn over_seams(scanner: &Scanner, message: &Message, effort: &mut Effort) -> HashMap<NodeId, Vec<Hit>> {
    let mut parts: HashMap<NodeId, Vec<Hit>> = HashMap::new();
    let mut hits = Vec::new();
    for between in ["\n", ""] {
        let mut rows = 0;
        Row::each(message, EDGE, between, &mut |row| {
            rows += 1;
            if rows > MOST {
                return;
            }
            scanner.scan(row.text(), SurfaceKind::Result, effort, &mut hits);
            // The model judges texts as they are written; what is put together reads like nothing that it was taught.
            for hit in hits.drain(..).filter(|hit| hit.rule != MODEL) {
                for (node, range) in row.parts(hit.start..hit.end) {
                    let part = Hit { start: range.start, end: range.end, ..hit };
                    let known = parts.entry(node).or_default();
                    // Rows overlap.
                    if !known.contains(&part) {
                        known.push(part);
                    }
                }
            }
        });
        if rows > MOST
            && let Some(last) = content_texts(message).last()
        {
            let end = last.as_str().map_or(0, str::len);
            parts.entry(last.id()).or_default().push(Hit { rule: UNREAD, severity: Severity::Medium, start: 0, end });
            break;
        }
    }
    parts
}

//! The records that the writer makes by itself.

use std::collections::HashMap;

use super::super::queue::Queue;
use super::super::record::{Draft, Kind};
use crate::tlog::Frontier;

/// Bytes of open calls in one `tick` record, below what one member may hold.
const CARRY_BYTES: usize = 2_800;

/// A sign of life, with what an operator would ask first.
pub(super) fn tick(open: &HashMap<Box<str>, u64>, queue: &Queue) -> Draft {
    let (queued, slots) = queue.depth();
    let mut draft = Draft::new(Kind::Tick);
    draft.object("n", |n| {
        n.count("open", open.len()).count("queued", queued).count("slots", slots);
    });
    draft
}

/// The calls that are open where a segment begins, so that recovery need not search older ones. They stand at the end
/// of the segment's first batch; if that batch is torn, the previous segment still says the same.
pub(super) fn carry(open: &HashMap<Box<str>, u64>) -> Vec<Draft> {
    let mut calls: Vec<_> = open.iter().collect();
    calls.sort_by_key(|(_, index)| **index);
    let mut drafts = Vec::new();
    let mut rest = calls.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|(call, _)| {
            bytes += call.len() + 40;
            bytes <= CARRY_BYTES
        });
        let (chunk, tail) = rest.split_at_checked(fits.count().max(1)).unwrap_or((rest, &[]));
        let mut draft = Draft::new(Kind::Tick);
        draft.list("carry", |list| {
            for (call, index) in chunk {
                list.object(|open| {
                    open.raw("call", call).integer("i", **index);
                });
            }
        });
        drafts.push(draft);
        rest = tail;
    }
    drafts
}

/// The record a segment begins with.
pub(super) fn tree(frontier: &Frontier) -> Draft {
    let mut draft = Draft::new(Kind::Tick);
    draft.object("tree", |object| {
        object.list("hashes", |hashes| {
            for hash in frontier.peaks() {
                hashes.text(&hash.to_string());
            }
        });
        object.integer("n", frontier.size());
    });
    draft
}

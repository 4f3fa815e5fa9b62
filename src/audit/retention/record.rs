//! The record that says what is removed.

use super::super::line::{integer, nested, plain};
use super::super::record::{Draft, Kind};
use crate::tlog::Hash;

/// What a `prune` record orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ordered {
    /// The first record that is removed, and the first that stays.
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Ordered {
    /// Reads the `what` of the `prune` record with that index; `None` if it orders nothing.
    pub(crate) fn read(raw: &str, index: u64) -> Option<Self> {
        let (mut act, mut from, mut to) = (None, None, None);
        nested(raw, |key, raw| match key {
            "act" => act = plain(raw),
            "from" => from = integer(raw),
            "to" => to = integer(raw),
            _ => {}
        })?;
        let (from, to) = (from?, to?);
        (act == Some("prune") && from < to && to <= index).then_some(Self { from, to })
    }
}

/// On whose word segments are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneReason {
    /// They are older than the configured retention.
    Policy,
    /// An operator said so.
    Operator,
}

impl PruneReason {
    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Operator => "operator",
        }
    }
}

/// What is about to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The first record that is removed.
    pub from: u64,
    /// The first that stays.
    pub to: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Time of the first record, as it stands there.
    pub oldest: String,
    /// Time of the last one.
    pub newest: String,
    /// Root of the tree over the first `to` records.
    pub root: Hash,
}

impl Removal {
    /// The record to be written before anything is removed.
    pub fn draft(&self, reason: PruneReason, requester: &str) -> Draft {
        let mut draft = Draft::new(Kind::Prune);
        draft.object("what", |what| {
            what.text("act", "prune").integer("bytes", self.bytes).integer("from", self.from);
            what.text("newest", &self.newest).text("oldest", &self.oldest).text("reason", reason.as_str());
            what.text("requester", requester).text("root", &self.root.base64()).integer("to", self.to);
        });
        draft
    }
}

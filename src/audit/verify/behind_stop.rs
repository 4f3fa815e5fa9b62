//! What may stand under no head behind an orderly end.

use super::super::recovery::may_follow_stop;

/// Watches the records behind the newest head.
#[derive(Debug, Default)]
pub(super) struct BehindStop {
    /// The last record; the last one that a head counts.
    is_stop: bool,
    covers_stop: bool,
    foreign: Option<u64>,
}

impl BehindStop {
    /// Takes a record.
    pub(super) fn record(&mut self, index: u64, kind: &str) {
        if self.covers_stop && !may_follow_stop(kind) {
            self.foreign.get_or_insert(index);
        }
        self.is_stop = kind == "stop";
    }

    /// A head counts all records so far.
    pub(super) fn covered(&mut self) {
        (self.covers_stop, self.foreign) = (self.is_stop, None);
    }

    /// The first record that this log's writer would not have put there.
    pub(super) fn foreign(&self) -> Option<u64> {
        self.foreign
    }
}

//! What a sink is given: a text, and what it takes to send it.

use std::sync::Arc;

use jiff::Timestamp;

use super::record::Severity;

/// One text for a sink. A record is one or more of them.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// `<log>/<index>`, with a word behind it where a record says more than one thing. The same record always has the same: that is how a
    /// receiver tells one that comes twice.
    pub uid: String,
    /// The log's name.
    pub log: Arc<str>,
    /// The record's kind, or `head`.
    pub kind: String,
    /// When it was written.
    pub time: Timestamp,
    pub severity: Severity,
    /// Index of the record; of a head, how many records it counts.
    pub index: u64,
    /// Without a newline in it.
    pub body: Vec<u8>,
}

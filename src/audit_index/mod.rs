//! The search index over the audit log: SQLite in `index.db` beside the segments. Derived, and never on a call's path.
//!
//! What passes through: durable lines of one log, which a thread of its own, of low priority, reads behind the writer; questions of
//! operators, which the same thread answers one after the other. What it guarantees: the file may be deleted at any time, and is
//! made again with the same answers; a log that was replaced is noticed by the leaf of the last line taken in, and indexed anew; what is
//! pruned from the log leaves the index; memory for one batch; places of records, which are their indices in the log, are the cursors of
//! pages, so that a page stays the same while the log grows. What it does not: it proves nothing. Whoever can write the file can hide a
//! record from a search; [`crate::audit::verify`] reads the segments alone. It holds what records hold: pseudonyms, names, words, no
//! content and nobody's identity.
//!
//! ```text
//! segments ─ Follower ─ Row ─ one transaction for a batch ─ index.db ─ Query ─ Page ─ timeline
//! ```
//!
//! The gateway and a command may keep one file up to date at once: where to go on stands in the file and is read in each transaction.

mod query;
mod row;
mod server;
mod store;
mod tables;
mod text;
mod view;

#[cfg(test)]
mod tests;

pub use query::{BadQuery, Count, LIMIT_MAX, Order, Page, Query};
pub use server::{Answer, Indexer};
pub use store::{FILE, Index, IndexError, Taken};
pub use text::{summary, timeline};
pub use view::View;

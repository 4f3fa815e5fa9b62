//! YAML that an operator wrote, read so that every mistake is reported with its place.
//!
//! Two steps. [`read`] turns one file into a tree ([`Node`]) in which every value knows its line and column, and refuses
//! what has no business in a setting: aliases, anchors, tags, merge keys, duplicate keys, a second document, excessive
//! size or depth. Then each section reads its mapping field by field with [`Fields`], which never stops at the first
//! mistake. Both write to one [`Report`].
//!
//! # How a section reads
//!
//! ```
//! use yett::yaml::{Fields, Later, Node, Report, boolean, later, read, text};
//!
//! struct Door {
//!     name: String,
//!     open: bool,
//! }
//!
//! /// Keys of the product that this build does not enforce yet.
//! const DOOR_LATER: &[Later] = &[later("alarm")];
//!
//! fn door(node: &Node, report: &mut Report) -> Option<Door> {
//!     let mut fields = Fields::of(node, "doors[]", report)?;
//!     let name = fields.required("name", text);
//!     let open = fields.optional("open", boolean).unwrap_or(false);
//!     fields.finish(DOOR_LATER);
//!     // Only now: every field has been looked at, so every mistake is in the report.
//!     Some(Door { name: name?, open })
//! }
//!
//! let mut report = Report::new();
//! let node = read("door.yaml", b"nmae: front\nalarm: loud\n", &mut report).unwrap();
//! assert!(door(&node, &mut report).is_none());
//! assert_eq!(report.errors(), 3); // unknown key, missing key, not enforced yet
//! ```
//!
//! A reader is any `Fn(&Node, &mut Report) -> Option<T>`; `None` means "already reported". A value that could not be read
//! may fall back to its default, because a report with an error never becomes a configuration.

mod builder;
mod file;
mod json;
mod reader;
mod report;
mod suggest;
mod tree;

#[cfg(test)]
mod tests;

pub use file::read_file;
pub use json::to_json;
pub use reader::{
    Fields, Invalid, Later, boolean, choice, entries, items, key_name, known_or_not, later, later_because, name, number, parsed,
    scalar, text, version,
};
pub use report::{Diagnostic, FileId, Place, Report, Severity, quoted};
pub use suggest::closest;
pub use tree::{Entry, Key, MAX_DEPTH, MAX_FILE_SIZE, MAX_NODES, Node, Scalar, Style, Value, read};

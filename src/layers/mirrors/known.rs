//! What was seen of tools' definitions: their marks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::protocol::{MarkError, ParamMarks};

/// Tools remembered for one server. Of more than that nothing is known: their headers are tied by value.
const MAX_TOOLS: usize = 10_000;

/// A longer name cannot be called.
const MAX_NAME: usize = 128;

/// Longest way to a marked argument that is remembered, in bytes.
const MAX_PATH: usize = 1024;

/// Tools by server.
#[derive(Debug, Default)]
pub(super) struct Known(RwLock<HashMap<String, HashMap<String, Seen>>>);

/// What is known of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Its marks are not good.
    Flawed,
    /// All definitions that were seen have these.
    Marks(Arc<ParamMarks>),
    /// Definitions with other marks were seen as well.
    Varies,
}

impl Known {
    /// What is known of a tool.
    pub(super) fn of(&self, server: &str, tool: &str) -> Option<Seen> {
        self.0.read().get(server)?.get(tool).cloned()
    }

    /// Notes what a list says of a tool.
    pub(super) fn note(&self, server: &str, tool: &str, marks: Result<ParamMarks, MarkError>) {
        if tool.len() > MAX_NAME {
            return;
        }
        let is_long = |(header, path): (&str, &[String])| header.len() + path.iter().map(String::len).sum::<usize>() > MAX_PATH;
        let seen = match marks {
            Err(_) => Seen::Flawed,
            Ok(marks) if marks.iter().any(is_long) => Seen::Varies,
            Ok(marks) => Seen::Marks(marks.into()),
        };
        if self.of(server, tool).as_ref() == Some(&seen) {
            // Nearly always: no list waits for another.
            return;
        }
        let mut known = self.0.write();
        let tools = known.entry(server.to_owned()).or_default();
        let full = tools.len() >= MAX_TOOLS;
        match tools.entry(tool.to_owned()) {
            Entry::Occupied(mut before) => {
                let next = match (before.get(), seen) {
                    // A tool that was mended is another tool.
                    (Seen::Flawed, seen) | (_, seen @ Seen::Flawed) => seen,
                    (Seen::Marks(_) | Seen::Varies, Seen::Marks(_) | Seen::Varies) => Seen::Varies,
                };
                before.insert(next);
            }
            Entry::Vacant(place) if !full => {
                place.insert(seen);
            }
            Entry::Vacant(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};

    /// The marks of a tool whose argument `name` is repeated in `header`.
    fn marks(name: &str, header: &str) -> ParamMarks {
        let schema = format!(r#"{{"properties":{{"{name}":{{"type":"string","x-mcp-header":"{header}"}}}}}}"#);
        ParamMarks::of(Some(Document::parse(Bytes::from(schema), Limits::default()).unwrap().root())).unwrap()
    }

    #[test]
    fn a_tool_with_two_definitions_is_held_to_neither() {
        let known = Known::default();
        known.note("crm", "echo", Ok(marks("a", "a")));
        known.note("crm", "echo", Ok(marks("a", "a")));
        assert_eq!(known.of("crm", "echo"), Some(Seen::Marks(marks("a", "a").into())));
        assert_eq!(known.of("mail", "echo"), None);
        known.note("crm", "echo", Ok(ParamMarks::default()));
        assert_eq!(known.of("crm", "echo"), Some(Seen::Varies));
        known.note("crm", "echo", Ok(ParamMarks::default()));
        assert_eq!(known.of("crm", "echo"), Some(Seen::Varies), "it stays so");
    }

    #[test]
    fn a_mended_tool_is_known_by_its_new_marks() {
        let known = Known::default();
        known.note("crm", "echo", Err(MarkError::Name));
        assert_eq!(known.of("crm", "echo"), Some(Seen::Flawed));
        known.note("crm", "echo", Ok(marks("a", "b")));
        assert_eq!(known.of("crm", "echo"), Some(Seen::Marks(marks("a", "b").into())));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let known = Known::default();
        for number in 0..=MAX_TOOLS {
            known.note("crm", &number.to_string(), Ok(ParamMarks::default()));
        }
        assert_eq!(known.of("crm", &MAX_TOOLS.to_string()), None);
        known.note("crm", "0", Err(MarkError::Name));
        assert_eq!(known.of("crm", "0"), Some(Seen::Flawed), "what is known is still kept up to date");
        known.note("mail", "far", Ok(marks(&"k".repeat(MAX_PATH), "a")));
        assert_eq!(known.of("mail", "far"), Some(Seen::Varies));
        known.note("mail", &"n".repeat(MAX_NAME + 1), Ok(ParamMarks::default()));
        assert_eq!(known.of("mail", &"n".repeat(MAX_NAME + 1)), None);
    }
}

//! What was seen of tools' definitions: their input schemas, which calls are held to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::decide::arguments::{InputSchema, UnusableSchema};
use crate::protocol::json::{Document, Limits, Value};

/// Tools remembered for one server.
const MAX_TOOLS: usize = 10_000;
/// A longer name cannot be called.
const MAX_NAME: usize = 128;
/// Most text of schemas remembered for one server, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// Tools by server.
#[derive(Debug, Default)]
pub(super) struct Schemas(RwLock<HashMap<String, Tools>>);

#[derive(Debug, Default)]
struct Tools {
    by_name: HashMap<String, Seen>,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Seen {
    /// Every definition so far had this schema.
    One(Arc<One>),
    /// There was no room for it.
    TooLarge,
    /// Definitions with different schemas were seen.
    Varies,
}

/// A schema as it was written, compiled by the first call.
#[derive(Debug)]
struct One {
    text: Box<str>,
    compiled: OnceLock<Result<InputSchema, UnusableSchema>>,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// What does not fit, in words.
    Arguments(String),
    /// No list with this tool was seen.
    Unseen,
    /// Nobody can be held to its schema.
    Unusable(UnusableSchema),
}

impl Schemas {
    /// Notes what a list says of a tool. A tool without a schema has an empty text.
    pub(super) fn note(&self, server: &str, tool: &str, schema: Option<Value<'_>>) {
        let text = schema.map(Value::raw).unwrap_or_default();
        if tool.len() > MAX_NAME || self.is_known(server, tool, text) {
            // Nearly always the second: no list waits for another.
            return;
        }
        let mut servers = self.0.write();
        let tools = servers.entry(server.to_owned()).or_default();
        let full = tools.by_name.len() >= MAX_TOOLS;
        let fits = tools.bytes.saturating_add(text.len()) <= MAX_BYTES;
        match tools.by_name.entry(tool.to_owned()) {
            // SECURITY: with two definitions, whoever shows the second could have calls judged by the one they like.
            Entry::Occupied(mut before) => {
                before.insert(Seen::Varies);
            }
            Entry::Vacant(_) if full => {}
            Entry::Vacant(place) => {
                let seen = if fits {
                    tools.bytes += text.len();
                    Seen::One(Arc::new(One { text: text.into(), compiled: OnceLock::new() }))
                } else {
                    Seen::TooLarge
                };
                place.insert(seen);
            }
        }
    }

    /// Whether these arguments fit the schema of the tool.
    pub(super) fn check(&self, server: &str, tool: &str, arguments: Option<Value<'_>>) -> Result<(), Unfit> {
        let seen = self.0.read().get(server).and_then(|tools| tools.by_name.get(tool)).cloned();
        match seen {
            None => Err(Unfit::Unseen),
            Some(Seen::TooLarge) => Err(Unfit::Unusable(UnusableSchema::TOO_LARGE)),
            Some(Seen::Varies) => Err(Unfit::Unusable(UnusableSchema::VARIES)),
            Some(Seen::One(one)) => match one.schema() {
                Ok(schema) => schema.check(arguments).map_err(Unfit::Arguments),
                Err(unusable) => Err(Unfit::Unusable(*unusable)),
            },
        }
    }

    /// Whether results of the tool are held to a schema: a tool without one is held to nothing.
    pub(super) fn has(&self, server: &str, tool: &str) -> Result<bool, Unfit> {
        let seen = self.0.read().get(server).and_then(|tools| tools.by_name.get(tool)).cloned();
        match seen {
            None => Err(Unfit::Unseen),
            Some(Seen::TooLarge) => Err(Unfit::Unusable(UnusableSchema::TOO_LARGE)),
            Some(Seen::Varies) => Err(Unfit::Unusable(UnusableSchema::VARIES)),
            Some(Seen::One(one)) if one.text.is_empty() => Ok(false),
            Some(Seen::One(one)) => one.schema().as_ref().map(|_| true).map_err(|unusable| Unfit::Unusable(*unusable)),
        }
    }

    fn is_known(&self, server: &str, tool: &str, text: &str) -> bool {
        match self.0.read().get(server).and_then(|tools| tools.by_name.get(tool)) {
            Some(Seen::One(one)) => *one.text == *text,
            Some(Seen::TooLarge | Seen::Varies) => true,
            None => false,
        }
    }
}

impl One {
    fn schema(&self) -> &Result<InputSchema, UnusableSchema> {
        self.compiled.get_or_init(|| {
            let document = Document::parse(Bytes::copy_from_slice(self.text.as_bytes()), Limits::default());
            // The text of none is empty, and no document.
            InputSchema::compile(document.ok().as_ref().map(Document::root))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Document {
        Document::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::default()).unwrap()
    }

    fn note(schemas: &Schemas, tool: &str, schema: &str) {
        schemas.note("crm", tool, Some(parse(schema).root()));
    }

    const INTEGER: &str = r#"{"properties":{"n":{"type":"integer"}}}"#;

    #[test]
    fn calls_are_held_to_the_one_schema_that_was_seen() {
        let schemas = Schemas::default();
        let check = |tool: &str, arguments: &str| schemas.check("crm", tool, Some(parse(arguments).root()));
        assert_eq!(check("add", "{}"), Err(Unfit::Unseen));
        note(&schemas, "add", INTEGER);
        note(&schemas, "add", INTEGER);
        assert_eq!(check("add", r#"{"n":1}"#), Ok(()));
        assert_eq!(check("add", r#"{"n":"1"}"#), Err(Unfit::Arguments("`n` must be a whole number".to_owned())));
        assert_eq!(schemas.check("mail", "add", None), Err(Unfit::Unseen));
    }

    #[test]
    fn a_tool_with_two_schemas_or_without_a_good_one_cannot_be_called() {
        let schemas = Schemas::default();
        let refused = |tool: &str| matches!(schemas.check("crm", tool, None), Err(Unfit::Unusable(_)));
        note(&schemas, "add", INTEGER);
        note(&schemas, "add", "{}");
        assert!(refused("add"));
        note(&schemas, "add", INTEGER);
        assert!(refused("add"), "it stays so");
        note(&schemas, "odd", r#"{"$ref":"http://evil.example/"}"#);
        assert!(refused("odd"));
        schemas.note("crm", "none", None);
        assert!(refused("none"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let schemas = Schemas::default();
        let large = format!(r#"{{"description":"{}"}}"#, "x".repeat(1 << 20));
        for number in 0..=MAX_TOOLS {
            note(&schemas, &number.to_string(), if number < 9 { &large } else { "{}" });
        }
        assert_eq!(schemas.check("crm", &MAX_TOOLS.to_string(), None), Err(Unfit::Unseen));
        assert_eq!(schemas.check("crm", "8", None), Err(Unfit::Unusable(UnusableSchema::TOO_LARGE)));
        assert_eq!(schemas.check("crm", "9", None), Ok(()));
        assert!(schemas.0.read()["crm"].bytes <= MAX_BYTES);
        note(&schemas, &"n".repeat(MAX_NAME + 1), "{}");
        assert_eq!(schemas.check("crm", &"n".repeat(MAX_NAME + 1), None), Err(Unfit::Unseen));
    }
}

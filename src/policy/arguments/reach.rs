//! How far a schema reaches: its references, all of them local, and what judging one value by it costs at most.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::protocol::SUBSCHEMAS;

/// Nesting, references followed.
const MAX_DEPTH: usize = 64;
/// Values in a schema, what is referred to counted at each reference.
const MAX_SIZE: u64 = 20_000;

/// Words whose value is data.
const DATA: [&str; 4] = ["const", "default", "enum", "examples"];
/// Words whose value is an object of schemas.
const NAMED: [&str; 6] = ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];
/// Words that move what references mean, or wait for a meaning that only a whole set of schemas gives them.
const ELSEWHERE: [&str; 8] =
    ["$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$schema", "$vocabulary"];

/// Why nobody can be held to a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// A reference leads back to where it stands.
    #[error("it refers to itself")]
    Loop,
    /// It is no schema, or the engine cannot compile it.
    #[error("it is no schema that can be compiled")]
    NotASchema,
    /// A reference leads outside, or nowhere.
    #[error("a reference in it leads outside or nowhere")]
    Reference,
    /// It is too large or too deep, or it holds too much through its references.
    #[error("it is too large")]
    TooLarge,
    /// It is written in a dialect that is not read.
    #[error("it is written in a dialect of JSON Schema that is not read")]
    UnknownDialect,
    /// Several definitions of one tool were seen.
    #[error("several definitions of it were seen")]
    Varies,
}

/// How many values a schema holds, with what it refers to. A schema that refers to itself has no such number: what it costs would
/// grow with every level of the value.
pub(crate) fn reach(root: &Json) -> Result<u64, Unusable> {
    Walk { root, known: HashMap::new(), deepest: 0 }.schema(root, 0)
}

struct Walk<'s> {
    root: &'s Json,
    /// By the text of references, how much they refer to and how deep that is; `None` while it is looked at.
    known: HashMap<&'s str, Option<(u64, usize)>>,
    /// How deep this has come since somebody asked.
    deepest: usize,
}

impl<'s> Walk<'s> {
    fn schema(&mut self, schema: &'s Json, depth: usize) -> Result<u64, Unusable> {
        self.reaches(depth)?;
        let words = match schema {
            Json::Bool(_) => return Ok(1),
            Json::Object(words) => words,
            Json::Array(_) | Json::Null | Json::Number(_) | Json::String(_) => return Err(Unusable::NotASchema),
        };
        let mut size = 1;
        for (word, value) in words {
            size += self.word(word, value, depth + 1)?;
            if size > MAX_SIZE {
                return Err(Unusable::TooLarge);
            }
        }
        Ok(size)
    }

    fn reaches(&mut self, depth: usize) -> Result<(), Unusable> {
        self.deepest = self.deepest.max(depth);
        if depth > MAX_DEPTH { Err(Unusable::TooLarge) } else { Ok(()) }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other value is data or a single schema")]
    fn word(&mut self, word: &str, value: &'s Json, depth: usize) -> Result<u64, Unusable> {
        if word == "$ref" {
            return self.reference(value.as_str().ok_or(Unusable::Reference)?, depth);
        }
        if ELSEWHERE.contains(&word) {
            return Err(Unusable::Reference);
        }
        if DATA.contains(&word) {
            return count(value, depth);
        }
        match value {
            Json::Array(schemas) if SUBSCHEMAS.contains(&word) => {
                schemas.iter().try_fold(1, |size, schema| Ok(size + self.schema(schema, depth)?))
            }
            Json::Object(schemas) if NAMED.contains(&word) => self.named(schemas, depth),
            _ if SUBSCHEMAS.contains(&word) => self.schema(value, depth),
            _ => count(value, depth),
        }
    }

    fn named(&mut self, schemas: &'s Map<String, Json>, depth: usize) -> Result<u64, Unusable> {
        schemas.values().try_fold(1, |size, value| {
            // `dependencies` of old drafts may list names instead.
            let more = if value.is_array() { count(value, depth)? } else { self.schema(value, depth)? };
            if size + more > MAX_SIZE { Err(Unusable::TooLarge) } else { Ok(size + more) }
        })
    }

    fn reference(&mut self, reference: &'s str, depth: usize) -> Result<u64, Unusable> {
        match self.known.get(reference) {
            Some(Some((size, height))) => {
                let (size, height) = (*size, *height);
                return self.reaches(depth + height).map(|()| size);
            }
            Some(None) => return Err(Unusable::Loop),
            None => {}
        }
        if reference == "#" {
            return Err(Unusable::Loop);
        }
        // Percent codes would be a second spelling of the same place.
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.starts_with('/') && !pointer.contains('%'));
        let target = pointer.and_then(|pointer| self.root.pointer(pointer)).ok_or(Unusable::Reference)?;
        self.known.insert(reference, None);
        let before = std::mem::replace(&mut self.deepest, depth);
        let size = self.schema(target, depth + 1)?;
        self.known.insert(reference, Some((size, self.deepest - depth)));
        self.deepest = self.deepest.max(before);
        Ok(size)
    }
}

/// The values in data.
fn count(value: &Json, depth: usize) -> Result<u64, Unusable> {
    if depth > MAX_DEPTH {
        return Err(Unusable::TooLarge);
    }
    let sum = |size: u64, value: &Json| {
        let size = size + count(value, depth + 1)?;
        if size > MAX_SIZE { Err(Unusable::TooLarge) } else { Ok(size) }
    };
    match value {
        Json::Array(items) => items.iter().try_fold(1, sum),
        Json::Object(members) => members.values().try_fold(1, sum),
        Json::Bool(_) | Json::Null | Json::Number(_) | Json::String(_) => Ok(1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_schema_refers_to_counts_at_each_reference() {
        let doubling: Map<String, Json> = (0..40)
            .map(|n| {
                let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
                (format!("d{n}"), json!({"anyOf": [next, next]}))
            })
            .chain([("d40".to_owned(), json!({"type": "string"}))])
            .collect();
        assert_eq!(reach(&json!({"$defs": doubling, "$ref": "#/$defs/d0"})), Err(Unusable::TooLarge));
        assert_eq!(reach(&json!({"type": "string"})), Ok(2));
        assert_eq!(reach(&json!({"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"})), Ok(1 + 3 + 2));
    }

    #[test]
    fn references_that_lead_back_or_away_are_refused() {
        for (schema, expected) in [
            (json!({"$ref": "#"}), Unusable::Loop),
            (json!({"$defs": {"a": {"$ref": "#/$defs/a"}}}), Unusable::Loop),
            (json!({"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}}), Unusable::Loop),
            (json!({"properties": {"x": {"$ref": "#/properties/x"}}}), Unusable::Loop),
            (json!({"$ref": "http://127.0.0.1/x"}), Unusable::Reference),
            (json!({"$ref": "file:///etc/passwd"}), Unusable::Reference),
            (json!({"$ref": "other.json#/a"}), Unusable::Reference),
            (json!({"$ref": "#/$defs/missing"}), Unusable::Reference),
            (json!({"$ref": "#/%24defs/a", "$defs": {"a": true}}), Unusable::Reference),
            (json!({"$id": "http://127.0.0.1/x"}), Unusable::Reference),
            (json!({"$dynamicRef": "#x"}), Unusable::Reference),
            (json!({"properties": {"a": {"$schema": "http://127.0.0.1/"}}}), Unusable::Reference),
            (json!({"items": 7}), Unusable::NotASchema),
        ] {
            assert_eq!(reach(&schema), Err(expected), "{schema}");
        }
        assert!(reach(&json!({"properties": {"$ref": {"type": "string"}, "$id": true}})).is_ok(), "names, not words");
        assert!(reach(&json!({"enum": [{"$ref": "http://127.0.0.1/x"}]})).is_ok(), "data");
    }

    #[test]
    fn deep_schemas_are_refused() {
        let deep = (0..=MAX_DEPTH).fold(json!(true), |schema, _| json!({"not": schema}));
        assert_eq!(reach(&deep), Err(Unusable::TooLarge));
        // Each a short way from the root, and all of them behind each other: known ones are as deep as when they were looked at.
        let behind = |n: usize| (0..30).fold(json!({"$ref": format!("#/$defs/d{n}")}), |schema, _| json!({"not": schema}));
        let mut chain: Map<String, Json> = (1..8).map(|n| (format!("d{n}"), behind(n - 1))).collect();
        chain.insert("d0".to_owned(), json!({"type": "string"}));
        assert_eq!(reach(&json!({"$defs": chain})), Err(Unusable::TooLarge));
    }
}

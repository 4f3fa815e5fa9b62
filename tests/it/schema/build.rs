//! From the tree of keys to the JSON Schema of a file.

use serde_json::{Map, Value, json};

use super::table::{Key, Of, keys};
use super::types::{Kind, definitions, kind, schema};

/// The schema of one of the two files.
pub(super) fn build(of: Of) -> Value {
    let tree = keys(of);
    let (id, title, about) = match of {
        Of::Config => (
            "urn:yett:schema:config:1",
            "yett.yaml",
            "Configuration of a Yett gateway. Every value may be, or hold, a reference such as ${env:NAME}.",
        ),
        Of::Policy => {
            ("urn:yett:schema:policy:1", "policies/*.yaml", "One file of a Yett policy folder. References are not resolved here.")
        }
    };
    let mut whole = mapping(&tree, of);
    let defs = definitions(of);
    let members = whole.as_object_mut().unwrap();
    let mut first = Map::new();
    for (key, value) in [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("$id", json!(id)),
        ("title", json!(title)),
        ("description", json!(about)),
        ("$comment", json!("Made from docs/configuration.md. `yett check` looks at more than a schema can.")),
    ] {
        first.insert(key.to_owned(), value);
    }
    first.append(members);
    first.insert("$defs".to_owned(), defs);
    Value::Object(first)
}

/// A mapping of the keys below `key`.
fn mapping(key: &Key, of: Of) -> Value {
    let properties: Map<String, Value> = key.below.iter().map(|below| (below.name.clone(), property(below, of))).collect();
    let required: Vec<&str> = key.below.iter().filter(|below| below.row.is_required()).map(|below| below.name.as_str()).collect();
    let mut whole = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        whole["required"] = json!(required);
    }
    whole
}

fn property(key: &Key, of: Of) -> Value {
    let mut made = match kind(&key.row.kind) {
        Kind::Mapping => mapping(key, of),
        Kind::Named { any } => {
            let [each] = key.below.as_slice() else { panic!("`{}` has rows `{}.*`", key.row.path, key.row.path) };
            let mut named = json!({ "type": "object", "additionalProperties": mapping(each, of) });
            if !any {
                named["propertyNames"] = json!({ "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" });
            }
            named
        }
        Kind::Items(may_be_empty) => {
            let mut list = json!({ "type": "array", "items": mapping(key, of) });
            if !may_be_empty {
                list["minItems"] = json!(1);
            }
            list
        }
        Kind::WordsOrMapping(words) => json!({ "anyOf": [{ "enum": words }, mapping(key, of)] }),
        leaf @ (Kind::Anything
        | Kind::Arguments
        | Kind::Boolean
        | Kind::List(..)
        | Kind::Number(..)
        | Kind::Quantity(..)
        | Kind::Ratio
        | Kind::Text(_)
        | Kind::Values(_)
        | Kind::Words(_)) => {
            assert!(key.below.is_empty(), "`{}` is no mapping and has rows below it", key.row.path);
            schema(&leaf, of)
        }
    };
    made["description"] = json!(description(key));
    made
}

/// What an editor shows.
fn description(key: &Key) -> String {
    let row = &key.row;
    let mut text = capital(&without_links(&row.kind.replace(", may be empty", "")));
    for part in [
        capital(&without_links(&row.meaning)),
        if row.is_required() || row.default.is_empty() {
            capital(&row.default)
        } else {
            format!("Default: {}", without_links(&row.default))
        },
    ] {
        if !part.is_empty() {
            text.push_str(". ");
            text.push_str(part.trim_end_matches('.'));
        }
    }
    text + "."
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// `[text](where)` as `text`: what is linked stands beside the reference, not beside the editor.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((lead, label)) = before.rsplit_once('[') else { break };
        let Some((_, behind)) = after.split_once(')') else { break };
        out.push_str(lead);
        out.push_str(label);
        rest = behind;
    }
    out + rest
}

//! What would be accepted, in words for whoever is refused: built from what a rule lets through, never from a pattern or a name.

use serde_json::Value as Json;

use super::ready::{Ready, SqlRule};
use crate::yaml::quoted;

/// Most values that are listed.
const LISTED: usize = 20;

/// One sentence without a full stop: `` `priority` must be one of `low`, `normal` ``.
pub(super) fn sentence(name: &str, optional: bool, schema: &Json, ready: &[Ready], each: &[Ready]) -> String {
    let mut phrases: Vec<String> = ready.iter().map(ready_phrase).collect();
    phrases.extend(schema_phrases(schema, ready.is_empty()));
    if !each.is_empty() {
        let each: Vec<_> = each.iter().map(ready_phrase).collect();
        phrases.push(format!("hold only items that {}", each.join(" and ")));
    }
    if phrases.is_empty() {
        phrases.push("be given".to_owned());
    }
    let condition = if optional { ", where it is given," } else { "" };
    format!("{}{condition} must {}", quoted(name), join(&phrases, "and"))
}

fn ready_phrase(ready: &Ready) -> String {
    match ready {
        Ready::Email(rule) => {
            let domains: Vec<_> = rule.domains.iter().map(|domain| format!("`@{}`", domain.shown())).collect();
            format!("be one plain e-mail address {}", join(&domains, "or"))
        }
        Ready::Number(rule) => match (&rule.min, &rule.max) {
            (Some(min), Some(max)) => format!("be a number from {} to {}", min.token(), max.token()),
            (Some(min), None) => format!("be a number of at least {}", min.token()),
            (None, Some(max)) => format!("be a number of at most {}", max.token()),
            (None, None) => "be a number".to_owned(),
        },
        Ready::Path(rule) => {
            let folders: Vec<_> =
                rule.under.iter().map(|folder| format!("`{folder}{}`", if folder.is_empty() { "/" } else { "" })).collect();
            format!("lie under {} as a plain absolute path", join(&folders, "or"))
        }
        Ready::Sql(rule) => sql_phrase(rule),
        Ready::Url(rule) => {
            let hosts: Vec<_> = rule.hosts.iter().map(|host| format!("`{}`", host.shown())).collect();
            format!("be a plain {} URL with the host {}", join(&rule.schemes, "or"), join(&hosts, "or"))
        }
    }
}

fn sql_phrase(rule: &SqlRule) -> String {
    let words: Vec<_> = rule.statements.iter().map(|statement| statement.as_str().to_owned()).collect();
    let tables: Vec<_> = rule.tables.iter().map(|table| format!("`{}`", table.0.join("."))).collect();
    let noun = if tables.len() == 1 { "table" } else { "tables" };
    format!("be one {} statement on the {noun} {}, in plain SQL without comments", join(&words, "or"), tables.join(", "))
}

/// What the words of a schema ask for. `named`: whether its type has to be named.
fn schema_phrases(schema: &Json, named: bool) -> Vec<String> {
    let mut phrases = Vec::new();
    if let Some(values) = schema.get("enum").and_then(Json::as_array) {
        phrases.push(if let [one] = &values[..] {
            format!("be {}", constant(one))
        } else {
            format!("be one of {}", list(values))
        });
    } else if let Some(value) = schema.get("const") {
        phrases.push(format!("be {}", constant(value)));
    } else if named {
        phrases.extend(kind(schema).map(|kind| format!("be {kind}{}", range(schema))));
    }
    let count = |word: &str| schema.get(word).and_then(Json::as_u64);
    phrases.extend(bounds("have", count("minLength"), count("maxLength"), "character"));
    phrases.extend(bounds("hold", count("minItems"), count("maxItems"), "item"));
    phrases.extend(bounds("have", count("minProperties"), count("maxProperties"), "member"));
    if let Some(step) = schema.get("multipleOf") {
        phrases.push(format!("be a multiple of {step}"));
    }
    if let Some(format) = schema.get("format").and_then(Json::as_str) {
        phrases.push(format!("have the format `{format}`"));
    }
    if let Some(names) = schema.get("required").and_then(Json::as_array).filter(|names| !names.is_empty()) {
        phrases.push(format!("have the members {}", list(names)));
    }
    if let (Some(Json::Object(members)), Some(Json::Bool(false))) = (schema.get("properties"), schema.get("additionalProperties"))
    {
        let known: Vec<Json> = members.keys().cloned().map(Json::from).collect();
        phrases.push(format!("have no members but {}", list(&known)));
    }
    if let Some(items) = schema.get("items") {
        let items = schema_phrases(items, true);
        if !items.is_empty() {
            phrases.push(format!("hold only items that {}", join(&items, "and")));
        }
    }
    let silent = ["pattern", "allOf", "anyOf", "oneOf", "not", "if", "contains", "prefixItems", "propertyNames", "$ref"];
    let deep = ["patternProperties", "dependentRequired", "dependentSchemas", "uniqueItems"];
    if silent.iter().chain(&deep).any(|word| schema.get(word).is_some()) {
        phrases.push("have the expected form".to_owned());
    }
    phrases
}

fn kind(schema: &Json) -> Option<String> {
    let types = match schema.get("type")? {
        Json::String(one) => vec![one.as_str()],
        Json::Array(types) => types.iter().filter_map(Json::as_str).collect(),
        Json::Bool(_) | Json::Null | Json::Number(_) | Json::Object(_) => return None,
    };
    let words: Vec<_> = types.into_iter().map(|word| type_name(word).to_owned()).collect();
    Some(join(&words, "or"))
}

/// A type of JSON Schema, in words.
pub(crate) fn type_name(word: &str) -> &'static str {
    match word {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "null" => "null",
        "number" => "a number",
        "object" => "an object",
        _ => "text",
    }
}

fn range(schema: &Json) -> String {
    let bound = |word: &str, text: &str| schema.get(word).map(|limit| format!("{text} {limit}"));
    if let (Some(min), Some(max)) = (schema.get("minimum"), schema.get("maximum")) {
        return format!(" from {min} to {max}");
    }
    let low = bound("minimum", "of at least").or_else(|| bound("exclusiveMinimum", "above"));
    let high = bound("maximum", "of at most").or_else(|| bound("exclusiveMaximum", "below"));
    let both: Vec<_> = low.into_iter().chain(high).collect();
    if both.is_empty() { String::new() } else { format!(" {}", both.join(" and ")) }
}

fn bounds(verb: &str, least: Option<u64>, most: Option<u64>, noun: &str) -> Option<String> {
    let plural = |count: u64| if count == 1 { noun.to_owned() } else { format!("{noun}s") };
    Some(match (least, most) {
        (Some(least), Some(most)) if least == most => format!("{verb} {least} {}", plural(least)),
        (Some(least), Some(most)) => format!("{verb} {least} to {most} {}", plural(most)),
        (Some(least), None) => format!("{verb} at least {least} {}", plural(least)),
        (None, Some(most)) => format!("{verb} at most {most} {}", plural(most)),
        (None, None) => return None,
    })
}

fn list(values: &[Json]) -> String {
    let mut shown: Vec<_> = values.iter().take(LISTED).map(constant).collect();
    if values.len() > LISTED {
        shown.push(format!("or one of {} more", values.len() - LISTED));
    }
    shown.join(", ")
}

fn constant(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        Json::Array(_) | Json::Bool(_) | Json::Null | Json::Number(_) | Json::Object(_) => quoted(&value.to_string()),
    }
}

fn join(parts: &[String], word: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} {word} {last}", start.join(", ")),
    }
}

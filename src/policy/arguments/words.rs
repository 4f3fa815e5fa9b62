//! The words of a schema, each with its place: known, of use where they stand, and not at odds with each other.

use super::constants::{exact, is_json_number};
use super::ready::Decimal;
use super::schema::is_pattern;
use super::unknown_word;
use crate::yaml::{Entry, Node, Report, Value, closest, quoted};

/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 1024;
/// Formats that are checked.
const FORMATS: [&str; 13] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "json-pointer",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uuid",
];
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// What kind of value a word takes, as far as this module looks into it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Anything, or what the meta-schema says.
    Data,
    Format,
    Named,
    Pattern,
    Patterns,
    Reference,
    Schema,
    Schemas,
    Type,
}

/// A word: what it takes, what that is called, and what kind of value it speaks of (nothing: any).
struct Word(&'static str, Takes, &'static str, &'static str);

const NUMBER: &str = "a number";
const COUNT: &str = "a whole number that is not negative";
const SCHEMA: &str = "a schema: a mapping of words";
const SCHEMAS: &str = "a list of schemas";

const WORDS: &[Word] = &[
    Word("type", Takes::Type, "string, integer, number, boolean, array, object or null, or a list of them", ""),
    Word("enum", Takes::Data, "a list of values", ""),
    Word("const", Takes::Data, "a value", ""),
    Word("minimum", Takes::Data, NUMBER, "number"),
    Word("maximum", Takes::Data, NUMBER, "number"),
    Word("exclusiveMinimum", Takes::Data, NUMBER, "number"),
    Word("exclusiveMaximum", Takes::Data, NUMBER, "number"),
    Word("multipleOf", Takes::Data, "a number above 0", "number"),
    Word("minLength", Takes::Data, COUNT, "string"),
    Word("maxLength", Takes::Data, COUNT, "string"),
    Word("pattern", Takes::Pattern, "a regular expression", "string"),
    Word("format", Takes::Format, "the name of a format", "string"),
    Word("minItems", Takes::Data, COUNT, "array"),
    Word("maxItems", Takes::Data, COUNT, "array"),
    Word("uniqueItems", Takes::Data, "true or false", "array"),
    Word("items", Takes::Schema, SCHEMA, "array"),
    Word("prefixItems", Takes::Schemas, SCHEMAS, "array"),
    Word("contains", Takes::Schema, SCHEMA, "array"),
    Word("minContains", Takes::Data, COUNT, "array"),
    Word("maxContains", Takes::Data, COUNT, "array"),
    Word("unevaluatedItems", Takes::Schema, SCHEMA, "array"),
    Word("properties", Takes::Named, "a mapping of names to schemas", "object"),
    Word("patternProperties", Takes::Patterns, "a mapping of patterns to schemas", "object"),
    Word("additionalProperties", Takes::Schema, SCHEMA, "object"),
    Word("propertyNames", Takes::Schema, SCHEMA, "object"),
    Word("required", Takes::Data, "a list of names", "object"),
    Word("dependentRequired", Takes::Data, "a mapping of names to lists of names", "object"),
    Word("dependentSchemas", Takes::Named, "a mapping of names to schemas", "object"),
    Word("minProperties", Takes::Data, COUNT, "object"),
    Word("maxProperties", Takes::Data, COUNT, "object"),
    Word("unevaluatedProperties", Takes::Schema, SCHEMA, "object"),
    Word("allOf", Takes::Schemas, SCHEMAS, ""),
    Word("anyOf", Takes::Schemas, SCHEMAS, ""),
    Word("oneOf", Takes::Schemas, SCHEMAS, ""),
    Word("not", Takes::Schema, SCHEMA, ""),
    Word("if", Takes::Schema, SCHEMA, ""),
    Word("then", Takes::Schema, SCHEMA, ""),
    Word("else", Takes::Schema, SCHEMA, ""),
    Word("$ref", Takes::Reference, "`#/$defs/<name>`", ""),
    Word("$defs", Takes::Named, "a mapping of names to schemas", ""),
    Word("$comment", Takes::Data, "a text", ""),
    Word("title", Takes::Data, "a text", ""),
    Word("description", Takes::Data, "a text", ""),
    Word("default", Takes::Data, "a value", ""),
    Word("examples", Takes::Data, "a list of values", ""),
    Word("deprecated", Takes::Data, "true or false", ""),
    Word("readOnly", Takes::Data, "true or false", ""),
    Word("writeOnly", Takes::Data, "true or false", ""),
];

/// Words of JSON Schema that say nothing here, and why.
const USELESS: &[(&str, &str)] = &[
    ("$schema", "every rule is read as JSON Schema 2020-12; leave it out"),
    ("$id", "references are `#/$defs/<name>`; leave it out"),
    ("$anchor", "references are `#/$defs/<name>`; leave it out"),
    ("$dynamicRef", "write `$ref: '#/$defs/<name>'`"),
    ("$dynamicAnchor", "references are `#/$defs/<name>`; leave it out"),
    ("$vocabulary", "leave it out"),
    ("contentEncoding", "it checks nothing in JSON Schema 2020-12; use `pattern`"),
    ("contentMediaType", "it checks nothing in JSON Schema 2020-12; use `pattern`"),
    ("contentSchema", "it checks nothing in JSON Schema 2020-12; use `pattern`"),
    ("definitions", "the word is `$defs` since 2019-09"),
    ("dependencies", "the words are `dependentRequired` and `dependentSchemas` since 2019-09"),
    ("additionalItems", "the word is `items`, after `prefixItems`, since 2020-12"),
];

const PAIRS: [(&str, &str); 6] = [
    ("minimum", "maximum"),
    ("exclusiveMinimum", "exclusiveMaximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minContains", "maxContains"),
    ("minProperties", "maxProperties"),
];

fn word(name: &str) -> Option<&'static Word> {
    WORDS.iter().find(|word| word.0 == name)
}

/// Every word.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|word| word.0)
}

/// What the word takes, in words of a hint.
pub(super) fn takes(name: &str) -> Option<&'static str> {
    word(name).map(|word| word.2)
}

/// Checks the words of an argument, all the way down. `implied` is the type that a ready check asks for; `items`: whether there is
/// an `items` that is not among them.
pub(super) fn check(entries: &[&Entry], implied: Option<&'static str>, items: bool, defs: Option<&Node>, report: &mut Report) {
    let mut walk = Walk { defs, report };
    walk.words(entries, implied, true);
    if items && !entries.iter().any(|entry| entry.key.text == "type" && says_type(&entry.value, "array")) {
        let place = entries.first().map(|entry| entry.key.place);
        if let Some(place) = place {
            walk.report.error(place, "`items` says nothing about a value that is no list").hint("add `type: array`");
        }
    }
}

/// Checks what stands in `items` beside its ready checks.
pub(super) fn check_items(entries: &[&Entry], defs: Option<&Node>, report: &mut Report) {
    Walk { defs, report }.words(entries, Some("string"), false);
}

struct Walk<'t, 'r> {
    defs: Option<&'t Node>,
    report: &'r mut Report,
}

impl Walk<'_, '_> {
    fn words(&mut self, entries: &[&Entry], implied: Option<&'static str>, top: bool) {
        for entry in entries {
            let name = entry.key.text.as_str();
            if let Some((_, instead)) = USELESS.iter().find(|(useless, _)| *useless == name) {
                self.report.error(entry.key.place, format!("`{name}` is not read here")).hint(*instead);
                continue;
            }
            let Some(word) = word(name) else {
                unknown_word(entry, all(), self.report);
                continue;
            };
            if name == "$defs" && !top {
                let found = self.report.error(entry.key.place, "`$defs` stands too deep");
                found.hint("write it beside the first words of the argument");
            }
            self.value(word, entry);
            self.is_of_use(word, entry, entries, implied);
        }
        for (low, high) in PAIRS {
            self.pair(entries, low, high);
        }
    }

    fn value(&mut self, word: &Word, entry: &Entry) {
        let node = &entry.value;
        match word.1 {
            Takes::Data => {}
            Takes::Format => self.one_of(node, &FORMATS, "a format that is checked"),
            Takes::Named => self.named(node, false),
            Takes::Pattern => self.pattern(node),
            Takes::Patterns => self.named(node, true),
            Takes::Reference => self.reference(node),
            Takes::Schema => self.schema(node),
            Takes::Schemas => {
                if let Value::Sequence(nodes) = &node.value {
                    for node in nodes {
                        self.schema(node);
                    }
                }
            }
            Takes::Type => match &node.value {
                Value::Sequence(nodes) => nodes.iter().for_each(|node| self.one_of(node, &TYPES, "a type")),
                Value::Mapping(_) | Value::Refused | Value::Scalar(_) => self.one_of(node, &TYPES, "a type"),
            },
        }
    }

    /// What is no schema at all is left to the meta-schema.
    fn schema(&mut self, node: &Node) {
        if let Value::Mapping(entries) = &node.value {
            self.words(&entries.iter().collect::<Vec<_>>(), None, false);
        }
    }

    fn named(&mut self, node: &Node, patterns: bool) {
        let Value::Mapping(entries) = &node.value else { return };
        for entry in entries {
            if patterns && !(entry.key.text.len() <= MAX_PATTERN && is_pattern(&entry.key.text)) {
                bad_pattern(entry.key.place, &entry.key.text, self.report);
            }
            self.schema(&entry.value);
        }
    }

    fn pattern(&mut self, node: &Node) {
        if let Value::Scalar(scalar) = &node.value
            && !(scalar.text.len() <= MAX_PATTERN && is_pattern(&scalar.text))
        {
            bad_pattern(node.place, &scalar.text, self.report);
        }
    }

    fn reference(&mut self, node: &Node) {
        let Value::Scalar(scalar) = &node.value else { return };
        let Some(name) = scalar.text.strip_prefix("#/$defs/").filter(|name| !name.contains('/')) else {
            self.report
                .error(node.place, format!("{} leads outside of this rule", scalar.shown()))
                .hint("references are `#/$defs/<name>`, to a schema beside the first words of the argument; nothing is fetched");
            return;
        };
        let names = self.defs.into_iter().flat_map(|defs| match &defs.value {
            Value::Mapping(entries) => entries.iter().map(|entry| entry.key.text.as_str()).collect(),
            Value::Refused | Value::Scalar(_) | Value::Sequence(_) => Vec::new(),
        });
        let names: Vec<&str> = names.collect();
        if !names.contains(&name) {
            let hint = closest(name, names.iter().copied()).map(|meant| format!("did you mean `#/$defs/{meant}`?"));
            self.report
                .error(node.place, format!("there is no {} in `$defs`", quoted(name)))
                .hint(hint.unwrap_or_else(|| "add it to `$defs`".to_owned()));
        }
    }

    fn one_of(&mut self, node: &Node, words: &[&'static str], what: &str) {
        let Value::Scalar(scalar) = &node.value else { return };
        if words.contains(&scalar.text.as_str()) {
            return;
        }
        let accepted = format!("accepted: {}", words.join(", "));
        let meant = closest(&scalar.text, words.iter().copied());
        let found = self.report.error(node.place, format!("{} is not {what}", scalar.shown()));
        found.hint(meant.map_or_else(|| accepted.clone(), |meant| format!("did you mean `{meant}`?")));
        if meant.is_some() {
            found.note(accepted);
        }
    }

    /// SECURITY: to JSON Schema `maximum: 10` is true of every text. Whoever writes it means a number, so the type must be said.
    fn is_of_use(&mut self, word: &Word, entry: &Entry, beside: &[&Entry], implied: Option<&'static str>) {
        let Word(name, _, _, of) = word;
        if of.is_empty() {
            return;
        }
        let found = |name: &str| beside.iter().find(|entry| entry.key.text == name);
        if let Some(types) = found("type") {
            if !says_type(&types.value, of) {
                self.report
                    .error(entry.key.place, format!("`{name}` says nothing about a value of this `type`"))
                    .hint(format!("it is for `{of}`"));
            }
            return;
        }
        let exact = ["const", "enum", "$ref"].iter().any(|word| found(word).is_some());
        if !exact && implied != Some(*of) {
            self.report
                .error(entry.key.place, format!("`{name}` is true of every value that is no {of}"))
                .hint(format!("add `type: {of}`"));
        }
    }

    fn pair(&mut self, entries: &[&Entry], low: &str, high: &str) {
        let number = |name: &str| {
            let entry = entries.iter().find(|entry| entry.key.text == name)?;
            let Value::Scalar(scalar) = &entry.value.value else { return None };
            let number = is_json_number(&scalar.text).then(|| Decimal::parse(&scalar.text))??;
            exact(&scalar.text).map(|_| (entry, number))
        };
        if let (Some((entry, least)), Some((_, most))) = (number(low), number(high))
            && least > most
        {
            let found = self.report.error(entry.value.place, format!("`{low}` is above `{high}`"));
            found.hint("nothing could fit");
        }
    }
}

fn bad_pattern(place: crate::yaml::Place, pattern: &str, report: &mut Report) {
    report
        .error(place, format!("{} is not a pattern that can be matched in linear time", quoted(pattern)))
        .hint(format!("check its brackets; look-around and back references are not read, and {MAX_PATTERN} bytes are the most"));
}

/// Whether a value of `type:` lets values of this kind through.
fn says_type(node: &Node, of: &str) -> bool {
    let is = |node: &Node| match &node.value {
        Value::Scalar(scalar) => scalar.text.as_str() == of || (of == "number" && scalar.text.as_str() == "integer"),
        // Reported elsewhere.
        Value::Mapping(_) | Value::Refused | Value::Sequence(_) => true,
    };
    match &node.value {
        Value::Sequence(nodes) => nodes.iter().any(is),
        Value::Mapping(_) | Value::Refused | Value::Scalar(_) => is(node),
    }
}

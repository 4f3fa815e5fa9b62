//! The schema of one argument: checked word by word with its places, by the meta-schema, and compiled.

use std::fmt;
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, ValidationOptions, Validator};
use serde_json::{Map, Value as Json};

use super::constants::json;
use super::reach::{Unusable, reach};
use super::words;
use crate::yaml::{Entry, Node, Place, Report, Value};

/// Largest compiled pattern, in bytes.
const MAX_COMPILED: usize = 256 << 10;

/// A compiled schema.
#[derive(Clone)]
pub struct Schema {
    pub(crate) validator: Arc<Validator>,
    /// The values in it, references followed: what judging one value costs at most.
    pub(crate) size: u64,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Schema {
    /// Compiles a schema. Fetches nothing, and matches patterns in linear time.
    pub(crate) fn compile(json: &Json, draft: Draft, formats: bool) -> Result<Self, Unusable> {
        let size = reach(json)?;
        let validator = options(draft, formats).build(json).map_err(|_error| Unusable::NotASchema)?;
        Ok(Self { validator: Arc::new(validator), size })
    }
}

fn options(draft: Draft, formats: bool) -> ValidationOptions<'static> {
    let patterns = PatternOptions::regex().size_limit(MAX_COMPILED).dfa_size_limit(4 * MAX_COMPILED);
    jsonschema::options().with_draft(draft).with_pattern_options(patterns).should_validate_formats(formats).offline()
}

/// `items:` without its ready checks, and what else stands there.
pub(super) type Items<'t> = Option<(&'t Entry, Vec<&'t Entry>)>;

/// Reads the words of an argument: their JSON, and the schema, which is `None` where there is no word. `implied` is the type that a
/// ready check asks for.
pub(super) fn read(
    entries: &[&Entry],
    implied: Option<&'static str>,
    items: &Items<'_>,
    report: &mut Report,
) -> Option<(Json, Option<Schema>)> {
    let before = report.errors();
    let defs = entries.iter().find(|entry| entry.key.text == "$defs").map(|entry| &entry.value);
    words::check(entries, implied, items.is_some(), defs, report);
    let mut members: Map<String, Json> = Map::new();
    for entry in entries {
        if let Some(value) = json(&entry.value, report) {
            members.insert(entry.key.text.clone(), value);
        }
    }
    if let Some((_, rest)) = items {
        words::check_items(rest, defs, report);
        let rest = rest.iter().filter_map(|entry| Some((entry.key.text.clone(), json(&entry.value, report)?)));
        members.insert("items".to_owned(), Json::Object(rest.collect()));
    }
    if report.errors() > before {
        return None;
    }
    let place = entries.first().map(|entry| entry.key.place).or_else(|| items.as_ref().map(|(entry, _)| entry.key.place));
    let Some(place) = place else {
        return Some((Json::Object(members), None));
    };
    let json = Json::Object(members);
    check_by_meta_schema(&json, entries, place, report);
    if report.errors() > before {
        return None;
    }
    match Schema::compile(&json, Draft::Draft202012, true) {
        Ok(schema) => Some((json, Some(schema))),
        Err(unusable) => {
            report.error(place, format!("this schema cannot be used: {unusable}")).hint("make it smaller or plainer");
            None
        }
    }
}

/// Every word's value is what the word takes, by the meta-schema of JSON Schema itself.
fn check_by_meta_schema(json: &Json, entries: &[&Entry], place: Place, report: &mut Report) {
    let validator = jsonschema::draft202012::meta::validator();
    for error in validator.iter_errors(json) {
        let pointer = error.instance_path().as_str().to_owned();
        let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let word = pointer.rsplit('/').next().unwrap_or_default();
        let found = steps.next().and_then(|first| entries.iter().find(|entry| entry.key.text == first).copied());
        let place = found.map_or(place, |entry| {
            steps.try_fold(&entry.value, |node, step| inside(node, &step)).map_or(entry.key.place, |node| node.place)
        });
        let takes = words::takes(word).or_else(|| {
            let mut outer = pointer.rsplit('/').skip(1);
            outer.next().and_then(words::takes)
        });
        report.error(place, "this is not what JSON Schema takes here").hint(takes.unwrap_or("see JSON Schema 2020-12"));
    }
}

fn inside<'t>(node: &'t Node, step: &str) -> Option<&'t Node> {
    match &node.value {
        Value::Mapping(_) => node.get(step),
        Value::Sequence(nodes) => nodes.get(step.parse::<usize>().ok()?),
        Value::Refused | Value::Scalar(_) => None,
    }
}

/// Whether the engine compiles this pattern.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let mut schema = Map::new();
    schema.insert("pattern".to_owned(), Json::from(pattern));
    options(Draft::Draft202012, true).build(&Json::Object(schema)).is_ok()
}

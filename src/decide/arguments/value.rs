//! A value of the strict parser as a value of the JSON Schema engine, without loss, and the judgement of that engine.

use serde_json::{Map, Value as Json};

use crate::policy::arguments::{Schema, exact};
use crate::protocol::json::{Kind, Value};

/// Nesting; the parser of messages allows no more.
const MAX_DEPTH: usize = 64;
/// What one judgement may cost: values of the schema times values of the argument. Half a second, at worst.
const MAX_WORK: u64 = 4_000_000;
/// So many bytes of text cost what a value costs.
const BYTES: u64 = 64;

/// Whether the engine accepts it. What cannot be converted exactly, or would cost too much, is not accepted.
pub(super) fn fits(schema: &Schema, value: Value<'_>) -> bool {
    affordable(schema, value).is_some_and(|json| schema.validator.is_valid(&json))
}

/// The value, if judging it by this schema is affordable and nothing of it is lost.
pub(super) fn affordable(schema: &Schema, value: Value<'_>) -> Option<Json> {
    let bytes = u64::try_from(value.span().len()).ok()?;
    let mut values = 0;
    if schema.size.saturating_mul(bytes / BYTES) > MAX_WORK {
        return None;
    }
    let json = convert(value, 0, &mut values)?;
    (schema.size.saturating_mul(values + bytes / BYTES) <= MAX_WORK).then_some(json)
}

/// The value, if nothing of it is lost.
#[cfg(feature = "rego")]
pub(in crate::decide) fn plain(value: Value<'_>) -> Option<Json> {
    convert(value, 0, &mut 0)
}

/// The same value; `None` where a number would change, or where it is too deep. `values` counts what it holds.
pub(super) fn convert(value: Value<'_>, depth: usize, values: &mut u64) -> Option<Json> {
    if depth > MAX_DEPTH {
        return None;
    }
    *values += 1;
    Some(match value.kind() {
        Kind::Array => {
            let items: Vec<_> = value.items().map(|item| convert(item, depth + 1, values)).collect();
            Json::Array(items.into_iter().collect::<Option<_>>()?)
        }
        Kind::Bool => Json::Bool(value.as_bool()?),
        Kind::Null => Json::Null,
        Kind::Number => Json::Number(exact(value.raw())?),
        Kind::Object => {
            let mut members = Map::new();
            for (key, member) in value.members() {
                members.insert(key.as_str()?.to_owned(), convert(member, depth + 1, values)?);
            }
            Json::Object(members)
        }
        Kind::String => Json::from(value.as_str()?),
    })
}

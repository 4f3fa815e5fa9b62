//! The schema that a tool's server has given it, and what of a call does not fit it.
//!
//! The schema is a peer's: it may be large, deep, full of references, or nothing that compiles. Where nobody can say what it lets
//! through, nothing is let through.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, ValidationError};
use serde_json::{Map, Value as Json};

use super::value;
use crate::policy::arguments::{Schema, Unusable, type_name};
use crate::protocol::json::Value;
use crate::yaml::quoted;

/// Values of a schema times bytes of arguments up to which it is told what does not fit.
const MAX_TOLD: u64 = 1_000_000;
/// Largest schema, in bytes.
const MAX_BYTES: usize = 64 << 10;
/// Most steps of a way to a value that are told.
const MAX_STEPS: usize = 8;

/// A tool's schema, compiled.
#[derive(Clone, Debug)]
pub struct InputSchema(Schema);

/// Why nobody can be held to the schema of a tool: a fixed text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnusableSchema(Unusable);

impl UnusableSchema {
    /// Several definitions of one tool were seen.
    pub const VARIES: Self = Self(Unusable::Varies);
    /// There is no room for it.
    pub const TOO_LARGE: Self = Self(Unusable::TooLarge);
}

impl fmt::Display for UnusableSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UnusableSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for UnusableSchema {}

impl InputSchema {
    /// Compiles the `inputSchema` of a tool; one that is missing is none.
    ///
    /// # Errors
    /// When nobody could be held to it.
    pub fn compile(schema: Option<Value<'_>>) -> Result<Self, UnusableSchema> {
        compile(schema).map(Self).map_err(UnusableSchema)
    }

    /// What is wrong with these arguments, as a sentence for whoever sent them. A call without arguments has an empty object of them.
    ///
    /// # Errors
    /// With the first thing that does not fit, in the words of the tool's own schema.
    pub fn check(&self, arguments: Option<Value<'_>>) -> Result<(), String> {
        let json = match arguments {
            Some(arguments) => value::affordable(&self.0, arguments),
            None => Some(Json::Object(Map::new())),
        };
        let Some(json) = json else {
            return Err("the arguments are too large, or hold a number that cannot be read exactly".to_owned());
        };
        if self.0.validator.is_valid(&json) {
            return Ok(());
        }
        // To say what is wrong costs far more than to see that something is: an error for every item, in every branch.
        let length = arguments.map_or(0, |arguments| arguments.span().len() as u64);
        if self.0.size.saturating_mul(length) > MAX_TOLD {
            return Err("the arguments do not fit, and are too large to say where".to_owned());
        }
        self.0.validator.validate(&json).map_err(|error| sentence(&error))
    }
}

fn compile(schema: Option<Value<'_>>) -> Result<Schema, Unusable> {
    let schema = schema.ok_or(Unusable::NotASchema)?;
    if schema.span().len() > MAX_BYTES {
        return Err(Unusable::TooLarge);
    }
    let mut json = value::convert(schema, 0, &mut 0).ok_or(Unusable::TooLarge)?;
    let Json::Object(words) = &mut json else { return Err(Unusable::NotASchema) };
    // What it calls itself changes nothing: every reference is local.
    words.remove("$id");
    let draft = match words.remove("$schema") {
        None => Draft::Draft202012,
        Some(Json::String(uri)) => draft(&uri).ok_or(Unusable::UnknownDialect)?,
        Some(_) => return Err(Unusable::UnknownDialect),
    };
    // Formats are remarks to most servers, and are not to be refused here where the server would take them.
    Schema::compile(&json, draft, false)
}

fn draft(uri: &str) -> Option<Draft> {
    let uri = uri.strip_suffix('#').unwrap_or(uri);
    let name = uri.strip_prefix("https://json-schema.org/").or_else(|| uri.strip_prefix("http://json-schema.org/"))?;
    match name {
        "draft-06/schema" => Some(Draft::Draft6),
        "draft-07/schema" => Some(Draft::Draft7),
        "draft/2019-09/schema" => Some(Draft::Draft201909),
        "draft/2020-12/schema" => Some(Draft::Draft202012),
        _ => None,
    }
}

fn sentence(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().as_str();
    let steps: Vec<_> = path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let name = if steps.is_empty() {
        "the arguments".to_owned()
    } else {
        quoted(&steps.iter().take(MAX_STEPS).map(String::as_str).collect::<Vec<_>>().join("."))
    };
    let plural = if steps.is_empty() { "have" } else { "has" };
    let kind = error.kind();
    if let ValidationErrorKind::Type { kind } = kind {
        return format!("{name} must be {}", types(kind));
    }
    if let ValidationErrorKind::Required { property } = kind {
        let property = property.as_str().unwrap_or_default();
        return if steps.is_empty() {
            format!("{} is missing", quoted(property))
        } else {
            format!("{name} lacks {}", quoted(property))
        };
    }
    if let ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } =
        kind
    {
        let first = unexpected.first().map(String::as_str).unwrap_or_default();
        return format!("{name} {plural} {}, which the tool does not know", quoted(first));
    }
    if let ValidationErrorKind::Enum { options } = kind {
        let options: Vec<_> = options.as_array().into_iter().flatten().take(20).map(constant).collect();
        return format!("{name} must be one of {}", options.join(", "));
    }
    if let ValidationErrorKind::Constant { expected_value } = kind {
        return format!("{name} must be {}", constant(expected_value));
    }
    limit(kind).map_or_else(|| format!("{name} does not fit the tool's input schema"), |limit| format!("{name} must {limit}"))
}

fn limit(kind: &ValidationErrorKind) -> Option<String> {
    let text = if let ValidationErrorKind::Minimum { limit } = kind {
        format!("be at least {limit}")
    } else if let ValidationErrorKind::Maximum { limit } = kind {
        format!("be at most {limit}")
    } else if let ValidationErrorKind::ExclusiveMinimum { limit } = kind {
        format!("be above {limit}")
    } else if let ValidationErrorKind::ExclusiveMaximum { limit } = kind {
        format!("be below {limit}")
    } else if let ValidationErrorKind::MinLength { limit } = kind {
        format!("have at least {limit} characters")
    } else if let ValidationErrorKind::MaxLength { limit } = kind {
        format!("have at most {limit} characters")
    } else if let ValidationErrorKind::MinItems { limit } = kind {
        format!("hold at least {limit} items")
    } else if let ValidationErrorKind::MaxItems { limit } = kind {
        format!("hold at most {limit} items")
    } else {
        return None;
    };
    Some(text)
}

fn types(kind: &TypeKind) -> String {
    let words: Vec<_> = match kind {
        TypeKind::Single(one) => vec![type_name(&one.to_string())],
        TypeKind::Multiple(types) => types.iter().map(|one| type_name(&one.to_string())).collect(),
    };
    words.join(" or ")
}

fn constant(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        Json::Array(_) | Json::Bool(_) | Json::Null | Json::Number(_) | Json::Object(_) => quoted(&value.to_string()),
    }
}

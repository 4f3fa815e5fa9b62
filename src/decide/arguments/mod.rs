//! Holds the arguments of a call to the `arguments:` rules of a grant, and to the schema of the tool itself.
//!
//! Pure, bounded and silent about why: a value that cannot be read exactly, is too large to be judged, or that two readers could take
//! for different things is refused. What was parsed by the strict parser is turned into the values of the JSON Schema engine for named
//! arguments alone, and only where every number keeps its value.

mod email;
mod input_schema;
mod path;
mod sql;
mod url;
mod value;

#[cfg(test)]
mod attacks_tests;
#[cfg(test)]
mod properties_tests;
#[cfg(test)]
mod tests;

use std::fmt;

pub use input_schema::{InputSchema, UnusableSchema};
#[cfg(feature = "rego")]
pub(super) use value::plain;

use crate::policy::arguments::{ArgumentRule, ArgumentRules, Decimal, NumberRule, Ready};
use crate::protocol::json::{Kind, Value};

/// Most failures that are told.
const TOLD: usize = 8;

/// Arguments that do not fit: what would be accepted, for each that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    failures: usize,
    text: String,
}

impl Misfit {
    /// How many arguments failed.
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// Of several grants' misfits, the one with the fewest failures; the first of equals.
    pub fn nearest(misfits: impl IntoIterator<Item = Self>) -> Option<Self> {
        misfits.into_iter().min_by_key(|misfit| misfit.failures)
    }

    fn of(sentences: &[String]) -> Self {
        let mut text = sentences.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
        if !text.ends_with(['.', '!', '?']) {
            text.push('.');
        }
        Self { failures: sentences.len(), text }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ArgumentRules {
    /// Whether these arguments fit; arguments without a rule are free.
    ///
    /// # Errors
    /// With what would be accepted.
    pub fn check(&self, arguments: Option<Value<'_>>) -> Result<(), Misfit> {
        if arguments.is_some_and(|arguments| arguments.kind() != Kind::Object) {
            return Err(Misfit { failures: self.0.len(), text: "The arguments must be an object.".to_owned() });
        }
        let sentences: Vec<_> = self.0.iter().filter_map(|rule| self.failure(rule, arguments)).collect();
        if sentences.is_empty() { Ok(()) } else { Err(Misfit::of(&sentences)) }
    }

    fn failure(&self, rule: &ArgumentRule, arguments: Option<Value<'_>>) -> Option<String> {
        let value = arguments.and_then(|arguments| arguments.get(&rule.name));
        if arguments.is_some_and(|arguments| self.has_double(&rule.name, arguments)) {
            return Some(format!("{}, and no argument may have the same name in another case", rule.accepts));
        }
        let fits = match value {
            Some(value) => rule.fits(value),
            None => rule.optional,
        };
        (!fits).then(|| rule.accepts.clone())
    }

    /// SECURITY: a server that does not tell `Priority` from `priority` might read the one that nobody has looked at.
    fn has_double(&self, name: &str, arguments: Value<'_>) -> bool {
        arguments
            .members()
            .filter_map(|(key, _)| key.as_str())
            .any(|key| key != name && are_alike(key, name) && !self.0.iter().any(|rule| rule.name == key))
    }
}

/// Whether some reader that does not tell upper from lower case could take one for the other: `ſ` is an `S` to it, and the sign of the
/// kelvin a `K`.
pub(super) fn are_alike(one: &str, other: &str) -> bool {
    let fold = |name: &str| name.trim().to_uppercase().to_lowercase();
    one.eq_ignore_ascii_case(other)
        || ((!one.is_ascii() || !other.is_ascii() || one.trim() != one || other.trim() != other) && fold(one) == fold(other))
}

impl ArgumentRule {
    fn fits(&self, value: Value<'_>) -> bool {
        let by_schema = self.schema.as_ref().is_none_or(|schema| value::fits(schema, value));
        by_schema
            && self.ready.iter().all(|ready| ready.fits(value))
            && (self.each.is_empty()
                || (value.kind() == Kind::Array && value.items().all(|item| self.each.iter().all(|ready| ready.fits(item)))))
    }
}

impl Ready {
    fn fits(&self, value: Value<'_>) -> bool {
        match self {
            Self::Number(rule) => rule.fits(value),
            Self::Email(rule) => value.as_str().is_some_and(|text| email::fits(rule, text)),
            Self::Path(rule) => value.as_str().is_some_and(|text| path::fits(rule, text)),
            Self::Sql(rule) => value.as_str().is_some_and(|text| sql::fits(rule, text)),
            Self::Url(rule) => value.as_str().is_some_and(|text| url::fits(rule, text)),
        }
    }
}

impl NumberRule {
    /// Digit by digit, and only what every reader takes for the same number: beyond a double's digits, readers round.
    fn fits(&self, value: Value<'_>) -> bool {
        if value.kind() != Kind::Number || crate::policy::arguments::exact(value.raw()).is_none() {
            return false;
        }
        Decimal::parse(value.raw()).is_some_and(|number| {
            self.min.as_ref().is_none_or(|min| number >= *min) && self.max.as_ref().is_none_or(|max| number <= *max)
        })
    }
}

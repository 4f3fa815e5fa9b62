//! Finds orders to a model where only data belongs, by rules, and by a model of its own ([`super::linear`]).
//!
//! A [`Scanner`] makes a text readable as a model reads it, and makes further texts of what stands in it encoded, split or misspelt
//! ([`super::readings`]); each is searched for rare words, and rules are tried around them.
//!
//! Pure: text in, spans out. `docs/detection.md` has the figures.

mod anchors;
mod fit;
mod links;
mod model;
mod rules;
mod score;

#[cfg(test)]
mod tests;

pub use model::{MODEL, ModelMode};
pub use rules::{Left, Rule, RuleAdditions, RuleSet, Severity, holds_rules, read_rules};
pub use score::{Effort, Hit, RuleError, Scanner, SurfaceKind, UNREAD, percent, score};

//! Finds orders to a model where only data belongs, by rules.
//!
//! A [`Scanner`] makes a text readable as a model reads it, and makes further texts of what stands in it encoded, split or misspelt
//! (`views`); each is searched for rare words, and rules are tried around them.
//!
//! Pure: text in, spans out. `docs/detection.md` has the figures.

mod fit;
mod links;
mod look_alikes;
mod normalize;
mod rules;
mod score;
mod views;
mod way;

#[cfg(test)]
mod tests;

pub use rules::Severity;
pub use score::{Effort, Hit, RuleError, Scanner, SurfaceKind, percent, score};
pub use views::{Way, other_readings};

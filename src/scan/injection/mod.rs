//! Finds orders to a model where only data belongs, by rules.
//!
//! A [`Scanner`] makes a text readable as a model reads it, searches it for rare words and tries the rules around them.
//!
//! Pure: text in, spans out. DETECTION.md has the figures.

mod look_alikes;
mod normalize;
mod rules;
mod score;
mod way;

#[cfg(test)]
mod tests;

pub use rules::Severity;
pub use score::{Hit, RuleError, Scanner, SurfaceKind};

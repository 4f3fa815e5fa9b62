//! The rules: data, in the files of `policies/detectors/injection`, embedded; a policy may add its own, and replace these
//! ([`RuleAdditions`]).
//!
//! A rule is a set of rare words that a pattern begins with (its anchors) and the pattern itself, matched from the anchor on and
//! never before it. Patterns are regular expressions over the readable text of [`crate::scan::readings`]: ASCII case does not matter,
//! accents are gone. In them `~3` stands for a separator with at most three words in it, and `%name%` for a list of words ([`expand`]).
//!
//! What no rule sees: orders without a marker ("send a link to Alice"), paraphrases, other languages than those named. Policy has
//! to carry those.

mod additions;
mod embedded;
mod expand;
mod read;
mod samples;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub use additions::{RuleAdditions, holds_rules, read_rules};

use super::model::MODEL;
use super::score::{OTHERS, RuleError, SurfaceKind};

/// How sure a rule is that what it fits is an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a line in the record: common in honest text too.
    Low,
    /// Rare in honest text.
    Medium,
    /// Written to be obeyed by a model.
    High,
}

impl Severity {
    /// The words of the documents.
    pub const WORDS: &'static [(&'static str, Self)] = &[("low", Self::Low), ("medium", Self::Medium), ("high", Self::High)];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What must stand before an anchor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Left {
    /// Nothing in particular.
    Any,
    /// No letter, digit or underscore.
    #[default]
    Word,
    /// The same, and no "not" or "never".
    Order,
    /// A line, a quoted string or a text begins here, marks such as `#`, `*` or `[` aside.
    Line,
}

/// One rule, as its row says.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Stable name, in records and policies; kept for good, so that whatever is found can carry it without a copy.
    pub id: &'static str,
    /// What it is, for people.
    pub title: String,
    /// Where it applies.
    pub surfaces: Vec<SurfaceKind>,
    /// How sure it is.
    pub severity: Severity,
    /// What the pattern begins with, one of them at least: in small letters.
    pub anchors: Vec<String>,
    /// What must stand before the anchor.
    pub left: Left,
    /// The pattern, spelt out.
    pub pattern: String,
    /// Where such attacks are described.
    pub source: String,
    /// What it is known to miss.
    pub misses: String,
    /// Texts in which it is found.
    pub finds: Vec<String>,
    /// Texts in which it is not.
    pub spares: Vec<String>,
}

impl Rule {
    /// Where it applies, in the words of policies.
    pub fn surface_names(&self) -> impl Iterator<Item = &'static str> {
        read::SURFACES.iter().filter(|(_, surface)| self.surfaces.contains(surface)).map(|(name, _)| *name)
    }
}

/// The most that a scanner takes: a scan keeps a number for each.
pub(super) const MOST: usize = 256;

/// Rules, in the order of their numbers.
#[derive(Debug, PartialEq)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
}

impl RuleSet {
    /// The rules of this build; their files are read when they are first asked for.
    ///
    /// # Errors
    /// A file of this build is broken, which its tests exclude.
    pub fn built_in() -> Result<&'static Arc<Self>, &'static RuleError> {
        embedded::built_in().map(|built_in| &built_in.rules)
    }

    /// The same with these rules: one whose id is there takes that rule's place.
    fn with(&self, own: &[Arc<Rule>]) -> Self {
        let of: HashMap<&str, &Arc<Rule>> = own.iter().map(|rule| (rule.id, rule)).collect();
        let kept = self.rules.iter().map(|rule| of.get(rule.id).copied().unwrap_or(rule));
        let new = own.iter().filter(|rule| self.rule(rule.id).is_none());
        Self { rules: kept.chain(new).map(Arc::clone).collect() }
    }

    /// All of them, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter()
    }

    /// The rule of that id.
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// The ids of all findings: of rules, and of what is found otherwise than by a pattern.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.rules.iter().map(|rule| rule.id).chain(OTHERS).chain([MODEL])
    }
}

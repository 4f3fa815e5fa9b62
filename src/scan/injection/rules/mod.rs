//! The rules: data only. Ours, written against the tuning corpora and not yet measured on any other.
//!
//! A rule is a set of rare words that a pattern begins with (its anchors) and the pattern itself, matched from the anchor on and
//! never before it. Patterns are regular expressions over the readable text of [`super::normalize`]: ASCII case does not matter,
//! accents are gone. In them `~3` stands for a separator with at most three words in it, and `%name%` for a list of [`lists`].
//!
//! What no rule sees: orders without a marker ("send a link to Alice"), paraphrases, other languages than those named. Policy has
//! to carry those.

mod asked;
mod languages;
mod leaks;
mod lists;
mod north;
mod overrides;
mod payloads;
mod personas;
mod planted;
mod romance;
mod scripts;
mod tools;

#[cfg(test)]
mod tests;

use lists::LISTS;

use super::score::SurfaceKind::{self, Argument, Definition, Result as Reply};

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

/// What must stand before an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing in particular.
    Any,
    /// No letter, digit or underscore.
    Word,
    /// The same, and no "not" or "never".
    Order,
    /// A line, a quoted string or a text begins here, marks such as `#`, `*` or `[` aside.
    Line,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Stable name, in records and policies.
    pub id: &'static str,
    /// Where it applies.
    pub surfaces: &'static [SurfaceKind],
    /// How sure it is.
    pub severity: Severity,
    /// What the pattern begins with, one of them at least: in small letters, separated by `;`.
    pub anchors: &'static str,
    /// What must stand before the anchor.
    pub left: Left,
    /// The pattern; see the module.
    pub pattern: &'static str,
}

const EVERYWHERE: &[SurfaceKind] = &[Argument, Definition, Reply];
const FROM_SERVER: &[SurfaceKind] = &[Definition, Reply];

/// All of them. `hidden-unicode` and `terminal-conceal` are no patterns: see `normalize`.
const RULES: &[&[Rule]] = &[
    asked::RULES,
    payloads::RULES,
    planted::RULES,
    overrides::RULES,
    personas::RULES,
    tools::RULES,
    leaks::RULES,
    languages::RULES,
    north::RULES,
    romance::RULES,
    scripts::RULES,
];

/// More than there are: a scan keeps a number for each.
pub(super) const MOST: usize = 256;

/// Every rule, in the order of its number.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().flatten()
}

impl Rule {
    /// The anchors one by one.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = &'static str> {
        self.anchors.split(';')
    }
}

/// Spells out `~n` and `%name%`; a space stands for any white space, since texts are wrapped and padded.
pub(super) fn expand(pattern: &str) -> String {
    // Sentence ends separate too: an order may be chopped up, but rarely beyond them.
    const SEPARATOR: &str = r"[^\w.!?;]+";
    let mut text = pattern.to_owned();
    for (name, list) in LISTS {
        text = text.replace(&format!("%{name}%"), list);
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut letters = text.chars().peekable();
    let (mut in_class, mut escaped) = (false, false);
    while let Some(letter) = letters.next() {
        match (letter, letters.peek().and_then(|next| next.to_digit(10))) {
            ('~', Some(words)) if !in_class => {
                letters.next();
                let gap = format!("(?:{SEPARATOR}[\\w']+){{0,{words}}}?{SEPARATOR}");
                out.push_str(&gap);
            }
            (' ', _) if !in_class => out.push_str(r"(?:\s+)"),
            _ => out.push(letter),
        }
        in_class = match letter {
            '[' if !escaped => true,
            ']' if !escaped => false,
            _ => in_class,
        };
        escaped = letter == '\\' && !escaped;
    }
    out
}

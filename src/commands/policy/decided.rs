//! What was decided, in words that can be compared: of a record, and of an engine.

use std::fmt;

use crate::decide::Ruling;
use crate::policy::{Effect, Policy};

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Decided {
    pub(super) effect: Effect,
    /// `role:<name>` or `rule:<name>`, where one decided.
    pub(super) rule: Option<String>,
    /// Rules in shadow that would have denied it, in order.
    pub(super) shadow: Vec<String>,
}

impl From<Ruling> for Decided {
    fn from(ruling: Ruling) -> Self {
        let mut shadow: Vec<String> = ruling.shadow.iter().map(|rule| (**rule).to_owned()).collect();
        shadow.sort();
        Self { effect: ruling.verdict.effect(), rule: ruling.verdict.rule().map(|rule| (**rule).to_owned()), shadow }
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.effect.as_str())?;
        if let Some(rule) = &self.rule {
            write!(f, " by {}", rule.escape_debug())?;
        }
        if !self.shadow.is_empty() {
            write!(f, " ({} in shadow)", self.shadow.join(", ").escape_debug())?;
        }
        Ok(())
    }
}

/// Where what decided is written.
pub(super) fn place(decided: &Decided, policy: &Policy) -> Option<String> {
    let (kind, name) = decided.rule.as_deref()?.split_once(':')?;
    let origin = match kind {
        "role" => policy.roles.iter().find(|role| role.name == name).map(|role| &role.origin),
        "rule" => policy.rules.iter().find(|rule| rule.name == name).map(|rule| &rule.origin),
        _ => None,
    };
    origin.map(ToString::to_string)
}

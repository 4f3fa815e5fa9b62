//! What a decision says.

use std::sync::Arc;

/// What was decided, and on what ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A role grants it, and no rule takes it away.
    Allow {
        /// `role:<name>`.
        rule: Arc<str>,
    },
    /// A role grants it to a token that holds all of these scopes, and the caller's does not.
    NeedsScopes(Box<[String]>),
    /// No role grants the caller anything on this server.
    NoServer,
    /// The method is not granted, or no method we know.
    UnknownMethod,
    /// The target is not granted, so for this caller it does not exist.
    UnknownTarget,
    /// A rule takes it away whatever its arguments and the time, so for this caller it does not exist.
    Hidden {
        /// `rule:<name>`.
        rule: Arc<str>,
    },
}

impl Verdict {
    /// The rule that decided, where one did.
    pub fn rule(&self) -> Option<&Arc<str>> {
        match self {
            Self::Allow { rule } | Self::Hidden { rule } => Some(rule),
            Self::NeedsScopes(_) | Self::NoServer | Self::UnknownMethod | Self::UnknownTarget => None,
        }
    }
}

/// A verdict, and what rules in shadow would have made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What holds.
    pub verdict: Verdict,
    /// Rules in shadow that would have denied it.
    pub shadow: Vec<Arc<str>>,
}

/// What a list makes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It can be used.
    Allow,
    /// It is as though it were not there.
    Deny,
    /// It depends on the arguments, the time or the place: it is shown.
    Depends,
}

//! What a decision says.

use std::sync::Arc;

use super::arguments::Misfit;
use super::outcome::Failure;
use crate::policy::Effect;

/// What was decided, and on what ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A role grants it, and no rule takes it away.
    Allow {
        /// `role:<name>`.
        rule: Arc<str>,
    },
    /// That depends on its arguments, which nobody has given.
    Depends {
        /// `role:<name>` or `rule:<name>`: whose arguments.
        rule: Arc<str>,
    },
    /// A rule takes it away whatever its arguments, the time and the place, so for this caller it does not exist.
    Hidden {
        /// `rule:<name>`.
        rule: Arc<str>,
        /// Why the rule could not be judged, if it could not.
        failure: Option<Failure>,
    },
    /// A role grants it with other arguments.
    Misfit {
        /// `role:<name>`.
        rule: Arc<str>,
        /// What would be accepted.
        misfit: Misfit,
    },
    /// A role grants it to a token that holds all of these scopes, and the caller's does not.
    NeedsScopes(Box<[String]>),
    /// No role grants the caller anything on this server.
    NoServer,
    /// The caller may know of it, and a rule refuses it as it is asked.
    Refused {
        /// `rule:<name>`.
        rule: Arc<str>,
        /// What the caller is told.
        reason: Option<Arc<str>>,
        /// Why the rule could not be judged, if it could not.
        failure: Option<Failure>,
    },
    /// The method is not granted, or no method we know.
    UnknownMethod,
    /// The target is not granted, so for this caller it does not exist.
    UnknownTarget,
}

impl Verdict {
    /// The rule that decided, where one did.
    pub fn rule(&self) -> Option<&Arc<str>> {
        match self {
            Self::Allow { rule }
            | Self::Depends { rule }
            | Self::Hidden { rule, .. }
            | Self::Misfit { rule, .. }
            | Self::Refused { rule, .. } => Some(rule),
            Self::NeedsScopes(_) | Self::NoServer | Self::UnknownMethod | Self::UnknownTarget => None,
        }
    }

    /// Why the rule that decided could not be judged, if it could not.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Hidden { failure, .. } | Self::Refused { failure, .. } => *failure,
            Self::Allow { .. }
            | Self::Depends { .. }
            | Self::Misfit { .. }
            | Self::NeedsScopes(_)
            | Self::NoServer
            | Self::UnknownMethod
            | Self::UnknownTarget => None,
        }
    }

    /// What becomes of the access.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Allow { .. } => Effect::Allow,
            Self::Depends { .. } => Effect::Depends,
            Self::Hidden { .. }
            | Self::Misfit { .. }
            | Self::NeedsScopes(_)
            | Self::NoServer
            | Self::Refused { .. }
            | Self::UnknownMethod
            | Self::UnknownTarget => Effect::Deny,
        }
    }

    /// Whether it is refused, whatever its arguments.
    pub fn denies(&self) -> bool {
        self.effect() == Effect::Deny
    }

    /// Why, in a few words.
    pub fn because(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "a role grants it and no rule takes it away",
            Self::Depends { .. } => "that depends on its arguments",
            Self::Hidden { failure: Some(_), .. } | Self::Refused { failure: Some(_), .. } => {
                "a rule cannot be judged, so it denies"
            }
            Self::Hidden { .. } => "a rule takes it away; for this caller it does not exist",
            Self::Misfit { .. } => "a role grants it with other arguments",
            Self::NeedsScopes(_) => "a role grants it to tokens with more scopes",
            Self::NoServer => "no role of the caller grants anything on this server",
            Self::Refused { .. } => "a rule refuses it as it is asked",
            Self::UnknownMethod => "no role of the caller grants this method",
            Self::UnknownTarget => "no role of the caller grants it",
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

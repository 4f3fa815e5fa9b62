//! Why a decision is what it is: everything that was looked at, with its place in the files. It asks the same functions as the decision.

use std::fmt;
use std::sync::Arc;

use super::bindings::applies;
use super::held::{Arguments, Held};
use super::rules::Item;
use super::verdict::{Ruling, Verdict};
use crate::policy::{Effect, Origin};
use crate::protocol::Access;

/// A decision with its grounds.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What was decided.
    pub ruling: Ruling,
    /// Every binding of the policy, in file order.
    pub bindings: Vec<ConsideredBinding>,
    /// Every grant of the roles that the caller holds.
    pub grants: Vec<ConsideredGrant>,
    /// Every rule of the policy, in file order.
    pub rules: Vec<ConsideredRule>,
}

/// A binding that was looked at.
#[derive(Clone, Debug)]
pub struct ConsideredBinding {
    /// The role it gives.
    pub role: String,
    /// Where it is written.
    pub origin: Origin,
    /// Whether it means this caller.
    pub applies: bool,
}

/// A grant that was looked at.
#[derive(Clone, Debug)]
pub struct ConsideredGrant {
    /// `role:<name>` of the role that the caller holds, which may have inherited it.
    pub rule: Arc<str>,
    /// Where it is written.
    pub origin: Origin,
    /// What it says of the access.
    pub outcome: GrantOutcome,
}

/// What a grant says of an access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantOutcome {
    /// It is granted.
    Grants,
    /// The token lacks these scopes.
    LacksScopes(Vec<String>),
    /// The access is not among what is granted.
    NotCovered,
    /// The grant is about other servers.
    OtherServer,
}

/// A rule that was looked at.
#[derive(Clone, Debug)]
pub struct ConsideredRule {
    /// `rule:<name>`.
    pub rule: Arc<str>,
    /// Where it is written.
    pub origin: Origin,
    /// Whether it lets through what it denies.
    pub shadow: bool,
    /// What its callers may know of it.
    pub reason: Option<Arc<str>>,
    /// What it says of the access.
    pub outcome: RuleOutcome,
}

/// What a rule says of an access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It denies it.
    Denies,
    /// It is about something else.
    NotAbout,
}

impl Verdict {
    /// What becomes of the access.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Allow { .. } => Effect::Allow,
            Self::Hidden { .. } | Self::NeedsScopes(_) | Self::NoServer | Self::UnknownMethod | Self::UnknownTarget => {
                Effect::Deny
            }
        }
    }

    /// Why, in a few words.
    pub fn because(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "a role grants it and no rule takes it away",
            Self::Hidden { .. } => "a rule takes it away; for this caller it does not exist",
            Self::NeedsScopes(_) => "a role grants it to tokens with more scopes",
            Self::NoServer => "no role of the caller grants anything on this server",
            Self::UnknownMethod => "no role of the caller grants this method",
            Self::UnknownTarget => "no role of the caller grants it",
        }
    }
}

impl Held<'_> {
    /// Decides, and tells everything that was looked at.
    pub fn explain(&self, access: &Access, arguments: Arguments<'_>) -> Explanation {
        let (engine, caller) = (self.engine(), self.caller());
        let bindings = engine.bindings.all().iter().map(|binding| ConsideredBinding {
            role: binding.role.clone(),
            origin: binding.origin.clone(),
            applies: caller.reaches(&self.scene().server.name) && applies(binding, caller),
        });
        let grants = self.every_grant().map(|(rule, grant)| ConsideredGrant {
            rule: Arc::clone(rule),
            origin: grant.origin.clone(),
            outcome: self.grant_outcome(grant, access),
        });
        let about = |at: usize| {
            let item = Item::of(access);
            item.is_some_and(|item| engine.rules.about(self.scene().server, item).any(|(place, _)| place == at))
        };
        let rules = engine.rules.all().iter().enumerate().map(|(at, rule)| ConsideredRule {
            rule: Arc::clone(&rule.rule),
            origin: rule.origin.clone(),
            shadow: rule.shadow,
            reason: rule.reason.clone(),
            outcome: if about(at) { RuleOutcome::Denies } else { RuleOutcome::NotAbout },
        });
        Explanation {
            ruling: self.decide(access, arguments),
            bindings: bindings.collect(),
            grants: grants.collect(),
            rules: rules.collect(),
        }
    }
}

impl fmt::Display for GrantOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grants => f.write_str("grants it"),
            Self::LacksScopes(scopes) => write!(f, "wants the scopes {}", scopes.join(", ")),
            Self::NotCovered => f.write_str("does not name it"),
            Self::OtherServer => f.write_str("is about other servers"),
        }
    }
}

impl fmt::Display for RuleOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denies => "denies it",
            Self::NotAbout => "is about something else",
        })
    }
}

//! Why a decision is what it is: everything that was looked at, with its place in the files. It asks the same functions as the decision.

use std::fmt;
use std::sync::Arc;

use super::bindings::applies;
use super::facts::Arguments;
use super::held::{Held, brought};
use super::outcome::{Budget, Failure};
use super::rules::{CompiledRule, Item, Judged};
use super::said::{Answer, Said};
use super::verdict::Ruling;
use crate::policy::Origin;
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
    /// Every rule of the policy, in file order, and the Rego modules together as one.
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
    /// That depends on the arguments, which nobody has given.
    Depends,
    /// It is granted.
    Grants,
    /// The token lacks these scopes.
    LacksScopes(Vec<String>),
    /// It wants other arguments: which.
    Misfit(String),
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
    /// That depends on the arguments, which nobody has given.
    Depends,
    /// It cannot be judged, and so denies it: why.
    Fails(Failure),
    /// It is about something else.
    NotAbout,
    /// Its file is for other tenants.
    OtherTenants,
    /// Its condition does not hold.
    Spares,
}

impl Held<'_> {
    /// Decides, and tells everything that was looked at.
    pub fn explain(&self, access: &Access, arguments: Arguments<'_>) -> Explanation {
        let (engine, caller) = (self.engine(), self.caller());
        let arguments = brought(access, arguments);
        let bindings = engine.bindings.all().iter().map(|binding| ConsideredBinding {
            role: binding.role.clone(),
            origin: binding.origin.clone(),
            applies: caller.reaches(self.scene().server) && applies(binding, caller),
        });
        let grants = self.every_grant().map(|(rule, grant)| ConsideredGrant {
            rule: Arc::clone(rule),
            origin: grant.origin.clone(),
            outcome: self.grant_outcome(grant, access, arguments),
        });
        // One for all, as in the decision.
        let budget = Budget::default();
        let outcome = |at: usize, rule: &CompiledRule| {
            let Some(item) = Item::of(access) else { return RuleOutcome::NotAbout };
            if !caller.is_among(&rule.within) {
                return RuleOutcome::OtherTenants;
            }
            if !self.rules_about(item).any(|(place, _)| place == at) {
                return RuleOutcome::NotAbout;
            }
            match rule.judge(&self.facts(item, access.method, arguments), &budget) {
                Judged::Denies => RuleOutcome::Denies,
                Judged::Depends => RuleOutcome::Depends,
                Judged::Fails(failure) => RuleOutcome::Fails(failure),
                Judged::Spares => RuleOutcome::Spares,
            }
        };
        let modules = engine.modules_origin().map(|origin| {
            let said = Item::of(access).map(|item| engine.ask_modules(&self.facts(item, access.method, arguments)));
            let (said, shadow) = said.map_or((None, Vec::new()), |Answer { said, shadow }| (Some(said), shadow));
            let (rule, reason, outcome) = match said {
                None => ("rego:deny".into(), None, RuleOutcome::NotAbout),
                Some(Said::Denied { rule, reason, failure }) => {
                    (rule, reason, failure.map_or(RuleOutcome::Denies, RuleOutcome::Fails))
                }
                Some(Said::Depends) => ("rego:deny".into(), None, RuleOutcome::Depends),
                Some(Said::Nothing) => ("rego:deny".into(), None, RuleOutcome::Spares),
            };
            let own = ConsideredRule { rule, origin: origin.clone(), shadow: false, reason, outcome };
            let in_shadow =
                |rule| ConsideredRule { rule, origin: origin.clone(), shadow: true, reason: None, outcome: RuleOutcome::Denies };
            std::iter::once(own).chain(shadow.into_iter().map(in_shadow)).collect::<Vec<_>>()
        });
        let rules = engine.rules.all().iter().enumerate().map(|(at, rule)| ConsideredRule {
            rule: Arc::clone(&rule.rule),
            origin: rule.origin.clone(),
            shadow: rule.shadow,
            reason: rule.reason.clone(),
            outcome: outcome(at, rule),
        });
        Explanation {
            ruling: self.decide(access, arguments),
            bindings: bindings.collect(),
            grants: grants.collect(),
            rules: rules.chain(modules.into_iter().flatten()).collect(),
        }
    }
}

impl fmt::Display for GrantOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depends => f.write_str("grants it with some arguments"),
            Self::Grants => f.write_str("grants it"),
            Self::LacksScopes(scopes) => write!(f, "wants the scopes {}", scopes.join(", ")),
            Self::Misfit(wanted) => write!(f, "wants other arguments: {wanted}"),
            Self::NotCovered => f.write_str("does not name it"),
            Self::OtherServer => f.write_str("is about other servers"),
        }
    }
}

impl fmt::Display for RuleOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denies => f.write_str("denies it"),
            Self::Depends => f.write_str("denies it with some arguments"),
            Self::Fails(failure) => write!(f, "cannot be judged ({}), so it denies it", failure.as_str()),
            Self::NotAbout => f.write_str("is about something else"),
            Self::OtherTenants => f.write_str("is for other tenants"),
            Self::Spares => f.write_str("does not apply: its condition says so"),
        }
    }
}

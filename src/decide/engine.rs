//! A policy, compiled: made once at load, looked up by every message.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::bindings::Bindings;
use super::caller::Caller;
use super::grants::{CompiledGrant, CompiledRole};
use super::held::Held;
use super::hints::Hints;
use super::rules::Rules;
use super::verdict::Shown;
use super::view::RuleMarks;
use crate::config::Server;
use crate::policy::{Modules, Policy};
use crate::protocol::ListKind;

/// A policy's roles, bindings and rules.
#[derive(Debug)]
pub struct Engine {
    pub(super) bindings: Bindings,
    /// Per role: its rule name and its own and inherited grants.
    pub(super) roles: HashMap<String, CompiledRole>,
    pub(super) rules: Rules,
    pub(super) modules: Option<Arc<Modules>>,
    /// What its rules are to lists, so that two policies can be compared.
    pub(super) marks: RuleMarks,
}

/// What decisions look at beside the caller and what is asked.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The server that is asked.
    pub server: &'a Server,
    /// When.
    pub now: Timestamp,
    /// From where, if from anywhere.
    pub peer: Option<IpAddr>,
    /// What the server says of its own tools.
    pub hints: &'a Hints,
}

impl Engine {
    /// Compiles the roles, bindings and rules of `policy`.
    pub fn new(policy: &Policy) -> Self {
        let own: HashMap<&str, Vec<Arc<CompiledGrant>>> = policy
            .roles
            .iter()
            .map(|role| (role.name.as_str(), role.allow.iter().map(|grant| Arc::new(CompiledGrant::new(grant))).collect()))
            .collect();
        let parents: HashMap<&str, &[String]> =
            policy.roles.iter().map(|role| (role.name.as_str(), role.inherits.as_slice())).collect();
        let compile = |name: &str| {
            let mut grants = Vec::new();
            let mut open = vec![name];
            let mut seen = Vec::new();
            // Cycles were refused when the policy was read; `seen` also keeps a diamond from counting twice.
            while let Some(next) = open.pop() {
                if seen.contains(&next) {
                    continue;
                }
                seen.push(next);
                grants.extend(own.get(next).into_iter().flatten().cloned());
                open.extend(parents.get(next).into_iter().flat_map(|parents| parents.iter().map(String::as_str)));
            }
            CompiledRole { rule: format!("role:{name}").into(), grants }
        };
        let roles = policy.roles.iter().map(|role| (role.name.clone(), compile(&role.name))).collect();
        Self {
            bindings: Bindings::new(policy.bindings.clone()),
            roles,
            rules: Rules::new(&policy.rules),
            modules: policy.modules.clone(),
            marks: RuleMarks::new(&policy.rules),
        }
    }

    /// What a caller holds, to be asked about one server.
    pub fn held_by<'a>(&'a self, caller: Caller<'a>, scene: Scene<'a>) -> Held<'a> {
        Held::new(self, caller, scene)
    }

    /// What whoever holds one role alone holds, of whom no more is known than `caller` says.
    pub fn held_as<'a>(&'a self, role: &str, caller: Caller<'a>, scene: Scene<'a>) -> Held<'a> {
        Held::of_role(self, role, caller, scene)
    }

    /// What a list makes of a tool for whoever holds one role and nothing else is known of.
    pub fn role_sees(&self, role: &str, scene: Scene<'_>, tool: &str) -> Shown {
        Held::of_role(self, role, Caller::default(), scene).shows(ListKind::Tools, tool)
    }

    /// The roles that bindings give a caller. Those that they inherit from are not among them.
    pub fn roles_of(&self, caller: Caller<'_>) -> Vec<&str> {
        self.bindings.of(caller).map(|binding| binding.role.as_str()).collect()
    }

    /// Whether a binding gives a caller this role. One that another role of theirs inherits from does not count.
    pub fn has_role(&self, caller: Caller<'_>, role: &str) -> bool {
        self.bindings.of(caller).any(|binding| binding.role == role)
    }
}

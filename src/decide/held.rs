//! The decision: what a caller holds, asked about one server. Every question ends here, whether a message asks it, a list, a stream, a test
//! or a person who wants to know why.

use std::sync::Arc;

use super::caller::Caller;
use super::engine::{Engine, Scene};
use super::explain::GrantOutcome;
use super::grants::{CompiledGrant, CompiledRole};
use super::rules::{CompiledRule, Item};
use super::verdict::{Ruling, Shown, Verdict};
use crate::protocol::json::Value;
use crate::protocol::{Access, Asked, ListKind, Target};

/// The arguments of what is asked.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// Those of a message; `None` if it has none.
    Known(Option<Value<'a>>),
    /// Nobody has given any: it is asked whether something could be done.
    Unknown,
}

/// The roles of one caller: what [`Held::decide`] looks through, once found, for every item of a list.
#[derive(Debug)]
pub struct Held<'a> {
    engine: &'a Engine,
    roles: Vec<&'a CompiledRole>,
    caller: Caller<'a>,
    scene: Scene<'a>,
}

impl<'a> Held<'a> {
    pub(super) fn new(engine: &'a Engine, caller: Caller<'a>, scene: Scene<'a>) -> Self {
        // SECURITY: here, where every question about a server begins: a key for some servers has no grant on the others.
        let roles = if caller.reaches(&scene.server.name) {
            engine.bindings.of(caller).filter_map(|binding| engine.roles.get(&binding.role)).collect()
        } else {
            Vec::new()
        };
        Self { engine, roles, caller, scene }
    }

    /// Of nobody in particular, who holds this role.
    pub(super) fn of_role(engine: &'a Engine, role: &str, scene: Scene<'a>) -> Self {
        Self { engine, roles: engine.roles.get(role).into_iter().collect(), caller: Caller::default(), scene }
    }

    /// Decides one access.
    pub fn decide(&self, access: &Access, arguments: Arguments<'_>) -> Ruling {
        let granted = self.grant(access);
        if !matches!(granted, Verdict::Allow { .. }) {
            return Ruling { verdict: granted, shadow: Vec::new() };
        }
        let mut ruling = Ruling { verdict: granted, shadow: Vec::new() };
        if let Some(item) = Item::of(access) {
            self.take_away(item, arguments, &mut ruling);
        }
        ruling
    }

    /// What the roles say, before any rule.
    fn grant(&self, access: &Access) -> Verdict {
        let Some((any, _)) = self.grants().next() else { return Verdict::NoServer };
        let covers = |grant: &CompiledGrant| grant.covers(access);
        let allowed = match &access.target {
            // What may be listened to is left of what was asked for, and what is shown of a list too.
            Target::None | Target::Session | Target::Listen { .. } => Some(any),
            Target::Answer(_)
            | Target::Method(_)
            | Target::Prompt(_)
            | Target::Resource(_)
            | Target::Task(_)
            | Target::Tool(_) => self.find(covers),
        };
        if let Some(rule) = allowed {
            return Verdict::Allow { rule: Arc::clone(rule) };
        }
        // Where the grant has gone since it was asked, the answer stays behind too.
        let is_answer = matches!(access.target, Target::Answer(_));
        match self.wanting(covers).filter(|_| !is_answer) {
            Some(scopes) => Verdict::NeedsScopes(scopes.into()),
            None if matches!(access.target, Target::Method(_)) => Verdict::UnknownMethod,
            None => Verdict::UnknownTarget,
        }
    }

    /// What the rules take away of what is granted. Of several that deny, the first in the files is on record, and one that hides goes
    /// before one that refuses: what is hidden is to be known by nothing.
    fn take_away(&self, item: Item<'_>, _arguments: Arguments<'_>, ruling: &mut Ruling) {
        let mut hides: Option<(usize, &CompiledRule)> = None;
        for (at, rule) in self.engine.rules.about(self.scene.server, item) {
            if rule.shadow {
                ruling.shadow.push(Arc::clone(&rule.rule));
            } else if hides.is_none_or(|(first, _)| at < first) {
                hides = Some((at, rule));
            }
        }
        if let Some((_, rule)) = hides {
            ruling.verdict = Verdict::Hidden { rule: Arc::clone(&rule.rule) };
        }
    }

    /// Whether an item of a list is shown: the same decision as for using it with arguments unknown, but that a scope which is missing
    /// hides nothing: its caller is to know for what they may get one.
    pub fn shows(&self, list: ListKind, name: &str) -> Shown {
        if !self.grants().any(|(_, grant)| grant.covers_item(list, name)) {
            return Shown::Deny;
        }
        let item = match list {
            ListKind::Tools => Item::Tool(name),
            ListKind::Prompts => Item::Prompt(name),
            ListKind::Resources | ListKind::Templates => Item::Resource(name),
        };
        self.left(item)
    }

    /// What the rules leave of an item, with arguments unknown.
    fn left(&self, item: Item<'_>) -> Shown {
        let denied = self.engine.rules.about(self.scene.server, item).any(|(_, rule)| !rule.shadow);
        if denied { Shown::Deny } else { Shown::Allow }
    }

    /// Whether a tool may be called.
    pub fn may_call(&self, tool: &str) -> bool {
        self.find(|grant| grant.has_tool(tool)).is_some() && self.left(Item::Tool(tool)) != Shown::Deny
    }

    /// Whether a resource may be read.
    pub fn may_read(&self, uri: &str) -> bool {
        self.find(|grant| grant.has_resource(uri, false)).is_some() && self.left(Item::Resource(uri)) != Shown::Deny
    }

    /// Whether anything of a kind is shown at all.
    pub fn has_any(&self, list: ListKind) -> bool {
        self.grants().any(|(_, grant)| grant.has_any(list))
    }

    /// Whether the server may ask this of the caller's client.
    pub fn lets_ask(&self, asked: Asked) -> bool {
        self.find(|grant| grant.lets_ask(asked)).is_some()
    }

    /// Whether the server may ask anything of the caller's client.
    pub fn lets_ask_anything(&self) -> bool {
        self.find(CompiledGrant::lets_ask_anything).is_some()
    }

    /// The rule of a grant that the test selects, and whose scopes the caller's token holds.
    fn find(&self, test: impl Fn(&CompiledGrant) -> bool) -> Option<&Arc<str>> {
        let found = self.grants().find(|(_, grant)| test(grant) && self.missing(grant) == 0);
        found.map(|(rule, _)| rule)
    }

    /// All scopes of the grant that the test selects and that wants the fewest more: where nothing but scopes is missing.
    fn wanting(&self, test: impl Fn(&CompiledGrant) -> bool) -> Option<&[String]> {
        let selected = self.grants().map(|(_, grant)| grant).filter(|grant| test(grant));
        selected.min_by_key(|grant| self.missing(grant)).map(|grant| grant.scopes.as_slice())
    }

    /// How many of its scopes the caller's token does not hold: all, where the caller has shown no token. Compared letter by letter.
    fn missing(&self, grant: &CompiledGrant) -> usize {
        let held = self.caller.scopes.unwrap_or_default();
        grant.scopes.iter().filter(|scope| !held.contains(scope)).count()
    }

    pub(super) fn engine(&self) -> &'a Engine {
        self.engine
    }

    pub(super) fn caller(&self) -> Caller<'a> {
        self.caller
    }

    pub(super) fn scene(&self) -> &Scene<'a> {
        &self.scene
    }

    /// All grants of the caller's roles, those on other servers too.
    pub(super) fn every_grant(&self) -> impl Iterator<Item = (&Arc<str>, &CompiledGrant)> {
        self.roles.iter().flat_map(|role| role.grants.iter().map(|grant| (&role.rule, &**grant)))
    }

    /// What one grant says of an access.
    pub(super) fn grant_outcome(&self, grant: &CompiledGrant, access: &Access) -> GrantOutcome {
        if !grant.is_of(&self.scene.server.name) {
            GrantOutcome::OtherServer
        } else if !grant.covers(access) {
            GrantOutcome::NotCovered
        } else if self.missing(grant) > 0 {
            GrantOutcome::LacksScopes(grant.scopes.clone())
        } else {
            GrantOutcome::Grants
        }
    }

    fn grants(&self) -> impl Iterator<Item = (&Arc<str>, &CompiledGrant)> {
        self.every_grant().filter(|(_, grant)| grant.is_of(&self.scene.server.name))
    }
}

//! The decision: what a caller holds, asked about one server. Every question ends here, whether a message asks it, a list, a stream, a test
//! or a person who wants to know why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::arguments::Misfit;
use super::caller::Caller;
use super::engine::{Engine, Scene};
use super::explain::GrantOutcome;
use super::facts::{AccessFacts, Arguments, Facts, ServerFacts};
use super::grants::{CompiledGrant, CompiledRole, Fit};
use super::outcome::{Budget, Failure};
use super::rules::{CompiledRule, Item, Judged};
use super::said::{Answer, Said};
use super::verdict::{Ruling, Shown, Verdict};
use crate::protocol::{Access, Asked, ListKind, Method, Target};

/// The roles of one caller: what [`Held::decide`] looks through, once found, for every item of a list.
#[derive(Debug)]
pub struct Held<'a> {
    engine: &'a Engine,
    roles: Vec<&'a CompiledRole>,
    /// What conditions call them.
    names: Vec<&'a str>,
    caller: Caller<'a>,
    scene: Scene<'a>,
    /// Nothing is known of the caller but the role.
    anybody: bool,
    /// About how many items of lists modules were asked.
    asked: AtomicU32,
}

/// About how many items of one list modules are asked; what comes after them is not shown.
const MOST_ASKED: u32 = 2_000;

impl<'a> Held<'a> {
    pub(super) fn new(engine: &'a Engine, caller: Caller<'a>, scene: Scene<'a>) -> Self {
        // SECURITY: here, where every question about a server begins: a key for some servers has no grant on the others, and a caller
        // none on a server of other tenants.
        let roles = if caller.reaches(scene.server) {
            engine.bindings.of(caller).filter_map(|binding| engine.roles.get(&binding.role)).collect()
        } else {
            Vec::new()
        };
        Self::with(engine, roles, caller, scene, false)
    }

    /// Of nobody in particular, who holds this role, and of whom hardly more is known.
    pub(super) fn of_role(engine: &'a Engine, role: &str, caller: Caller<'a>, scene: Scene<'a>) -> Self {
        Self::with(engine, engine.roles.get(role).into_iter().collect(), caller, scene, true)
    }

    fn with(engine: &'a Engine, roles: Vec<&'a CompiledRole>, caller: Caller<'a>, scene: Scene<'a>, anybody: bool) -> Self {
        let names = roles.iter().filter_map(|role| role.rule.strip_prefix("role:")).collect();
        Self { engine, roles, names, caller, scene, anybody, asked: AtomicU32::new(0) }
    }

    /// Decides one access.
    pub fn decide(&self, access: &Access, arguments: Arguments<'_>) -> Ruling {
        let arguments = brought(access, arguments);
        let mut ruling = Ruling { verdict: self.grant(access, arguments), shadow: Vec::new() };
        let is_none = matches!(ruling.verdict, Verdict::NoServer | Verdict::UnknownMethod | Verdict::UnknownTarget);
        // With the scopes that are missing it would be denied all the same: nobody is sent for them in vain.
        if let Some(item) = Item::of(access).filter(|_| !is_none) {
            let is_task = matches!(access.target, Target::Task(_));
            self.take_away(item, &self.facts(item, access.method, arguments), is_task, &mut ruling);
        }
        ruling
    }

    /// What the roles say, before any rule.
    fn grant(&self, access: &Access, arguments: Arguments<'_>) -> Verdict {
        let Some((any, _)) = self.grants().next() else { return Verdict::NoServer };
        // What may be listened to is left of what was asked for, and what is shown of a list too.
        if matches!(access.target, Target::None | Target::Session | Target::Listen { .. }) {
            return Verdict::Allow { rule: Arc::clone(any) };
        }
        let mut unknown: Option<&Arc<str>> = None;
        let mut nearest: Option<(&Arc<str>, Misfit)> = None;
        for (rule, grant) in self.grants().filter(|(_, grant)| grant.covers(access) && self.missing(grant) == 0) {
            match grant.fits(access, arguments) {
                Fit::Yes => return Verdict::Allow { rule: Arc::clone(rule) },
                Fit::Unknown => unknown = unknown.or(Some(rule)),
                Fit::Not(misfit) => {
                    if nearest.as_ref().is_none_or(|(_, known)| misfit.failures() < known.failures()) {
                        nearest = Some((rule, misfit));
                    }
                }
            }
        }
        if let Some(rule) = unknown {
            return Verdict::Depends { rule: Arc::clone(rule) };
        }
        if let Some((rule, misfit)) = nearest {
            return Verdict::Misfit { rule: Arc::clone(rule), misfit };
        }
        // Where the grant has gone since it was asked, the answer stays behind too.
        let is_answer = matches!(access.target, Target::Answer(_));
        match self.wanting(|grant| grant.covers(access)).filter(|_| !is_answer) {
            Some(scopes) => Verdict::NeedsScopes(scopes.into()),
            None if matches!(access.target, Target::Method(_)) => Verdict::UnknownMethod,
            None => Verdict::UnknownTarget,
        }
    }

    /// What the rules take away of what is granted. One that hides goes before one that refuses, since what is hidden is to be known by
    /// nothing; a refusal goes before help with the arguments; and of several of a kind the first in the files is on record.
    fn take_away(&self, item: Item<'_>, facts: &Facts<'_>, is_task: bool, ruling: &mut Ruling) {
        let mut first: [Option<(usize, &CompiledRule, Option<Failure>)>; 2] = [None, None];
        let mut depends: Option<(usize, &CompiledRule)> = None;
        let budget = Budget::default();
        for (at, rule) in self.rules_about(item) {
            let failure = match rule.judge(facts, &budget) {
                Judged::Spares => continue,
                Judged::Depends if is_task || rule.shadow => continue,
                Judged::Depends => {
                    depends = depends.filter(|(before, _)| *before < at).or(Some((at, rule)));
                    continue;
                }
                Judged::Denies => None,
                Judged::Fails(failure) => Some(failure),
            };
            if rule.shadow {
                ruling.shadow.push(Arc::clone(&rule.rule));
                continue;
            }
            let [hides, refuses] = &mut first;
            let slot = if rule.stable { hides } else { refuses };
            if slot.is_none_or(|(before, ..)| at < before) {
                *slot = Some((at, rule, failure));
            }
        }
        let [hides, refuses] = first;
        // Modules are asked where their word counts, since it costs most: where nothing hides it, and nothing refuses it unless they hide it.
        let is_stable = self.engine.modules_are_stable();
        let is_asked = hides.is_none() && (is_stable || refuses.is_none());
        let Answer { said, shadow } = if is_asked { self.engine.ask_modules(facts) } else { Said::Nothing.into() };
        ruling.shadow.extend(shadow);
        ruling.shadow.sort();
        ruling.shadow.dedup();
        if let Said::Denied { rule, reason, failure } = said {
            ruling.verdict =
                if is_stable { Verdict::Hidden { rule, failure } } else { Verdict::Refused { rule, reason, failure } };
        } else if said == Said::Depends && !is_task && matches!(ruling.verdict, Verdict::Allow { .. }) {
            ruling.verdict = Verdict::Depends { rule: "rego:deny".into() };
        } else if let Some((_, rule, failure)) = hides {
            ruling.verdict = Verdict::Hidden { rule: Arc::clone(&rule.rule), failure };
        } else if let Some((_, rule, failure)) = refuses {
            ruling.verdict = Verdict::Refused { rule: Arc::clone(&rule.rule), reason: rule.reason.clone(), failure };
        } else if let (Some((_, rule)), Verdict::Allow { .. }) = (depends, &ruling.verdict) {
            ruling.verdict = Verdict::Depends { rule: Arc::clone(&rule.rule) };
        }
    }

    /// The rules that could take it away from this caller; from nobody in particular, those for some tenants too.
    pub(super) fn rules_about<'r>(&'r self, item: Item<'r>) -> impl Iterator<Item = (usize, &'r CompiledRule)> {
        let about = self.engine.rules.about(&self.scene, item);
        about.filter(|(_, rule)| self.anybody || self.caller.is_among(&rule.within))
    }

    /// Whether the policy has Rego modules.
    pub fn has_modules(&self) -> bool {
        self.engine.modules_origin().is_some()
    }

    /// Whether the server's own word makes it more dangerous than the operator's.
    pub fn is_hinted(&self, access: &Access) -> bool {
        Item::of(access).is_some_and(|item| item.operation(&self.scene) != item.stated(self.scene.server))
    }

    /// Everything that conditions may name.
    pub(super) fn facts<'f>(&'f self, item: Item<'f>, method: Method, arguments: Arguments<'f>) -> Facts<'f> {
        let server = self.scene.server;
        let name = |wanted: fn(Item<'f>) -> Option<&'f str>| wanted(item);
        Facts {
            principal: self.caller,
            roles: &self.names,
            access: AccessFacts {
                method: if method == Method::Other { item.method() } else { method.name() },
                operation: item.operation(&self.scene).as_str(),
                tool: name(Item::tool),
                prompt: name(Item::prompt),
                resource: name(Item::resource),
            },
            server: ServerFacts {
                name: &server.name,
                owner: server.owner.as_deref(),
                purpose: server.purpose.as_deref(),
                region: server.region.as_deref(),
                classification: server.classification.as_str(),
            },
            arguments,
            now: self.scene.now,
            peer: self.scene.peer,
        }
    }

    /// Whether an item of a list is shown: the same decision as for using it with arguments, time and place unknown, but that a scope
    /// which is missing hides nothing: its caller is to know for what they may get one.
    pub fn shows(&self, list: ListKind, name: &str) -> Shown {
        // Whether any grant names it; whether the token is good for one; and whether for one that wants nothing of arguments.
        let (mut named, mut good, mut free) = (false, false, false);
        for (_, grant) in self.grants().filter(|(_, grant)| grant.covers_item(list, name)) {
            let is_good = self.missing(grant) == 0;
            (named, good, free) = (true, good || is_good, free || (is_good && grant.is_free(list)));
        }
        if !named {
            return Shown::Deny;
        }
        let item = match list {
            ListKind::Tools => Item::Tool(name),
            ListKind::Prompts => Item::Prompt(name),
            ListKind::Resources | ListKind::Templates => Item::Resource(name),
        };
        let left = self.left(item);
        if left == Shown::Allow && good && !free { Shown::Depends } else { left }
    }

    /// What the rules leave of an item, whatever the arguments, the time and the place.
    fn left(&self, item: Item<'_>) -> Shown {
        let mut left = Shown::Allow;
        let (facts, budget) = (self.facts(item, item.protocol_method(), Arguments::Unknown), Budget::default());
        for (_, rule) in self.rules_about(item).filter(|(_, rule)| !rule.shadow) {
            if !rule.stable || (self.anybody && rule.is_for_some()) {
                left = Shown::Depends;
            } else if rule.judge(&facts, &budget) != Judged::Spares {
                return Shown::Deny;
            }
        }
        if !self.has_modules() {
            return left;
        }
        if self.anybody || !self.engine.modules_are_stable() {
            return Shown::Depends;
        }
        // SECURITY: a server chooses how long its lists are.
        let is_bounded = self.asked.fetch_add(1, Ordering::Relaxed) < MOST_ASKED;
        if is_bounded && self.engine.ask_modules(&facts).said == Said::Nothing { left } else { Shown::Deny }
    }

    /// Whether a tool may be called, as far as that can be said without its arguments.
    pub fn may_call(&self, tool: &str) -> bool {
        self.find(|grant| grant.has_tool(tool)).is_some() && self.is_left(Item::Tool(tool))
    }

    /// Whether a resource may be read.
    pub fn may_read(&self, uri: &str) -> bool {
        self.find(|grant| grant.has_resource(uri, false)).is_some() && self.is_left(Item::Resource(uri))
    }

    /// Whether no rule takes it away now, from here, as far as that can be said without arguments.
    fn is_left(&self, item: Item<'_>) -> bool {
        // SECURITY: what is read brings none, so a rule that looks at them has said now what it says of every reading.
        let is_called = matches!(item, Item::Prompt(_) | Item::Tool(_));
        let arguments = if is_called { Arguments::Unknown } else { Arguments::Known(None) };
        let (facts, budget) = (self.facts(item, item.protocol_method(), arguments), Budget::default());
        let mut rules = self.rules_about(item).filter(|(_, rule)| !rule.shadow);
        rules.all(|(_, rule)| matches!(rule.judge(&facts, &budget), Judged::Spares | Judged::Depends))
            && matches!(self.engine.ask_modules(&facts).said, Said::Nothing | Said::Depends)
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

    pub(super) fn names(&self) -> &[&'a str] {
        &self.names
    }

    pub(super) fn caller(&self) -> Caller<'a> {
        self.caller
    }

    /// The server that it is about.
    pub fn server(&self) -> &'a str {
        &self.scene.server.name
    }

    pub(super) fn scene(&self) -> &Scene<'a> {
        &self.scene
    }

    /// All grants of the caller's roles, those on other servers too.
    pub(super) fn every_grant(&self) -> impl Iterator<Item = (&Arc<str>, &CompiledGrant)> {
        self.roles.iter().flat_map(|role| role.grants.iter().map(|grant| (&role.rule, &**grant)))
    }

    /// What one grant says of an access.
    pub(super) fn grant_outcome(&self, grant: &CompiledGrant, access: &Access, arguments: Arguments<'_>) -> GrantOutcome {
        if !grant.is_of(&self.scene.server.name) {
            GrantOutcome::OtherServer
        } else if !grant.covers(access) {
            GrantOutcome::NotCovered
        } else if self.missing(grant) > 0 {
            GrantOutcome::LacksScopes(grant.scopes.clone())
        } else {
            match grant.fits(access, arguments) {
                Fit::Yes => GrantOutcome::Grants,
                Fit::Not(misfit) => GrantOutcome::Misfit(misfit.to_string()),
                Fit::Unknown => GrantOutcome::Depends,
            }
        }
    }

    fn grants(&self) -> impl Iterator<Item = (&Arc<str>, &CompiledGrant)> {
        self.every_grant().filter(|(_, grant)| grant.is_of(&self.scene.server.name))
    }
}

/// The arguments that a message of this kind can bring. SECURITY: its server takes no notice of `arguments` where there are none, so nothing
/// is to be decided by them. A task is judged as the call that made it was, and nobody has its arguments any more: they were judged then.
pub(super) fn brought<'m>(access: &Access, arguments: Arguments<'m>) -> Arguments<'m> {
    match (&access.target, access.method) {
        (Target::Task(_), _) => Arguments::Unknown,
        (_, Method::ToolsCall | Method::PromptsGet) => arguments,
        _ => Arguments::Known(None),
    }
}

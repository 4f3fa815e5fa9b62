//! What is to become of an access, said as slowly and plainly as can be, from what policies mean: docs/configuration.md, docs/conditions.md,
//! docs/tenants.md, docs/rego.md. It knows nothing of how the engine finds that out.

use jiff::Timestamp;
use yett::decide::Shown;
use yett::protocol::{Access, Asked, ListKind, Method, Target};

use super::accesses::Who;
use super::told::{Kind, Told};
use super::words::{CONDITIONS, MODULES, Module, NO_TOOL, Said, Says, Seen, URI_PATTERNS, URIS, VENDOR, X};
use super::world::{Binding, File, Grant, Place, Rule, Tenant, World};

/// Somebody at a server, at some time, from somewhere.
#[derive(Clone, Copy)]
pub(in super::super) struct Oracle<'a> {
    pub(in super::super) world: &'a World,
    pub(in super::super) who: &'a Who,
    pub(in super::super) place: &'a Place,
    pub(in super::super) now: Timestamp,
    pub(in super::super) peer: Option<&'a str>,
}

/// A thing that rules can be about.
struct Thing<'a> {
    tool: Option<&'a str>,
    prompt: Option<&'a str>,
    uri: Option<&'a str>,
    vendor: Option<&'a str>,
}

impl<'a> Oracle<'a> {
    /// The roles that bindings give.
    fn held(&self) -> Vec<usize> {
        let Self { world, who, place, .. } = self;
        if who.only.is_some_and(|only| only != place.name) || !is_for(&place.tenants, who) {
            return Vec::new();
        }
        world
            .bindings()
            .filter(|(file, binding)| is_for(&file.tenants, who) && means(binding, who))
            .map(|(_, b)| b.role)
            .collect()
    }

    /// The grants on this server, each with the number of the role that is held.
    fn grants(&self) -> Vec<(usize, &'a Grant)> {
        let mut grants = Vec::new();
        for held in self.held() {
            let mut open = vec![held];
            while let Some(role) = open.pop() {
                open.extend(&self.world.roles[role].inherits);
                grants.extend(self.world.roles[role].grants.iter().map(|grant| (held, grant)));
            }
        }
        grants.retain(|(_, grant)| has(&grant.servers, self.place.name));
        grants
    }

    pub(in super::super) fn decides(&self, access: &Access, x: X) -> Told {
        let (told, asked) = self.by_roles(access, x);
        match thing(access).filter(|_| asked) {
            Some(thing) => self.by_rules(told, &thing, access, x),
            None => told,
        }
    }

    /// What roles say, and whether rules are asked.
    fn by_roles(&self, access: &Access, x: X) -> (Told, bool) {
        let told = |kind, rule: Option<usize>| Told {
            kind,
            rule: rule.map(|role| format!("role:r{role}")),
            failed: false,
            shadow: vec![],
        };
        let grants = self.grants();
        let Some((first, _)) = grants.first() else { return (told(Kind::NoServer, None), false) };
        if matches!(access.target, Target::None | Target::Session | Target::Listen { .. }) {
            return (told(Kind::Allow, Some(*first)), true);
        }
        let covering: Vec<_> = grants.iter().filter(|(_, grant)| covers(grant, access)).collect();
        let good: Vec<_> = covering.iter().filter(|(_, grant)| !grant.scoped || self.who.scoped == Some(true)).collect();
        let is_asked_with = matches!(access.method, Method::ToolsCall | Method::PromptsGet);
        let x = if is_asked_with { x } else { X::Missing };
        let fits = |grant: &Grant| if grant.picky { x_fits(x) } else { Says::Yes };
        let first = |wanted: Says| good.iter().find(|(_, grant)| fits(grant) == wanted).map(|(role, _)| *role);
        if let Some(role) = first(Says::Yes) {
            return (told(Kind::Allow, Some(role)), true);
        }
        if let Some(role) = first(Says::Unknown) {
            return (told(Kind::Depends, Some(role)), true);
        }
        if let Some(role) = first(Says::No) {
            return (told(Kind::Misfit, Some(role)), true);
        }
        match access.target {
            Target::Answer(_) => (told(Kind::UnknownTarget, None), false),
            _ if !covering.is_empty() => (told(Kind::NeedsScopes, None), true),
            Target::Method(_) => (told(Kind::UnknownMethod, None), false),
            Target::Listen { .. }
            | Target::None
            | Target::Prompt(_)
            | Target::Resource(_)
            | Target::Session
            | Target::Task(_)
            | Target::Tool(_) => (told(Kind::UnknownTarget, None), false),
        }
    }

    /// What rules and modules leave of it.
    fn by_rules(&self, mut told: Told, thing: &Thing<'_>, access: &Access, x: X) -> Told {
        let is_task = matches!(access.target, Target::Task(_));
        let roles: Vec<_> = self.held().iter().map(|role| format!("r{role}")).collect();
        let x = if is_task {
            X::Unknown
        } else if matches!(access.method, Method::ToolsCall | Method::PromptsGet) {
            x
        } else {
            X::Missing
        };
        let method = if let Target::Method(name) = &access.target { name } else { access.method.name() };
        let seen = self.seen(thing, method, &roles, x);
        let (mut hides, mut refuses, mut depends) = (None, None, None);
        for (rule, shadow) in self.rules_about(thing) {
            let said = Self::judge(rule, &seen);
            let slot = match said {
                Says::No => continue,
                Says::Unknown if is_task || shadow => continue,
                Says::Yes | Says::Fails if shadow => {
                    told.shadow.push(format!("rule:{}", rule.name));
                    continue;
                }
                Says::Unknown => &mut depends,
                Says::Yes | Says::Fails if is_steady(rule) => &mut hides,
                Says::Yes | Says::Fails => &mut refuses,
            };
            slot.get_or_insert((format!("rule:{}", rule.name), said == Says::Fails));
        }
        told.shadow.sort();
        if let Some((rule, failed)) = hides {
            return Told { kind: Kind::Hidden, rule: Some(rule), failed, ..told };
        }
        // What is hidden is hidden by whatever says so, and only then refused.
        let said = self.modules(&seen);
        let steady = self.are_modules_steady();
        if let Some((rule, failed)) = refuses.filter(|_| !steady || said.is_none()) {
            return Told { kind: Kind::Refused, rule: Some(rule), failed, ..told };
        }
        let kind = if steady { Kind::Hidden } else { Kind::Refused };
        match said {
            Some(Ok(rule)) => return Told { kind, rule: Some(rule.to_owned()), failed: false, ..told },
            Some(Err(Says::Fails)) => return Told { kind, rule: Some("rego:deny".to_owned()), failed: true, ..told },
            Some(Err(_)) if !is_task && told.kind == Kind::Allow => {
                return Told { kind: Kind::Depends, rule: Some("rego:deny".to_owned()), ..told };
            }
            Some(Err(_)) | None => {}
        }
        match depends {
            Some((rule, _)) if told.kind == Kind::Allow => Told { kind: Kind::Depends, rule: Some(rule), ..told },
            _ => told,
        }
    }

    fn seen<'s>(&'s self, thing: &Thing<'s>, method: &'s str, roles: &'s [String], x: X) -> Seen<'s> {
        let operation = self.operation(thing);
        Seen {
            who: self.who,
            roles,
            place: self.place,
            method,
            operation,
            tool: thing.tool,
            resource: thing.uri,
            x,
            now: self.now,
            peer: self.peer,
        }
    }

    /// The rules that are about a thing, and whether each is in shadow.
    fn rules_about(&self, thing: &Thing<'_>) -> Vec<(&'a Rule, bool)> {
        let operation = self.operation(thing);
        let about = |rule: &Rule| {
            let is_silent = [rule.tools.is_empty(), rule.prompts.is_empty(), rule.resources.is_empty(), !rule.vendor];
            let is_named = thing
                .tool
                .is_some_and(|tool| rule.tools.iter().any(|pattern| fits(&pattern.to_lowercase(), &tool.to_lowercase())))
                || thing.prompt.is_some_and(|prompt| {
                    rule.prompts.iter().any(|pattern| fits(&pattern.to_lowercase(), &prompt.to_lowercase()))
                })
                || thing.uri.is_some_and(|uri| rule.resources.iter().any(|at| fits(URI_PATTERNS[*at].1, folded(uri))))
                || thing.vendor.is_some_and(|name| rule.vendor && name == VENDOR);
            has(&rule.servers, self.place.name)
                && (rule.regions.is_empty() || self.place.region.is_some_and(|region| rule.regions.contains(&region)))
                && (rule.operations.is_empty() || rule.operations.contains(&operation))
                && (is_silent == [true; 4] || is_named)
        };
        let rules = self.world.rules().filter(|(File { tenants, .. }, rule, _)| is_for(tenants, self.who) && about(rule));
        rules.map(|(_, rule, shadow)| (rule, shadow)).collect()
    }

    fn judge(rule: &Rule, seen: &Seen<'_>) -> Says {
        let Some((at, when)) = rule.condition else { return Says::Yes };
        match ((CONDITIONS[at].says)(seen), when) {
            (Says::Yes, true) | (Says::No, false) => Says::Yes,
            (Says::Yes, false) | (Says::No, true) => Says::No,
            (Says::Fails, _) => Says::Fails,
            (Says::Unknown, _) => Says::Unknown,
        }
    }

    /// What all modules say together: a rule that denies, why it cannot be said, or nothing.
    fn modules(&self, seen: &Seen<'_>) -> Option<Result<&'static str, Says>> {
        // Where nobody has the arguments, those are asked that do not look at them.
        let is_asked = |module: &Module| seen.x != X::Unknown || !module.reads_arguments;
        let modules = || self.world.modules.iter().map(|at| &MODULES[*at]).filter(|module| is_asked(module));
        if modules().any(|module| (module.says)(seen) == Said::Fails) {
            return Some(Err(Says::Fails));
        }
        // They stand in the order in which the first is on record.
        let first =
            MODULES.iter().find(|module| modules().any(|known| known.text == module.text) && (module.says)(seen) == Said::Denies);
        let depends = || self.world.modules.iter().any(|at| !is_asked(&MODULES[*at])).then_some(Err(Says::Unknown));
        first.map(|module| Ok(module.rule)).or_else(depends)
    }

    fn are_modules_steady(&self) -> bool {
        self.world.modules.iter().all(|at| MODULES[*at].steady)
    }

    /// What using a thing does.
    fn operation(&self, thing: &Thing<'_>) -> &'static str {
        let Some(tool) = thing.tool else { return if thing.vendor.is_some() { "write" } else { "read" } };
        let alike = |known: &str| known.to_lowercase() == tool.to_lowercase();
        if self.place.hints.iter().any(|known| alike(known)) {
            return "destructive";
        }
        match self.place.operations.iter().find(|(known, _)| *known == tool) {
            Some((_, operation)) => operation,
            // Another spelling of a destructive tool may be that tool, and of one that reads may be another.
            None if self.place.operations.iter().any(|(known, operation)| alike(known) && *operation == "destructive") => {
                "destructive"
            }
            None => "write",
        }
    }

    /// What a list makes of an item.
    pub(in super::super) fn shows(&self, list: ListKind, name: &str) -> Shown {
        let (method, target) = item(list, name);
        let access = super::accesses::access(method, target);
        let grants = self.grants();
        let covering: Vec<_> = grants.iter().filter(|(_, grant)| covers(grant, &access)).collect();
        let Some(thing) = thing(&access).filter(|_| !covering.is_empty()) else { return Shown::Deny };
        let roles: Vec<_> = self.held().iter().map(|role| format!("r{role}")).collect();
        let seen = self.seen(&thing, method.name(), &roles, X::Unknown);
        let about: Vec<_> = self.rules_about(&thing).into_iter().filter(|(_, shadow)| !shadow).map(|(rule, _)| rule).collect();
        let hides = |rule: &&Rule| is_steady(rule) && Self::judge(rule, &seen) != Says::No;
        let steady = self.are_modules_steady();
        if about.iter().any(hides) || (steady && self.modules(&seen).is_some()) {
            return Shown::Deny;
        }
        let good: Vec<_> = covering.iter().filter(|(_, grant)| !grant.scoped || self.who.scoped == Some(true)).collect();
        let has_arguments = matches!(list, ListKind::Tools | ListKind::Prompts);
        let is_free = good.is_empty() || good.iter().any(|(_, grant)| !has_arguments || !grant.picky);
        if steady && is_free && about.iter().all(|rule| is_steady(rule)) { Shown::Allow } else { Shown::Depends }
    }
}

/// How an item of a list is used.
pub(in super::super) fn item(list: ListKind, name: &str) -> (Method, Target) {
    match list {
        ListKind::Prompts => (Method::PromptsGet, Target::Prompt(name.to_owned())),
        ListKind::Resources => (Method::ResourcesRead, Target::Resource(name.to_owned())),
        ListKind::Templates => (Method::Complete, Target::Resource(name.to_owned())),
        ListKind::Tools => (Method::ToolsCall, Target::Tool(name.to_owned())),
    }
}

fn is_steady(rule: &Rule) -> bool {
    rule.condition.is_none_or(|(at, _)| CONDITIONS[at].steady)
}

pub(in super::super) fn is_for(tenants: &[Tenant], who: &Who) -> bool {
    let is = |(issuer, name): &Tenant| who.tenant == Some(*name) && issuer.is_none_or(|issuer| issuer == who.issuer);
    tenants.is_empty() || tenants.iter().any(is)
}

fn means(binding: &Binding, who: &Who) -> bool {
    let one = |wanted: &[&str], found: Option<&str>| wanted.is_empty() || found.is_some_and(|found| wanted.contains(&found));
    let some = |wanted: &[&str], found: &[&str]| wanted.is_empty() || found.iter().any(|found| wanted.contains(found));
    one(&binding.issuers, Some(who.issuer))
        && one(&binding.subjects, Some(who.subject))
        && one(&binding.clients, who.client)
        && one(&binding.tenants, who.tenant)
        && some(&binding.groups, &who.groups)
        && some(&binding.claimed_roles, &who.claimed_roles)
        && (who.issuer != "anonymous" || binding.issuers.contains(&"anonymous"))
}

fn covers(grant: &Grant, access: &Access) -> bool {
    let tool = |name: &str| name != NO_TOOL && grant.tools.iter().any(|pattern| fits(pattern, name));
    match &access.target {
        Target::None | Target::Session | Target::Listen { .. } => true,
        Target::Tool(name) => tool(name),
        Target::Task(task) => tool(&task.tool),
        Target::Prompt(name) => grant.prompts.iter().any(|pattern| fits(pattern, name)),
        Target::Resource(text) => {
            let (as_uri, as_template) = URIS.iter().find(|uri| uri.text == text).unwrap().canonical;
            let is_template = access.method == Method::Complete && text.contains('{');
            (if is_template { as_template } else { as_uri }) && grant.resources.iter().any(|at| fits(URI_PATTERNS[*at].0, text))
        }
        Target::Method(name) => grant.vendor && name == VENDOR,
        Target::Answer(asked) => grant.asks.contains(&match asked {
            Asked::Elicitation => "elicitation",
            Asked::Roots => "roots",
            Asked::Sampling => "sampling",
        }),
    }
}

fn thing(access: &Access) -> Option<Thing<'_>> {
    let none = Thing { tool: None, prompt: None, uri: None, vendor: None };
    match &access.target {
        // Whoever may not go on with it may still put an end to it.
        Target::Task(_) if access.method == Method::TasksCancel => None,
        Target::Tool(name) => Some(Thing { tool: Some(name), ..none }),
        Target::Task(task) => Some(Thing { tool: Some(&task.tool), ..none }),
        Target::Prompt(name) => Some(Thing { prompt: Some(name), ..none }),
        Target::Resource(uri) => Some(Thing { uri: Some(uri), ..none }),
        Target::Method(name) => Some(Thing { vendor: Some(name), ..none }),
        Target::None | Target::Session | Target::Listen { .. } | Target::Answer(_) => None,
    }
}

fn x_fits(x: X) -> Says {
    match x {
        X::Unknown => Says::Unknown,
        X::Missing | X::Number(1) => Says::Yes,
        X::Null | X::Number(_) | X::Text(_) | X::Spelled => Says::No,
    }
}

fn folded(uri: &str) -> &'static str {
    URIS.iter().find(|known| known.text == uri).unwrap().folded
}

fn has(servers: &[&str], server: &str) -> bool {
    servers.contains(&"*") || servers.contains(&server)
}

/// A pattern: `*` is any text without `/`, `**` any text.
fn fits(pattern: &str, text: &str) -> bool {
    let starts = || text.char_indices().map(|(at, _)| at).chain([text.len()]);
    if let Some(rest) = pattern.strip_prefix("**") {
        return starts().any(|at| fits(rest, &text[at..]));
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        return starts().take_while(|at| !text[..*at].contains('/')).any(|at| fits(rest, &text[at..]));
    }
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some(one), Some(other)) if one == other => fits(&pattern[one.len_utf8()..], &text[other.len_utf8()..]),
        _ => false,
    }
}

//! Rules take away what roles grant: which of them are about an access, and what they say of it. Deny wins, and an error denies.

use std::collections::HashMap;
use std::sync::Arc;

use super::engine::Scene;
use super::facts::Facts;
use super::glob::Glob;
use super::outcome::{Budget, Failure, Outcome};
use crate::config::Server;
use crate::policy::{Condition, Operation, Origin, Rule, Selector, Tenants};
use crate::protocol::{Access, Method, Target};

/// What a rule can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A tool that is called.
    Tool(&'a str),
    /// A prompt.
    Prompt(&'a str),
    /// A resource, or a template, by URI.
    Resource(&'a str),
    /// An extension's method.
    Method(&'a str),
}

impl<'a> Item<'a> {
    /// What an access is about, if a rule can be about it.
    pub(super) fn of(access: &'a Access) -> Option<Self> {
        match &access.target {
            // Whoever may not go on with it may still put an end to it.
            Target::Task(_) if access.method == Method::TasksCancel => None,
            Target::Tool(name) => Some(Self::Tool(name)),
            // A task is the call that made it.
            Target::Task(task) => Some(Self::Tool(&task.tool)),
            Target::Prompt(name) => Some(Self::Prompt(name)),
            Target::Resource(uri) => Some(Self::Resource(uri)),
            Target::Method(name) => Some(Self::Method(name)),
            Target::Answer(_) | Target::Listen { .. } | Target::None | Target::Session => None,
        }
    }

    /// The method by which it is used.
    pub(super) fn method(self) -> &'a str {
        match self {
            Self::Tool(_) => "tools/call",
            Self::Prompt(_) => "prompts/get",
            Self::Resource(_) => "resources/read",
            Self::Method(name) => name,
        }
    }

    /// The same as the protocol knows it.
    pub(super) fn protocol_method(self) -> Method {
        match self {
            Self::Tool(_) => Method::ToolsCall,
            Self::Prompt(_) => Method::PromptsGet,
            Self::Resource(_) => Method::ResourcesRead,
            Self::Method(_) => Method::Other,
        }
    }

    pub(super) fn tool(self) -> Option<&'a str> {
        if let Self::Tool(name) = self { Some(name) } else { None }
    }

    pub(super) fn prompt(self) -> Option<&'a str> {
        if let Self::Prompt(name) = self { Some(name) } else { None }
    }

    pub(super) fn resource(self) -> Option<&'a str> {
        if let Self::Resource(uri) = self { Some(uri) } else { None }
    }

    /// What using it does: of tools what the operator says, or `write`; what else there is only reads, but for methods that nobody knows.
    pub(super) fn operation(self, scene: &Scene<'_>) -> Operation {
        match self {
            Self::Tool(name) if scene.hints.is_destructive(name) => Operation::Destructive,
            Self::Method(_) | Self::Prompt(_) | Self::Resource(_) | Self::Tool(_) => self.stated(scene.server),
        }
    }

    /// By the operator's word alone.
    pub(super) fn stated(self, server: &Server) -> Operation {
        match self {
            Self::Tool(name) => server.operations.get(name).copied().unwrap_or_else(|| {
                // SECURITY: another spelling of a destructive tool may be that tool to its server.
                let alike = server.operations.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
                alike.map(|(_, operation)| *operation).max().unwrap_or_default().max(Operation::Write)
            }),
            Self::Prompt(_) | Self::Resource(_) => Operation::Read,
            Self::Method(_) => Operation::Write,
        }
    }
}

/// One entry of `rules:`, compiled.
#[derive(Debug)]
pub(super) struct CompiledRule {
    /// `rule:<name>`.
    pub(super) rule: Arc<str>,
    pub(super) origin: Origin,
    /// What its callers may know of it.
    pub(super) reason: Option<Arc<str>>,
    pub(super) shadow: bool,
    /// From whom it takes away.
    pub(super) within: Tenants,
    selector: CompiledSelector,
    /// Under which condition, and what that has to say for the rule to apply.
    condition: Option<(Condition, bool)>,
    /// Whether it says the same of every call of its caller.
    pub(super) stable: bool,
}

/// What a rule says of what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It denies it.
    Denies,
    /// It does not apply.
    Spares,
    /// It cannot be said, so it is denied.
    Fails(Failure),
    /// That depends on arguments that nobody has given.
    Depends,
}

#[derive(Debug)]
struct CompiledSelector {
    tools: Vec<Glob>,
    prompts: Vec<Glob>,
    resources: Vec<Glob>,
    methods: Vec<String>,
    operations: Vec<Operation>,
    regions: Vec<String>,
    /// Whether it names none of those, and so means all.
    everything: bool,
}

/// All rules of a policy, found by server and by the tools that they name.
#[derive(Debug, Default)]
pub(super) struct Rules {
    all: Vec<CompiledRule>,
    everywhere: Places,
    on: HashMap<String, Places>,
}

/// Where rules stand that could be about something: most need not be looked at.
#[derive(Debug, Default)]
struct Places {
    /// Of rules that name tools and nothing else: by the names, in lower case, of those without a wildcard ...
    tools: HashMap<String, Vec<usize>>,
    /// ... and by what stands before the first wildcard of the others ...
    beginnings: HashMap<String, Vec<usize>>,
    /// ... and how long those beginnings are, each length once.
    lengths: Vec<usize>,
    /// All others.
    others: Vec<usize>,
}

impl Rules {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut compiled = Self::default();
        for (at, rule) in rules.iter().enumerate() {
            compiled.all.push(CompiledRule::new(rule));
            for server in &rule.deny.servers {
                let places =
                    if server == "*" { &mut compiled.everywhere } else { compiled.on.entry(server.clone()).or_default() };
                places.add(at, &rule.deny);
            }
        }
        compiled
    }

    /// Those that are about this item, in the order of the files; each with its place there.
    pub(super) fn about<'a>(&'a self, scene: &Scene<'a>, item: Item<'a>) -> impl Iterator<Item = (usize, &'a CompiledRule)> {
        let (server, operation) = (scene.server, item.operation(scene));
        let lower = match item {
            Item::Tool(name) => name.to_ascii_lowercase(),
            Item::Method(_) | Item::Prompt(_) | Item::Resource(_) => String::new(),
        };
        let mut found = Vec::new();
        for places in [Some(&self.everywhere), self.on.get(&server.name)].into_iter().flatten() {
            places.find(&lower, &mut found);
        }
        // A rule that is found by two of its patterns is one rule.
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(move |at| {
            let rule = self.all.get(at)?;
            (rule.selector.is_there(server) && rule.selector.selects(item, &lower, operation)).then_some((at, rule))
        })
    }

    /// All of them, in the order of the files.
    pub(super) fn all(&self) -> &[CompiledRule] {
        &self.all
    }
}

impl Places {
    fn add(&mut self, at: usize, selector: &Selector) {
        let tools_alone = selector.prompts.is_empty() && selector.resources.is_empty() && selector.methods.is_empty();
        if !tools_alone || selector.tools.is_empty() || selector.tools.iter().any(|tool| tool.starts_with('*')) {
            self.others.push(at);
            return;
        }
        for tool in &selector.tools {
            let tool = tool.to_ascii_lowercase();
            let (begins, has_wildcard) = tool.split_once('*').map_or((tool.as_str(), false), |(begins, _)| (begins, true));
            let by = if has_wildcard { &mut self.beginnings } else { &mut self.tools };
            by.entry(begins.to_owned()).or_default().push(at);
            if has_wildcard && !self.lengths.contains(&begins.len()) {
                self.lengths.push(begins.len());
            }
        }
    }

    /// The rules that could be about a tool of this name, in lower case; no name: about something else.
    fn find(&self, tool: &str, found: &mut Vec<usize>) {
        found.extend(self.tools.get(tool).into_iter().flatten());
        for length in &self.lengths {
            let rules = tool.get(..*length).and_then(|begins| self.beginnings.get(begins));
            found.extend(rules.into_iter().flatten());
        }
        found.extend(&self.others);
    }
}

impl CompiledRule {
    fn new(rule: &Rule) -> Self {
        Self {
            rule: format!("rule:{}", rule.name).into(),
            origin: rule.origin.clone(),
            reason: rule.reason.as_deref().map(Into::into),
            shadow: rule.shadow,
            within: rule.within.clone(),
            selector: CompiledSelector::new(&rule.deny),
            stable: rule.when.iter().chain(&rule.unless).all(|condition| condition.reads().nothing()),
            condition: rule.when.clone().map(|when| (when, true)).or_else(|| rule.unless.clone().map(|unless| (unless, false))),
        }
    }

    /// Whether what it says depends on who calls.
    pub(super) fn is_for_some(&self) -> bool {
        self.condition.is_some() || !self.within.is_everybody()
    }

    /// Whether it says something else at another time.
    pub(super) fn reads_time(&self) -> bool {
        self.condition.as_ref().is_some_and(|(condition, _)| condition.reads().now)
    }

    /// What it says of what it is about. An error denies, whichever way the condition is asked.
    pub(super) fn judge(&self, facts: &Facts<'_>, budget: &Budget) -> Judged {
        let Some((condition, applies)) = &self.condition else { return Judged::Denies };
        match (condition.holds_within(facts, budget), applies) {
            (Outcome::Holds, true) | (Outcome::HoldsNot, false) => Judged::Denies,
            (Outcome::Holds, false) | (Outcome::HoldsNot, true) => Judged::Spares,
            (Outcome::Unknown, _) => Judged::Depends,
            (Outcome::Failed(failure), _) => Judged::Fails(failure),
        }
    }
}

impl CompiledSelector {
    fn new(written: &Selector) -> Self {
        let compile = |patterns: &[String]| patterns.iter().map(|pattern| Glob::new(&wide(pattern))).collect();
        Self {
            // SECURITY: a deny holds for every spelling that a server may take for the same thing; a grant for one.
            tools: written.tools.iter().map(|pattern| Glob::new(&pattern.to_ascii_lowercase())).collect(),
            prompts: compile(&written.prompts),
            resources: compile(&written.resources),
            methods: written.methods.clone(),
            operations: written.operations.clone(),
            regions: written.regions.clone(),
            everything: [&written.tools, &written.prompts, &written.resources, &written.methods]
                .iter()
                .all(|list| list.is_empty()),
        }
    }

    /// Whether it is about servers where this one is.
    fn is_there(&self, server: &Server) -> bool {
        self.regions.is_empty() || server.region.as_ref().is_some_and(|region| self.regions.contains(region))
    }

    fn selects(&self, item: Item<'_>, lower: &str, operation: Operation) -> bool {
        let any = |patterns: &[Glob], text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        (self.operations.is_empty() || self.operations.contains(&operation))
            && (self.everything
                || match item {
                    Item::Tool(_) => any(&self.tools, lower),
                    Item::Prompt(name) => !self.prompts.is_empty() && any(&self.prompts, &wide(name)),
                    Item::Resource(uri) => !self.resources.is_empty() && any(&self.resources, &wide(uri)),
                    Item::Method(name) => self.methods.iter().any(|known| known == name),
                })
    }
}

/// What every spelling of a name or URI becomes for rules: percent codes read, upper case as lower, and a path where a host alone stands
/// (RFC 3986, sections 6.2.2 and 6.2.3).
fn wide(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let mut text = String::from_utf8_lossy(&bytes).to_lowercase();
    if let Some(start) = text.find("://").map(|at| at + 3) {
        let authority = text.get(start..).unwrap_or_default();
        let end = start + authority.find(['/', '?']).unwrap_or(authority.len());
        if text.get(end..).is_some_and(|rest| !rest.starts_with('/')) {
            text.insert(end, '/');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Item, wide};
    use crate::protocol::{Access, Method, Shape, Target, Task};

    #[test]
    fn a_task_is_its_call_to_rules_and_may_be_ended_all_the_same() {
        let task = || Task { shown: "s".to_owned(), id: "i".to_owned(), tool: "export".to_owned() };
        let of = |method| Access { method, target: Target::Task(task()), shape: Shape::Request, answers: false, task: false };
        for method in [Method::TasksGet, Method::TasksResult, Method::TasksUpdate] {
            assert_eq!(Item::of(&of(method)), Some(Item::Tool("export")), "{method:?}");
        }
        assert_eq!(Item::of(&of(Method::TasksCancel)), None);
    }

    #[test]
    fn spellings_of_one_thing_are_one_for_rules() {
        for (one, other) in [
            ("file:///daten/gehälter/x", "file:///daten/geh%C3%A4lter/x"),
            ("file:///a,b", "file:///a%2Cb"),
            ("file:///HR/x", "file:///hr/x"),
            ("https://intern.example", "https://intern.example/"),
            ("https://intern.example?x=1", "https://intern.example/?x=1"),
            ("Secret_x", "secret_x"),
        ] {
            assert_eq!(wide(one), wide(other), "{one} {other}");
        }
        for (one, other) in [("file:///a/b", "file:///a/c"), ("https://a.example/", "https://b.example/"), ("100%", "100")] {
            assert_ne!(wide(one), wide(other), "{one} {other}");
        }
    }
}

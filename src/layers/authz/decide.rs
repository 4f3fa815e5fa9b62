//! The engine: policy, caller and access in, verdict out. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::glob::Glob;
use crate::layers::authn::Principal;
use crate::policy::{ANONYMOUS, Binding, Grant, Policy, ServerRequest};
use crate::protocol::{Access, Asked, ListKind, Method, Target, is_canonical, is_canonical_template, is_tool_name};

/// What was decided, and on what ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A role grants it.
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
}

/// A policy's roles and bindings, compiled.
#[derive(Debug)]
pub struct Authorizer {
    bindings: Vec<Binding>,
    /// Per role: its rule name and its own and inherited grants.
    roles: HashMap<String, CompiledRole>,
}

#[derive(Debug)]
struct CompiledRole {
    rule: Arc<str>,
    grants: Vec<Arc<CompiledGrant>>,
}

#[derive(Debug)]
struct CompiledGrant {
    servers: Vec<Glob>,
    tools: Vec<Glob>,
    prompts: Vec<Glob>,
    resources: Vec<Glob>,
    methods: Vec<String>,
    server_requests: Vec<ServerRequest>,
    /// What a token must hold for any of it.
    scopes: Vec<String>,
}

/// The roles of one caller: what [`Authorizer::decide`] looks through, once found, for every item of a list.
#[derive(Debug)]
pub struct Held<'a> {
    roles: Vec<&'a CompiledRole>,
    principal: &'a Principal,
}

impl Authorizer {
    /// Compiles the roles and bindings of `policy`.
    pub fn new(policy: &Policy) -> Self {
        let own: HashMap<&str, Vec<Arc<CompiledGrant>>> = policy
            .roles
            .iter()
            .map(|role| (role.name.as_str(), role.allow.iter().map(|grant| Arc::new(CompiledGrant::new(grant))).collect()))
            .collect();
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
                let parents = policy.roles.iter().filter(|role| role.name == next).flat_map(|role| &role.inherits);
                open.extend(parents.map(String::as_str));
            }
            CompiledRole { rule: format!("role:{name}").into(), grants }
        };
        let roles = policy.roles.iter().map(|role| (role.name.clone(), compile(&role.name))).collect();
        Self { bindings: policy.bindings.clone(), roles }
    }

    /// The roles bound to a caller.
    pub fn held_by<'a>(&'a self, principal: &'a Principal) -> Held<'a> {
        let bound = self.bindings.iter().filter(|binding| applies(binding, principal));
        Held { roles: bound.filter_map(|binding| self.roles.get(&binding.role)).collect(), principal }
    }

    /// Decides one access of one caller on one server.
    pub fn decide(&self, principal: &Principal, server: &str, access: &Access) -> Verdict {
        self.held_by(principal).decide(server, access)
    }
}

impl Held<'_> {
    /// Decides one access on one server.
    pub fn decide(&self, server: &str, access: &Access) -> Verdict {
        let Some((any, _)) = self.grants(server).next() else { return Verdict::NoServer };
        let covers = |grant: &CompiledGrant| grant.covers(access);
        let allowed = match &access.target {
            // What may be listened to is left of what was asked for (`listen.rs`), and what is shown of a list too.
            Target::None | Target::Session | Target::Listen { .. } => Some(any),
            Target::Answer(_)
            | Target::Method(_)
            | Target::Prompt(_)
            | Target::Resource(_)
            | Target::Task(_)
            | Target::Tool(_) => self.find(server, covers),
        };
        if let Some(rule) = allowed {
            return Verdict::Allow { rule: Arc::clone(rule) };
        }
        // Where the grant has gone since it was asked, the answer stays behind too.
        let is_answer = matches!(access.target, Target::Answer(_));
        match self.wanting(server, covers).filter(|_| !is_answer) {
            Some(scopes) => Verdict::NeedsScopes(scopes.into()),
            None if matches!(access.target, Target::Method(_)) => Verdict::UnknownMethod,
            None => Verdict::UnknownTarget,
        }
    }

    /// Whether this role is one of them.
    pub fn has(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held.rule.strip_prefix("role:") == Some(role))
    }

    /// Whether an item of a list is shown: the same decision as for using it, but that a scope which is missing hides nothing: its caller
    /// is to know for what they may get one.
    pub fn shows(&self, server: &str, list: ListKind, name: &str) -> bool {
        self.grants(server).any(|(_, grant)| match list {
            ListKind::Tools => grant.has_tool(name),
            ListKind::Prompts => any(&grant.prompts, name),
            ListKind::Resources => grant.has_resource(name, false),
            ListKind::Templates => grant.has_resource(name, true),
        })
    }

    /// Whether a tool may be called.
    pub fn may_call(&self, server: &str, tool: &str) -> bool {
        self.find(server, |grant| grant.has_tool(tool)).is_some()
    }

    /// Whether a resource may be read.
    pub fn may_read(&self, server: &str, uri: &str) -> bool {
        self.find(server, |grant| grant.has_resource(uri, false)).is_some()
    }

    /// Whether anything of a kind is shown at all.
    pub fn has_any(&self, server: &str, list: ListKind) -> bool {
        self.grants(server).any(|(_, grant)| match list {
            ListKind::Prompts => !grant.prompts.is_empty(),
            ListKind::Resources | ListKind::Templates => !grant.resources.is_empty(),
            ListKind::Tools => !grant.tools.is_empty(),
        })
    }

    /// Whether the server may ask this of the caller's client.
    pub fn lets_ask(&self, server: &str, asked: Asked) -> bool {
        self.find(server, |grant| grant.lets_ask(asked)).is_some()
    }

    /// Whether the server may ask anything of the caller's client.
    pub fn lets_ask_anything(&self, server: &str) -> bool {
        self.find(server, |grant| !grant.server_requests.is_empty()).is_some()
    }

    /// The rule of a grant that the test selects, and whose scopes the caller's token holds.
    fn find(&self, server: &str, test: impl Fn(&CompiledGrant) -> bool) -> Option<&Arc<str>> {
        let found = self.grants(server).find(|(_, grant)| test(grant) && self.missing(grant) == 0);
        found.map(|(rule, _)| rule)
    }

    /// All scopes of the grant that the test selects and that wants the fewest more: where nothing but scopes is missing.
    fn wanting(&self, server: &str, test: impl Fn(&CompiledGrant) -> bool) -> Option<&[String]> {
        let selected = self.grants(server).map(|(_, grant)| grant).filter(|grant| test(grant));
        selected.min_by_key(|grant| self.missing(grant)).map(|grant| grant.scopes.as_slice())
    }

    /// How many of its scopes the caller's token does not hold: all, where the caller has shown no token. Compared letter by letter.
    fn missing(&self, grant: &CompiledGrant) -> usize {
        let held = self.principal.scopes().unwrap_or_default();
        grant.scopes.iter().filter(|scope| !held.contains(scope)).count()
    }

    fn grants(&self, server: &str) -> impl Iterator<Item = (&Arc<str>, &CompiledGrant)> {
        // SECURITY: here, where every question about a server ends: a key for some servers has no grant on the others.
        let roles = if self.principal.reaches(server) { self.roles.as_slice() } else { &[] };
        let all = roles.iter().flat_map(|role| role.grants.iter().map(|grant| (&role.rule, &**grant)));
        all.filter(move |(_, grant)| any(&grant.servers, server))
    }
}

impl CompiledGrant {
    fn new(grant: &Grant) -> Self {
        let compile = |patterns: &[String]| patterns.iter().map(|pattern| Glob::new(pattern)).collect();
        Self {
            servers: compile(&grant.servers),
            tools: compile(&grant.tools),
            prompts: compile(&grant.prompts),
            resources: compile(&grant.resources),
            methods: grant.methods.clone(),
            server_requests: grant.server_requests.clone(),
            scopes: grant.scopes.clone(),
        }
    }
}

impl CompiledGrant {
    /// Whether this is among what is granted, whatever scopes it takes.
    fn covers(&self, access: &Access) -> bool {
        match &access.target {
            Target::None | Target::Session | Target::Listen { .. } => true,
            Target::Tool(name) => self.has_tool(name),
            // Whoever may no longer call what made it has nothing to do with it either.
            Target::Task(task) => self.has_tool(&task.tool),
            Target::Prompt(name) => any(&self.prompts, name),
            // A template has braces; without them it is the URI of one thing, whatever a server makes of it.
            Target::Resource(uri) => self.has_resource(uri, access.method == Method::Complete && uri.contains('{')),
            Target::Method(name) => self.methods.iter().any(|known| known == name),
            Target::Answer(asked) => self.lets_ask(*asked),
        }
    }

    /// A name outside the grammar of tool names is no tool, whatever a `*` would match: a look-alike or a line break in one is there to
    /// deceive, and no policy could name it.
    fn has_tool(&self, name: &str) -> bool {
        any(&self.tools, name) && is_tool_name(name)
    }

    /// A URI is compared, as a template is, only if it can be read in one way.
    fn has_resource(&self, uri: &str, template: bool) -> bool {
        any(&self.resources, uri) && if template { is_canonical_template(uri) } else { is_canonical(uri) }
    }

    fn lets_ask(&self, asked: Asked) -> bool {
        self.server_requests.contains(&match asked {
            Asked::Elicitation => ServerRequest::Elicitation,
            Asked::Roots => ServerRequest::Roots,
            Asked::Sampling => ServerRequest::Sampling,
        })
    }
}

fn any(patterns: &[Glob], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// Keys are joined by AND, the values of one key by OR; a key that is not written does not ask.
fn applies(binding: &Binding, principal: &Principal) -> bool {
    let one = |wanted: &[String], found: Option<&str>| {
        wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|text| text == found))
    };
    let some = |wanted: &[String], found: &[String]| wanted.is_empty() || wanted.iter().any(|text| found.contains(text));
    let asks_something =
        [&binding.issuers, &binding.subjects, &binding.groups, &binding.claimed_roles, &binding.clients, &binding.tenants];
    // SECURITY: a binding that names nobody binds nobody; the reader refuses it as well.
    asks_something.iter().any(|list| !list.is_empty())
        // SECURITY: nobody in particular has the roles that are meant for them, and none by a name that somebody else may have too.
        && (principal.issuer() != ANONYMOUS || !binding.issuers.is_empty())
        && one(&binding.issuers, Some(principal.issuer()))
        && one(&binding.subjects, Some(principal.subject()))
        && some(&binding.groups, principal.groups())
        && some(&binding.claimed_roles, principal.claimed_roles())
        && one(&binding.clients, principal.client())
        && one(&binding.tenants, principal.tenant())
}

//! What a role grants, compiled.

use std::sync::Arc;

use super::arguments::Misfit;
use super::facts::Arguments;
use super::glob::Glob;
use crate::policy::{ArgumentRules, Grant, Origin, ServerRequest};
use crate::protocol::{Access, Asked, ListKind, Method, Target, is_canonical, is_canonical_template, is_tool_name};

/// A role with its own and inherited grants.
#[derive(Debug)]
pub(super) struct CompiledRole {
    /// `role:<name>`.
    pub(super) rule: Arc<str>,
    pub(super) grants: Vec<Arc<CompiledGrant>>,
}

/// Whether arguments are what a grant wants.
#[derive(Debug)]
pub(super) enum Fit {
    /// They are, or it wants nothing of them.
    Yes,
    /// They are not.
    Not(Misfit),
    /// Nobody has given any.
    Unknown,
}

/// One entry of `allow:`.
#[derive(Debug)]
pub(super) struct CompiledGrant {
    pub(super) origin: Origin,
    servers: Vec<Glob>,
    tools: Vec<Glob>,
    prompts: Vec<Glob>,
    resources: Vec<Glob>,
    methods: Vec<String>,
    server_requests: Vec<ServerRequest>,
    /// What a token must hold for any of it.
    pub(super) scopes: Vec<String>,
    /// What the arguments must be like.
    arguments: Option<ArgumentRules>,
}

impl CompiledGrant {
    pub(super) fn new(grant: &Grant) -> Self {
        let compile = |patterns: &[String]| patterns.iter().map(|pattern| Glob::new(pattern)).collect();
        Self {
            origin: grant.origin.clone(),
            servers: compile(&grant.servers),
            tools: compile(&grant.tools),
            prompts: compile(&grant.prompts),
            resources: compile(&grant.resources),
            methods: grant.methods.clone(),
            server_requests: grant.server_requests.clone(),
            scopes: grant.scopes.clone(),
            arguments: grant.arguments.clone(),
        }
    }

    /// Whether it says anything of this server.
    pub(super) fn is_of(&self, server: &str) -> bool {
        any(&self.servers, server)
    }

    /// Whether this is among what is granted, whatever scopes it takes.
    pub(super) fn covers(&self, access: &Access) -> bool {
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

    /// What its rules say of the arguments of what it covers.
    pub(super) fn fits(&self, access: &Access, arguments: Arguments<'_>) -> Fit {
        // A task was judged when it was made, a completion fills in what is not there yet, and the rest has no arguments.
        let judged = matches!(access.target, Target::Tool(_) | Target::Prompt(_)) && access.method != Method::Complete;
        match (&self.arguments, arguments) {
            (Some(rules), Arguments::Known(arguments)) if judged => rules.check(arguments).map_or_else(Fit::Not, |()| Fit::Yes),
            (Some(_), Arguments::Unknown) if judged => Fit::Unknown,
            _ => Fit::Yes,
        }
    }

    /// Whether an item of a list is used without regard to arguments.
    pub(super) fn is_free(&self, list: ListKind) -> bool {
        self.arguments.is_none() || !matches!(list, ListKind::Tools | ListKind::Prompts)
    }

    /// Whether an item of a list is.
    pub(super) fn covers_item(&self, list: ListKind, name: &str) -> bool {
        match list {
            ListKind::Tools => self.has_tool(name),
            ListKind::Prompts => any(&self.prompts, name),
            ListKind::Resources => self.has_resource(name, false),
            ListKind::Templates => self.has_resource(name, true),
        }
    }

    /// By what it covers items of a list.
    pub(super) fn patterns(&self, list: ListKind) -> &[Glob] {
        match list {
            ListKind::Prompts => &self.prompts,
            ListKind::Resources | ListKind::Templates => &self.resources,
            ListKind::Tools => &self.tools,
        }
    }

    /// Whether anything of that kind is.
    pub(super) fn has_any(&self, list: ListKind) -> bool {
        match list {
            ListKind::Prompts => !self.prompts.is_empty(),
            ListKind::Resources | ListKind::Templates => !self.resources.is_empty(),
            ListKind::Tools => !self.tools.is_empty(),
        }
    }

    /// A name outside the grammar of tool names is no tool, whatever a `*` would match: a look-alike or a line break in one is there to
    /// deceive, and no policy could name it.
    pub(super) fn has_tool(&self, name: &str) -> bool {
        any(&self.tools, name) && is_tool_name(name)
    }

    /// A URI is compared, as a template is, only if it can be read in one way.
    pub(super) fn has_resource(&self, uri: &str, template: bool) -> bool {
        any(&self.resources, uri) && if template { is_canonical_template(uri) } else { is_canonical(uri) }
    }

    pub(super) fn lets_ask(&self, asked: Asked) -> bool {
        self.server_requests.contains(&match asked {
            Asked::Elicitation => ServerRequest::Elicitation,
            Asked::Roots => ServerRequest::Roots,
            Asked::Sampling => ServerRequest::Sampling,
        })
    }

    pub(super) fn lets_ask_anything(&self) -> bool {
        !self.server_requests.is_empty()
    }
}

fn any(patterns: &[Glob], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

//! `roles:`, what they grant.

use super::document::Known;
use super::patterns::{method, prompt, resource, scope, tool};
use super::sections::{Gathered, Placed, server, unique};
use super::{ArgumentRules, Grant, Origin, Role, ServerRequest};
use crate::yaml::{Entry, Fields, Node, Report, choice, key_name, name, parsed};

/// `server_requests:`
const SERVER_REQUESTS: &[(&str, ServerRequest)] =
    &[("elicitation", ServerRequest::Elicitation), ("roots", ServerRequest::Roots), ("sampling", ServerRequest::Sampling)];

pub(super) fn role(entry: &Entry, known: &Known, gathered: &mut Gathered, report: &mut Report) {
    let name = key_name(&entry.key, report);
    let Some(mut fields) = Fields::of(&entry.value, "roles.*", report) else {
        return;
    };
    let inherits = fields.list("inherits", |node, report| {
        let name = name_of_role(node, report)?;
        gathered.role_references.push(Placed { value: name.clone(), place: node.place });
        Some(name)
    });
    let allow = fields.list("allow", |node, report| grant(node, known, report));
    if !fields.has("inherits") && !fields.has("allow") {
        let place = entry.key.place;
        fields.report().warning(place, "this role grants nothing").hint("add `allow`");
    }
    fields.finish(&[]);
    if let Some(name) = name {
        let origin = Origin::at(entry.key.place, report);
        let placed = Placed { value: Role { name, inherits, allow, origin }, place: entry.key.place };
        unique(&mut gathered.roles, &mut gathered.taken, placed, |role| &role.name, "role", report);
    }
}

pub(super) fn name_of_role(node: &Node, report: &mut Report) -> Option<String> {
    name(node, report)
}

fn grant(node: &Node, known: &Known, report: &mut Report) -> Option<Grant> {
    let mut fields = Fields::of(node, "roles.*.allow[]", report)?;
    let servers = fields.required_list("servers", |node, report| server(node, true, known, report));
    let tools = fields.list("tools", parsed(tool));
    let prompts = fields.list("prompts", parsed(prompt));
    let resources = fields.list("resources", parsed(resource));
    let methods = fields.list("methods", parsed(method));
    let server_requests = fields.list("server_requests", choice(SERVER_REQUESTS, &[]));
    let scopes = fields.list("scopes", parsed(scope));
    if servers.iter().any(|server| server == "*") && tools.iter().any(|tool| matches!(tool.as_str(), "*" | "**")) {
        let place = fields.place("tools");
        fields
            .report()
            .warning(place, "this role may call every tool of every server, also those added later")
            .hint("name the servers or the tools");
    }
    let arguments = fields.optional("arguments", ArgumentRules::read);
    if arguments.is_some() && tools.is_empty() && prompts.is_empty() {
        let place = fields.place("arguments");
        fields.report().warning(place, "this grant names nothing that has arguments").hint("add `tools` or `prompts`");
    }
    fields.finish(&[]);
    let origin = Origin::at(node.place, report);
    Some(Grant { servers, tools, prompts, resources, methods, server_requests, scopes, arguments, origin })
}

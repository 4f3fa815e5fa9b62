//! `rules:`, what is taken away from whom.

use super::document::Known;
use super::patterns::{method, prompt, resource, tool};
use super::sections::{MODES, Placed, Scope, server};
use super::{Condition, Operation, Origin, Rule, Selector};
use crate::yaml::{Fields, Invalid, Node, Place, Report, choice, closest, name, parsed};

/// Longest text that a caller is told.
const MAX_REASON: usize = 500;

pub(super) fn rule(node: &Node, scope: &Scope, known: &Known, report: &mut Report) -> Option<Placed<Rule>> {
    let mut fields = Fields::of(node, "rules[]", report)?;
    let called = fields.required("name", name);
    let place = fields.place("name");
    let deny = fields.required("deny", |node, report| selector(node, known, report));
    let when = fields.optional("when", |node, report| Condition::read(node, known, report));
    let unless = fields.optional("unless", |node, report| Condition::read(node, known, report));
    if fields.has("when") && fields.has("unless") {
        let place = fields.place("unless");
        fields.report().error(place, "this rule has both `when` and `unless`").hint("join them: `when: 'a && !(b)'`");
    }
    let reason = fields.optional("reason", parsed(reason));
    let is_known_before = when.iter().chain(&unless).all(|condition| condition.reads().nothing());
    if reason.is_some() && is_known_before {
        let place = fields.place("reason");
        let said = "nobody is told this reason: what the rule denies does not exist for its callers";
        let hint = "callers see what a rule refuses by its arguments, the time or the place; leave `reason` out";
        fields.report().warning(place, said).hint(hint);
    }
    let shadow = fields.optional("mode", choice(MODES, &[])).unwrap_or(scope.shadow);
    fields.finish(&[]);
    let origin = Origin::at(place, report);
    Some(Placed {
        value: Rule { name: called?, deny: deny?, when, unless, reason, shadow, within: scope.tenants.clone(), origin },
        place,
    })
}

fn selector(node: &Node, known: &Known, report: &mut Report) -> Option<Selector> {
    let mut fields = Fields::of(node, "rules[].deny", report)?;
    let servers = fields.required_list("servers", |node, report| server(node, true, known, report));
    let regions = fields.list("regions", |node, report| region(node, known, report));
    if fields.has("regions") {
        let place = fields.place("regions");
        warn_of_servers_nowhere(&servers, known, place, fields.report());
    }
    let tools = fields.list("tools", parsed(tool));
    let prompts = fields.list("prompts", parsed(prompt));
    let resources = fields.list("resources", parsed(resource));
    let methods = fields.list("methods", parsed(method));
    let operations = fields.list("operations", choice(Operation::WORDS, &[]));
    fields.finish(&[]);
    Some(Selector { servers, regions, tools, prompts, resources, methods, operations })
}

/// A rule by regions says nothing of a server that is in none.
fn warn_of_servers_nowhere(servers: &[String], known: &Known, place: Place, report: &mut Report) {
    let is_meant = |server: &&String| servers.iter().any(|named| named == "*" || named == *server);
    let is_nowhere = |server: &&String| !known.regions.iter().any(|(placed, _)| placed == *server);
    let nowhere: Vec<_> = known.servers.iter().filter(is_meant).filter(is_nowhere).map(|server| format!("`{server}`")).collect();
    if !nowhere.is_empty() {
        let said = format!("this rule is not about {}: yett.yaml does not say where that is", nowhere.join(", "));
        report.warning(place, said).hint("give each server a `region`");
    }
}

/// A region that some server has.
fn region(node: &Node, known: &Known, report: &mut Report) -> Option<String> {
    let written = name(node, report)?;
    let regions = || known.regions.iter().map(|(_, region)| region.as_str());
    if !regions().any(|region| region == written) {
        let hint = match closest(&written, regions()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "say where a server is: `region` in `servers` of yett.yaml".to_owned(),
        };
        report.error(node.place, format!("no server is in the region `{written}`")).hint(hint);
        return None;
    }
    Some(written)
}

fn reason(text: &str) -> Result<String, Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::new("is empty", "write what a caller is to be told, or leave the key out"));
    }
    if text.len() > MAX_REASON {
        return Err(Invalid::new("is longer than 500 bytes", "say it in a sentence"));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new("holds a control character", "write it as one line"));
    }
    Ok(text.to_owned())
}

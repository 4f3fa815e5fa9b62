//! `rules:`, what is taken away from whom.

use super::document::Known;
use super::patterns::{method, prompt, resource, tool};
use super::sections::{MODES, Placed, server};
use super::{Condition, Operation, Origin, Rule, Selector};
use crate::yaml::{Fields, Invalid, Node, Report, choice, name, parsed};

/// Longest text that a caller is told.
const MAX_REASON: usize = 500;

pub(super) fn rule(node: &Node, shadow: bool, known: &Known, report: &mut Report) -> Option<Placed<Rule>> {
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
    let shadow = fields.optional("mode", choice(MODES, &[])).unwrap_or(shadow);
    fields.finish(&[]);
    let origin = Origin::at(place, report);
    Some(Placed { value: Rule { name: called?, deny: deny?, when, unless, reason, shadow, origin }, place })
}

fn selector(node: &Node, known: &Known, report: &mut Report) -> Option<Selector> {
    let mut fields = Fields::of(node, "rules[].deny", report)?;
    let servers = fields.required_list("servers", |node, report| server(node, true, known, report));
    let tools = fields.list("tools", parsed(tool));
    let prompts = fields.list("prompts", parsed(prompt));
    let resources = fields.list("resources", parsed(resource));
    let methods = fields.list("methods", parsed(method));
    let operations = fields.list("operations", choice(Operation::WORDS, &[]));
    fields.finish(&[]);
    Some(Selector { servers, tools, prompts, resources, methods, operations })
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

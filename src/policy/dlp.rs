//! `dlp:` of one policy file.

use super::document::Known;
use super::patterns::{exact, tool};
use super::sections::{Clearance, Gathered, MODES, Placed, server, single, unique};
use super::{Classification, DlpAction, DlpRule, Restore};
use crate::yaml::{Fields, Invalid, Later, Node, Report, choice, later_because, name, parsed};

const RULE_LATER: &[Later] =
    &[later_because("words", "use `detect`, or a newer release"), later_because("pattern", "use `detect`, or a newer release")];

/// What `detect` may name.
const DETECTORS: &[(&str, &str)] =
    &[("us_ssn", "us_ssn"), ("card", "card"), ("iban", "iban"), ("email", "email"), ("secrets", "secrets")];

const ACTIONS: &[(&str, DlpAction)] =
    &[("block", DlpAction::Block), ("mask", DlpAction::Mask), ("tokenize", DlpAction::Tokenize), ("log", DlpAction::Log)];

/// The purpose of tokens of which nothing else is said.
const PURPOSE: &str = "default";

/// Adds `dlp:` of a file to `gathered`. `shadow`: the file is in shadow mode.
pub(super) fn dlp(node: &Node, shadow: bool, known: &Known, gathered: &mut Gathered, report: &mut Report) -> Option<()> {
    let mut fields = Fields::of(node, "dlp", report)?;
    gathered.dlp.get_or_insert(node.place);
    fields.optional("clearance", |node, report| {
        let clearance = clearance(node, known, report)?;
        single(&mut gathered.clearance, clearance, node.place, "dlp.clearance", report);
        Some(())
    });
    fields.list("rules", |node, report| {
        let rule = rule(node, shadow, known, report)?;
        unique(&mut gathered.dlp_rules, &mut gathered.taken, rule, |rule| &rule.name, "dlp rule", report);
        Some(())
    });
    let restores = fields.list("restore", |node, report| restore(node, known, gathered, report));
    gathered.restores.extend(restores);
    if shadow && fields.has("restore") {
        let place = fields.place("restore");
        fields
            .report()
            .error(place, "a value cannot be restored in shadow: it would reach the server, or the entry would mean nothing")
            .hint("move `restore` to a file without `mode: shadow`");
    }
    fields.finish(&[]);
    Some(())
}

fn clearance(node: &Node, known: &Known, report: &mut Report) -> Option<Clearance> {
    let mut fields = Fields::of(node, "dlp.clearance", report)?;
    let default = fields.optional("default", choice(Classification::WORDS, &[])).unwrap_or_default();
    let attribute = fields.optional("from", parsed(attribute));
    if let Some(attribute) = attribute.as_ref().filter(|attribute| !known.attributes.contains(attribute)) {
        let place = fields.place("from");
        fields
            .report()
            .warning(place, format!("no issuer gives callers the attribute `{attribute}`"))
            .hint("add it to `claims.attributes` of an issuer; until then everybody has the default");
    }
    fields.finish(&[]);
    Some(Clearance { default, attribute })
}

fn attribute(text: &str) -> Result<String, Invalid> {
    match text.strip_prefix("principal.attributes.") {
        Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => Ok(name.to_owned()),
        Some(_) | None => Err(Invalid::new("is not an attribute of the caller", "write `principal.attributes.<name>`")),
    }
}

fn rule(node: &Node, file_shadow: bool, known: &Known, report: &mut Report) -> Option<Placed<DlpRule>> {
    let mut fields = Fields::of(node, "dlp.rules[]", report)?;
    let called = fields.required("name", name);
    let others = RULE_LATER.iter().any(|later| fields.has(later.key()));
    let detector = choice(DETECTORS, &[]);
    let detect = if others { fields.list("detect", detector) } else { fields.required_list("detect", detector) };
    let sensitivity = fields.optional("sensitivity", choice(Classification::WORDS, &[]));
    let direction = fields.list("direction", choice(&[("request", true), ("response", false)], &[]));
    let servers = fields.list("servers", |node, report| server(node, false, known, report));
    let action = fields.required("action", choice(ACTIONS, &["partial", "hash"]));
    let purpose = fields.optional("purpose", name);
    let shadow = fields.optional("mode", choice(MODES, &[])).unwrap_or(file_shadow);
    if sensitivity == Some(Classification::Public) {
        let place = fields.place("sensitivity");
        fields
            .report()
            .warning(place, "this rule never applies: nobody's clearance is below `public`")
            .hint("name a higher one, or none to apply it to everybody");
    }
    if fields.has("purpose") && action.is_some_and(|action| action != DlpAction::Tokenize) {
        let place = fields.place("purpose");
        fields.report().error(place, "only tokens have a purpose").hint("write `action: tokenize`, or remove `purpose`");
    }
    let place = fields.place("name");
    fields.finish(RULE_LATER);
    let value = DlpRule {
        name: called?,
        detect: detect.into_iter().map(str::to_owned).collect(),
        sensitivity,
        requests: direction.is_empty() || direction.contains(&true),
        responses: direction.is_empty() || direction.contains(&false),
        servers,
        action: action?,
        purpose: purpose.unwrap_or_else(|| PURPOSE.to_owned()),
        shadow,
    };
    Some(Placed { value, place })
}

/// Every part of the grant is written out: a value that comes back is a value that leaves.
fn restore(node: &Node, known: &Known, gathered: &mut Gathered, report: &mut Report) -> Option<Placed<Restore>> {
    let mut fields = Fields::of(node, "dlp.restore[]", report)?;
    let purpose = fields.optional("purpose", name).unwrap_or_else(|| PURPOSE.to_owned());
    let servers = fields.required_list("servers", |node, report| server(node, false, known, report));
    let tools = fields.required_list("tools", parsed(tool));
    let roles = fields.required_list("roles", |node, report| {
        let role = name(node, report)?;
        gathered.restoring_roles.push(Placed { value: role.clone(), place: node.place });
        Some(role)
    });
    let arguments = fields.list("arguments", parsed(exact));
    let place = if fields.has("purpose") { fields.place("purpose") } else { node.place };
    fields.finish(&[]);
    Some(Placed { value: Restore { purpose, servers, tools, roles, arguments }, place })
}

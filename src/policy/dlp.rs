//! `dlp:` of one policy file.

use std::sync::Arc;

use super::document::Known;
use super::fields::FieldPath;
use super::patterns::{exact, tool};
use super::sections::{Clearance, Gathered, Lists, MODES, Placed, server, single, unique};
use super::{Classification, DlpAction, DlpRule, Restore, Unread};
use crate::config::units::{size, within};
use crate::scan::{Additions, NotOwn, Own};
use crate::yaml::{Fields, Invalid, Node, Report, choice, closest, name, parsed, text};

const ACTIONS: &[(&str, DlpAction)] = &[
    ("block", DlpAction::Block),
    ("mask", DlpAction::Mask),
    ("hash", DlpAction::Hash),
    ("tokenize", DlpAction::Tokenize),
    ("partial", DlpAction::Partial),
    ("log", DlpAction::Log),
];

/// The purpose of tokens and hashes of which nothing else is said.
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
        let rule = rule(node, shadow, known, (&gathered.lists, &gathered.detectors), report)?;
        unique(&mut gathered.dlp_rules, &mut gathered.taken, rule, |rule| &rule.name, "dlp rule", report);
        Some(())
    });
    fields.optional("unread", |node, report| {
        let unread = unread(node, report)?;
        single(&mut gathered.unread, unread, node.place, "dlp.unread", report);
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

fn unread(node: &Node, report: &mut Report) -> Option<Unread> {
    let mut fields = Fields::of(node, "dlp.unread", report)?;
    let blocks = fields.optional("action", choice(&[("log", false), ("block", true)], &[])).unwrap_or(false);
    let pass = fields.list("pass", parsed(media_type));
    let size = fields.optional("size", within(size, 1024..=1 << 30, "from 1KiB to 1GiB"));
    if !blocks && fields.has("pass") {
        let place = fields.place("pass");
        fields.report().error(place, "everything passes already").hint("write `action: block`, or remove `pass`");
    }
    fields.finish(&[]);
    Some(Unread { blocks, pass, size })
}

/// RFC 6838, section 4.2; or all subtypes of a type.
fn media_type(text: &str) -> Result<String, Invalid> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b))
    };
    match text.split_once('/') {
        Some((kind, subtype)) if is_name(kind) && (subtype == "*" || is_name(subtype)) => Ok(text.to_owned()),
        Some(_) | None => Err(Invalid::new("is not a media type", "write it in small letters: `image/png`, or `image/*`")),
    }
}

fn attribute(text: &str) -> Result<String, Invalid> {
    match text.strip_prefix("principal.attributes.") {
        Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => Ok(name.to_owned()),
        Some(_) | None => Err(Invalid::new("is not an attribute of the caller", "write `principal.attributes.<name>`")),
    }
}

/// What lies beside the policies, which rules name.
type Beside<'g> = (&'g Lists, &'g Additions);

fn rule(
    node: &Node,
    file_shadow: bool,
    known: &Known,
    (lists, detectors): Beside<'_>,
    report: &mut Report,
) -> Option<Placed<DlpRule>> {
    let mut fields = Fields::of(node, "dlp.rules[]", report)?;
    let called = fields.required("name", name);
    let own = fields.optional("words", |node, report| words(node, lists, report));
    let pattern = fields.optional("pattern", pattern);
    let looks = fields.has("words") || fields.has("pattern");
    let detector = |node: &Node, report: &mut Report| detector(node, detectors, report);
    let detect = if looks { fields.list("detect", detector) } else { fields.required_list("detect", detector) };
    if fields.has("words") && fields.has("pattern") {
        let place = fields.place("pattern");
        fields.report().error(place, "a rule has `words` or a `pattern`, not both").hint("make two rules of it");
    }
    let sensitivity = fields.optional("sensitivity", choice(Classification::WORDS, &[]));
    let direction = fields.list("direction", choice(&[("request", true), ("response", false)], &[]));
    let servers = fields.list("servers", |node, report| server(node, false, known, report));
    let tools = fields.list("tools", parsed(tool));
    let paths = fields.list("fields", field);
    let action = fields.required("action", choice(ACTIONS, &[]));
    let purpose = fields.optional("purpose", name);
    let shadow = fields.optional("mode", choice(MODES, &[])).unwrap_or(file_shadow);
    if sensitivity == Some(Classification::Public) {
        let place = fields.place("sensitivity");
        fields
            .report()
            .warning(place, "this rule never applies: nobody's clearance is below `public`")
            .hint("name a higher one, or none to apply it to everybody");
    }
    if fields.has("purpose") && action.is_some_and(|action| !matches!(action, DlpAction::Tokenize | DlpAction::Hash)) {
        let place = fields.place("purpose");
        let found = fields.report().error(place, "only tokens and hashes have a purpose");
        found.hint("write `action: tokenize` or `action: hash`, or remove `purpose`");
    }
    let place = fields.place("name");
    fields.finish(&[]);
    let value = DlpRule {
        name: called?,
        detect,
        own: own.or(pattern),
        sensitivity,
        requests: direction.is_empty() || direction.contains(&true),
        responses: direction.is_empty() || direction.contains(&false),
        servers,
        tools,
        fields: paths,
        action: action?,
        purpose: purpose.unwrap_or_else(|| PURPOSE.to_owned()),
        shadow,
    };
    Some(Placed { value, place })
}

/// The path of a field. It begins where the operator's own names begin.
fn field(node: &Node, report: &mut Report) -> Option<FieldPath> {
    let path = parsed(FieldPath::parse)(node, report)?;
    if let Some(outer @ ("arguments" | "params" | "result")) = path.first_name() {
        report
            .warning(node.place, format!("this is the field `{outer}` of the arguments, or of the result"))
            .hint("paths begin below `arguments` of a request, and below `result` of a reply");
    }
    Some(path)
}

/// The words of a list that lies beside the policies.
fn words(node: &Node, lists: &Lists, report: &mut Report) -> Option<Arc<Own>> {
    let written = text(node, report)?;
    let Some(list) = lists.get(&written) else {
        let hint = match closest(&written, lists.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "put it beside the policies as `NAME.txt`, or there as `lists/NAME.txt`: one word a line".to_owned(),
        };
        report.error(node.place, format!("there is no list of words `{written}`")).hint(hint);
        return None;
    };
    own(Own::words(list), node, report)
}

fn pattern(node: &Node, report: &mut Report) -> Option<Arc<Own>> {
    let written = text(node, report)?;
    own(Own::pattern(&written), node, report)
}

fn own(made: Result<Own, NotOwn>, node: &Node, report: &mut Report) -> Option<Arc<Own>> {
    let hint = match &made {
        Ok(_) | Err(NotOwn::Automaton(_)) => "",
        Err(NotOwn::Words(_)) => "split a longer list over several rules",
        Err(NotOwn::Length(_)) => "shorter ones stand in every text, longer ones in none",
        Err(NotOwn::Pattern(_)) => {
            "https://docs.rs/regex/latest/regex/#syntax says what can be written; backslashes stay in 'single quotes'"
        }
        Err(NotOwn::Empty) => "let it ask for one letter at least: `+` in the place of `*`",
    };
    made.map(Arc::new).map_err(|error| report.error(node.place, error.to_string()).hint(hint)).ok()
}

/// A class, a kind or an id of detectors.
fn detector(node: &Node, detectors: &Additions, report: &mut Report) -> Option<String> {
    let written = text(node, report)?;
    let catalogue = match detectors.catalogue() {
        Ok(catalogue) => catalogue,
        Err(broken) => {
            report.error(node.place, broken.to_string());
            return None;
        }
    };
    if catalogue.named(&written).is_some() || detectors.may_have(&written) {
        return Some(written);
    }
    let hint = match closest(&written, catalogue.names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "`yett detectors list` shows what there is".to_owned(),
    };
    report.error(node.place, format!("`{written}` is no detector, no kind of one and no class")).hint(hint);
    None
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

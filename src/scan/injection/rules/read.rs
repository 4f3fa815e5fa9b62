//! Reads files of rules.

use std::ops::RangeInclusive;

use super::expand::{Lists, is_list_name, reference, spelt_out, with_lists};
use super::{Left, Rule, Severity};
use crate::scan::injection::score::SurfaceKind;
use crate::scan::kind::kept;
use crate::yaml::{Fields, Invalid, Node, Place, Report, Value, choice, closest, entries, items, parsed, quoted, text, version};

/// Where rules apply, in the words of `injection:` of a policy.
pub(super) const SURFACES: &[(&str, SurfaceKind)] =
    &[("requests", SurfaceKind::Argument), ("results", SurfaceKind::Result), ("definitions", SurfaceKind::Definition)];

const BEGINS: &[(&str, Left)] = &[("word", Left::Word), ("order", Left::Order), ("line", Left::Line), ("any", Left::Any)];

/// How long an anchor is, in bytes.
const ANCHOR: RangeInclusive<usize> = 2..=64;

/// One file: its lists, and its rules, unread, since they may name lists of other files.
#[derive(Debug, Default)]
pub(super) struct File<'t> {
    pub(super) lists: Vec<List>,
    pub(super) rules: Vec<&'t Node>,
}

/// A list, and where its name stands.
#[derive(Debug)]
pub(super) struct List {
    pub(super) name: String,
    pub(super) words: Vec<String>,
    pub(super) place: Place,
}

/// What stands in a file; `None` where it cannot be read as one. What is wrong stands in `report`.
pub(super) fn file<'t>(node: &'t Node, report: &mut Report) -> Option<File<'t>> {
    let mut fields = Fields::of(node, "", report)?;
    // Another version has other keys: every further message would be a guess.
    fields.required("version", version)?;
    if !fields.has("rules") && !fields.has("lists") {
        fields.report().error(node.place, "this file has neither `rules` nor `lists`").hint("add `rules`");
    }
    let lists = fields.optional("lists", lists).unwrap_or_default();
    let rules = fields.list("rules", |node, _| Some(node));
    fields.finish(&[]);
    Some(File { lists, rules })
}

fn lists(node: &Node, report: &mut Report) -> Option<Vec<List>> {
    let mut all = Vec::new();
    for entry in entries(node, report)? {
        let name = &entry.key.text;
        if !is_list_name(name) {
            report
                .error(entry.key.place, format!("{} is not a name of a list", quoted(name)))
                .hint("use a-z, 0-9, `_` and `-`, starting with a letter");
        }
        let words = items(&entry.value, report, word).unwrap_or_default();
        if matches!(&entry.value.value, Value::Sequence(items) if items.is_empty()) {
            report.error(entry.value.place, format!("the list {} is empty", quoted(name))).hint("name at least one word");
        }
        all.push(List { name: name.clone(), words, place: entry.key.place });
    }
    Some(all)
}

fn word(node: &Node, report: &mut Report) -> Option<String> {
    let word = text(node, report)?;
    if let Some((_, name, _)) = reference(&word) {
        report.error(node.place, format!("a list does not name another, as this does `{name}`")).hint("write its words here");
        return None;
    }
    Some(word)
}

/// One rule, if nothing is wrong with it.
pub(super) fn rule(node: &Node, lists: &Lists, report: &mut Report) -> Option<Rule> {
    let before = report.errors();
    let mut fields = Fields::of(node, "rules[]", report)?;
    let id = fields.required("id", parsed(id));
    let title = fields.required("title", text);
    let severity = fields.required("severity", choice(Severity::WORDS, &[]));
    let surfaces = fields.required_list("surfaces", choice(SURFACES, &[]));
    let left = fields.optional("begins", choice(BEGINS, &[])).unwrap_or_default();
    let anchors = fields.required_list("anchors", |node, report| anchors(node, lists, report));
    let pattern = fields.required("pattern", |node, report| pattern(node, lists, report));
    let source = fields.required("source", text);
    let misses = fields.required("misses", text);
    let finds = fields.required_list("finds", text);
    let spares = fields.required_list("spares", text);
    fields.finish(&[]);
    if report.errors() > before {
        return None;
    }
    Some(Rule {
        id: kept(&id?),
        title: title?,
        surfaces,
        severity: severity?,
        anchors: anchors.into_iter().flatten().collect(),
        left,
        pattern: pattern?,
        source: source?,
        misses: misses?,
        finds,
        spares,
    })
}

fn id(text: &str) -> Result<String, Invalid> {
    let good = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if good && (2..=63).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new("is not a name of a rule", "2 to 63 of a-z, 0-9 and `-`"))
}

/// One pattern, or several of which any may fit.
fn pattern(node: &Node, lists: &Lists, report: &mut Report) -> Option<String> {
    if !matches!(node.value, Value::Sequence(_)) {
        return part(node, lists, report);
    }
    let parts = items(node, report, |node, report| part(node, lists, report))?;
    if parts.is_empty() {
        report.error(node.place, "`pattern` is empty").hint("write at least one");
        return None;
    }
    Some(parts.join("|"))
}

/// One of the patterns of a rule, spelt out.
pub(super) fn part(node: &Node, lists: &Lists, report: &mut Report) -> Option<String> {
    let written = text(node, report)?;
    match with_lists(&written, lists) {
        Ok(pattern) => Some(spelt_out(&pattern)),
        Err(name) => unknown(&name, node, lists, report),
    }
}

fn unknown<T>(name: &str, node: &Node, lists: &Lists, report: &mut Report) -> Option<T> {
    let hint = match closest(name, lists.names()) {
        Some(meant) => format!("did you mean `%{meant}%`?"),
        None => "add it to `lists`; if no list is meant, write `[%]` for the sign".to_owned(),
    };
    report.error(node.place, format!("no list is called `{name}`")).hint(hint);
    None
}

/// An anchor, or those of a list.
fn anchors(node: &Node, lists: &Lists, report: &mut Report) -> Option<Vec<String>> {
    let written = text(node, report)?;
    let all = match reference(&written) {
        Some(("", name, "")) => match lists.get(name) {
            Some(words) => words.to_vec(),
            None => return unknown(name, node, lists, report),
        },
        _ => vec![written],
    };
    for anchor in &all {
        if let Some(Invalid { problem, hint }) = wrong_with(anchor) {
            report.error(node.place, format!("{} {problem}", quoted(anchor))).hint(hint);
            return None;
        }
    }
    Some(all)
}

/// Why a text cannot be searched for.
fn wrong_with(anchor: &str) -> Option<Invalid> {
    // Two bytes are searched for as they stand, whatever the case of the others is.
    let is_short = anchor.len() == *ANCHOR.start() && anchor.bytes().any(|byte| byte.is_ascii_alphanumeric());
    if anchor.len() < *ANCHOR.start() || is_short {
        return Some(Invalid::new("is too short to be searched for", "at least three bytes, or two signs, and rare ones"));
    }
    if anchor.len() > *ANCHOR.end() {
        return Some(Invalid::new("is too long to be searched for", "at most 64 bytes; the pattern looks at the rest"));
    }
    (anchor.to_lowercase() != anchor).then(|| Invalid::new("has capital letters", "write small ones: they are found in any case"))
}

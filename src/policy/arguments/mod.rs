//! `arguments:` of a grant: what a tool's arguments may be.
//!
//! Each argument has a JSON Schema (2020-12) of its own, and may have ready checks beside its words: `sql`, `path`, `url`, `email` and
//! `number`. All of it is read, checked and compiled when the policy is loaded; nothing is fetched. [`crate::decide::arguments`]
//! holds calls to the result.

mod accepts;
mod constants;
mod host;
mod paths;
mod reach;
mod ready;
mod schema;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use accepts::type_name;
pub(crate) use constants::exact;
pub(crate) use host::{is_host, is_host_name};
pub(crate) use paths::plain_path;
pub(crate) use reach::Unusable;
pub(crate) use ready::Decimal;
pub use ready::{EmailRule, NumberRule, PathRule, Ready, SqlDialect, SqlRule, SqlStatement, TableName, UrlRule};
pub use schema::Schema;

use crate::yaml::{Entry, Node, Report, Value, boolean, closest, entries, quoted, text};

/// Most arguments that one grant may name.
const MAX_ARGUMENTS: usize = 64;
/// Longest text of an operator's own, in characters.
const MAX_SAY: usize = 500;
/// What may stand beside the words of a schema.
const OWN: [&str; 7] = ["optional", "say", "sql", "path", "url", "email", "number"];

/// The rules of one grant, compiled.
#[derive(Clone, Debug)]
pub struct ArgumentRules(pub(crate) Arc<[ArgumentRule]>);

/// The rule of one argument.
#[derive(Debug)]
pub(crate) struct ArgumentRule {
    /// The argument.
    pub(crate) name: String,
    /// Whether it may be left out.
    pub(crate) optional: bool,
    /// What JSON Schema says of it; `None` where no word of it was written.
    pub(crate) schema: Option<Schema>,
    /// Ready checks of the value.
    pub(crate) ready: Vec<Ready>,
    /// Ready checks of each item of a list.
    pub(crate) each: Vec<Ready>,
    /// What would be accepted: one sentence without a full stop.
    pub(crate) accepts: String,
}

impl ArgumentRules {
    /// Reads the value of `arguments:`. What is wrong stands in `report`, with its place.
    pub fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let entries = entries(node, report)?;
        if entries.is_empty() {
            report.error(node.place, "`arguments` is empty").hint("name at least one argument, or remove the key");
            return None;
        }
        if entries.len() > MAX_ARGUMENTS {
            report
                .error(node.place, format!("{} arguments are named here, more than {MAX_ARGUMENTS}", entries.len()))
                .hint("name those that matter");
            return None;
        }
        let rules: Vec<_> = entries.iter().map(|entry| argument(entry, report)).collect();
        rules.into_iter().collect::<Option<Vec<_>>>().map(|rules| Self(rules.into()))
    }

    /// The arguments that have a rule.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|rule| rule.name.as_str())
    }
}

fn argument(entry: &Entry, report: &mut Report) -> Option<ArgumentRule> {
    let name = entry.key.text.clone();
    if name.is_empty() || name.chars().any(char::is_control) {
        report.error(entry.key.place, format!("{} is no name of an argument", quoted(&name))).hint("write it as the tool has it");
        return None;
    }
    let before = report.errors();
    let rules = entries(&entry.value, report)?;
    let own = Own::read(rules, report);
    let words: Vec<&Entry> = rules.iter().filter(|rule| !OWN.contains(&rule.key.text.as_str())).collect();
    let (words, each) = without_ready_items(words, report);
    let implied = own.ready.iter().map(Ready::kind).next();
    let schema = schema::read(&words, implied, &each.place_of_items, report);
    if report.errors() > before {
        return None;
    }
    let (json, schema) = schema?;
    if own.ready.is_empty() && each.ready.is_empty() && schema.is_none() && own.optional {
        report
            .error(entry.key.place, format!("nothing is said about {}", quoted(&name)))
            .hint("say what it may be, or leave it out");
        return None;
    }
    let accepts = own.say.unwrap_or_else(|| accepts::sentence(&name, own.optional, &json, &own.ready, &each.ready));
    Some(ArgumentRule { name, optional: own.optional, schema, ready: own.ready, each: each.ready, accepts })
}

/// What stands beside the words of a schema.
#[derive(Default)]
struct Own {
    optional: bool,
    say: Option<String>,
    ready: Vec<Ready>,
}

impl Own {
    fn read(rules: &[Entry], report: &mut Report) -> Self {
        let mut own = Self::default();
        for rule in rules {
            match rule.key.text.as_str() {
                "optional" => own.optional = boolean(&rule.value, report).unwrap_or(false),
                "say" => own.say = say(&rule.value, report),
                word => own.ready.extend(Ready::read(word, &rule.value, report)),
            }
        }
        own
    }
}

fn say(node: &Node, report: &mut Report) -> Option<String> {
    let said = text(node, report)?;
    if said.chars().count() > MAX_SAY || said.chars().any(|c| c.is_control() && c != '\n') {
        report
            .error(node.place, "this text is too long or holds control characters")
            .hint(format!("callers read it: one sentence, at most {MAX_SAY} characters"));
        return None;
    }
    Some(said.trim().to_owned())
}

/// Ready checks under `items`, and what else stands there.
#[derive(Default)]
struct Each<'t> {
    ready: Vec<Ready>,
    place_of_items: Option<(&'t Entry, Vec<&'t Entry>)>,
}

/// Takes the ready checks out of `items: { path: ... }`, which are for every item of a list.
fn without_ready_items<'t>(words: Vec<&'t Entry>, report: &mut Report) -> (Vec<&'t Entry>, Each<'t>) {
    let mut each = Each::default();
    let mut left = Vec::new();
    for word in words {
        let Value::Mapping(rules) = &word.value.value else {
            left.push(word);
            continue;
        };
        if word.key.text != "items" || !rules.iter().any(|rule| Ready::is_word(&rule.key.text)) {
            left.push(word);
            continue;
        }
        for rule in rules {
            each.ready.extend(Ready::read(&rule.key.text, &rule.value, report));
        }
        let rest = rules.iter().filter(|rule| !Ready::is_word(&rule.key.text)).collect();
        each.place_of_items = Some((word, rest));
    }
    (left, each)
}

/// Reports a key that is neither a word of JSON Schema nor one of ours.
fn unknown_word(entry: &Entry, words: impl Iterator<Item = &'static str>, report: &mut Report) {
    let written = entry.key.text.as_str();
    let hint = match closest(written, words.chain(OWN)) {
        Some(meant) if OWN.contains(&meant) && OWN.contains(&written) => {
            format!("`{written}` stands beside the other words of an argument, or in its `items`, not deeper")
        }
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "use a word of JSON Schema 2020-12".to_owned(),
    };
    report
        .error(entry.key.place, format!("unknown word {} in the rule of an argument", quoted(written)))
        .hint(hint)
        .note("see docs/arguments.md for every word; one that is not known would check nothing");
}

//! Reading a mapping field by field, so that every mistake is found in one go.

use std::collections::HashSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::report::{Place, Report, quoted};
use super::suggest::closest;
use super::tree::{Entry, Key, Node, Scalar, Value};

/// Where the documentation lists what this build leaves out.
const LATER_DOCS: &str = "see docs/configuration.md, \"Not enforced yet\"";

/// A key of the product's contract that this build does not enforce. Finding it is an error, never ignored.
#[derive(Clone, Copy, Debug)]
pub struct Later {
    key: &'static str,
    instead: &'static str,
}

impl Later {
    /// The key.
    pub const fn key(&self) -> &'static str {
        self.key
    }
}

/// A key that a newer release enforces.
pub const fn later(key: &'static str) -> Later {
    Later { key, instead: "remove it or use a newer release" }
}

/// The same, with what to do until then.
pub const fn later_because(key: &'static str, instead: &'static str) -> Later {
    Later { key, instead }
}

/// Reads one mapping. Ask for each key once, then call [`Fields::finish`]: what was asked for is what is accepted.
#[derive(Debug)]
pub struct Fields<'t, 'r> {
    section: &'static str,
    place: Place,
    entries: &'t [Entry],
    asked: Vec<&'static str>,
    report: &'r mut Report,
}

impl<'t, 'r> Fields<'t, 'r> {
    /// Starts on `node`, which must be a mapping. `section` is its path in the contract (`listeners[].limits`; empty for
    /// the whole file), used in messages and in the documentation.
    pub fn of(node: &'t Node, section: &'static str, report: &'r mut Report) -> Option<Self> {
        let entries = entries(node, report)?;
        Some(Self { section, place: node.place, entries, asked: Vec::new(), report })
    }

    /// A key that must be there. When it is not, the error points at the place of the mapping.
    pub fn required<T>(&mut self, key: &'static str, read: impl FnOnce(&'t Node, &mut Report) -> Option<T>) -> Option<T> {
        if !self.has(key) {
            let of = self.of_section();
            self.report.error(self.place, format!("the key `{key}` is missing{of}")).hint(format!("add `{key}`"));
        }
        self.optional(key, read)
    }

    /// A key that may be there; `None` when it is not, and when it could not be read.
    pub fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(&'t Node, &mut Report) -> Option<T>) -> Option<T> {
        self.report.asked(self.section, key);
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| entry.key.text == key)?;
        if is_null(&entry.value) {
            self.report.error(entry.key.place, format!("`{key}` has no value")).hint("give it one, or remove the key");
            return None;
        }
        read(&entry.value, self.report)
    }

    /// A list that may be missing, which gives an empty one. Written down, it may not be empty: to some readers `[]` means
    /// nobody and to others everybody.
    pub fn list<T>(&mut self, key: &'static str, read: impl FnMut(&'t Node, &mut Report) -> Option<T>) -> Vec<T> {
        self.optional(key, |node, report| {
            if matches!(&node.value, Value::Sequence(items) if items.is_empty()) {
                report.error(node.place, format!("`{key}` is empty")).hint("name at least one, or remove the key");
            }
            items(node, report, read)
        })
        .unwrap_or_default()
    }

    /// A list for which `[]` and no key at all are the same.
    pub fn list_or_empty<T>(&mut self, key: &'static str, read: impl FnMut(&'t Node, &mut Report) -> Option<T>) -> Vec<T> {
        self.optional(key, |node, report| items(node, report, read)).unwrap_or_default()
    }

    /// A list that must be there and hold something.
    pub fn required_list<T>(&mut self, key: &'static str, read: impl FnMut(&'t Node, &mut Report) -> Option<T>) -> Vec<T> {
        if !self.has(key) {
            let of = self.of_section();
            self.report.error(self.place, format!("the key `{key}` is missing{of}")).hint(format!("add `{key}`"));
        }
        self.list(key, read)
    }

    /// Whether `key` is there.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The value of `key`, unread.
    pub fn value(&self, key: &str) -> Option<&'t Node> {
        self.entries.iter().find(|entry| entry.key.text == key).map(|entry| &entry.value)
    }

    /// The place of the value of `key`, or of the mapping when the key is not there.
    pub fn place(&self, key: &str) -> Place {
        self.value(key).map_or(self.place, |value| value.place)
    }

    /// For checks that look at several fields.
    pub fn report(&mut self) -> &mut Report {
        self.report
    }

    /// Reports every key that was not asked for: `later` ones as not enforced yet, others with the nearest accepted key.
    pub fn finish(self, later: &[Later]) {
        let mut seen = HashSet::new();
        for entry in self.entries {
            let key = entry.key.text.as_str();
            // A key given twice is already reported as that.
            if self.asked.contains(&key) || !seen.insert(key) {
                continue;
            }
            if let Some(known) = later.iter().find(|known| known.key == key) {
                // It may hold a credential that no reader of this build recognises as one.
                entry.value.conceal(self.report);
                self.report
                    .error(entry.key.place, format!("`{key}` is not enforced by this build yet"))
                    .hint(known.instead)
                    .note(LATER_DOCS);
                continue;
            }
            let meant = closest(key, self.asked.iter().copied().chain(later.iter().map(|known| known.key)));
            let hint = meant
                .map_or_else(|| "leave it out, or use an accepted key".to_owned(), |meant| format!("did you mean `{meant}`?"));
            self.report
                .error(entry.key.place, format!("unknown key {}{}", quoted(key), self.of_section()))
                .hint(hint)
                .note(format!("accepted keys: {}", self.asked.join(", ")));
        }
    }

    fn of_section(&self) -> String {
        if self.section.is_empty() { String::new() } else { format!(" in `{}`", self.section) }
    }
}

/// Why a text is not a value. Both parts are fixed texts, so that no parser can repeat what a reference became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Continues "`<what was written>` ...": `is not a duration`.
    pub problem: &'static str,
    /// What was expected, or what to do.
    pub hint: &'static str,
}

impl Invalid {
    /// Says why, and what would be right.
    pub const fn new(problem: &'static str, hint: &'static str) -> Self {
        Self { problem, hint }
    }
}

/// A reader from a parser of text.
pub fn parsed<T>(parse: impl Fn(&str) -> Result<T, Invalid>) -> impl Fn(&Node, &mut Report) -> Option<T> {
    move |node, report| {
        let scalar = scalar(node, report)?;
        match parse(&scalar.text) {
            Ok(value) => Some(value),
            Err(invalid) => {
                report.error(node.place, format!("{} {}", scalar.shown(), invalid.problem)).hint(invalid.hint);
                None
            }
        }
    }
}

/// A single value that is not null, and is known.
pub fn scalar<'t>(node: &'t Node, report: &mut Report) -> Option<&'t Scalar> {
    let scalar = known_or_not(node, report)?;
    if scalar.unknown {
        report
            .error(node.place, format!("{} is read when the gateway serves, and this value is needed before", scalar.shown()))
            .hint("such references are for secrets; write the value here, or `${env:NAME}` or `${file:/path}`");
        return None;
    }
    Some(scalar)
}

/// The same, where a value that is not known yet will do.
pub fn known_or_not<'t>(node: &'t Node, report: &mut Report) -> Option<&'t Scalar> {
    match &node.value {
        Value::Scalar(scalar) if scalar.is_null() => {
            report.error(node.place, "a value is missing here").hint("write one; the text `null` must be quoted");
            None
        }
        Value::Scalar(scalar) => Some(scalar),
        Value::Refused => None,
        Value::Mapping(_) | Value::Sequence(_) => wrong_kind(node, "a single value", "", report),
    }
}

/// Text that is not empty, exactly as written: `1` and `true` are text too where text is wanted.
pub fn text(node: &Node, report: &mut Report) -> Option<String> {
    let scalar = scalar(node, report)?;
    if scalar.text.trim().is_empty() {
        report.error(node.place, "this text is empty").hint("write something, or remove the key");
        return None;
    }
    Some(scalar.text.to_string())
}

/// The operator's name for something: `[a-z0-9][a-z0-9_-]{0,62}`.
pub fn name(node: &Node, report: &mut Report) -> Option<String> {
    parsed(parse_name)(node, report)
}

/// The same, where the name is the key of an entry.
pub fn key_name(key: &Key, report: &mut Report) -> Option<String> {
    match parse_name(&key.text) {
        Ok(name) => Some(name),
        Err(invalid) => {
            report.error(key.place, format!("{} {}", quoted(&key.text), invalid.problem)).hint(invalid.hint);
            None
        }
    }
}

fn parse_name(text: &str) -> Result<String, Invalid> {
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inside = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if starts && inside && text.len() <= 63 {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new("is not a name", "use 1 to 63 of a-z, 0-9, `_` and `-`, starting with a letter or a digit"))
    }
}

/// `true` or `false`.
pub fn boolean(node: &Node, report: &mut Report) -> Option<bool> {
    parsed(|text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Invalid::new("is neither `true` nor `false`", "write `true` or `false`")),
    })(node, report)
}

/// `version: 1`, which every file begins with.
pub fn version(node: &Node, report: &mut Report) -> Option<()> {
    parsed(|text| match text {
        "1" => Ok(()),
        _ => Err(Invalid::new("is not a version that this build reads", "write `version: 1`")),
    })(node, report)
}

/// A whole number within `range`.
pub fn number<N>(range: RangeInclusive<N>) -> impl Fn(&Node, &mut Report) -> Option<N>
where
    N: FromStr + PartialOrd + Display,
{
    move |node, report| {
        let scalar = scalar(node, report)?;
        // `parse` would take `+5`.
        let digits = scalar.text.bytes().all(|b| b.is_ascii_digit());
        match scalar.text.parse::<N>() {
            Ok(value) if digits && range.contains(&value) => Some(value),
            Ok(_) | Err(_) => {
                report.error(node.place, format!("{} is not a whole number in range", scalar.shown())).hint(format!(
                    "from {} to {}",
                    range.start(),
                    range.end()
                ));
                None
            }
        }
    }
}

/// One of `values`, which are the accepted words and what they mean; `later` are words of the contract that this build does
/// not enforce.
pub fn choice<T: Copy>(
    values: &'static [(&'static str, T)],
    later: &'static [&'static str],
) -> impl Fn(&Node, &mut Report) -> Option<T> {
    move |node, report| {
        let scalar = scalar(node, report)?;
        let written = scalar.text.as_str();
        if let Some((_, value)) = values.iter().find(|(word, _)| *word == written) {
            return Some(*value);
        }
        let words = values.iter().map(|(word, _)| *word).collect::<Vec<_>>();
        let accepted = format!("accepted: {}", words.join(", "));
        if let Some(word) = later.iter().find(|word| **word == written) {
            report.error(node.place, format!("`{word}` is not enforced by this build yet")).hint(accepted).note(LATER_DOCS);
            return None;
        }
        let meant = closest(written, words.iter().copied());
        let hint = meant.map_or_else(|| accepted.clone(), |meant| format!("did you mean `{meant}`?"));
        let found = report.error(node.place, format!("{} is not one of the accepted words", scalar.shown()));
        found.hint(hint);
        if meant.is_some() {
            found.note(accepted);
        }
        None
    }
}

/// The items of a list, each read by `read`; items that could not be read are left out.
pub fn items<'t, T>(
    node: &'t Node,
    report: &mut Report,
    mut read: impl FnMut(&'t Node, &mut Report) -> Option<T>,
) -> Option<Vec<T>> {
    match &node.value {
        Value::Sequence(nodes) => Some(nodes.iter().filter_map(|item| read(item, report)).collect()),
        Value::Refused => None,
        Value::Scalar(_) => wrong_kind(node, "a list", "put it in brackets: `[...]`", report),
        Value::Mapping(_) => wrong_kind(node, "a list", "start each item with `- `", report),
    }
}

/// The entries of a mapping whose keys are the operator's own.
pub fn entries<'t>(node: &'t Node, report: &mut Report) -> Option<&'t [Entry]> {
    match &node.value {
        Value::Mapping(entries) => Some(entries),
        Value::Refused => None,
        Value::Scalar(_) | Value::Sequence(_) => wrong_kind(node, "a mapping", "write `key: value` lines below", report),
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.is_null())
}

fn wrong_kind<T>(node: &Node, expected: &str, hint: &str, report: &mut Report) -> Option<T> {
    report.error(node.place, format!("expected {expected}, found {}", node.kind())).hint(hint);
    None
}

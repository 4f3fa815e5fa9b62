//! What a configuration says where, so that two of them can be compared without keeping either's text.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use crate::yaml::{Node, Place, Value};

/// A digest of every section, and of every entry of a section. Secrets that are kept fresh are in it as they are written, since another
/// value of theirs is no change of the configuration; all else as what it became. It is held in memory only, and shows none of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Outline(BTreeMap<String, [u8; 32]>);

impl Outline {
    pub(super) fn of(root: &Node, live: &HashSet<Place>) -> Self {
        let mut digests = BTreeMap::new();
        for (name, section) in entries(root) {
            let inner = entries(section);
            if inner.is_empty() {
                digests.insert(name.to_owned(), digest(section, live));
            }
            for (key, value) in inner {
                let name = format!("{name}.{key}");
                // What is said of a server may change by parts, and what is said of its tools.
                if name.starts_with("servers.") {
                    add_server(&name, value, |name, part| {
                        digests.insert(name, digest(part, live));
                    });
                } else {
                    digests.insert(name, digest(value, live));
                }
            }
        }
        Self(digests)
    }

    /// Where the two say something else, sorted: `listeners`, `servers.crm.url`, `servers.crm.tools.search.operation`, `audit.origin`.
    pub fn differences<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let mut names: Vec<_> = self.0.iter().filter(|(name, digest)| other.0.get(*name) != Some(digest)).collect();
        names.extend(other.0.iter().filter(|(name, _)| !self.0.contains_key(*name)));
        // A server that only one of them has is one difference.
        let has = |outline: &Self, server: &str| {
            outline.0.range(server.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(server))
        };
        let name_of = |name: &'a str| match server_of(name) {
            Some(server) if !has(self, server) || !has(other, server) => server.trim_end_matches('.'),
            Some(_) | None => name,
        };
        let mut names: Vec<&str> = names.into_iter().map(|(name, _)| name_of(name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl fmt::Debug for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `servers.crm.` of `servers.crm.url`.
fn server_of(name: &str) -> Option<&str> {
    let (server, _) = name.strip_prefix("servers.")?.split_once('.')?;
    name.get(.."servers.".len() + server.len() + 1)
}

/// The entries of a server, each by itself; those of its tools as well.
fn add_server(name: &str, server: &Node, mut add: impl FnMut(String, &Node)) {
    let tools = format!("{name}.tools");
    for (name, value) in parts(name, server) {
        if name != tools {
            add(name, value);
            continue;
        }
        for (name, tool) in parts(&name, value) {
            for (name, said) in parts(&name, tool) {
                add(name, said);
            }
        }
    }
}

/// The entries by their full names; what has none is itself.
fn parts<'a>(name: &str, node: &'a Node) -> Vec<(String, &'a Node)> {
    let inner = entries(node);
    if inner.is_empty() {
        return vec![(name.to_owned(), node)];
    }
    inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect()
}

fn entries(node: &Node) -> Vec<(&str, &Node)> {
    match &node.value {
        Value::Mapping(entries) => entries.iter().map(|entry| (entry.key.text.as_str(), &entry.value)).collect(),
        Value::Refused | Value::Scalar(_) | Value::Sequence(_) => Vec::new(),
    }
}

fn digest(node: &Node, live: &HashSet<Place>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    write(node, live, &mut context);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// Every value with its kind and its length before it, so that no two trees are the same bytes.
fn write(node: &Node, live: &HashSet<Place>, to: &mut Context) {
    match &node.value {
        Value::Mapping(entries) => {
            head(b'm', entries.len(), to);
            for entry in entries {
                head(b'k', entry.key.text.len(), to);
                to.update(entry.key.text.as_bytes());
                write(&entry.value, live, to);
            }
        }
        Value::Refused => head(b'r', 0, to),
        Value::Scalar(scalar) => {
            let text = scalar.written.as_deref().filter(|_| live.contains(&node.place)).unwrap_or(&scalar.text);
            head(if scalar.is_null() { b'n' } else { b's' }, text.len(), to);
            to.update(text.as_bytes());
        }
        Value::Sequence(nodes) => {
            head(b'l', nodes.len(), to);
            for node in nodes {
                write(node, live, to);
            }
        }
    }
}

fn head(kind: u8, length: usize, to: &mut Context) {
    to.update(&[kind]);
    to.update(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Report, read};

    fn outline(text: &str) -> Outline {
        Outline::of(&read("a.yaml", text.as_bytes(), &mut Report::new()).unwrap(), &HashSet::new())
    }

    #[test]
    fn what_differs_is_named_by_section_and_entry() {
        let before = outline(
            "version: 1\naudit: { origin: a, replica: r1 }\nservers:\n  crm: { url: x }\n  mail: { url: y }\nlist: [a, b]\n",
        );
        let same = outline(
            "version: 1\naudit:\n  origin: a\n  replica: 'r1'\nservers: { crm: { url: x }, mail: { url: y } }\nlist:\n- a\n- b\n",
        );
        assert_eq!(before.differences(&same), <[&str; 0]>::default());
        let other = outline(
            "version: 1\naudit: { origin: b, replica: r1 }\nservers:\n  crm: { url: x }\n  new: { url: y }\nlist: [ab]\n",
        );
        assert_eq!(before.differences(&other), ["audit.origin", "list", "servers.mail", "servers.new"]);
        assert_eq!(other.differences(&before), before.differences(&other));
    }

    #[test]
    fn what_is_said_of_a_server_and_its_tools_differs_by_parts() {
        let before =
            outline("servers: { crm: { url: x, owner: a, tools: { get: { operation: read }, put: { capture: keys } } } }\n");
        let same =
            outline("servers: { crm: { tools: { put: { capture: keys }, get: { operation: read } }, owner: a, url: x } }\n");
        assert_eq!(before.differences(&same), <[&str; 0]>::default());
        let other =
            outline("servers: { crm: { url: y, purpose: b, tools: { get: { operation: write }, a.b: { operation: read } } } }\n");
        let expected = [
            "servers.crm.owner",
            "servers.crm.purpose",
            "servers.crm.tools.a.b.operation",
            "servers.crm.tools.get.operation",
            "servers.crm.tools.put.capture",
            "servers.crm.url",
        ];
        assert_eq!(before.differences(&other), expected);
    }

    #[test]
    fn a_null_is_not_the_text_that_says_so_and_a_list_not_its_only_item() {
        for (left, right) in [("a: ~", "a: '~'"), ("a: [b]", "a: b"), ("a: {}", "a: []"), ("a: [[b], c]", "a: [[b, c]]")] {
            assert_eq!(outline(left).differences(&outline(right)), ["a"], "{left} | {right}");
        }
    }

    #[test]
    fn nothing_of_a_value_is_shown() {
        assert_eq!(format!("{:?}", outline("master_key: hunter2hunter2\n")), r#"{"master_key"}"#);
    }
}

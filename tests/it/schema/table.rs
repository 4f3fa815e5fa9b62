//! The rows of docs/configuration.md, as a tree of keys.

use std::fs;

use crate::schema::root;

/// Which file a key stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Config,
    Policy,
}

/// What the reference says about a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Its path, as the reader calls it: `listeners[].limits.body`.
    pub(super) path: String,
    /// The column `type`.
    pub(super) kind: String,
    /// The column `default`.
    pub(super) default: String,
    /// The column `meaning`.
    pub(super) meaning: String,
}

impl Row {
    /// Whether a file without it is refused.
    pub(super) fn is_required(&self) -> bool {
        self.default.starts_with("required")
    }
}

/// A key and what stands below it.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// One step of the path, without `[]`; `*` for whatever name the operator gives.
    pub(super) name: String,
    pub(super) row: Row,
    pub(super) below: Vec<Key>,
}

impl Key {
    /// All keys with a row, this one first.
    pub(super) fn rows(&self) -> Vec<&Row> {
        let own = (!self.row.path.is_empty()).then_some(&self.row);
        own.into_iter().chain(self.below.iter().flat_map(Self::rows)).collect()
    }

    fn at(&mut self, steps: &[&str], row: Row) {
        let Some((first, rest)) = steps.split_first() else {
            assert!(self.row.path.is_empty(), "{} stands in two rows", row.path);
            self.row = row;
            return;
        };
        let name = first.trim_end_matches("[]");
        let found = self.below.iter().position(|key| key.name == name).unwrap_or_else(|| {
            self.below.push(Self { name: name.to_owned(), ..Self::default() });
            self.below.len() - 1
        });
        self.below[found].at(rest, row);
    }
}

/// Every key of one of the two files.
pub(super) fn keys(of: Of) -> Key {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let (config, policy) = text.split_once("\n## policies/*.yaml\n").unwrap();
    let part = match of {
        Of::Config => config,
        Of::Policy => policy,
    };
    let mut tree = Key::default();
    let mut inside = false;
    for line in part.lines() {
        if line == "| key | type | default | meaning |" {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && line.starts_with("| `") {
            add(&mut tree, line);
        }
    }
    tree
}

fn add(tree: &mut Key, line: &str) {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [names, kind, default, meaning @ ..] = cells.as_slice() else { panic!("a row has four cells: {line}") };
    for name in names.split(", ") {
        let path = name.trim_matches('`').to_owned();
        let steps: Vec<&str> = path.split('.').collect();
        let row = Row {
            path: path.clone(),
            kind: (*kind).to_owned(),
            default: (*default).to_owned(),
            meaning: meaning.first().map_or(String::new(), |text| text.trim_end_matches('|').trim().to_owned()),
        };
        tree.at(&steps, row);
    }
}

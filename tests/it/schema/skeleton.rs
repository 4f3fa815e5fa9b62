//! A file with every key of the reference in it, each on a line of its own, so that what the reader says of a line is said of a key.

use std::collections::BTreeMap;

use super::table::{Key, Row};
use super::types::{Kind, kind};

/// The file, and which key stands on which line, from 1.
pub(super) struct Skeleton {
    pub(super) text: String,
    pub(super) rows: BTreeMap<usize, Row>,
}

impl Skeleton {
    /// `value` is what stands at a key without others below it.
    pub(super) fn of(keys: &Key, value: &dyn Fn(&Row) -> &'static str) -> Self {
        let mut skeleton = Self { text: String::new(), rows: BTreeMap::new() };
        skeleton.below(keys, 0, value);
        skeleton
    }

    fn below(&mut self, key: &Key, depth: usize, value: &dyn Fn(&Row) -> &'static str) {
        for key in &key.below {
            self.key(key, depth, value);
        }
    }

    fn key(&mut self, key: &Key, depth: usize, value: &dyn Fn(&Row) -> &'static str) {
        let name = &key.name;
        match kind(&key.row.kind) {
            Kind::Mapping | Kind::WordsOrMapping(_) => {
                self.line(depth, &format!("{name}:"));
                self.below(key, depth + 1, value);
            }
            Kind::Named { .. } => {
                self.line(depth, &format!("{name}:"));
                self.line(depth + 1, "zz:");
                self.below(&key.below[0], depth + 2, value);
            }
            Kind::Items(_) => {
                self.line(depth, &format!("{name}:"));
                self.line(depth + 1, "-");
                self.below(key, depth + 2, value);
            }
            Kind::List(..) => {
                self.line(depth, &format!("{name}:"));
                self.line(depth + 1, &format!("- {}", value(&key.row)));
                self.is_here(&key.row);
            }
            Kind::Values(_) => {
                self.line(depth, &format!("{name}:"));
                self.line(depth + 1, &format!("zz: {}", value(&key.row)));
            }
            Kind::Arguments => {
                self.line(depth, &format!("{name}:"));
                self.line(depth + 1, "zz:");
                for check in ["sql", "path", "url", "email", "number"] {
                    self.line(depth + 2, &format!("{check}: {{ zz: 1 }}"));
                }
            }
            Kind::Anything
            | Kind::Boolean
            | Kind::Number(..)
            | Kind::Ratio
            | Kind::Quantity(..)
            | Kind::Text(_)
            | Kind::Words(_) => {
                // Of another version nothing would be read.
                let value = if key.row.path == "version" { "1" } else { value(&key.row) };
                self.line(depth, &format!("{name}: {value}"));
                self.is_here(&key.row);
            }
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn is_here(&mut self, row: &Row) {
        self.rows.insert(self.text.lines().count(), row.clone());
    }
}

//! One file as a tree in which every value knows its place.

use zeroize::Zeroizing;

use super::builder::Builder;
use super::report::{FileId, Place, Report, is_direction_control, quoted};

/// Deepest nesting of lists and mappings. The contract needs seven.
pub const MAX_DEPTH: usize = 32;
/// Most values in one file, keys included.
pub const MAX_NODES: usize = 100_000;
/// Largest file, in bytes.
pub const MAX_FILE_SIZE: usize = 1024 * 1024;

/// A value and where it stands. The place of a block mapping or list is that of the key it belongs to.
#[derive(Debug)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What stands at a place.
#[derive(Debug)]
pub enum Value {
    /// Keys and values in the order of the file. Of a key given twice (an error, reported by [`read`]) both are here.
    Mapping(Vec<Entry>),
    /// Something that was refused and reported; readers pass over it in silence.
    Refused,
    /// Text, a number, a boolean or null: whoever reads it decides.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
}

/// One entry of a mapping.
#[derive(Debug)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// Its value.
    pub value: Node,
}

/// The key of an entry; always text.
#[derive(Debug)]
pub struct Key {
    /// What it says.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// A scalar. Its text is wiped when dropped, since it may have become a secret.
pub struct Scalar {
    /// The text, with references resolved once somebody has done so.
    pub text: Zeroizing<String>,
    /// How it was written.
    pub style: Style,
    /// What stands in the file, when `text` was made from it by resolving references.
    pub written: Option<String>,
    /// It stands for something that is not known yet: `text` is empty, and only a reader of secrets may go on with it.
    pub unknown: bool,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `|` or `>`.
    Block,
    /// Bare; only such a scalar can be null.
    Plain,
    /// In single or double quotes.
    Quoted,
}

impl Scalar {
    /// The scalar for a message, in backticks: what stands in the file, never what a reference became.
    pub fn shown(&self) -> String {
        quoted(self.written.as_deref().unwrap_or(&self.text))
    }

    /// Whether this is YAML's null.
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain && self.written.is_none() && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

// `text` may be a secret.
impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scalar").field("style", &self.style).field("written", &self.written).finish_non_exhaustive()
    }
}

impl Node {
    /// What it is, in the words of a message.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Mapping(_) => "a mapping",
            Value::Refused => "something refused",
            Value::Scalar(scalar) if scalar.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
        }
    }

    /// The value of `key`, if this is a mapping that has it; the first, if it is there twice.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key.text == key).map(|entry| &entry.value),
            Value::Refused | Value::Scalar(_) | Value::Sequence(_) => None,
        }
    }

    /// Calls `visit` on every value that is a scalar (keys are not values), in the order of the file; it may replace it.
    pub fn visit_scalars(&mut self, visit: &mut impl FnMut(&mut Value, Place)) {
        match &mut self.value {
            Value::Mapping(entries) => entries.iter_mut().for_each(|entry| entry.value.visit_scalars(visit)),
            Value::Refused => {}
            Value::Scalar(_) => visit(&mut self.value, self.place),
            Value::Sequence(nodes) => nodes.iter_mut().for_each(|node| node.visit_scalars(visit)),
        }
    }

    /// Stars out every scalar of this value wherever a source line is shown, references apart.
    pub fn conceal(&self, report: &mut Report) {
        match &self.value {
            Value::Mapping(entries) => entries.iter().for_each(|entry| entry.value.conceal(report)),
            Value::Refused => {}
            Value::Scalar(scalar) if scalar.written.is_some() => {}
            Value::Scalar(_) => report.conceal(self.place),
            Value::Sequence(nodes) => nodes.iter().for_each(|node| node.conceal(report)),
        }
    }
}

/// Reads one file. `name` is how messages call it. What is refused stands in `report`; `None` when there is no tree at all.
pub fn read(name: &str, bytes: &[u8], report: &mut Report) -> Option<Node> {
    if bytes.len() > MAX_FILE_SIZE {
        let file = report.add_file(name, "");
        report
            .error(Place::whole(file), format!("the file has {} bytes, more than {MAX_FILE_SIZE}", bytes.len()))
            .hint("split it, or move parts of it into other files");
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or_default();
            let file = report.add_file(name, good);
            let (line, column) = position(good);
            report.error(Place::point(file, line, column), "the file is not UTF-8").hint("save it as UTF-8");
            return None;
        }
    };
    let file = report.add_file(name, text);
    check_characters(text, file, report)?;
    Builder::new(file, position(text), report).run(text)
}

/// The parser takes NUL for the end of the file, and a reviewer cannot see what is invisible: both could hide settings.
fn check_characters(text: &str, file: FileId, report: &mut Report) -> Option<()> {
    let bad = |c: char| (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')) || is_direction_control(c);
    let Some((offset, found)) = text.char_indices().find(|&(_, c)| bad(c)) else {
        return Some(());
    };
    let (line, column) = position(text.get(..offset).unwrap_or_default());
    report
        .error(Place::point(file, line, column), format!("the character U+{:04X} may not stand in a file", u32::from(found)))
        .hint("remove it, or write it as an escape in double quotes");
    None
}

/// Line and column behind `text`.
fn position(text: &str) -> (usize, usize) {
    let (count, last) = super::report::lines(text).fold((0, ""), |(count, _), line| (count + 1, line));
    (count, last.chars().count() + 1)
}

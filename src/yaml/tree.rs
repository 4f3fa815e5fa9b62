//! One file as a tree in which every value knows its place.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};
use zeroize::Zeroizing;

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
    Builder { file, end: position(text), report, open: Vec::new(), nodes: 0, root: None }.run(text)
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

/// Builds the tree from events; lists and mappings that are not finished yet stand on a stack, never in recursion.
struct Builder<'r> {
    file: FileId,
    /// Line and column behind the last character.
    end: (usize, usize),
    report: &'r mut Report,
    open: Vec<Open>,
    nodes: usize,
    root: Option<Node>,
}

enum Open {
    Mapping { place: Place, entries: Vec<Entry>, key: Option<PendingKey>, seen: HashMap<String, Place> },
    Sequence { place: Place, items: Vec<Node> },
}

/// A key whose value has not come yet; `None` when the key was refused and its value goes nowhere.
struct PendingKey {
    place: Place,
    text: Option<String>,
}

/// Reported; there is no going on in this file.
struct Stop;

impl Builder<'_> {
    fn run(mut self, text: &str) -> Option<Node> {
        let mut parser = Parser::new_from_str(text);
        let mut documents = 0;
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(found) => found,
                Err(error) => {
                    self.syntax(&error, text);
                    return None;
                }
            };
            let place = self.place(span);
            if matches!(event, Event::DocumentStart(_)) {
                documents += 1;
                if documents > 1 {
                    self.report
                        .error(place, "a second document starts here")
                        .hint("one file holds one document: remove the `---`, or make it a file of its own");
                    break;
                }
            }
            if self.event(event, place).is_err() {
                return None;
            }
        }
        if self.root.is_none() {
            self.report.error(Place::whole(self.file), "the file is empty").hint("it needs at least `version: 1`");
        }
        self.root
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
            Event::Alias(_) => {
                self.refuse_alias(place);
                self.attach(Node { place, value: Value::Refused })?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = self.refuse_marks(place, anchor, tag.is_some());
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let value = if tagged {
                    Value::Refused
                } else {
                    Value::Scalar(Scalar { text: Zeroizing::new(text.into_owned()), style, written: None, unknown: false })
                };
                self.attach(Node { place, value })?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_marks(place, anchor, tag.is_some());
                let place = self.container_place(place);
                self.open(Open::Sequence { place, items: Vec::new() }, place)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_marks(place, anchor, tag.is_some());
                let place = self.container_place(place);
                self.open(Open::Mapping { place, entries: Vec::new(), key: None, seen: HashMap::new() }, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::Mapping { place, entries, .. }) => self.attach(Node { place, value: Value::Mapping(entries) })?,
                Some(Open::Sequence { place, items }) => self.attach(Node { place, value: Value::Sequence(items) })?,
                None => {}
            },
        }
        Ok(())
    }

    fn open(&mut self, open: Open, place: Place) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            self.report
                .error(place, format!("this is nested deeper than {MAX_DEPTH} levels"))
                .hint("nothing in the contract is nested that deep");
            return Err(Stop);
        }
        self.open.push(open);
        Ok(())
    }

    fn attach(&mut self, node: Node) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.report.error(node.place, format!("the file holds more than {MAX_NODES} values")).hint("split it");
            return Err(Stop);
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, key, seen, .. }) => match key.take() {
                None => *key = Some(pending_key(node, seen, self.report)),
                Some(PendingKey { text: Some(text), place }) => entries.push(Entry { key: Key { text, place }, value: node }),
                Some(PendingKey { text: None, .. }) => {}
            },
        }
        Ok(())
    }

    /// A block mapping or list starts wherever its first key or dash stands, which tells nobody anything; its key does.
    fn container_place(&self, place: Place) -> Place {
        match self.open.last() {
            Some(Open::Mapping { key: Some(key), .. }) if place.line > key.place.line => key.place,
            Some(Open::Mapping { .. } | Open::Sequence { .. }) | None => place,
        }
    }

    fn refuse_alias(&mut self, place: Place) {
        self.report
            .error(place, "an alias stands where a value is expected")
            .hint("write the value itself; text that starts with `*` must be quoted");
    }

    /// Whether there was a tag, which makes the value unreadable: `when: !has(x)` is not the text `!has(x)`.
    fn refuse_marks(&mut self, place: Place, anchor: usize, tagged: bool) -> bool {
        // The parser does not say where the mark stands, and an empty value behind it is placed on the next line.
        let place = match self.open.last() {
            Some(Open::Mapping { key: Some(key), .. }) => key.place,
            Some(Open::Mapping { .. } | Open::Sequence { .. }) | None => place,
        };
        if anchor != 0 {
            self.report
                .error(place, "an anchor stands before this value")
                .hint("anchors and aliases are not read; text that starts with `&` must be quoted");
        }
        if tagged {
            self.report
                .error(place, "a tag stands before this value")
                .hint("tags are not read; text that starts with `!` must be quoted");
        }
        tagged
    }

    fn syntax(&mut self, error: &ScanError, text: &str) {
        let (line, column) = self.inside(error.marker());
        // The parser resolves aliases itself and knows them only by their missing anchors.
        if error.info().contains("unknown anchor") || starts_with_star(text, line, column) {
            self.refuse_alias(Place::point(self.file, line, column));
            return;
        }
        let message = format!("this is not YAML: {}", error.info().trim_end_matches('.').to_lowercase());
        let hint = if error.info().contains("mapping values are not allowed") {
            "check the indentation; text that holds `: ` must be quoted"
        } else if error.info().contains("tab") {
            "indent with spaces"
        } else {
            "check the indentation, quotes and brackets here and just above"
        };
        self.report.error(Place::point(self.file, line, column), message).hint(hint);
    }

    fn place(&self, span: Span) -> Place {
        let ((line, column), (end_line, end_column)) = (self.inside(&span.start), self.inside(&span.end));
        Place { file: self.file, line, column, end_line, end_column }
    }

    /// The parser puts the end of a file that has no newline at its end on a line that is not there.
    fn inside(&self, marker: &Marker) -> (usize, usize) {
        (marker.line().max(1), marker.col() + 1).min(self.end)
    }
}

/// `servers: [*]`: by far the most likely alias, and one that the parser calls by other names.
fn starts_with_star(text: &str, line: usize, column: usize) -> bool {
    let Some(line) = super::report::lines(text).nth(line.saturating_sub(1)) else {
        return false;
    };
    let before = line.chars().take(column).collect::<String>();
    before.trim_end().ends_with(['*']) && !before.contains(['"', '\'', '#'])
}

fn pending_key(node: Node, seen: &mut HashMap<String, Place>, report: &mut Report) -> PendingKey {
    let place = node.place;
    let text = match node.value {
        Value::Scalar(scalar) if scalar.is_null() => {
            report.error(place, "a key is missing before this `:`").hint("every entry is written `key: value`");
            None
        }
        Value::Scalar(scalar) if scalar.style == Style::Plain && *scalar.text == "<<" => {
            report.error(place, "merge keys are not read").hint("write the entries themselves");
            None
        }
        Value::Scalar(scalar) => Some(scalar.text.to_string()),
        Value::Mapping(_) | Value::Sequence(_) => {
            report.error(place, "a key must be text").hint("text that starts with `{` or `[` must be quoted");
            None
        }
        Value::Refused => None,
    };
    if let Some(text) = &text {
        if let Some(&first) = seen.get(text) {
            let first = report.locate(first);
            report.error(place, format!("the key {} is given twice", quoted(text))).hint(format!("first at {first}"));
        } else {
            seen.insert(text.clone(), place);
        }
    }
    PendingKey { place, text }
}

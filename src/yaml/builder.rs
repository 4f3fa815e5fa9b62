//! The tree of a file, from what the parser of YAML tells of it.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};
use zeroize::Zeroizing;

use super::report::{FileId, Place, Report, lines, quoted};
use super::tree::{Entry, Key, MAX_DEPTH, MAX_NODES, Node, Scalar, Style, Value};

/// What is built. Lists and mappings that are not finished yet stand on a stack, never in recursion.
pub(super) struct Builder<'r> {
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

impl<'r> Builder<'r> {
    /// Of a file whose last character stands before `end`.
    pub(super) fn new(file: FileId, end: (usize, usize), report: &'r mut Report) -> Self {
        Self { file, end, report, open: Vec::new(), nodes: 0, root: None }
    }

    pub(super) fn run(mut self, text: &str) -> Option<Node> {
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
    let Some(line) = lines(text).nth(line.saturating_sub(1)) else {
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

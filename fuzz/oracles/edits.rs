//! Edits of a message: the result is strict JSON again, means what the edits say, and is the same bytes where nothing was edited.
//!
//! An input is a JSON text, a zero byte (which no JSON text holds), and steps of five bytes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use yett::protocol::json::{Document, Edits, Kind, Limits, NodeId, ParseError, RawJson, Value};

/// More steps than this only take time.
const MAX_STEPS: usize = 24;
/// Larger documents only take time.
const MAX_NODES: usize = 3000;
/// What takes the place of texts and values.
pub const REPLACEMENT: &str = "<\"\n\u{1}é>";

/// The oracle.
pub fn check(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (text, program) = input.split_at(end);
    let Ok(document) = Document::parse(Bytes::copy_from_slice(text), Limits::default()) else { return };
    if document.len_nodes() > MAX_NODES {
        return;
    }
    let steps: Vec<Step> = program.get(1..).unwrap_or_default().chunks_exact(5).take(MAX_STEPS).map(Step::of).collect();
    let plan = Plan::of(&document, &steps);
    if plan.is_contested(&document) {
        return;
    }
    let edits = plan.edits(&document, 0);
    let bytes = edits.apply(&document);
    assert_eq!(bytes, plan.edits(&document, 0x9E37_79B9_7F4A_7C15).apply(&document), "the order of recording shows");
    assert_eq!(document.bytes(), text, "the original changed");
    match Document::parse(bytes, Limits { depth: 66, ..Limits::default() }) {
        Ok(result) => {
            assert!(!edits.would_duplicate(&document));
            assert_eq!(read(result.root()), plan.expected(document.root()));
            plan.assert_untouched(document.root(), result.root());
        }
        Err(error) => {
            assert!(matches!(error, ParseError::DuplicateKey { .. }), "the result is broken: {error}");
            assert!(edits.would_duplicate(&document), "a duplicate that `would_duplicate` does not see");
        }
    }
}

/// A value, numbers as they are written and members in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    Array(Vec<Model>),
    Literal(&'static str),
    Number(String),
    Object(Vec<(String, Model)>),
    String(String),
}

/// What a value says, without its bytes.
pub fn read(value: Value<'_>) -> Model {
    match value.kind() {
        Kind::Array => Model::Array(value.items().map(read).collect()),
        Kind::Bool => Model::Literal(if value.as_bool() == Some(true) { "true" } else { "false" }),
        Kind::Null => Model::Literal("null"),
        Kind::Number => Model::Number(value.raw().to_owned()),
        Kind::Object => Model::Object(value.members().map(|(key, value)| (string(key), read(value))).collect()),
        Kind::String => Model::String(string(value)),
    }
}

fn string(value: Value<'_>) -> String {
    value.as_str().unwrap().to_owned()
}

/// What one recorded edit does; places are taken modulo what the document has.
#[derive(Clone, Debug)]
pub enum Step {
    Replace(usize),
    Retain(usize, usize),
    Set(usize, String),
    Text(usize, usize, usize),
}

impl Step {
    fn of(bytes: &[u8]) -> Self {
        const KEYS: [&str; 8] = ["", "a", "name", "text", "/", "\n", "é", "\u{1f600}"];
        let [kind, high, low, one, two] = [0, 1, 2, 3, 4].map(|at| usize::from(bytes[at]));
        let place = high << 8 | low;
        match kind % 5 {
            0 => Self::Replace(place),
            1 => Self::Retain(place, one % 4 + 1),
            2 => Self::Set(place, KEYS[one % KEYS.len()].to_owned()),
            _ => Self::Text(place, one, two % 32),
        }
    }
}

/// The values of `document` (no keys), in order, each with the container that holds it.
fn values(document: &Document) -> Vec<(NodeId, Option<NodeId>)> {
    fn below(value: Value<'_>, parent: Option<NodeId>, found: &mut Vec<(NodeId, Option<NodeId>)>) {
        found.push((value.id(), parent));
        children(value).for_each(|child| below(child, Some(value.id()), found));
    }
    let mut found = Vec::new();
    below(document.root(), None, &mut found);
    found
}

fn children(value: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    value.items().chain(value.members().map(|(_, value)| value))
}

/// What a set of edits means for values, said without bytes.
#[derive(Default)]
pub struct Plan {
    replaced: BTreeSet<NodeId>,
    removed: BTreeSet<NodeId>,
    set: BTreeMap<NodeId, BTreeSet<String>>,
    /// At most one range of each text.
    texts: BTreeMap<NodeId, (usize, usize)>,
}

impl Plan {
    pub fn of(document: &Document, steps: &[Step]) -> Self {
        let values = values(document);
        let texts: Vec<_> = document.root().texts().collect();
        let at = |place: usize| document.value(values[place % values.len()].0);
        let mut plan = Self::default();
        for step in steps {
            match step {
                Step::Replace(place) => drop(plan.replaced.insert(at(*place).id())),
                Step::Retain(place, modulus) => {
                    let removed = children(at(*place)).enumerate().filter(|(at, _)| at % modulus == 0);
                    plan.removed.extend(removed.map(|(_, child)| child.id()));
                }
                Step::Set(place, key) => drop(plan.set.entry(at(*place).id()).or_default().insert(key.clone())),
                Step::Text(place, start, length) if !texts.is_empty() => {
                    let text = texts[place % texts.len()];
                    let start = text.text.floor_char_boundary(*start);
                    plan.texts.entry(text.id).or_insert((start, text.text.ceil_char_boundary(start + length)));
                }
                Step::Text(..) => {}
            }
        }
        plan
    }

    /// The edits of the plan, in an order that `order` decides.
    pub fn edits(&self, document: &Document, order: u64) -> Edits {
        type Recording<'a> = Box<dyn Fn(&mut Edits) + 'a>;
        let parents: BTreeMap<NodeId, Option<NodeId>> = values(document).into_iter().collect();
        let mut list: Vec<Recording<'_>> = Vec::new();
        for &id in &self.replaced {
            list.push(Box::new(move |edits| edits.replace(document, id, RawJson::string(REPLACEMENT))));
        }
        for &id in &self.removed {
            let parent = parents[&id].unwrap();
            list.push(Box::new(move |edits| edits.retain(document, parent, |child| child.id() != id)));
        }
        for (&id, keys) in &self.set {
            for key in keys.iter().filter(|_| document.value(id).kind() == Kind::Object) {
                list.push(Box::new(move |edits| edits.set_member(document, id, key, RawJson::integer(7))));
            }
        }
        for (&id, &(start, end)) in &self.texts {
            list.push(Box::new(move |edits| edits.replace_text(document, id, start..end, REPLACEMENT)));
        }
        let mut edits = Edits::default();
        let mut seed = order;
        while !list.is_empty() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let next = usize::try_from(seed >> 33).unwrap() % list.len();
            list.swap_remove(next)(&mut edits);
        }
        edits
    }

    /// What the edited document says.
    pub fn expected(&self, value: Value<'_>) -> Model {
        if self.replaced.contains(&value.id()) {
            return Model::String(REPLACEMENT.to_owned());
        }
        match value.kind() {
            Kind::Array => Model::Array(self.kept(value).map(|item| self.expected(item)).collect()),
            Kind::Object => {
                let set = self.set.get(&value.id()).cloned().unwrap_or_default();
                let new =
                    set.iter().filter(|key| value.get(key).is_none()).map(|key| (key.clone(), Model::Number("7".to_owned())));
                let old = value.members().filter(|(_, value)| self.keeps(*value)).map(|(key, value)| {
                    let name = string(key);
                    let is_set = set.contains(&name) && !self.replaced.contains(&value.id());
                    let value = if is_set { Model::Number("7".to_owned()) } else { self.expected(value) };
                    (self.text(key.id(), &name).unwrap_or(name), value)
                });
                Model::Object(new.chain(old).collect())
            }
            Kind::Number => self.text(value.id(), value.raw()).map_or_else(|| read(value), Model::String),
            Kind::String => Model::String(self.text(value.id(), &string(value)).unwrap_or_else(|| string(value))),
            Kind::Bool | Kind::Null => read(value),
        }
    }

    /// Whether one member is both replaced and set: two whole values, of which the later counts.
    pub fn is_contested(&self, document: &Document) -> bool {
        self.set.iter().any(|(&id, keys)| {
            let members = document.value(id).members();
            members.into_iter().any(|(key, value)| keys.contains(&string(key)) && self.replaced.contains(&value.id()))
        })
    }

    fn text(&self, id: NodeId, text: &str) -> Option<String> {
        let (start, end) = self.texts.get(&id)?;
        Some(format!("{}{REPLACEMENT}{}", text.get(..*start)?, text.get(*end..)?))
    }

    fn keeps(&self, value: Value<'_>) -> bool {
        !self.removed.contains(&value.id())
    }

    fn kept<'d>(&self, container: Value<'d>) -> impl Iterator<Item = Value<'d>> {
        children(container).filter(|child| self.keeps(*child))
    }

    /// Where no edit is, `after` has the bytes of `before`: of values and keys always, of the space between them where
    /// nothing was removed or inserted.
    pub fn assert_untouched(&self, before: Value<'_>, after: Value<'_>) {
        if self.replaced.contains(&before.id()) {
            return;
        }
        match before.kind() {
            Kind::Array | Kind::Object => self.assert_untouched_content(before, after),
            Kind::String => self.assert_untouched_string(before, after),
            Kind::Bool | Kind::Null | Kind::Number if self.texts.contains_key(&before.id()) => {}
            Kind::Bool | Kind::Null | Kind::Number => assert_eq!(before.raw(), after.raw()),
        }
    }

    fn assert_untouched_content(&self, before: Value<'_>, after: Value<'_>) {
        let set = self.set.get(&before.id()).filter(|_| before.kind() == Kind::Object);
        let is_set = |key: Option<Value<'_>>| set.is_some_and(|set| key.is_some_and(|key| set.contains(key.as_str().unwrap())));
        let inserted = set.map_or(0, |set| set.iter().filter(|key| before.get(key).is_none()).count());
        let (kept, left): (Vec<_>, Vec<_>) = (self.kept(before).collect(), children(after).skip(inserted).collect());
        assert_eq!(kept.len(), left.len());
        for (before, after) in kept.iter().zip(&left) {
            if let (Some(before), Some(after)) = (before.key(), after.key()) {
                self.assert_untouched_string(before, after);
            }
            if !is_set(before.key()) {
                self.assert_untouched(*before, *after);
            }
        }
        if inserted == 0 && children(before).all(|child| self.keeps(child)) {
            assert_eq!(between(before), between(after));
        }
    }

    fn assert_untouched_string(&self, before: Value<'_>, after: Value<'_>) {
        let Some(&(start, end)) = self.texts.get(&before.id()) else {
            return assert_eq!(before.raw(), after.raw());
        };
        let (head, tail) = (raw_length(before.raw(), start), raw_length(before.raw(), end));
        assert!(after.raw().starts_with(&before.raw()[..head]), "before an edited part of {:?}", before.raw());
        assert!(after.raw().ends_with(&before.raw()[tail..]), "behind an edited part of {:?}", before.raw());
        let middle = &after.raw()[head..after.raw().len() - (before.raw().len() - tail)];
        assert_eq!(format!("\"{middle}\""), RawJson::string(REPLACEMENT).as_str());
    }
}

/// What stands around and between the keys and values of a container.
fn between(container: Value<'_>) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (raw, start) = (container.raw(), container.span().start);
    let mut at = 0;
    for child in children(container) {
        for part in child.key().into_iter().chain([child]) {
            pieces.push(&raw[at..part.span().start - start]);
            at = part.span().end - start;
        }
    }
    pieces.push(&raw[at..]);
    pieces
}

/// How many bytes of a string as written, its quote included, stand for its first `decoded` bytes.
fn raw_length(raw: &str, decoded: usize) -> usize {
    let mut rest = &raw[1..];
    let mut seen = 0;
    while seen < decoded {
        let first = rest.chars().next().unwrap();
        let (bytes, text) = match (first, rest.as_bytes()) {
            ('\\', [_, b'u', ..]) => {
                let unit = |at: usize| u32::from_str_radix(&rest[at..at + 4], 16).unwrap();
                match char::from_u32(unit(2)) {
                    Some(character) => (6, character.len_utf8()),
                    None => (12, 4),
                }
            }
            ('\\', _) => (2, 1),
            _ => (first.len_utf8(), first.len_utf8()),
        };
        rest = &rest[bytes..];
        seen += text;
    }
    raw.len() - rest.len()
}

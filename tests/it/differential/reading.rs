//! What a reader makes of a message, in a form that can be compared.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::Value as Json;
use yett::protocol::json::{Kind, Limits, Value};
use yett::protocol::{Message, Side};

/// A text as UTF-16 units in hexadecimal: some readers hold what is no Unicode text.
type Units = String;

/// What decides, and the whole value where the reader has one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) method: Option<Units>,
    pub(super) id: Option<Tree>,
    pub(super) name: Option<Units>,
    pub(super) uri: Option<Units>,
    pub(super) tree: Option<Tree>,
    /// The reader holds of a message only what its type has: a `uri` beside the `name` of a tool is nothing to it.
    pub(super) typed: bool,
}

/// A value, typed; members sorted, since order has no meaning and Node changes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Array(Vec<Tree>),
    Bool(bool),
    Double(f64),
    /// As it is written, where the reader holds all digits.
    Digits(String),
    Null,
    Object(Vec<(Units, Tree)>),
    String(Units),
}

impl Reading {
    /// Whether somebody else read the same; otherwise what.
    pub(super) fn compare(&self, theirs: &Self) -> Result<(), String> {
        let typed = theirs.typed;
        if self.method != theirs.method {
            return Err(format!("the method {:?}", theirs.method));
        }
        if self.id != theirs.id {
            return Err(format!("the id {:?} for {:?}", theirs.id, self.id));
        }
        let same = |ours: &Option<Units>, theirs: &Option<Units>| ours == theirs || (theirs.is_none() && typed);
        if !same(&self.name, &theirs.name) || !same(&self.uri, &theirs.uri) {
            return Err(format!("the target {:?} {:?}", theirs.name, theirs.uri));
        }
        match (&self.tree, &theirs.tree) {
            (Some(ours), Some(theirs)) => ours.compare(theirs),
            _ => Ok(()),
        }
    }

    /// As [`Reading::compare`], of two readers that may both round.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        self.compare(other).is_err() && other.compare(self).is_err()
    }

    pub(super) fn is_infinite(&self) -> bool {
        self.tree.as_ref().is_some_and(Tree::is_infinite)
    }
}

impl Tree {
    fn compare(&self, theirs: &Self) -> Result<(), String> {
        match (self, theirs) {
            (Self::Array(ours), Self::Array(theirs)) if ours.len() == theirs.len() => {
                ours.iter().zip(theirs).try_for_each(|(ours, theirs)| ours.compare(theirs))
            }
            (Self::Object(ours), Self::Object(theirs)) if ours.len() == theirs.len() => {
                ours.iter().zip(theirs).try_for_each(|((key, ours), (name, theirs))| {
                    if key == name { ours.compare(theirs) } else { Err(format!("the key {name} for {key}")) }
                })
            }
            (Self::Digits(ours), Self::Digits(theirs)) if same_digits(ours, theirs) => Ok(()),
            (Self::Digits(ours), Self::Double(theirs)) => same_double(ours.parse().unwrap(), *theirs),
            (Self::Double(ours), Self::Double(theirs)) => same_double(*ours, *theirs),
            (ours, theirs) if ours == theirs => Ok(()),
            (ours, theirs) => Err(format!("{theirs:?} for {ours:?}")),
        }
    }

    fn is_infinite(&self) -> bool {
        match self {
            Self::Array(items) => items.iter().any(Self::is_infinite),
            Self::Double(number) => !number.is_finite(),
            Self::Object(members) => members.iter().any(|(_, value)| value.is_infinite()),
            Self::Bool(_) | Self::Digits(_) | Self::Null | Self::String(_) => false,
        }
    }
}

/// `-0` is 0 to those who read integers; where it could matter, in ids, it is refused.
fn same_digits(ours: &str, theirs: &str) -> bool {
    ours == theirs || (ours == "-0" && theirs == "0")
}

/// The next double, or its neighbour: `serde_json` may be off in the last place without its `float_roundtrip` feature.
fn same_double(ours: f64, theirs: f64) -> Result<(), String> {
    let near = ours.is_finite() && (ours - theirs).abs() <= ours.abs() * f64::EPSILON;
    if near { Ok(()) } else { Err(format!("the number {theirs:e} for {ours:e}")) }
}

/// Our reading, in whichever direction the message may go; `None` when it is refused in both.
pub(super) fn ours(body: &[u8]) -> Option<Reading> {
    // The limits of a listener.
    let limits = Limits { string: 1 << 20, ..Limits::default() };
    let message = Message::parse(Bytes::copy_from_slice(body), limits, Side::Server).ok()?;
    let text = |key: &str| message.param(key).and_then(Value::as_str).map(units);
    let id = message.id().map(|id| tree_of_json(&serde_json::from_str(id.as_json()).expect("an id is JSON")));
    let root = yett::protocol::json::Document::parse(message.original().clone(), limits).expect("it was read before");
    Some(Reading {
        method: message.method().map(units),
        id,
        name: text("name"),
        uri: text("uri"),
        tree: Some(tree_of(root.root())),
        typed: false,
    })
}

fn tree_of(value: Value<'_>) -> Tree {
    match value.kind() {
        Kind::Array => Tree::Array(value.items().map(tree_of).collect()),
        Kind::Bool => Tree::Bool(value.as_bool() == Some(true)),
        Kind::Null => Tree::Null,
        Kind::Number => Tree::Digits(value.raw().to_owned()),
        Kind::Object => object(value.members().map(|(key, value)| (units(key.as_str().unwrap_or_default()), tree_of(value)))),
        Kind::String => Tree::String(units(value.as_str().unwrap_or_default())),
    }
}

/// The tree of what `serde_json` holds.
pub(super) fn tree_of_json(value: &Json) -> Tree {
    match value {
        Json::Array(items) => Tree::Array(items.iter().map(tree_of_json).collect()),
        Json::Bool(truth) => Tree::Bool(*truth),
        Json::Null => Tree::Null,
        Json::Number(number) if number.is_f64() => Tree::Double(number.as_f64().unwrap()),
        Json::Number(number) => Tree::Digits(number.to_string()),
        Json::Object(members) => object(members.iter().map(|(key, value)| (units(key), tree_of_json(value)))),
        Json::String(text) => Tree::String(units(text)),
    }
}

/// The reading of an untyped reader that holds its messages as `serde_json` does.
pub(super) fn reading_of_json(value: &Json) -> Option<Reading> {
    let message = value.as_object()?;
    let text = |value: Option<&Json>| value.and_then(Json::as_str).map(units);
    let params = message.get("params");
    Some(Reading {
        method: text(message.get("method")),
        id: message.get("id").filter(|id| !id.is_null()).map(tree_of_json),
        name: text(params.and_then(|params| params.get("name"))),
        uri: text(params.and_then(|params| params.get("uri"))),
        tree: Some(tree_of_json(value)),
        typed: false,
    })
}

/// A reading as the scripts print it; `None` when the reader refused.
pub(super) fn reading_of_script(printed: &Json) -> Option<Reading> {
    if printed.get("refused").is_some() {
        return None;
    }
    let text = |key: &str| printed[key].as_str().map(str::to_owned);
    let tree = |key: &str| printed.get(key).filter(|value| !value.is_null()).map(tree_of_script);
    Some(Reading {
        method: text("method"),
        id: tree("id"),
        name: text("name"),
        uri: text("uri"),
        tree: tree("tree"),
        typed: false,
    })
}

fn tree_of_script(printed: &Json) -> Tree {
    let mut words = printed.as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let tree = tree_of_words(&mut words);
    assert_eq!(words.next(), None, "words behind a value");
    tree
}

fn tree_of_words(words: &mut dyn Iterator<Item = &str>) -> Tree {
    let (kind, rest) = words.next().expect("a value").split_at(1);
    match kind {
        "a" => Tree::Array((0..rest.parse().unwrap()).map(|_| tree_of_words(words)).collect()),
        "b" => Tree::Bool(rest == "1"),
        "f" => Tree::Double(f64::from_bits(u64::from_str_radix(rest, 16).unwrap())),
        "i" => Tree::Digits(rest.to_owned()),
        "o" => object((0..rest.parse().unwrap()).map(|_| {
            let key = words.next().and_then(|word| word.strip_prefix('k')).expect("a key");
            (key.to_owned(), tree_of_words(words))
        })),
        "s" => Tree::String(rest.to_owned()),
        "z" => Tree::Null,
        other => panic!("`{other}` is no kind of value"),
    }
}

fn object(members: impl Iterator<Item = (Units, Tree)>) -> Tree {
    let mut members: Vec<_> = members.collect();
    members.sort_by(|(one, _), (two, _)| one.cmp(two));
    Tree::Object(members)
}

fn units(text: &str) -> Units {
    text.encode_utf16().fold(String::new(), |mut hex, unit| {
        write!(hex, "{unit:04x}").unwrap();
        hex
    })
}

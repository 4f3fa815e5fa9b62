//! A second reading of JSON, by `serde_json`, that keeps the order of members and refuses a key that stands twice.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use yett::protocol::json::{Kind, Value};

/// A value as `serde_json` reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Array(Vec<Tree>),
    Bool(bool),
    /// Beyond what 64 bits hold, or not written as an integer.
    Float(f64),
    Null,
    Object(Vec<(String, Tree)>),
    Signed(i64),
    String(String),
    Unsigned(u64),
}

impl Tree {
    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Members of an object; nothing for other kinds.
    pub fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// Containers inside each other.
    pub fn depth(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether an object in it has that key.
    pub fn has_key(&self, wanted: &str) -> bool {
        match self {
            Self::Array(items) => items.iter().any(|item| item.has_key(wanted)),
            Self::Object(members) => members.iter().any(|(key, value)| key == wanted || value.has_key(wanted)),
            _ => false,
        }
    }

    /// Strings, numbers and keys in it, itself included.
    pub fn texts(&self) -> usize {
        match self {
            Self::Array(items) => items.iter().map(Self::texts).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| 1 + value.texts()).sum(),
            Self::Bool(_) | Self::Null => 0,
            Self::Float(_) | Self::Signed(_) | Self::String(_) | Self::Unsigned(_) => 1,
        }
    }
}

/// Our reading says what the other one says: kinds, order, every key, every string, and numbers as far as the other keeps them.
pub fn assert_same(ours: Value<'_>, theirs: &Tree) {
    match (ours.kind(), theirs) {
        (Kind::Array, Tree::Array(items)) => {
            let read: Vec<_> = ours.items().collect();
            assert_eq!(read.len(), items.len(), "elements of an array");
            read.into_iter().zip(items).for_each(|(ours, theirs)| assert_same(ours, theirs));
        }
        (Kind::Bool, Tree::Bool(truth)) => assert_eq!(ours.as_bool(), Some(*truth)),
        (Kind::Null, Tree::Null) => assert!(ours.is_null()),
        (Kind::Number, Tree::Signed(number)) => assert_eq!(ours.as_i64(), Some(*number), "{}", ours.raw()),
        (Kind::Number, Tree::Unsigned(number)) => assert_eq!(ours.raw(), number.to_string()),
        (Kind::Number, Tree::Float(number)) => {
            assert_eq!(ours.as_i64(), None, "{} is no integer to the other reader", ours.raw());
            let exact: f64 = ours.raw().parse().unwrap();
            // Without its `float_roundtrip` feature serde_json may be off in the last place.
            assert!(exact.is_finite() && (exact - number).abs() <= exact.abs() * 1e-15, "{} is {number}", ours.raw());
        }
        (Kind::Object, Tree::Object(members)) => {
            let read: Vec<_> = ours.members().collect();
            assert_eq!(read.len(), members.len(), "members of an object");
            for ((key, value), (name, theirs)) in read.into_iter().zip(members) {
                assert_eq!(key.as_str(), Some(name.as_str()));
                assert_eq!(ours.get(name).map(Value::id), Some(value.id()), "a key is found where it stands");
                assert_same(value, theirs);
            }
        }
        (Kind::String, Tree::String(text)) => assert_eq!(ours.as_str(), Some(text.as_str())),
        (kind, theirs) => panic!("{kind:?} is {theirs:?} to the other reader"),
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::Unsigned(value), Tree::Signed))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Tree::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut seen = BTreeSet::new();
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Tree>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom("a key stands twice"));
            }
            members.push((key, value));
        }
        Ok(Tree::Object(members))
    }
}

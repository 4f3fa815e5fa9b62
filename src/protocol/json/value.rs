//! Cursors: how layers read a document.

use std::fmt;
use std::iter;
use std::ops::Range;

use super::document::{Document, Node, NodeId};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `[...]`
    Array,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
    /// A number, of which only the digits are known.
    Number,
    /// `{...}`
    Object,
    /// `"..."`; a key too.
    String,
}

/// One value or key of a document, as the peer wrote it. Copying it is free.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    document: &'a Document,
    id: NodeId,
}

/// Where in a message a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// The key of a member.
    Key,
    /// A number's digits: a card number may be one.
    Number,
    /// A string.
    String,
}

/// A text that a peer wrote, decoded.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// Where it stands; what edits take.
    pub id: NodeId,
    /// As what it stands there.
    pub site: Site,
    /// The text itself.
    pub text: &'a str,
}

impl<'a> Value<'a> {
    pub(super) fn new(document: &'a Document, id: NodeId) -> Self {
        Self { document, id }
    }

    /// Its place, to find it again or to edit it.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Where it stands in [`Document::bytes`], quotes and brackets included.
    pub fn span(self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// Its bytes as the peer wrote them.
    pub fn raw(self) -> &'a str {
        self.document.raw(self.node())
    }

    /// The decoded text of a string or key. Borrowed from the message where it holds no escapes.
    pub fn as_str(self) -> Option<&'a str> {
        (self.kind() == Kind::String).then(|| self.document.decoded_str(self.id))
    }

    /// The value of `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw() == "true")
    }

    /// A number that is written as an integer and fits. `None` for `1.0`, `1e2` and `-0`, which readers do not agree on.
    pub fn as_i64(self) -> Option<i64> {
        let raw = if self.kind() == Kind::Number {
            self.raw()
        } else {
            return None;
        };
        raw.parse().ok().filter(|_| raw != "-0")
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Whether it is a string or key that is written with escapes.
    pub fn is_escaped(self) -> bool {
        self.node().escaped
    }

    /// Whether it is a key.
    pub fn is_key(self) -> bool {
        self.node().key
    }

    /// The key of a value that is a member of an object; `None` for elements, for keys and for the root.
    pub fn key(self) -> Option<Value<'a>> {
        let before = Self::new(self.document, NodeId(self.id.0.checked_sub(1)?));
        before.is_key().then_some(before)
    }

    /// The member of an object by its decoded key. Takes time in the number of members.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        let found = self.members().find(|(name, _)| self.document.decoded_str(name.id) == key);
        found.map(|(_, value)| value)
    }

    /// The value at the end of a path of keys.
    pub fn path(self, keys: &[&str]) -> Option<Value<'a>> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Keys and values of an object, in the order they are written; nothing for other kinds.
    pub fn members(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut ids = self.content(Kind::Object);
        iter::from_fn(move || {
            let key = Self::new(self.document, NodeId(ids.next()?));
            let value = Self::new(self.document, NodeId(ids.start));
            ids.start = value.after();
            Some((key, value))
        })
    }

    /// Elements of an array, in order; nothing for other kinds.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        let mut ids = self.content(Kind::Array);
        iter::from_fn(move || {
            let value = Self::new(self.document, NodeId(ids.clone().next()?));
            ids.start = value.after();
            Some(value)
        })
    }

    /// Every text in the value, itself included: strings, keys and the digits of numbers, in the order they are written.
    /// Neither recurses nor allocates.
    pub fn texts(self) -> impl Iterator<Item = Text<'a>> {
        let document = self.document;
        let ids = self.id.0..self.after();
        ids.filter_map(move |id| {
            let id = NodeId(id);
            let node = document.node(id);
            let (site, text) = match node.kind {
                Kind::String if node.key => (Site::Key, document.decoded_str(id)),
                Kind::String => (Site::String, document.decoded_str(id)),
                Kind::Number => (Site::Number, document.raw(node)),
                Kind::Array | Kind::Bool | Kind::Null | Kind::Object => return None,
            };
            Some(Text { id, site, text })
        })
    }

    fn node(self) -> Node {
        self.document.node(self.id)
    }

    /// The id after the value and all it contains.
    fn after(self) -> u32 {
        let node = self.node();
        match node.kind {
            // Rises even where an id of another document is used, so that no loop over ids can stand still.
            Kind::Array | Kind::Object => node.link.max(self.id.0 + 1),
            Kind::Bool | Kind::Null | Kind::Number | Kind::String => self.id.0 + 1,
        }
    }

    fn content(self, kind: Kind) -> Range<u32> {
        if self.kind() == kind { self.id.0 + 1..self.after() } else { 0..0 }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: places and sizes only, as for `Document`.
        f.debug_struct("Value").field("id", &self.id).field("kind", &self.kind()).field("span", &self.span()).finish()
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("id", &self.id).field("site", &self.site).field("len", &self.text.len()).finish()
    }
}

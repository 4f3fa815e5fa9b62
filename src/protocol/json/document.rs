//! Bytes that were accepted, and the index into them.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use super::value::{Kind, Value};
use super::{Limits, ParseError, Parser};

/// One JSON text: its bytes as they came, and where in them every value is.
///
/// A document is what the strict parser accepted, and cannot be made otherwise or changed. Memory is at most the bytes, 16
/// bytes for every value and key, and the decoded form of the strings that hold escapes.
pub struct Document {
    /// Asked once whether it is UTF-8, and not for every text again.
    text: ByteString,
    index: Index,
}

/// A place in one document, in document order: a container is below its content, a key one below its value.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub(super) u32);

impl Document {
    /// Parses `bytes` strictly, all of them; see the module's promises. Allocates a few buffers, not one per value.
    pub fn parse(bytes: Bytes, limits: Limits) -> Result<Self, ParseError> {
        Parser::new().parse(bytes, limits)
    }

    pub(super) fn new(text: ByteString, index: Index) -> Self {
        Self { text, index }
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &Bytes {
        self.text.as_bytes()
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        self.value(NodeId(0))
    }

    /// The value or key at `id`, which must come from this document. An id of another one gives some value of this one, or
    /// an empty null; it never panics.
    pub fn value(&self, id: NodeId) -> Value<'_> {
        Value::new(self, id)
    }

    /// How many values and keys there are.
    pub fn len_nodes(&self) -> usize {
        self.index.nodes.len()
    }

    pub(super) fn node(&self, id: NodeId) -> Node {
        self.index.node(id.0)
    }

    /// The decoded text of a string or key; of anything else, nothing.
    pub(super) fn decoded_str(&self, id: NodeId) -> &str {
        let node = self.node(id);
        if node.escaped {
            return self.index.arena.get(self.index.arena_range(node.link)).unwrap_or_default();
        }
        // INVARIANT: every span starts and ends at ASCII bytes of the text, so the fallback is never taken.
        let inside = node.start as usize + 1..(node.end as usize).saturating_sub(1);
        self.text.get(inside).filter(|_| node.kind == Kind::String).unwrap_or_default()
    }

    pub(super) fn raw(&self, node: Node) -> &str {
        self.text.get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    pub(super) fn into_index(self) -> Index {
        self.index
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: sizes only; a document in a log line would be the leak the gateway is there to stop.
        f.debug_struct("Document").field("bytes", &self.text.len()).field("nodes", &self.len_nodes()).finish_non_exhaustive()
    }
}

/// One value or key.
#[derive(Clone, Copy)]
pub(super) struct Node {
    /// First byte of the value, its quote included.
    pub(super) start: u32,
    /// Byte after the value.
    pub(super) end: u32,
    /// Containers: the id after their content. Escaped strings: their place in `arena_ends`.
    pub(super) link: u32,
    pub(super) kind: Kind,
    pub(super) key: bool,
    pub(super) escaped: bool,
}

impl Node {
    /// Stands for a node of another document.
    const MISSING: Self = Self { start: 0, end: 0, link: 0, kind: Kind::Null, key: false, escaped: false };
}

/// What the parser writes.
#[derive(Default)]
pub(super) struct Index {
    pub(super) nodes: Vec<Node>,
    /// The decoded strings that hold escapes, one after the other.
    pub(super) arena: String,
    /// Where in `arena` each of them ends; it starts where the one before ends.
    pub(super) arena_ends: Vec<u32>,
}

impl Index {
    /// Empties the index and makes room for a text of `length` bytes.
    pub(super) fn reset(&mut self, length: usize, limits: Limits) {
        self.nodes.clear();
        self.arena.clear();
        self.arena_ends.clear();
        // Dense messages (a list of tools) have a value or key every 13 bytes or so; a text result far fewer, and memory
        // that is not touched costs little.
        let expected = length / 12 + 8;
        self.nodes.reserve(expected.min(limits.nodes as usize));
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.arena.capacity() + self.arena_ends.capacity() * size_of::<u32>()
    }

    #[inline]
    pub(super) fn node(&self, id: u32) -> Node {
        self.nodes.get(id as usize).copied().unwrap_or(Node::MISSING)
    }

    /// The decoded bytes of the string or key `id` of the text `bytes`.
    #[inline]
    pub(super) fn decoded<'a>(&'a self, bytes: &'a [u8], id: u32) -> &'a [u8] {
        let node = self.node(id);
        if node.escaped {
            return self.arena.as_bytes().get(self.arena_range(node.link)).unwrap_or_default();
        }
        if node.kind != Kind::String {
            return &[];
        }
        bytes.get(node.start as usize + 1..node.end as usize - 1).unwrap_or_default()
    }

    fn arena_range(&self, place: u32) -> std::ops::Range<usize> {
        let end = |place: usize| self.arena_ends.get(place).map_or(0, |&end| end as usize);
        let place = place as usize;
        place.checked_sub(1).map_or(0, end)..end(place)
    }
}

/// An offset or count of a text, which the parser has limited to 4 GiB.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the parser refuses texts that are longer than `u32::MAX`")]
pub(super) const fn narrow(offset: usize) -> u32 {
    offset as u32
}

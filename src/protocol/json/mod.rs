//! The message core: one strict parser, an index into the bytes it accepted, and edits spliced back into them.
//!
//! Passes through: the bytes of one JSON text. Guarantees: a [`Document`] holds exactly the bytes it was made from, and every
//! reader that follows RFC 8259 reads the same values from them, because whatever readers are known to disagree on is refused
//! (SECURITY.md 4.2: duplicate keys, lone surrogates, byte order marks, infinite numbers, `__proto__`, ...). Memory is linear in the input,
//! and so is time but for sorting the keys of large objects; nothing recurses; a few buffers are allocated, none per value.
//! Reads always show the original; [`Edits`] show in [`Edits::apply`] only, and what they do not touch stays byte-identical.
//!
//! Does not: know MCP or JSON-RPC, round numbers, normalise anything, or judge whether two keys that differ (in case, in
//! Unicode form) are meant to be the same.

mod document;
mod edits;
mod error;
mod grammar;
mod keys;
mod number;
mod parser;
mod raw;
mod splices;
mod string;
#[cfg(test)]
mod tests;
mod value;

pub use document::{Document, NodeId};
pub use edits::Edits;
pub use error::ParseError;
pub use parser::Parser;
pub use raw::RawJson;
pub use value::{Kind, Site, Text, Value};

/// How large a document may be, besides its length in bytes, which the caller limits before it collects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Containers inside each other. Default 64; no stack is used, so more is safe here but not for every reader behind us.
    pub depth: u16,
    /// Values and keys. Default 100,000, which bounds the index to 1.6 MB.
    pub nodes: u32,
    /// Decoded bytes of one string or key. Default 4 MiB.
    pub string: usize,
}

impl Limits {
    /// No limit but the 4 GiB of an input: for bytes that passed real limits before.
    pub(crate) const NONE: Self = Self { depth: u16::MAX, nodes: u32::MAX, string: usize::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, nodes: 100_000, string: 4 << 20 }
    }
}

/// The first byte that is not JSON whitespace: `b'['` is a batch, whatever follows. `None` for blank input.
pub fn first_significant_byte(bytes: &[u8]) -> Option<u8> {
    bytes.iter().copied().find(|&byte| !is_whitespace(byte))
}

/// RFC 8259 section 2; narrower than what Rust or other languages call whitespace.
const fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

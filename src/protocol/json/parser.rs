//! From bytes to a document, with buffers that outlive one message where the caller wants that.

use bytes::Bytes;
use bytestring::ByteString;

use super::document::Index;
use super::keys::Keys;
use super::{Document, Limits, ParseError, grammar};

/// UTF-8 text needs none, and some readers skip it where others refuse it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Buffers above this many bytes are given back to the allocator: one large message must not be paid for ever.
const RETAINED_BYTES: usize = 1 << 20;

/// The buffers of parsing, reused: one that is fed with [`Parser::recycle`] parses messages of a size it has seen without
/// allocating. [`Document::parse`] is the same without reuse.
#[derive(Default)]
pub struct Parser {
    keys: Keys,
    spare: Index,
}

impl Parser {
    /// A parser that has no buffers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses `bytes`, all of them. The document takes the buffers along; [`Parser::recycle`] brings them back.
    pub fn parse(&mut self, bytes: Bytes, limits: Limits) -> Result<Document, ParseError> {
        if bytes.starts_with(BYTE_ORDER_MARK) {
            return Err(ParseError::ByteOrderMark { offset: 0 });
        }
        if u32::try_from(bytes.len()).is_err() {
            return Err(ParseError::TooLarge { offset: u32::MAX as usize });
        }
        let text = ByteString::try_from(bytes).map_err(|error| ParseError::NotUtf8 { offset: error.valid_up_to() })?;
        self.keys.reset();
        self.spare.reset(text.len(), limits);
        grammar::parse(&text, limits, &mut self.spare, &mut self.keys)?;
        Ok(Document::new(text, std::mem::take(&mut self.spare)))
    }

    /// Takes the buffers of a document that is no longer needed, for the next one.
    pub fn recycle(&mut self, document: Document) {
        let index = document.into_index();
        if index.capacity_bytes() <= RETAINED_BYTES {
            self.spare = index;
        }
        self.keys.shrink(RETAINED_BYTES);
    }
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").field("spare_bytes", &self.spare.capacity_bytes()).finish_non_exhaustive()
    }
}

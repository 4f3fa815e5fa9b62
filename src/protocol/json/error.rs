//! Why bytes are not strict JSON.

/// Why bytes were refused, and at which byte.
///
/// Neither `Display` nor `Debug` shows content of the input, so an error may be logged and sent to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "`offset` is documented once, at `ParseError::offset`")]
pub enum ParseError {
    /// A backslash that is not followed by one of the nine escapes of RFC 8259.
    #[error("a string holds an unknown escape at byte {offset}")]
    BadEscape { offset: usize },
    /// A number that does not follow the grammar: `01`, `1.`, `-`, `1e`, `-Infinity`.
    #[error("a number is malformed at byte {offset}")]
    BadNumber { offset: usize },
    /// A byte order mark before the text; some readers skip it and some do not.
    #[error("the text starts with a byte order mark")]
    ByteOrderMark { offset: usize },
    /// A raw control character inside a string.
    #[error("a string holds a raw control character at byte {offset}")]
    ControlCharacter { offset: usize },
    /// A key that its object has already, once both are decoded. The offset is that of the later key.
    #[error("an object has a key twice, the second time at byte {offset}")]
    DuplicateKey { offset: usize },
    /// Half of a surrogate pair: it stands for no character, and readers differ in what they make of it.
    #[error("a string holds half of a surrogate pair at byte {offset}")]
    LoneSurrogate { offset: usize },
    /// Bytes that are not UTF-8.
    #[error("the text is not UTF-8 at byte {offset}")]
    NotUtf8 { offset: usize },
    /// A number beyond what an IEEE double can hold, which readers make infinite, null or an error.
    #[error("a number is too large for a double at byte {offset}")]
    NumberNotFinite { offset: usize },
    /// The key `__proto__`, which JavaScript readers keep, leave out or take for the prototype of the object.
    #[error("an object has the key `__proto__` at byte {offset}")]
    PrototypeKey { offset: usize },
    /// A decoded string or key beyond [`Limits::string`](super::Limits::string).
    #[error("a string at byte {offset} is too long")]
    StringTooLong { offset: usize },
    /// More containers inside each other than [`Limits::depth`](super::Limits::depth).
    #[error("the text is nested too deeply at byte {offset}")]
    TooDeep { offset: usize },
    /// More than 4 GiB of input.
    #[error("the text is longer than 4 GiB")]
    TooLarge { offset: usize },
    /// More values and keys than [`Limits::nodes`](super::Limits::nodes).
    #[error("the text has too many values, the first too many at byte {offset}")]
    TooManyValues { offset: usize },
    /// Something other than whitespace after the value.
    #[error("something follows the value at byte {offset}")]
    TrailingBytes { offset: usize },
    /// A byte that cannot stand where it stands.
    #[error("an unexpected character at byte {offset}")]
    UnexpectedByte { offset: usize },
    /// The input ends inside a value, or holds none.
    #[error("the text ends too early, at byte {offset}")]
    UnexpectedEnd { offset: usize },
}

impl ParseError {
    /// The byte of the input, counted from zero, where the reason shows.
    pub fn offset(&self) -> usize {
        match *self {
            Self::BadEscape { offset }
            | Self::BadNumber { offset }
            | Self::ByteOrderMark { offset }
            | Self::ControlCharacter { offset }
            | Self::DuplicateKey { offset }
            | Self::LoneSurrogate { offset }
            | Self::NotUtf8 { offset }
            | Self::NumberNotFinite { offset }
            | Self::PrototypeKey { offset }
            | Self::StringTooLong { offset }
            | Self::TooDeep { offset }
            | Self::TooLarge { offset }
            | Self::TooManyValues { offset }
            | Self::TrailingBytes { offset }
            | Self::UnexpectedByte { offset }
            | Self::UnexpectedEnd { offset } => offset,
        }
    }
}

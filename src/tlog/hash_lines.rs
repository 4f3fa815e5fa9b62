//! What proofs and requests have in common: lines, then one hash a line, then an empty line, then a note.

use super::{
    hash::Hash,
    note::{NOTE_MAX, Note, NoteError, check_bytes},
};

/// Most hashes of a proof: a tree of 2^63 leaves needs no more.
pub const PROOF_MAX: usize = 63;

/// Largest text before the note.
const HEAD_MAX: usize = 64 << 10;

/// Why a text of hashes and a note cannot be read. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinesError {
    /// Not canonical base64 of 32 bytes.
    #[error("line {0}: not the canonical base64 of a hash")]
    Hash(usize),
    /// A line that says something else than it should.
    #[error("line {line}: expected {expected}")]
    Line {
        /// Which line.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// No empty line before the note.
    #[error("no empty line before the note")]
    NoBlankLine,
    /// The note is malformed, or the whole is no text.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Larger than anything valid; not parsed.
    #[error("{0} bytes are too many")]
    TooLarge(usize),
    /// More than [`PROOF_MAX`] hashes.
    #[error("more than {PROOF_MAX} hashes")]
    TooManyHashes,
}

/// Splits at the first empty line: the text before it, and the note after it.
pub(crate) fn split(bytes: &[u8]) -> Result<(&str, Note), LinesError> {
    if bytes.len() > HEAD_MAX + NOTE_MAX {
        return Err(LinesError::TooLarge(bytes.len()));
    }
    let text = str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8(error.valid_up_to()))?;
    check_bytes(text)?;
    let (head, note) = text.split_once("\n\n").ok_or(LinesError::NoBlankLine)?;
    Ok((head, Note::parse(note.as_bytes())?))
}

/// Reads the hashes; `first_line` is the number of the first line.
pub(crate) fn parse_hashes<'a>(lines: impl Iterator<Item = &'a str>, first_line: usize) -> Result<Vec<Hash>, LinesError> {
    let mut hashes = Vec::new();
    for (line, number) in lines.zip(first_line..) {
        if hashes.len() == PROOF_MAX {
            return Err(LinesError::TooManyHashes);
        }
        hashes.push(Hash::from_base64(line).ok_or(LinesError::Hash(number))?);
    }
    Ok(hashes)
}

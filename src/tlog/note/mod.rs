//! C2SP signed notes: a text, an empty line, and signature lines `— name base64(key id || signature)`.
//!
//! What passes through: bytes of a stranger on the way in, our own text and signatures on the way out. What it guarantees: a
//! [`Verified`] note carries at least one good signature of a known key and no bad one; what is read writes back to the same
//! bytes; work is bounded by [`NOTE_MAX`] and [`SIGNATURES_MAX`] before anything is decoded. Signatures of unknown keys are
//! kept and ignored. What it does not say: that the known key was the right one to trust for this text.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    cosignature::{self, SignatureError},
    key::{KeyId, VerifierKey, is_key_name},
    signer::Signer,
};

/// Largest note that is looked at.
pub const NOTE_MAX: usize = 1 << 20;
/// Most signature lines of a note.
pub const SIGNATURES_MAX: usize = 100;

const DASH: &str = "\u{2014} ";

/// A note whose signatures were not checked yet: believe nothing it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: KeyId,
    bytes: Box<[u8]>,
}

/// A note signed by a known key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The signed text, newline included.
    pub text: &'a str,
    /// The good signatures of known keys, in the order of the note.
    pub signatures: Vec<Signed<'a>>,
}

/// A good signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// Who signed.
    pub key: &'a VerifierKey,
    /// When, in seconds since 1970, if signatures of this type say so.
    pub time: Option<u64>,
}

/// Why a note is refused. Lines count from 1, in the whole note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A known key's signature does not hold: nothing else in the note counts.
    #[error("bad signature of {name}: {reason}")]
    BadSignature {
        /// The key's name.
        name: String,
        /// What is wrong.
        reason: SignatureError,
    },
    /// Windows line ends.
    #[error("carriage return at byte {0}: lines end with a newline only")]
    CarriageReturn(usize),
    /// A control character.
    #[error("control character at byte {0}")]
    ControlByte(usize),
    /// A key name with spaces or plus signs, or too long.
    #[error("line {0}: not a key name")]
    KeyName(usize),
    /// No empty line between text and signatures.
    #[error("no empty line between text and signatures")]
    NoBlankLine,
    /// The last line does not end.
    #[error("no newline at the end")]
    NoFinalNewline,
    /// No known key signed.
    #[error("no signature of a known key")]
    NoKnownSignature,
    /// Nothing after the empty line.
    #[error("no signature lines")]
    NoSignatures,
    /// Not UTF-8.
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// Not canonical base64.
    #[error("line {0}: the signature is not canonical base64")]
    SignatureBase64(usize),
    /// Not `— name signature`.
    #[error("line {0}: not a signature line")]
    SignatureLine(usize),
    /// No room for key id and signature.
    #[error("line {0}: the signature is shorter than a key id")]
    SignatureShort(usize),
    /// A text that no note can carry.
    #[error("the text of a note ends with a newline")]
    Text,
    /// Larger than [`NOTE_MAX`]; not parsed.
    #[error("{0} bytes are more than the {NOTE_MAX} of the largest note")]
    TooLarge(usize),
    /// More than [`SIGNATURES_MAX`] lines; not parsed.
    #[error("more than {SIGNATURES_MAX} signature lines")]
    TooManySignatures,
}

impl Note {
    /// A text of our own, not signed yet.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_bytes(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::Text);
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_MAX {
            return Err(NoteError::TooLarge(bytes.len()));
        }
        let note = str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8(error.valid_up_to()))?;
        check_bytes(note)?;
        if !note.ends_with('\n') {
            return Err(NoteError::NoFinalNewline);
        }
        // The text may hold empty lines of its own: the last one ends it.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::NoBlankLine)?;
        if lines.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let first_line = text.split('\n').count() + 2;
        Ok(Self { text: format!("{text}\n"), signatures: parse_signatures(lines, first_line)? })
    }

    /// Adds a signature of our own, made at `time` (seconds since 1970).
    pub fn sign(&mut self, signer: &Signer, time: u64) -> Result<(), SignatureError> {
        self.signatures.push(Signature::new(signer, &self.text, time)?);
        Ok(())
    }

    /// Adds the signatures others made, of known keys only and if they hold. Gives how many were added.
    pub fn adopt(&mut self, signatures: Vec<Signature>, keys: &[&VerifierKey]) -> Result<usize, NoteError> {
        let before = self.signatures.len();
        for signature in signatures {
            if verify_one(&self.text, &signature, keys)?.is_some() {
                self.signatures.push(signature);
            }
        }
        Ok(self.signatures.len() - before)
    }

    /// Checks every signature of a known key. One bad one spoils the note, and none at all does too.
    pub fn verify<'a>(&'a self, keys: &[&'a VerifierKey]) -> Result<Verified<'a>, NoteError> {
        let mut signatures = Vec::new();
        for signature in &self.signatures {
            signatures.extend(verify_one(&self.text, signature, keys)?);
        }
        if signatures.is_empty() {
            return Err(NoteError::NoKnownSignature);
        }
        Ok(Verified { text: &self.text, signatures })
    }

    /// The text, which nobody vouches for yet. Good for finding out whose keys to check it with.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// All signature lines, of known keys or not.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| write!(f, "{signature}"))
    }
}

impl Signature {
    /// The signature line of `signer` for the text of a note, made at `time` (seconds since 1970).
    pub fn new(signer: &Signer, text: &str, time: u64) -> Result<Self, SignatureError> {
        let bytes = cosignature::sign(signer, text, time)?.into();
        Ok(Self { name: signer.key().name().to_owned(), id: signer.key().id(), bytes })
    }

    /// The name of the key that claims to have signed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of that key.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Whether the line claims to be by this key.
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == key.name()
    }
}

/// The line, with its newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [self.id.0.as_slice(), &self.bytes].concat();
        writeln!(f, "{DASH}{} {}", self.name, STANDARD.encode(blob))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{} ({} bytes)", self.name, self.id, self.bytes.len())
    }
}

/// Nothing for a signature of an unknown key.
fn verify_one<'a>(text: &str, signature: &Signature, keys: &[&'a VerifierKey]) -> Result<Option<Signed<'a>>, NoteError> {
    let mut failed = None;
    // Ids are short enough for two keys of one name to share one: then either may have signed.
    for key in keys.iter().copied().filter(|key| signature.is_by(key)) {
        match cosignature::verify(key, text, &signature.bytes) {
            Ok(time) => return Ok(Some(Signed { key, time })),
            Err(reason) => failed = Some(reason),
        }
    }
    failed.map_or(Ok(None), |reason| Err(NoteError::BadSignature { name: signature.name.clone(), reason }))
}

/// Reads signature lines, each with its newline; `first_line` is the number of the first.
pub(crate) fn parse_signatures(lines: &str, first_line: usize) -> Result<Vec<Signature>, NoteError> {
    let lines = lines.strip_suffix('\n').ok_or(NoteError::NoFinalNewline)?;
    if lines.split('\n').nth(SIGNATURES_MAX).is_some() {
        return Err(NoteError::TooManySignatures);
    }
    lines.split('\n').zip(first_line..).map(|(line, number)| parse_signature(line, number)).collect()
}

fn parse_signature(line: &str, number: usize) -> Result<Signature, NoteError> {
    let (name, blob) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(NoteError::SignatureLine(number))?;
    if !is_key_name(name) {
        return Err(NoteError::KeyName(number));
    }
    let blob = STANDARD.decode(blob).map_err(|_not_canonical| NoteError::SignatureBase64(number))?;
    match blob.split_first_chunk() {
        Some((id, bytes)) if !bytes.is_empty() => Ok(Signature { name: name.to_owned(), id: KeyId(*id), bytes: bytes.into() }),
        _ => Err(NoteError::SignatureShort(number)),
    }
}

/// No control characters but newline.
pub(crate) fn check_bytes(text: &str) -> Result<(), NoteError> {
    match text.bytes().enumerate().find(|(_, byte)| *byte < 0x20 && *byte != b'\n') {
        None => Ok(()),
        Some((at, b'\r')) => Err(NoteError::CarriageReturn(at)),
        Some((at, _)) => Err(NoteError::ControlByte(at)),
    }
}

#[cfg(test)]
mod tests;

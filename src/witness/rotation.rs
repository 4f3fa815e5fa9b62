//! How a witness follows a log that changes its keys: our extension of C2SP tlog-witness (`docs/witness.md`).
//!
//! What passes through: a `key.rotate` record and the proof that it is in the log. What it guarantees: a key is believed only if a head
//! that was signed with the key known so far, and that this witness cosigned last, covers the record that announces it; epochs
//! are believed in order, none twice and none left out, so that a key whose time is over never comes back.

use super::store::Known;
use crate::audit::{Announcement, LINE_MAX};
use crate::tlog::{Checkpoint, CheckpointError, Hash, LinesError, ProofFile, ProofFileError};

/// A request to believe another key: the line of a `key.rotate` record, a newline, and a C2SP tlog-proof of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextKey {
    /// The line, without its newline.
    pub record: Vec<u8>,
    /// Proof under the last head the witness cosigned.
    pub proof: ProofFile,
}

/// Why a key is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// The note is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The record announces another epoch than the next.
    #[error("the record announces epoch {found}, the next one is {next}")]
    Epoch {
        /// What it announces.
        found: u64,
        /// What would be in order.
        next: u64,
    },
    /// The body cannot be read.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// No line of a record before the proof.
    #[error("a record of at most {LINE_MAX} bytes, a newline and a proof are expected")]
    NoRecord,
    /// The record announces no key of this log.
    #[error("the record announces no key of this log, or is not the one the proof is about")]
    NotAnnounced,
    /// The head is another one than the last one cosigned.
    #[error("the last head cosigned counts {0} records and is another one")]
    OtherHead(u64),
    /// No good signature, or the proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofFileError),
    /// A log this witness does not know.
    #[error("unknown log")]
    UnknownLog,
}

impl NextKey {
    /// Reads the body of a request.
    pub fn parse(body: &[u8]) -> Result<Self, KeyRefusal> {
        let end = memchr::memchr(b'\n', body).filter(|end| *end <= LINE_MAX).ok_or(KeyRefusal::NoRecord)?;
        let (record, rest) = body.split_at_checked(end).ok_or(KeyRefusal::NoRecord)?;
        Ok(Self { record: record.to_owned(), proof: ProofFile::parse(rest.get(1..).unwrap_or_default())? })
    }

    /// The body of the request.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.record, &b"\n"[..], self.proof.to_string().as_bytes()].concat()
    }

    /// Whose key it claims to be.
    pub(super) fn unverified_origin(&self) -> Result<String, KeyRefusal> {
        Ok(Checkpoint::parse(self.proof.checkpoint.unverified_text())?.origin)
    }

    /// What it proves to whom knows that much; nothing if the key is believed already.
    pub(super) fn check(&self, known: &Known) -> Result<Option<Announcement>, KeyRefusal> {
        let announced = Announcement::read(&self.record, known.origin()).filter(|new| new.index == self.proof.index);
        let announced = announced.ok_or(KeyRefusal::NotAnnounced)?;
        // SECURITY: no other head than the one that is part of the history known here.
        if known.head() != Some(&Checkpoint::parse(self.proof.checkpoint.unverified_text())?) {
            return Err(KeyRefusal::OtherHead(known.head().map_or(0, |head| head.size)));
        }
        if (announced.epoch, &announced.key) == (known.epoch, &known.key) {
            return Ok(None);
        }
        let next = known.epoch.saturating_add(1);
        if announced.epoch != next {
            return Err(KeyRefusal::Epoch { found: announced.epoch, next });
        }
        // SECURITY: and signed with the key in force.
        self.proof.verify(Hash::leaf(&self.record), &[&known.key])?;
        Ok(Some(announced))
    }
}

impl KeyRefusal {
    /// The body of the answer if it is a size, as in `add-checkpoint`.
    pub(super) fn size_body(&self) -> Option<String> {
        if let Self::OtherHead(size) = self { Some(format!("{size}\n")) } else { None }
    }

    /// The HTTP status of the answer, by the rules of `add-checkpoint`.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Checkpoint(_) | Self::Lines(_) | Self::NoRecord | Self::NotAnnounced => 400,
            Self::Proof(ProofFileError::Note(_)) => 403,
            Self::UnknownLog => 404,
            Self::OtherHead(_) => 409,
            Self::Epoch { .. } | Self::Proof(_) => 422,
        }
    }
}

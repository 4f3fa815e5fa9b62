//! C2SP tlog-witness: what a log asks of a witness, and what the witness decides.
//!
//! What passes through: the body of an `add-checkpoint` request and of its answers. What it guarantees: [`Request::check`]
//! accepts a tree head only if a key of the log signed it and the proof connects it to the last head the witness signed. What
//! is left to the caller: to find that head, and to store the new one, durably and in one step with this check, before signing.

use std::fmt;

use super::{
    checkpoint::{Checkpoint, CheckpointError},
    hash::Hash,
    hash_lines::{LinesError, parse_hashes, split},
    key::VerifierKey,
    note::{Note, NoteError, Signature, check_bytes, parse_signatures},
    number::decimal,
    proof::{Head, ProofError, verify_consistency},
};

/// Content type of the answer that names another size.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A new tree head, and the proof that it grew out of an old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Size of the tree the proof starts from.
    pub old: u64,
    /// Consistency proof from `old` to the size of the checkpoint.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// Why a witness does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The note is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The root of a size this witness signed another root for: the log forked.
    #[error("another root of size {0} was signed before")]
    Forked(u64),
    /// The body cannot be read.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// The proof does not connect the two heads.
    #[error("the consistency proof does not hold: {0}")]
    Proof(ProofError),
    /// The proof starts from another size than the witness last signed.
    #[error("the last signed size is {0}")]
    Size(u64),
    /// The proof starts from a larger tree than it leads to.
    #[error("the old size is above the size of the checkpoint")]
    Shrunk,
    /// A log this witness does not know.
    #[error("unknown log")]
    UnknownLog,
    /// No good signature of the log.
    #[error("not signed by the log: {0}")]
    Unsigned(NoteError),
}

impl Request {
    /// Reads the body of a request.
    pub fn parse(body: &[u8]) -> Result<Self, LinesError> {
        let (head, checkpoint) = split(body)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let old = old.ok_or(LinesError::Line { line: 1, expected: "`old` and the size of the old tree" })?;
        Ok(Self { old, proof: parse_hashes(lines, 2)?, checkpoint })
    }

    /// What the checkpoint claims, signed by nobody yet: good for finding the keys and the last head of its log.
    pub fn unverified_checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::parse(self.checkpoint.unverified_text())
    }

    /// Decides, in the order the protocol gives. `keys` are those of the log the checkpoint names, none if it is unknown;
    /// `last` is the head this witness last signed for it.
    pub fn check(&self, keys: &[&VerifierKey], last: Option<Head>) -> Result<Checkpoint, Refusal> {
        let checkpoint = self.unverified_checkpoint()?;
        if keys.is_empty() {
            return Err(Refusal::UnknownLog);
        }
        self.checkpoint.verify(keys).map_err(Refusal::Unsigned)?;
        if self.old > checkpoint.size {
            return Err(Refusal::Shrunk);
        }
        let last = last.unwrap_or_else(|| Head { size: 0, root: Hash::empty_root() });
        if self.old != last.size {
            return Err(Refusal::Size(last.size));
        }
        let new = Head { size: checkpoint.size, root: checkpoint.root };
        verify_consistency(&self.proof, last, new).map_err(|reason| match reason {
            ProofError::Forked => Refusal::Forked(last.size),
            ProofError::NewRoot
            | ProofError::NoSuchLeaf { .. }
            | ProofError::OldRoot
            | ProofError::Shrunk { .. }
            | ProofError::TooLong
            | ProofError::TooShort => Refusal::Proof(reason),
        })?;
        // A tree without leaves has one root only.
        if new.size == 0 && new.root != Hash::empty_root() {
            return Err(Refusal::Proof(ProofError::NewRoot));
        }
        Ok(checkpoint)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl Refusal {
    /// The HTTP status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Checkpoint(_) | Self::Lines(_) | Self::Shrunk => 400,
            Self::Unsigned(_) => 403,
            Self::UnknownLog => 404,
            Self::Forked(_) | Self::Size(_) => 409,
            Self::Proof(_) => 422,
        }
    }

    /// The body of the answer, if the protocol prescribes one; of type [`SIZE_TYPE`].
    pub fn size_body(&self) -> Option<String> {
        match self {
            Self::Forked(size) | Self::Size(size) => Some(format!("{size}\n")),
            Self::Checkpoint(_) | Self::Lines(_) | Self::Proof(_) | Self::Shrunk | Self::UnknownLog | Self::Unsigned(_) => None,
        }
    }
}

/// Reads the answer of a witness that signed: lines to give to [`Note::adopt`].
pub fn parse_cosignatures(body: &[u8]) -> Result<Vec<Signature>, NoteError> {
    let text = str::from_utf8(body).map_err(|error| NoteError::NotUtf8(error.valid_up_to()))?;
    check_bytes(text)?;
    parse_signatures(text, 1)
}

/// Reads the answer of a witness that last signed another size.
pub fn parse_size(body: &[u8]) -> Option<u64> {
    decimal(str::from_utf8(body).ok()?.strip_suffix('\n')?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::{Frontier, Scheme, Signer};

    fn leaf(index: u8) -> Hash {
        Hash::leaf(&[index])
    }

    fn head(size: u8) -> Head {
        let mut tree = Frontier::new();
        (0..size).for_each(|index| tree.push(leaf(index)));
        Head { size: size.into(), root: tree.root() }
    }

    fn request(log: &Signer, old: u64, proof: &[Hash], new: Head) -> Request {
        let text = Checkpoint { origin: "log.example".to_owned(), size: new.size, root: new.root }.to_string();
        let mut checkpoint = Note::new(text).unwrap();
        checkpoint.sign(log, 5).unwrap();
        Request { old, proof: proof.to_vec(), checkpoint }
    }

    #[test]
    fn a_log_that_grows_gets_its_cosignature() {
        let log = Signer::generate("log.example", Scheme::Ed25519).unwrap();
        let witness = Signer::generate("witness.example", Scheme::CosignatureV1).unwrap();
        let request = request(&log, 2, &[leaf(2)], head(3));
        let read = Request::parse(request.to_string().as_bytes()).unwrap();
        assert_eq!(read, request);
        assert_eq!(read.check(&[log.key()], Some(head(2))).unwrap().size, 3);

        let line = Signature::new(&witness, read.checkpoint.unverified_text(), 7).unwrap().to_string();
        let mut note = request.checkpoint;
        assert_eq!(note.adopt(parse_cosignatures(line.as_bytes()).unwrap(), &[witness.key()]), Ok(1));
        assert_eq!(note.verify(&[log.key(), witness.key()]).unwrap().signatures[1].time, Some(7));
    }

    #[test]
    fn first_and_repeated_heads_need_no_proof() {
        let log = Signer::generate("log.example", Scheme::Ed25519).unwrap();
        let keys = [log.key()];
        assert!(request(&log, 0, &[], head(3)).check(&keys, None).is_ok());
        assert!(request(&log, 3, &[], head(3)).check(&keys, Some(head(3))).is_ok());
        assert!(request(&log, 0, &[], head(0)).check(&keys, None).is_ok());
    }

    #[test]
    fn every_refusal_has_the_status_the_protocol_gives_it() {
        let [log, thief] = [(); 2].map(|()| Signer::generate("log.example", Scheme::Ed25519).unwrap());
        let keys = [log.key()];
        let fork = Head { size: 3, root: leaf(9) };
        let cases = [
            (request(&log, 4, &[], head(3)).check(&keys, Some(head(4))), Refusal::Shrunk, 400),
            (
                request(&thief, 2, &[leaf(2)], head(3)).check(&keys, Some(head(2))),
                Refusal::Unsigned(NoteError::NoKnownSignature),
                403,
            ),
            (request(&log, 2, &[leaf(2)], head(3)).check(&[], None), Refusal::UnknownLog, 404),
            (request(&log, 2, &[leaf(2)], head(3)).check(&keys, None), Refusal::Size(0), 409),
            (request(&log, 0, &[], head(3)).check(&keys, Some(head(2))), Refusal::Size(2), 409),
            (request(&log, 3, &[], fork).check(&keys, Some(head(3))), Refusal::Forked(3), 409),
            (request(&log, 2, &[], head(3)).check(&keys, Some(head(2))), Refusal::Proof(ProofError::TooShort), 422),
            (request(&log, 2, &[leaf(2)], fork).check(&keys, Some(head(2))), Refusal::Proof(ProofError::NewRoot), 422),
            (request(&log, 0, &[leaf(2)], head(3)).check(&keys, None), Refusal::Proof(ProofError::TooLong), 422),
        ];
        for (outcome, refusal, status) in cases {
            assert_eq!(refusal.status(), status);
            assert_eq!(outcome, Err(refusal));
        }
        assert_eq!(Refusal::Size(7).size_body().as_deref().map(str::as_bytes).and_then(parse_size), Some(7));
        assert_eq!(parse_size(b"7"), None);
    }

    #[test]
    fn a_malformed_request_has_its_own_reason() {
        let log = Signer::generate("log.example", Scheme::Ed25519).unwrap();
        let text = request(&log, 2, &[leaf(2)], head(3)).to_string();
        let old = LinesError::Line { line: 1, expected: "`old` and the size of the old tree" };
        let hash = leaf(2).base64();
        let cases = [
            (text.replace("old 2", "old 02"), old.clone()),
            (text.replace("old 2", "old"), old.clone()),
            (text.replace("old 2\n", ""), old),
            (text.replace(&hash, "x"), LinesError::Hash(2)),
            (text.replace(&hash, &vec![hash.clone(); 64].join("\n")), LinesError::TooManyHashes),
            (text.replace("\n\n", "\n"), LinesError::NoBlankLine),
        ];
        for (bad, reason) in cases {
            assert_eq!(Request::parse(bad.as_bytes()), Err(reason), "{bad:?}");
        }
    }
}

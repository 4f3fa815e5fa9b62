//! C2SP tlog-proof: one file that shows, without a network, that a signed log holds an entry.
//!
//! What passes through: the bytes of a `.tlog-proof` file. What it guarantees: what is read writes back to the same bytes, and
//! [`ProofFile::verify`] says yes only if a known log signed the tree head the proof leads to. What it does not judge: whether
//! enough witnesses did, which is [`Policy`](super::Policy)'s part, and the extra data, which nothing vouches for.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    checkpoint::{Checkpoint, CheckpointError},
    hash::Hash,
    hash_lines::{LinesError, parse_hashes, split},
    key::VerifierKey,
    note::{Note, NoteError},
    number::decimal,
    proof::{ProofError, verify_inclusion},
};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion proof and the signed tree head it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// Whatever the application adds. Not covered by any signature.
    pub extra: Option<Vec<u8>>,
    /// Number of the entry in the log, from 0.
    pub index: u64,
    /// Hashes from the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// Why a proof file proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    /// The note is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The signatures do not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The hashes do not lead from the entry to the root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl ProofFile {
    /// Reads a proof file.
    pub fn parse(bytes: &[u8]) -> Result<Self, LinesError> {
        let (head, checkpoint) = split(bytes)?;
        let mut lines = head.split('\n').zip(1..).peekable();
        if lines.next().is_none_or(|(line, _)| line != HEADER) {
            return Err(LinesError::Line { line: 1, expected: HEADER });
        }
        let extra = match lines.peek().and_then(|(line, number)| Some((line.strip_prefix("extra ")?, *number))) {
            Some((extra, line)) => {
                lines.next();
                let expected = "canonical base64 after `extra`";
                Some(STANDARD.decode(extra).map_err(|_not_canonical| LinesError::Line { line, expected })?)
            }
            None => None,
        };
        let line = if extra.is_some() { 3 } else { 2 };
        let index = lines.next().and_then(|(line, _)| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or(LinesError::Line { line, expected: "`index` and the number of the entry" })?;
        let hashes = parse_hashes(lines.map(|(line, _)| line), line + 1)?;
        Ok(Self { extra, index, hashes, checkpoint })
    }

    /// Checks signatures and proof. `leaf` is [`Hash::leaf`] of the entry, `keys` those of the log it should be in and of
    /// witnesses. Gives the tree head; that its origin is the right one is for the caller to check.
    pub fn verify(&self, leaf: Hash, keys: &[&VerifierKey]) -> Result<Checkpoint, ProofFileError> {
        let verified = self.checkpoint.verify(keys)?;
        let checkpoint = Checkpoint::parse(verified.text)?;
        // A witness alone says that a tree grew, not that the log published it.
        if verified.signatures.iter().all(|signed| signed.key.name() != checkpoint.origin) {
            return Err(NoteError::NoKnownSignature.into());
        }
        verify_inclusion(&self.hashes, self.index, leaf, checkpoint.size, checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", hash.base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::{Scheme, Signer};

    fn leaf(index: u8) -> Hash {
        Hash::leaf(&[index])
    }

    fn file(signer: &Signer) -> ProofFile {
        let root = Hash::node(Hash::node(leaf(0), leaf(1)), leaf(2));
        let mut checkpoint = Note::new(Checkpoint { origin: "log.example".to_owned(), size: 3, root }.to_string()).unwrap();
        checkpoint.sign(signer, 5).unwrap();
        ProofFile { extra: None, index: 1, hashes: vec![leaf(0), leaf(2)], checkpoint }
    }

    #[test]
    fn a_proof_file_verifies_and_writes_back() {
        for scheme in [Scheme::Ed25519, Scheme::MlDsa44] {
            let log = Signer::generate("log.example", scheme).unwrap();
            for extra in [None, Some(Vec::new()), Some(b"context".to_vec())] {
                let text = ProofFile { extra, ..file(&log) }.to_string();
                let read = ProofFile::parse(text.as_bytes()).unwrap();
                assert_eq!(read.to_string(), text);
                assert_eq!(read.verify(leaf(1), &[log.key()]).unwrap().size, 3);
            }
        }
    }

    #[test]
    fn a_proof_without_hashes_is_a_tree_of_one() {
        let log = Signer::generate("log.example", Scheme::Ed25519).unwrap();
        let mut checkpoint = Note::new(format!("log.example\n1\n{}\n", leaf(0).base64())).unwrap();
        checkpoint.sign(&log, 5).unwrap();
        let text = ProofFile { extra: None, index: 0, hashes: Vec::new(), checkpoint }.to_string();
        assert!(ProofFile::parse(text.as_bytes()).unwrap().verify(leaf(0), &[log.key()]).is_ok());
    }

    #[test]
    fn aud_040_a_changed_proof_file_proves_nothing() {
        let log = Signer::generate("log.example", Scheme::Ed25519).unwrap();
        let witness = Signer::generate("witness.example", Scheme::CosignatureV1).unwrap();
        let good = file(&log);
        let keys = [log.key(), witness.key()];
        let refused = |file: &ProofFile, leaf| file.verify(leaf, &keys).unwrap_err();
        assert_eq!(refused(&good, leaf(2)), ProofError::NewRoot.into());
        assert_eq!(refused(&ProofFile { index: 0, ..good.clone() }, leaf(1)), ProofError::NewRoot.into());
        assert_eq!(
            refused(&ProofFile { index: 3, ..good.clone() }, leaf(1)),
            ProofError::NoSuchLeaf { index: 3, size: 3 }.into()
        );
        assert_eq!(refused(&ProofFile { hashes: vec![leaf(0)], ..good.clone() }, leaf(1)), ProofError::TooShort.into());
        assert_eq!(refused(&ProofFile { hashes: vec![leaf(0); 3], ..good }, leaf(1)), ProofError::TooLong.into());
        assert_eq!(refused(&file(&witness), leaf(1)), NoteError::NoKnownSignature.into());
        let stranger = Signer::generate("log.example", Scheme::Ed25519).unwrap();
        assert_eq!(refused(&file(&stranger), leaf(1)), NoteError::NoKnownSignature.into());
    }

    #[test]
    fn every_malformed_file_has_its_own_reason() {
        let text = file(&Signer::generate("log.example", Scheme::Ed25519).unwrap()).to_string();
        let index = "`index` and the number of the entry";
        let hash = leaf(0).base64();
        let cases = [
            (text.replace("@v1", "@v2"), LinesError::Line { line: 1, expected: HEADER }),
            (text.replace("index 1", "index 01"), LinesError::Line { line: 2, expected: index }),
            (text.replace("index 1\n", ""), LinesError::Line { line: 2, expected: index }),
            (text.replace("index", "extra AA==\nextra AA==\nindex"), LinesError::Line { line: 3, expected: index }),
            (text.replace("index", "extra A\nindex"), LinesError::Line { line: 2, expected: "canonical base64 after `extra`" }),
            (text.replace(&hash, "AAAA"), LinesError::Hash(3)),
            (text.replace(&hash, &format!("{hash} ")), LinesError::Hash(3)),
            (text.replace(&hash, &vec![hash.clone(); 63].join("\n")), LinesError::TooManyHashes),
            (text.replace("\n\n", "\n"), LinesError::NoBlankLine),
            (text.replace('\n', "\r\n"), NoteError::CarriageReturn(HEADER.len()).into()),
            (text.trim_end().to_owned(), NoteError::NoFinalNewline.into()),
            ("a".repeat(2 << 20), LinesError::TooLarge(2 << 20)),
        ];
        for (bad, reason) in cases {
            assert_eq!(ProofFile::parse(bad.as_bytes()), Err(reason), "{bad:?}");
        }
    }
}

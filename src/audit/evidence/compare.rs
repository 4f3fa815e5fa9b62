//! Do two heads, or two copies of a log, say the same? If not, the two notes are evidence that needs neither log.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::super::tree::{Found, ProveError, Prover};
use super::super::verify::VerifyIo;
use super::{NotOneLog, only_log};
use crate::tlog::{Checkpoint, CheckpointError, Hash, NOTE_MAX, Note, NoteError, VerifierKey};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The first `size` records are the same.
    Same {
        /// Records the smaller one counts.
        size: u64,
    },
    /// One has fewer records than a head of the other counts: an older copy, or its end was cut off.
    Behind {
        /// Records it has under heads.
        has: u64,
        /// Records the head counts.
        counts: u64,
    },
    /// Two histories.
    Forked(Box<Fork>),
}

/// Evidence of two histories. Its text is complete in itself: who has the log's keys can check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The smaller head.
    small: Note,
    /// The other one.
    large: Note,
    /// Where they differ in size: the root of the first records under the larger one, and the proof of that.
    beginning: Option<(Hash, Vec<Hash>)>,
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Which log?
    #[error(transparent)]
    Log(#[from] NotOneLog),
    /// Not a note.
    #[error("`{}` is no head: {reason}", .path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: NoteError,
    },
    /// Not a head.
    #[error("`{}` is no head: {reason}", .path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: CheckpointError,
    },
    /// A note that none of the keys given has signed.
    #[error("the head over {size} records is not signed with a key that was given: {reason}")]
    Unsigned {
        /// Records it counts.
        size: u64,
        /// What is wrong.
        reason: NoteError,
    },
    /// Two logs.
    #[error("one is of log `{0}`, the other of log `{1}`")]
    OtherLog(String, String),
    /// Two heads of different sizes say nothing about each other.
    #[error("one head counts {0} records, the other {1}: that needs a copy of the log instead of one of them")]
    NeedsLog(u64, u64),
    /// The tree of a log cannot be read.
    #[error(transparent)]
    Tree(#[from] ProveError),
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] VerifyIo),
}

/// One of the two.
struct Side {
    log: Option<PathBuf>,
    head: Checkpoint,
    note: Note,
}

/// Compares two of: a file with a signed head, a log's directory. With `keys`, the heads compared must be signed by one of them.
pub fn compare(a: &Path, b: &Path, keys: &[VerifierKey]) -> Result<Compared, CompareError> {
    let (a, b) = (Side::read(a, keys)?, Side::read(b, keys)?);
    if a.head.origin != b.head.origin {
        return Err(CompareError::OtherLog(a.head.origin, b.head.origin));
    }
    let (small, large) = if a.head.size <= b.head.size { (a, b) } else { (b, a) };
    let size = small.head.size;
    if size == large.head.size {
        if small.head.root == large.head.root {
            return Ok(Compared::Same { size });
        }
        return Ok(Compared::Forked(Box::new(Fork { small: small.note, large: large.note, beginning: None })));
    }
    let Some(log) = &large.log else {
        return match small.log {
            Some(_) => Ok(Compared::Behind { has: size, counts: large.head.size }),
            None => Err(CompareError::NeedsLog(size, large.head.size)),
        };
    };
    let (beginning, proof) = Prover::under(log, (large.head, large.note.clone())).beginning(size)?;
    let root = beginning.root();
    if root == small.head.root {
        return Ok(Compared::Same { size });
    }
    // Two heads of one size need no proof between them.
    let fork = match Prover::over(log, size) {
        Ok(other) => Fork { small: small.note, large: other.note().clone(), beginning: None },
        Err(ProveError::NoHeadOver(_)) => Fork { small: small.note, large: large.note, beginning: Some((root, proof)) },
        Err(error) => return Err(error.into()),
    };
    Ok(Compared::Forked(Box::new(fork)))
}

impl Side {
    fn read(path: &Path, keys: &[VerifierKey]) -> Result<Self, CompareError> {
        let failed = |source| VerifyIo::Read { path: path.to_owned(), source };
        let (log, (head, note)) = if path.is_dir() {
            let log = only_log(path)?;
            let prover = Prover::newest(&log)?;
            let found: Found = (prover.head().clone(), prover.note().clone());
            (Some(log), found)
        } else {
            let bytes = read_bounded(path, NOTE_MAX + 1).map_err(failed)?;
            let note = Note::parse(&bytes).map_err(|reason| CompareError::Note { path: path.to_owned(), reason })?;
            let head = Checkpoint::parse(note.unverified_text());
            (None, (head.map_err(|reason| CompareError::Checkpoint { path: path.to_owned(), reason })?, note))
        };
        if !keys.is_empty() {
            let keys: Vec<&VerifierKey> = keys.iter().collect();
            note.verify(&keys).map_err(|reason| CompareError::Unsigned { size: head.size, reason })?;
        }
        Ok(Self { log, head, note })
    }
}

/// At most so many bytes of a file: one more than may be used tells that there are too many.
fn read_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n", self.small, self.large)?;
        let Some((root, proof)) = &self.beginning else { return Ok(()) };
        writeln!(f, "{}", root.base64())?;
        proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.base64()))
    }
}

//! Everything that reads the tree of a log: tiles, and proofs from them.
//!
//! What passes through: segments and heads of a log's directory, whether somebody writes it or not, into tiles and proofs. What it
//! guarantees: no proof is handed out and no tile written that does not agree with a head of the log. Tiles are a shortcut: where
//! they are missing, damaged or wrong, the same hashes come out of the segments. Memory is bounded by some tiles and the lines of
//! one of them. What it does not do: check who signed a head. That is the part of whoever is given the proof, since only they know
//! which key to believe.

mod contradict;
mod handover;
mod heads;
mod leaves;
mod prove;
mod source;
mod tiles;

use std::io;
use std::path::{Path, PathBuf};

use super::verify::VerifyIo;
use crate::tlog::{self, Hash, ProofFile, TileError};

pub use contradict::{Evidence, weigh_heads};
pub use handover::{HandOver, next_hand_over};
pub(crate) use heads::{Found, Heads, newest as newest_head};
pub(crate) use leaves::Lines;
pub use prove::Prover;
pub(crate) use source::read_tile;
pub use tiles::{RepairError, Tiles, catch_up, repair};

/// Why nothing can be said about the tree of a log.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The records are not those that were signed.
    #[error("the records are not those that the signed head over {0} records vouches for: see `yett audit verify`")]
    Differs(u64),
    /// A file of heads is damaged.
    #[error("a head in `{}` cannot be read: {reason}", .path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither segments nor tiles have it.
    #[error("record {0} is not here")]
    Missing(u64),
    /// Retention has removed it.
    #[error("record {0} was pruned, or is not here: there is no more of it than its hash")]
    Pruned(u64),
    /// No head is there at all.
    #[error("no head was signed yet")]
    NoHead,
    /// No head has that size.
    #[error("no signed head counts {0} records")]
    NoHeadOver(u64),
    /// Nothing to prove yet: no head counts the record.
    #[error("record {index} is under no signed head yet: the newest counts {size} records")]
    NoSuchRecord {
        /// Record asked for.
        index: u64,
        /// Records the newest head counts.
        size: u64,
    },
    /// The old tree is the larger one.
    #[error("a log of {old} records is no beginning of one of {new}")]
    Shrunk {
        /// Records of the old tree.
        old: u64,
        /// Records of the new tree.
        new: u64,
    },
    /// A tile cannot be written.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// The tile.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] VerifyIo),
}

/// Proof that the first `old` records are the beginning of the first `new` ones, over which there is a head. It holds for the root
/// in that head; blocks on the disk.
pub fn prove_consistency(log_dir: &Path, old: u64, new: u64) -> Result<Vec<Hash>, ProveError> {
    Prover::over(log_dir, new)?.consistency(old)
}

/// Proof that record `index` is in the log, under its newest head; blocks on the disk.
pub fn prove_inclusion(log_dir: &Path, index: u64) -> Result<ProofFile, ProveError> {
    Prover::newest(log_dir)?.inclusion(index)
}

/// Root of the first `size` records, which are a beginning of those under the newest head; blocks on the disk.
pub fn root_before(log_dir: &Path, size: u64) -> Result<Hash, ProveError> {
    Ok(Prover::newest(log_dir)?.beginning(size)?.0.root())
}

impl From<tlog::ProveError<TileError<Self>>> for ProveError {
    fn from(error: tlog::ProveError<TileError<Self>>) -> Self {
        match error {
            tlog::ProveError::NoSuchLeaf { index, size } => Self::NoSuchRecord { index, size },
            tlog::ProveError::Shrunk { old, new } => Self::Shrunk { old, new },
            tlog::ProveError::Source(error) => error.into(),
            tlog::ProveError::TooLarge(size) => Self::NoHeadOver(size),
        }
    }
}

impl From<TileError<Self>> for ProveError {
    fn from(error: TileError<Self>) -> Self {
        match error {
            // Only whole tiles and whole lines are given to a source.
            TileError::Length { index, .. } | TileError::Missing(index) => Self::Missing(index),
            TileError::Read(error) => error,
        }
    }
}

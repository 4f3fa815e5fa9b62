//! Proofs under one head of a log.

use std::fmt;
use std::path::{Path, PathBuf};

use super::ProveError;
use super::heads::{self, Found};
use super::leaves::Lines;
use super::source::Tree;
use crate::tlog::{
    self, Checkpoint, Frontier, Hash, HashSource as _, Head, Note, ProofFile, TileError, prove_consistency, prove_inclusion,
    verify_consistency, verify_inclusion,
};

/// Makes proofs that hold under one head. Each is checked before it is given away: if tiles lead astray, segments do not.
pub struct Prover {
    log: PathBuf,
    head: Checkpoint,
    note: Note,
    tree: Tree,
    lines: Lines,
}

impl Prover {
    /// Under the newest head of a log.
    pub fn newest(log: &Path) -> Result<Self, ProveError> {
        Ok(Self::under(log, heads::newest(log)?))
    }

    /// Under the head over exactly `size` records.
    pub fn over(log: &Path, size: u64) -> Result<Self, ProveError> {
        Ok(Self::under(log, heads::over(log, size)?))
    }

    /// Under a head that was found in the log.
    pub(crate) fn under(log: &Path, (head, note): Found) -> Self {
        Self { log: log.to_owned(), tree: Tree::new(log, head.size), lines: Lines::new(log), head, note }
    }

    /// The head.
    pub fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// The note that carries it.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The bytes of a record.
    pub fn record(&mut self, index: u64) -> Result<Vec<u8>, ProveError> {
        match self.lines.line(index) {
            Err(ProveError::Missing(_)) if index < self.lines.first()? => {
                self.lines.kept(index)?.ok_or(ProveError::Pruned(index))
            }
            line => line,
        }
    }

    /// Whether there is no more of a record than its hash.
    pub fn is_pruned(&mut self, index: u64) -> bool {
        matches!(self.record(index), Err(ProveError::Pruned(_)))
    }

    /// Proof that record `index` is in the log.
    pub fn inclusion(&mut self, index: u64) -> Result<ProofFile, ProveError> {
        let (size, root) = (self.head.size, self.head.root);
        if index >= size {
            return Err(ProveError::NoSuchRecord { index, size });
        }
        // The record itself if it is there; of one that was pruned tiles still know the leaf.
        let leaf = match self.record(index) {
            Ok(line) => Hash::leaf(&line),
            Err(ProveError::Missing(_) | ProveError::Pruned(_)) => self.tree.hash(0, index)?,
            Err(error) => return Err(error),
        };
        let hashes = self.checked(
            |tree| prove_inclusion(tree, index, size),
            |hashes| verify_inclusion(hashes, index, leaf, size, root).is_ok(),
        )?;
        Ok(ProofFile { extra: None, index, hashes, checkpoint: self.note.clone() })
    }

    /// Proof that the first `old` records are the beginning of those the head counts.
    pub fn consistency(&mut self, old: u64) -> Result<Vec<Hash>, ProveError> {
        Ok(self.beginning(old)?.1)
    }

    /// The tree of the first `old` records, and proof that they are the beginning of those the head counts.
    pub(crate) fn beginning(&mut self, old: u64) -> Result<(Frontier, Vec<Hash>), ProveError> {
        let new = Head { size: self.head.size, root: self.head.root };
        self.checked(
            |tree| {
                let proof = prove_consistency(tree, old, new.size)?;
                Ok((tree.frontier(old).map_err(tlog::ProveError::Source)?, proof))
            },
            |(beginning, proof)| verify_consistency(proof, Head { size: old, root: beginning.root() }, new).is_ok(),
        )
    }

    /// What `attempt` makes, if `holds` says so, out of tiles or else out of segments.
    fn checked<T>(
        &mut self,
        attempt: impl Fn(&mut Tree) -> Result<T, tlog::ProveError<TileError<ProveError>>>,
        holds: impl Fn(&T) -> bool,
    ) -> Result<T, ProveError> {
        let made = attempt(&mut self.tree)?;
        if holds(&made) {
            return Ok(made);
        }
        self.tree = Tree::of_segments(&self.log, self.head.size);
        let made = attempt(&mut self.tree)?;
        if holds(&made) { Ok(made) } else { Err(ProveError::Differs(self.head.size)) }
    }
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").field("log", &self.log).field("head", &self.head).finish_non_exhaustive()
    }
}

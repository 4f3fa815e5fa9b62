//! Which keys followed the first ones: each epoch's record, proven under the head by which the epoch before handed over.
//!
//! In a file these are C2SP `.tlog-proof`s, one after the other, with the record in the `extra` line.

use std::path::Path;

use super::super::epoch::{BadHead, EpochKeys};
use super::super::line::Line;
use super::super::tree::{Heads, Lines, ProveError, Prover};
use crate::tlog::{Checkpoint, Hash, LinesError, ProofError, ProofFile, VerifierKey, verify_inclusion};

/// Longest file of epochs that is read: those of some decades.
pub const EPOCHS_MAX: usize = 64 << 20;

/// What each proof begins with, and no line within one.
const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

/// The epochs of a log from the first on, each vouched for by the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epochs(Vec<Epoch>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Epoch {
    /// The record that announced it.
    index: u64,
    /// Records of the head that handed over to it, which the epoch before has signed.
    handed_over: u64,
    keys: EpochKeys,
}

/// Why a file of epochs proves nothing. Epochs count from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochsError {
    /// Nothing is in it.
    #[error("no epoch is in it")]
    Empty,
    /// The epoch before did not sign.
    #[error("epoch {epoch}: its head is not signed by whom it must be: {reason}")]
    Head {
        /// Which epoch.
        epoch: u64,
        /// What is wrong.
        reason: BadHead,
    },
    /// The record is not under the head.
    #[error("epoch {epoch}: {reason}")]
    Inclusion {
        /// Which epoch.
        epoch: u64,
        /// What is wrong.
        reason: ProofError,
    },
    /// Not one after the other.
    #[error("epoch {0} does not follow the one before it")]
    Order(u64),
    /// Not a proof.
    #[error("epoch {epoch}: {reason}")]
    Proof {
        /// Which epoch.
        epoch: u64,
        /// What is wrong.
        reason: LinesError,
    },
    /// The record announces no keys.
    #[error("epoch {0}: its record does not announce the keys of this epoch")]
    Record(u64),
    /// Not the log one wants to know about.
    #[error("the key of epoch 0 is not the one that is trusted")]
    Untrusted,
}

/// The epochs of a log that may have signed heads over up to `size` records, as a file; reads all of the log.
pub fn epochs(log_dir: &Path, size: u64) -> Result<String, ProveError> {
    let mut file = String::new();
    for (index, line) in Lines::new(log_dir).announcements(0, size)? {
        let found = Heads::after(log_dir, index).next_head()?;
        // Without a head over it, nobody has taken over yet.
        let Some((head, note)) = found else { break };
        let proof = Prover::under(log_dir, (head, note)).inclusion(index)?;
        file.push_str(&ProofFile { extra: Some(line), ..proof }.to_string());
    }
    Ok(file)
}

impl Epochs {
    /// Reads and checks a file of epochs; `trusts` says whether a key of epoch 0 is that of the log one means.
    pub fn read(bytes: &[u8], trusts: impl Fn(&VerifierKey) -> bool) -> Result<Self, EpochsError> {
        let mut epochs: Vec<Epoch> = Vec::new();
        for (number, proof) in (0..).zip(proofs(bytes)) {
            let proof = ProofFile::parse(proof).map_err(|reason| EpochsError::Proof { epoch: number, reason })?;
            let bad_head = |reason| EpochsError::Head { epoch: number, reason };
            let head = Checkpoint::parse(proof.checkpoint.unverified_text()).map_err(|reason| bad_head(reason.into()))?;
            let record = proof.extra.as_deref().unwrap_or_default();
            let line = Line::parse(record).ok().filter(|line| line.index == proof.index && line.log == head.origin);
            let keys = line.and_then(|line| EpochKeys::read(line.epoch?, line.log)).filter(|keys| keys.number == number);
            let keys = keys.ok_or(EpochsError::Record(number))?;
            let signer = match epochs.last() {
                None if proof.index != 0 => return Err(EpochsError::Order(number)),
                None if !trusts(&keys.ed25519) => return Err(EpochsError::Untrusted),
                None => &keys,
                // Between two announcements is the head that hands over to the first of them.
                Some(before) if before.handed_over > proof.index => return Err(EpochsError::Order(number)),
                Some(before) if before.keys.ed25519.name() != head.origin => return Err(EpochsError::Record(number)),
                Some(before) => &before.keys,
            };
            signer.verify(&proof.checkpoint).map_err(bad_head)?;
            verify_inclusion(&proof.hashes, proof.index, Hash::leaf(record), head.size, head.root)
                .map_err(|reason| EpochsError::Inclusion { epoch: number, reason })?;
            epochs.push(Epoch { index: proof.index, handed_over: head.size, keys });
        }
        if epochs.is_empty() { Err(EpochsError::Empty) } else { Ok(Self(epochs)) }
    }

    /// The key one has to know: that of epoch 0.
    pub fn first_key(&self) -> Option<&VerifierKey> {
        self.0.first().map(|epoch| &epoch.keys.ed25519)
    }

    /// The keys of epoch 0.
    pub(crate) fn first(&self) -> Option<&EpochKeys> {
        self.0.first().map(|epoch| &epoch.keys)
    }

    /// Who signs the head over `size` records: the last epoch that was handed over to by a smaller head.
    pub(crate) fn signer(&self, size: u64) -> Option<&EpochKeys> {
        // Nobody came before epoch 0: it signs the head over its own announcement.
        let in_force = self.0.iter().rev().find(|epoch| epoch.handed_over < size).or(self.0.first());
        in_force.map(|epoch| &epoch.keys)
    }

    /// The last announcement before record `first`.
    pub(crate) fn announced_before(&self, first: u64) -> Option<(u64, &EpochKeys)> {
        self.0.iter().rev().find(|epoch| epoch.index < first).map(|epoch| (epoch.index, &epoch.keys))
    }

    /// The last announcement that a head over no more than `first` records handed over to.
    pub(crate) fn handed_over_before(&self, first: u64) -> Option<(u64, &EpochKeys)> {
        self.0.iter().rev().find(|epoch| epoch.handed_over <= first).map(|epoch| (epoch.index, &epoch.keys))
    }
}

/// The proofs of a file.
fn proofs(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begins = memchr::memmem::find_iter(bytes, HEADER).filter(|at| *at == 0 || bytes.get(at - 1) == Some(&b'\n'));
    let mut begins: Vec<usize> = begins.collect();
    // What stands before the first is a proof that is none.
    if !bytes.is_empty() && begins.first() != Some(&0) {
        begins.insert(0, 0);
    }
    let ends: Vec<usize> = begins.iter().skip(1).copied().chain([bytes.len()]).collect();
    begins.into_iter().zip(ends).map(|(begin, end)| bytes.get(begin..end).unwrap_or_default())
}

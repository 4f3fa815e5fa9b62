//! Is this record in the log? Offline, from the record, a C2SP `.tlog-proof`, and a key that one knows from elsewhere.

use super::super::epoch::BadHead;
use super::super::line::{Line, NotRecord};
use super::epochs::{Epochs, EpochsError};
use crate::tlog::{
    Checkpoint, CheckpointError, Hash, Policy, ProofError, ProofFile, ProofFileError, Unmet, VerifierKey, verify_inclusion,
};

/// Whose word is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A key of the log: of the epoch that signed, or with a file of epochs that of epoch 0.
    Key(VerifierKey),
    /// A policy: keys of logs in the same sense, and witnesses.
    Policy(Policy),
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The head says nothing that a head says.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The keys between epoch 0 and the head do not follow each other.
    #[error("the epochs do not hold: {0}")]
    Epochs(#[from] EpochsError),
    /// The head is not signed by the epoch it must be signed by.
    #[error("the head is not signed by the epoch that signs heads over {size} records: {reason}")]
    Head {
        /// Records it counts.
        size: u64,
        /// What is wrong.
        reason: BadHead,
    },
    /// The record belongs to another log.
    #[error("the record is of log `{record}`, the head of log `{head}`")]
    OtherLog {
        /// The record's.
        record: String,
        /// The head's.
        head: String,
    },
    /// The proof is about another record.
    #[error("the record says it is number {record}, the proof is for number {proof}")]
    OtherRecord {
        /// Index in the record.
        record: u64,
        /// Index in the proof.
        proof: u64,
    },
    /// The hashes do not lead from the record to the root.
    #[error("the record is not the one that was signed: {0}")]
    Proof(#[from] ProofError),
    /// The policy is not met.
    #[error(transparent)]
    Policy(#[from] Unmet),
    /// Not a record.
    #[error("not a record: {0}")]
    Record(#[from] NotRecord),
    /// The key did not sign, or not this.
    #[error(transparent)]
    Signature(ProofFileError),
}

/// Checks that the log holds `record` (a line without its newline) and gives the head that says so.
pub fn check_receipt(record: &[u8], proof: &ProofFile, trust: &Trust, epochs: Option<&[u8]>) -> Result<Checkpoint, ReceiptError> {
    let line = Line::parse(record)?;
    if line.index != proof.index {
        return Err(ReceiptError::OtherRecord { record: line.index, proof: proof.index });
    }
    let head = Checkpoint::parse(proof.checkpoint.unverified_text())?;
    if line.log != head.origin {
        return Err(ReceiptError::OtherLog { record: line.log.to_owned(), head: head.origin });
    }
    let leaf = Hash::leaf(record);
    verify_inclusion(&proof.hashes, proof.index, leaf, head.size, head.root)?;
    let Some(epochs) = epochs else {
        return match trust {
            Trust::Key(key) => proof.verify(leaf, &[key]).map_err(ReceiptError::Signature),
            Trust::Policy(policy) => Ok(policy.verify(&proof.checkpoint, &[])?.checkpoint),
        };
    };
    let is_ours = |key: &VerifierKey| key.name() == head.origin;
    let epochs = Epochs::read(epochs, |first| {
        is_ours(first)
            && match trust {
                Trust::Key(key) => key == first,
                Trust::Policy(policy) => policy.logs().iter().any(|log| log.key == *first),
            }
    })?;
    let keys = epochs.signer(head.size).ok_or(EpochsError::Empty)?;
    keys.verify(&proof.checkpoint).map_err(|reason| ReceiptError::Head { size: head.size, reason })?;
    if let Trust::Policy(policy) = trust {
        policy.verify(&proof.checkpoint, &[&keys.ed25519])?;
    }
    Ok(head)
}

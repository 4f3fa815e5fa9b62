//! The head under which records of a period stand, and whether it is the log's: for whoever has neither the log nor its last keys.

use std::path::Path;

use super::super::tree::{Heads, ProveError, Prover};
use super::epochs::{Epochs, EpochsError};
use super::receipt::ReceiptError;
use crate::tlog::{Checkpoint, Note, VerifierKey};

/// The first head of a log that counts record `index`, and the note that carries it.
pub fn head_after(log_dir: &Path, index: u64) -> Result<(Checkpoint, Note), ProveError> {
    match Heads::after(log_dir, index).next_head()? {
        Some(found) => Ok(found),
        None => Err(ProveError::NoSuchRecord { index, size: Prover::newest(log_dir)?.head().size }),
    }
}

/// Checks that a head was signed by the epoch that signs heads of its size, by the key of epoch 0 alone.
pub fn check_head(note: &Note, epochs: &[u8], first: &VerifierKey) -> Result<Checkpoint, ReceiptError> {
    let head = Checkpoint::parse(note.unverified_text())?;
    let epochs = Epochs::read(epochs, |key| key == first && key.name() == head.origin)?;
    let keys = epochs.signer(head.size).ok_or(EpochsError::Empty)?;
    keys.verify(note).map_err(|reason| ReceiptError::Head { size: head.size, reason })?;
    Ok(head)
}

//! Finds where a log changed its keys, for who has to follow it from an older head.

use std::path::Path;

use super::ProveError;
use super::heads::Heads;
use super::leaves::Lines;
use super::prove::Prover;
use crate::audit::Announcement;
use crate::tlog::{Checkpoint, KeyId, Note, ProofFile};

/// Records that a head counts and the one before does not are never more (docs/audit-format.md).
const BETWEEN_HEADS: u64 = 10_000;

/// The last head that was signed with the keys of an epoch, and the record that announces the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// What the head says.
    pub head: Checkpoint,
    /// The note that carries it.
    pub note: Note,
    /// The line of the `key.rotate` record.
    pub record: Vec<u8>,
    /// Proof of it, under this head.
    pub proof: ProofFile,
}

/// The first hand-over whose head counts at least `size` records; `None` while the keys that signed then are still in use. Blocks on
/// the disk.
pub fn next_hand_over(log_dir: &Path, size: u64) -> Result<Option<HandOver>, ProveError> {
    let mut heads = Heads::after(log_dir, size.saturating_sub(1));
    let Some(mut last) = heads.next_head()? else { return Ok(None) };
    while let Some(next) = heads.next_head()? {
        if first_key(&next.1) != first_key(&last.1) {
            return hand_over(log_dir, last).map(Some);
        }
        last = next;
    }
    Ok(None)
}

fn hand_over(log_dir: &Path, (head, note): (Checkpoint, Note)) -> Result<HandOver, ProveError> {
    let mut prover = Prover::under(log_dir, (head.clone(), note.clone()));
    let (index, record) = announced_under(log_dir, &head.origin, head.size)?;
    let proof = prover.inclusion(index)?;
    Ok(HandOver { head, note, record, proof })
}

/// The announcement of keys that a hand-over over `size` records covers: where it stands, and its line.
pub(super) fn announced_under(log_dir: &Path, origin: &str, size: u64) -> Result<(u64, Vec<u8>), ProveError> {
    let announced = Lines::new(log_dir).announcements(size.saturating_sub(BETWEEN_HEADS), size)?;
    let announced = announced.into_iter().rfind(|(_, record)| Announcement::read(record, origin).is_some());
    announced.ok_or(ProveError::Differs(size))
}

/// Ed25519 signs first.
fn first_key(note: &Note) -> Option<KeyId> {
    note.signatures().first().map(crate::tlog::Signature::id)
}

//! Whether heads that somebody shows prove that there is another history of a log than the one on disk.
//!
//! Only what is signed with a key of this log proves anything. A key belongs to the log if its own records announce it; which one has to
//! have signed follows from the newest head on which both sides agree: the key that was announced just before it.

use std::path::Path;

use super::ProveError;
use super::handover::announced_under;
use super::prove::Prover;
use crate::audit::Announcement;
use crate::tlog::{Checkpoint, Hash, Note};

/// What heads that were shown come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A key of this log has signed a head over so many records, which the log does not have, or not so.
    Proves {
        /// Records it counts.
        size: u64,
    },
    /// None of them is known here, so that it cannot be said whose key had to sign them: older ones would tell.
    Undecided,
    /// Nothing that would contradict the log.
    Nothing,
}

/// Judges heads, one for each epoch from the newest back; `all` says that the last one is that of epoch 0. Blocks on the disk.
pub fn weigh_heads(log_dir: &Path, notes: &[Note], all: bool) -> Result<Evidence, ProveError> {
    let mut ours = Prover::newest(log_dir)?;
    let origin = ours.head().origin.clone();
    let mut contradicts: Option<(&Note, u64)> = None;
    for note in notes {
        let Ok(head) = Checkpoint::parse(note.unverified_text()) else { return Ok(Evidence::Nothing) };
        if head.origin != origin || contradicts.is_some_and(|(_, newer)| newer < head.size) {
            return Ok(Evidence::Nothing);
        }
        if head.size > 0 && root(&mut ours, head.size)? == Some(head.root) {
            let Some((note, size)) = contradicts else { return Ok(Evidence::Nothing) };
            let (_, record) = announced_under(log_dir, &origin, head.size)?;
            return Ok(signed_by_announced(&record, &origin, note, size));
        }
        contradicts = Some((note, head.size));
    }
    match contradicts {
        Some((note, size)) if all => {
            let (_, record) = announced_under(log_dir, &origin, 1)?;
            Ok(signed_by_announced(&record, &origin, note, size))
        }
        Some(_) => Ok(Evidence::Undecided),
        None => Ok(Evidence::Nothing),
    }
}

/// The root over the first `size` records; nothing if there are fewer.
fn root(ours: &mut Prover, size: u64) -> Result<Option<Hash>, ProveError> {
    if size > ours.head().size { Ok(None) } else { Ok(Some(ours.beginning(size)?.0.root())) }
}

fn signed_by_announced(record: &[u8], origin: &str, note: &Note, size: u64) -> Evidence {
    let announced = Announcement::read(record, origin);
    let signed = announced.is_some_and(|announced| note.verify(&[&announced.key]).is_ok());
    if signed { Evidence::Proves { size } } else { Evidence::Nothing }
}

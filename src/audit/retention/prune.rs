//! Removes what a `prune` record says, once it is under a head. What is interrupted is finished by [`resume`].

use std::fs::File;
use std::io;
use std::path::Path;

use super::super::fs::Storage;
use super::super::layout::{Layout, compressed_index, segment_index};
use super::super::line::Line;
use super::super::tree::{Lines, ProveError, Prover};
use super::super::verify::VerifyIo;
use super::super::writer::{WriteError, failed};
use super::alone;
use super::kept::{Kept, KeptLine};
use super::plan::{Plan, PlanError};
use super::record::Ordered;
use crate::tlog::{TILE_WIDTH, TileId};

/// Why segments were not removed, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// Nothing may be.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The record is not the one that a head vouches for.
    #[error("record {0} does not say what is to be removed, or is under no head")]
    Unauthorised(u64),
    /// A file cannot be written or removed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The tree cannot be read.
    #[error(transparent)]
    Tree(#[from] ProveError),
    /// The disk failed.
    #[error(transparent)]
    Read(#[from] VerifyIo),
}

/// Makes the tiles durable that will be all there is of what is removed. They were compared when it was planned.
pub fn settle(log: &Path, plan: &Plan) -> Result<(), PruneError> {
    let Some(removal) = &plan.removal else { return Ok(()) };
    let width = u64::from(TILE_WIDTH);
    let mut directories = std::collections::BTreeSet::new();
    for tile in removal.from / width..=(removal.to - 1) / width {
        let path = log.join(TileId::full(0, tile).to_string());
        sync(&path)?;
        directories.extend(path.ancestors().skip(1).take_while(|path| path.starts_with(log)).map(Path::to_owned));
    }
    directories.iter().try_for_each(|directory| sync(directory))
}

fn sync(path: &Path) -> Result<(), PruneError> {
    Ok(File::open(path).and_then(|file| file.sync_all()).map_err(failed("sync", path))?)
}

/// Carries out a plan whose record has that index. Gives the number of segments removed.
pub fn carry_out(storage: &dyn Storage, log: &Path, plan: &Plan, index: u64) -> Result<u64, PruneError> {
    let record = authorised(log, index)?;
    let ordered = ordered(&record).filter(|ordered| plan.removal.as_ref().is_some_and(|removal| removal.to == ordered.to));
    let ordered = ordered.ok_or(PruneError::Unauthorised(index))?;
    let mut kept = Kept::all(log)?;
    // The record that removed what is gone may be among what goes now.
    kept.extend(plan.kept.iter().cloned());
    kept.push(record);
    kept.sort_by_key(|line| line.index);
    kept.dedup_by_key(|line| line.index);
    let layout = Layout::of(log);
    keep(storage, &layout, &kept)?;
    // Crash point: what is kept is there twice. The next run goes on.
    remove(storage, &layout, ordered.to)
}

/// Goes on with what a crash has interrupted. Gives the number of segments removed.
pub fn resume(storage: &dyn Storage, log: &Path) -> Result<u64, PruneError> {
    let layout = Layout::of(log);
    let directory = layout.segments();
    let files = storage.list(&directory).map_err(failed("list", &directory))?;
    let first = files.iter().filter_map(|(name, _)| index_of(name)).min();
    let (Some(first), Some(last)) = (first, Kept::all(log)?.pop()) else { return Ok(0) };
    match ordered(&last) {
        Some(ordered) if ordered.to > first => {
            // SECURITY: a file alone has nothing removed. The log must say so itself, under a head.
            if authorised(log, last.index)? != last {
                return Err(PruneError::Unauthorised(last.index));
            }
            remove(storage, &layout, ordered.to)
        }
        _ => Ok(0),
    }
}

fn ordered(line: &KeptLine) -> Option<Ordered> {
    Ordered::read(Line::parse(&line.bytes).ok()?.prune?, line.index)
}

/// The record with that index, if a head counts it.
fn authorised(log: &Path, index: u64) -> Result<KeptLine, PruneError> {
    if Prover::newest(log)?.head().size <= index {
        return Err(PruneError::Unauthorised(index));
    }
    Ok(KeptLine { index, bytes: Lines::new(log).line(index)? })
}

/// Puts the lines in their place, durably.
fn keep(storage: &dyn Storage, layout: &Layout, lines: &[KeptLine]) -> Result<(), WriteError> {
    let path = layout.kept();
    let unfinished = path.with_extension("jsonl.tmp");
    storage.remove(&unfinished).map_err(failed("remove", &unfinished))?;
    let mut file = storage.create(&unfinished).map_err(failed("create", &unfinished))?;
    let mut text = Vec::new();
    for line in lines {
        text.extend_from_slice(&line.bytes);
        text.push(b'\n');
    }
    file.write_at(0, &text).map_err(failed("write", &unfinished))?;
    file.sync_data().map_err(failed("sync", &unfinished))?;
    storage.rename(&unfinished, &path).map_err(failed("rename", &unfinished))?;
    storage.sync_dir(&layout.directory).map_err(failed("sync", &layout.directory))
}

/// Removes the segments before record `to`, the oldest first, each durably: at any moment the log is whole from some segment on.
fn remove(storage: &dyn Storage, layout: &Layout, to: u64) -> Result<u64, PruneError> {
    let _alone = alone();
    let directory = layout.segments();
    let files = storage.list(&directory).map_err(failed("list", &directory))?;
    let mut firsts: Vec<u64> = files.iter().filter_map(|(name, _)| index_of(name)).collect();
    firsts.sort_unstable();
    firsts.dedup();
    if firsts.last().is_none_or(|last| *last < to) || !firsts.contains(&to) {
        return Err(failed("prune", &directory)(io::Error::other("the segment that is to be the first is not there")).into());
    }
    let mut removed = 0;
    for first in firsts.into_iter().filter(|first| *first < to) {
        for path in [layout.compressed(first), layout.segment(first)] {
            storage.remove(&path).map_err(failed("remove", &path))?;
        }
        storage.sync_dir(&directory).map_err(failed("sync", &directory))?;
        removed += 1;
    }
    Ok(removed)
}

/// The index in the name of a segment, in whatever form.
fn index_of(name: &str) -> Option<u64> {
    segment_index(name).or_else(|| compressed_index(name))
}

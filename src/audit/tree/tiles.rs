//! Tiles on disk, made behind the log and never in its way.
//!
//! A tile is written once a head vouches for all leaves in it, so a log that was changed spoils none. They are not synced: what a
//! power cut takes or damages is made again, from the last tile on that is whole.

use std::fs;
use std::path::{Path, PathBuf};

use super::ProveError;
use super::heads::Heads;
use super::leaves::Lines;
use super::source::{Tree, read_tile};
use crate::audit::fs::{Disk, Storage as _};
use crate::audit::verify::{VerifyIo, find_logs, verify};
use crate::audit::{FaultReason, Verdict};
use crate::tlog::{Frontier, LEVEL_MAX, TILE_BYTES, TILE_WIDTH, Tile, TileBuilder, TileId};

/// Most full tiles that wait for a head: those of some minutes of a busy log, 8 MiB.
const WAITING_MAX: usize = 1024;

/// Levels of the tree in one level of tiles.
const TILE_LEVELS: u8 = 8;

/// Why tiles were not made again.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// What they would be made from is not what was signed.
    #[error("the log in `{directory}` does not verify, so nothing can be made from it: record {index}: {reason}")]
    Tampered {
        /// The log.
        directory: String,
        /// The first bad record.
        index: u64,
        /// What is wrong with it.
        reason: FaultReason,
    },
    /// Its first segments are elsewhere.
    #[error("the log in `{directory}` begins at record {first}: tiles are made from all records")]
    Incomplete {
        /// The log.
        directory: String,
        /// The first record that is here.
        first: u64,
    },
    /// The path holds no log, or the disk failed.
    #[error(transparent)]
    Io(#[from] VerifyIo),
    /// The tree cannot be read, or a tile not be written.
    #[error(transparent)]
    Tree(#[from] ProveError),
}

/// The tiles of one log, brought up to date now and then.
#[derive(Debug)]
pub struct Tiles {
    log: PathBuf,
    builder: TileBuilder,
    tree: Frontier,
    lines: Lines,
    heads: Heads,
}

/// Brings the tiles of a log up to its newest head; blocks on the disk.
pub fn catch_up(log_dir: &Path) -> Result<(), ProveError> {
    Tiles::follow(None, log_dir, &|| true).map(drop)
}

/// Makes the tiles of every log in `path` again, after the log itself was verified. Gives how many were missing or wrong.
pub fn repair(path: &Path) -> Result<u64, RepairError> {
    for log in verify(path)?.logs {
        let directory = log.directory.display().to_string();
        match (log.verdict(), log.fault) {
            (Verdict::Tampered, Some(fault)) => {
                return Err(RepairError::Tampered { directory, index: fault.index, reason: fault.reason });
            }
            _ if log.first > log.pruned => return Err(RepairError::Incomplete { directory, first: log.first }),
            _ => {}
        }
    }
    let mut written = 0;
    for log in find_logs(path)? {
        written += Tiles::from_the_start(&log).catch_up(&|| true)?;
    }
    Ok(written)
}

impl Tiles {
    /// Goes on after the tiles that are there.
    fn open(log: &Path) -> Result<Self, ProveError> {
        let size = covered(log);
        let mut stored = Tree::new(log, size);
        let builder = TileBuilder::resume(size, &mut stored)?;
        let tree = stored.frontier(size)?;
        Ok(Self { log: log.to_owned(), builder, tree, lines: Lines::new(log), heads: Heads::after(log, size) })
    }

    /// Believes no tile.
    fn from_the_start(log: &Path) -> Self {
        Self {
            log: log.to_owned(),
            builder: TileBuilder::new(),
            tree: Frontier::new(),
            lines: Lines::new(log),
            heads: Heads::after(log, 0),
        }
    }

    /// Goes on from where `held` stopped, or from the tiles on disk, up to the newest head, as long as `go_on` says so.
    pub fn follow(held: Option<Self>, log: &Path, go_on: &dyn Fn() -> bool) -> Result<Self, ProveError> {
        let caught_up = held.map_or_else(|| Self::open(log), Ok).and_then(|mut tiles| {
            tiles.catch_up(go_on)?;
            Ok(tiles)
        });
        match caught_up {
            // It may be the tiles that are wrong: the segments alone decide.
            Err(ProveError::Differs(_)) => {
                let mut tiles = Self::from_the_start(log);
                tiles.catch_up(go_on)?;
                Ok(tiles)
            }
            caught_up => caught_up,
        }
    }

    /// Writes what heads have come to vouch for, as long as `go_on` says so, and gives the number of tiles. After an error this
    /// one is of no use any more.
    fn catch_up(&mut self, go_on: &dyn Fn() -> bool) -> Result<u64, ProveError> {
        let mut written = 0;
        while go_on() {
            let Some((head, _)) = self.heads.next_head()? else { break };
            let mut full = Vec::new();
            let (tree, builder) = (&mut self.tree, &mut self.builder);
            self.lines.each_leaf(tree.size(), head.size, &mut |leaf| {
                tree.push(leaf);
                builder.push(leaf, &mut full);
                // No writer leaves so much behind a head.
                if full.len() > WAITING_MAX { Err(ProveError::Differs(head.size)) } else { Ok(()) }
            })?;
            if tree.root() != head.root {
                return Err(ProveError::Differs(head.size));
            }
            for tile in full {
                written += u64::from(write(&self.log, &tile)?);
            }
        }
        Ok(written)
    }
}

/// Writes a tile, if it is not there already.
fn write(log: &Path, tile: &Tile) -> Result<bool, ProveError> {
    if read_tile(log, tile.id)?.as_ref() == Some(&tile.bytes) {
        return Ok(false);
    }
    let path = log.join(tile.id.to_string());
    let failed = |source| ProveError::Write { path: path.clone(), source };
    path.parent().map_or(Ok(()), |directory| Disk.create_dir_all(directory)).map_err(failed)?;
    Disk.publish(&path, &tile.bytes).map_err(failed)?;
    Ok(true)
}

/// How many records all tiles together cover: none is missing below.
fn covered(log: &Path) -> u64 {
    let whole = |level, index| {
        let metadata = fs::symlink_metadata(log.join(TileId::full(level, index).to_string()));
        metadata.is_ok_and(|metadata| metadata.is_file() && usize::try_from(metadata.len()) == Ok(TILE_BYTES))
    };
    let mut tiles = 0;
    while whole(0, tiles) {
        tiles += 1;
    }
    let mut size = u64::from(TILE_WIDTH) * tiles;
    for level in 1..LEVEL_MAX / TILE_LEVELS {
        let leaves = TILE_LEVELS * (level + 1);
        if size >> leaves == 0 {
            break;
        }
        if let Some(missing) = (0..size >> leaves).find(|index| !whole(level, *index)) {
            size = missing << leaves;
        }
    }
    size
}

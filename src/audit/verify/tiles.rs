//! The tiles beside the records: derived, so a wrong one changes nothing, but it is said; and where the records were changed, those
//! from before may still tell which.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::tree::read_tile;
use super::VerifyIo;
use crate::tlog::{Frontier, Hash, TILE_WIDTH, TileBuilder, TileId};

/// Compares the tiles that are there with those that the leaves make.
pub(super) struct Tiles {
    log: PathBuf,
    /// None where there are no tiles, or where the records that come first are not here.
    builder: Option<TileBuilder>,
    pub(super) damaged: u64,
}

impl Tiles {
    pub(super) fn new(log: &Path, from_the_start: bool) -> Self {
        let compares = from_the_start && log.join("tile").is_dir();
        Self { log: log.to_owned(), builder: compares.then(TileBuilder::new), damaged: 0 }
    }

    /// Takes the leaf of the next record.
    pub(super) fn record(&mut self, leaf: Hash) -> Result<(), VerifyIo> {
        let Some(builder) = &mut self.builder else { return Ok(()) };
        let mut full = Vec::new();
        builder.push(leaf, &mut full);
        for tile in full {
            let is_right = read_tile(&self.log, tile.id)?.is_some_and(|bytes| bytes == tile.bytes);
            self.damaged += u64::from(!is_right && is_there(&self.log, tile.id));
        }
        Ok(())
    }

    /// The first of the records behind `good` that was changed: it has another leaf than tiles, whose leaves make the root that was
    /// signed.
    pub(super) fn first_changed(&self, good: &Frontier, since: &[Hash], root: Hash) -> Result<Option<u64>, VerifyIo> {
        if self.builder.is_none() {
            return Ok(None);
        }
        let (width, mut stored) = (u64::from(TILE_WIDTH), None);
        let (mut tree, mut changed) = (good.clone(), None);
        for (index, leaf) in (good.size()..).zip(since) {
            if index.is_multiple_of(width) || stored.is_none() {
                stored = read_tile(&self.log, TileId::full(0, index / width))?;
            }
            let at = usize::try_from(index % width).unwrap_or_default();
            let Some(signed) = stored.as_ref().and_then(|tile| tile.as_chunks().0.get(at)).copied().map(Hash::new) else {
                return Ok(None);
            };
            if signed != *leaf {
                changed.get_or_insert(index);
            }
            tree.push(signed);
        }
        Ok(changed.filter(|_| tree.root() == root))
    }
}

fn is_there(log: &Path, id: TileId) -> bool {
    let found = fs::symlink_metadata(log.join(id.to_string()));
    !found.is_err_and(|error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
}

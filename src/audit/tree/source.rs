//! Any hash of a log's tree: out of tiles, and where there are none out of segments.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::ProveError;
use super::leaves::Lines;
use crate::audit::verify::{Opened, VerifyIo, regular_file, unreadable};
use crate::tlog::{Frontier, Hash, HashSource, TILE_BYTES, TILE_WIDTH, TileError, TileId, TileSource};

type Read = Box<dyn FnMut(u8, u64) -> Result<Option<Vec<u8>>, ProveError> + Send>;

/// The tree of the first records of a log.
pub(crate) struct Tree {
    source: TileSource<Read>,
}

impl Tree {
    /// The tree of `size` records, out of tiles as far as they are there.
    pub(crate) fn new(log: &Path, size: u64) -> Self {
        Self::with(log, size, true)
    }

    /// The same out of segments alone.
    pub(crate) fn of_segments(log: &Path, size: u64) -> Self {
        Self::with(log, size, false)
    }

    fn with(log: &Path, size: u64, tiles: bool) -> Self {
        let (log, mut lines) = (log.to_owned(), Lines::new(log));
        let read = move |level, index| {
            let from = index * u64::from(TILE_WIDTH);
            // Of pruned records there is nothing else.
            let pruned = level == 0 && from < lines.first()?;
            if (tiles || pruned)
                && let Some(tile) = read_tile(&log, TileId::full(level, index))?
            {
                return Ok(Some(tile));
            }
            if level > 0 {
                return Ok(None);
            }
            let leaves = lines.leaves(from, size.min(from + u64::from(TILE_WIDTH)))?;
            Ok(Some(leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect()))
        };
        Self { source: TileSource::new(size, &[], Box::new(read)) }
    }

    /// The frontier of the first `size` records.
    pub(crate) fn frontier(&mut self, size: u64) -> Result<Frontier, TileError<ProveError>> {
        let set = (0..u64::BITS).rev().filter(|bit| size >> bit & 1 == 1);
        let peaks = set.map(|bit| self.hash(u8::try_from(bit).unwrap_or(u8::MAX), (size >> bit) - 1));
        let peaks = peaks.collect::<Result<Vec<Hash>, _>>()?;
        Frontier::from_parts(size, &peaks).map_err(|_too_large| TileError::Missing(size))
    }
}

impl HashSource for Tree {
    type Error = TileError<ProveError>;

    fn hash(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        self.source.hash(level, index)
    }
}

/// The bytes of a full tile; `None` when it is not there, or cannot be one.
pub(crate) fn read_tile(log: &Path, id: TileId) -> Result<Option<Vec<u8>>, VerifyIo> {
    let path = log.join(id.to_string());
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.len() == u64::try_from(TILE_BYTES).unwrap_or(u64::MAX) => {}
        Ok(_) => return Ok(None),
        // A file in the place of one of its directories is no tile either.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(unreadable(&path)(error)),
    }
    let Opened::File(file) = regular_file(&path)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(TILE_BYTES);
    let limit = u64::try_from(TILE_BYTES).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable(&path))?;
    Ok((bytes.len() == TILE_BYTES).then_some(bytes))
}

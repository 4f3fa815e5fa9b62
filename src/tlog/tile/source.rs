//! Any hash of a tree, from its tiles.

use std::collections::BTreeMap;

use super::{HASH_LEN, Hash, HashSource, TILE_BYTES, TILE_LEVELS, TILE_WIDTH, root};

/// Tiles kept in memory: more than one proof reads, 512 KiB at most.
const CACHED_MAX: usize = 64;

/// The hashes of a tree whose tiles a closure reads.
///
/// The closure is given level and number of a tile and answers with its bytes, full or partial, or with nothing if there are
/// none. A hash no tile has is computed from lower levels, down to the `tail` of leaves after the last full tile.
#[derive(Debug)]
pub struct TileSource<F> {
    read: F,
    /// Number of the first leaf of `tail`.
    start: u64,
    tail: Vec<Hash>,
    /// Empty for a tile that does not exist.
    cache: BTreeMap<(u8, u64), Vec<Hash>>,
}

/// Why a hash cannot be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError<E> {
    /// A tile of an impossible length.
    #[error("a tile of level {level}, number {index}, has {len} bytes")]
    Length {
        /// Level of the tile.
        level: u8,
        /// Number of the tile.
        index: u64,
        /// Its length.
        len: usize,
    },
    /// Neither tiles nor tail have it.
    #[error("the hash of leaf {0} is in no tile")]
    Missing(u64),
    /// The closure failed.
    #[error("cannot read a tile")]
    Read(#[source] E),
}

impl<F, E> TileSource<F>
where
    F: FnMut(u8, u64) -> Result<Option<Vec<u8>>, E>,
{
    /// A tree of `size` leaves. `tail` holds the last of them, as many as no level 0 tile covers; none if partial tiles do.
    pub fn new(size: u64, tail: &[Hash], read: F) -> Self {
        let start = size.saturating_sub(u64::try_from(tail.len()).unwrap_or(u64::MAX));
        Self { read, start, tail: tail.to_vec(), cache: BTreeMap::new() }
    }

    /// `count` hashes of one tile, from number `first` of its level on, if there is such a tile.
    fn stored(&mut self, level: u8, first: u64, count: usize) -> Result<Option<&[Hash]>, TileError<E>> {
        let (index, offset) = (first / u64::from(TILE_WIDTH), usize::try_from(first % u64::from(TILE_WIDTH)).unwrap_or_default());
        if !self.cache.contains_key(&(level, index)) {
            let hashes = match (self.read)(level, index).map_err(TileError::Read)? {
                Some(bytes) => decode(&bytes).ok_or(TileError::Length { level, index, len: bytes.len() })?,
                None => Vec::new(),
            };
            if self.cache.len() == CACHED_MAX {
                self.cache.clear();
            }
            self.cache.insert((level, index), hashes);
        }
        Ok(self.cache.get(&(level, index)).and_then(|hashes| hashes.get(offset..offset + count)))
    }

    fn in_tail(&self, leaf: u64) -> Option<Hash> {
        let at = usize::try_from(leaf.checked_sub(self.start)?).ok()?;
        self.tail.get(at).copied()
    }
}

impl<F, E> HashSource for TileSource<F>
where
    F: FnMut(u8, u64) -> Result<Option<Vec<u8>>, E>,
{
    type Error = TileError<E>;

    fn hash(&mut self, level: u8, index: u64) -> Result<Hash, TileError<E>> {
        let (tile_level, above) = (level / TILE_LEVELS, level % TILE_LEVELS);
        let first = index.checked_mul(1 << above).ok_or(TileError::Missing(u64::MAX))?;
        if level == 0
            && let Some(hash) = self.in_tail(index)
        {
            return Ok(hash);
        }
        if let Some(hashes) = self.stored(tile_level, first, 1 << above)? {
            return Ok(root(hashes.iter().copied()));
        }
        if level == 0 {
            return Err(TileError::Missing(index));
        }
        // The two children: in this level of tiles, or the next lower one if this is a tile that is not there (yet).
        let right = index.checked_mul(2).and_then(|left| left.checked_add(1)).ok_or(TileError::Missing(u64::MAX))?;
        Ok(Hash::node(self.hash(level - 1, right - 1)?, self.hash(level - 1, right)?))
    }
}

fn decode(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_LEN>();
    let fits = !hashes.is_empty() && rest.is_empty() && bytes.len() <= TILE_BYTES;
    fits.then(|| hashes.iter().copied().map(Hash::new).collect())
}

//! C2SP tlog-tiles: the hashes of a tree in files of 256, and proofs from them.
//!
//! What passes through: leaf hashes into tiles ([`TileBuilder`]), tiles into the hashes a proof needs ([`TileSource`]). What it
//! guarantees: a full tile never changes; full tiles and the leaves after them ([`TileBuilder::tail`]) are enough for any hash
//! of the tree. What it does not do: trust a tile, or check one. A proof made from a wrong tile does not verify.

mod id;
mod source;

use super::{
    hash::{HASH_LEN, Hash},
    proof::{HashSource, ProveError},
    tree::{Frontier, MAX_SIZE},
};

pub use id::{BadTilePath, LEVEL_MAX, TileId};
pub use source::{TileError, TileSource};

/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Bytes in a full tile.
pub const TILE_BYTES: usize = TILE_WIDTH as usize * HASH_LEN;
/// Levels of the tree in one level of tiles.
const TILE_LEVELS: u8 = 8;

/// A tile and its bytes, hash after hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Which tile; its path is the id's display form.
    pub id: TileId,
    /// `width * 32` bytes.
    pub bytes: Vec<u8>,
}

/// Cuts a growing tree into tiles. Holds the unfinished tile of each level and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TileBuilder {
    size: u64,
    rows: Vec<Row>,
}

/// The unfinished tile of a level: its number, and its hashes so far.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    index: u64,
    hashes: Vec<Hash>,
}

impl TileBuilder {
    /// The builder of an empty tree.
    pub const fn new() -> Self {
        Self { size: 0, rows: Vec::new() }
    }

    /// Goes on after `size` leaves, whose hashes `source` has.
    ///
    /// With full tiles only, go on after the last multiple of 256 and push the leaves behind it again.
    pub fn resume<S: HashSource>(size: u64, source: &mut S) -> Result<Self, ProveError<S::Error>> {
        if size > MAX_SIZE {
            return Err(ProveError::TooLarge(size));
        }
        let mut rows = Vec::new();
        for level in (0..=LEVEL_MAX).step_by(TILE_LEVELS.into()).take_while(|level| size >> level != 0) {
            let (end, width) = (size >> level, (size >> level) % u64::from(TILE_WIDTH));
            let hashes = (end - width..end).map(|index| source.hash(level, index)).collect::<Result<_, _>>();
            rows.push(Row { index: end / u64::from(TILE_WIDTH), hashes: hashes.map_err(ProveError::Source)? });
        }
        Ok(Self { size, rows })
    }

    /// Adds the next leaf. Tiles that become full by it go to `full`, lowest level first.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<Tile>) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0..=LEVEL_MAX {
            let at = usize::from(level);
            if self.rows.len() == at {
                self.rows.push(Row { index: 0, hashes: Vec::with_capacity(TILE_WIDTH.into()) });
            }
            let Some(row) = self.rows.get_mut(at) else { return };
            row.hashes.push(hash);
            if row.hashes.len() < usize::from(TILE_WIDTH) {
                return;
            }
            hash = root(row.hashes.iter().copied());
            full.push(Tile { id: TileId::full(level, row.index), bytes: bytes(&row.hashes) });
            row.index += 1;
            row.hashes.clear();
        }
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The leaves after the last full tile.
    pub fn tail(&self) -> &[Hash] {
        self.rows.first().map_or(&[], |row| &row.hashes)
    }

    /// The unfinished tile of each level that has one, lowest first: what a server needs to serve besides full tiles.
    pub fn partial(&self) -> impl Iterator<Item = Tile> {
        (0..).zip(&self.rows).filter(|(_, row)| !row.hashes.is_empty()).map(|(level, row)| {
            let width = u16::try_from(row.hashes.len()).unwrap_or(TILE_WIDTH);
            Tile { id: TileId { level, index: row.index, width }, bytes: bytes(&row.hashes) }
        })
    }
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn root(hashes: impl Iterator<Item = Hash>) -> Hash {
    let mut frontier = Frontier::new();
    hashes.for_each(|hash| frontier.push(hash));
    frontier.root()
}

#[cfg(test)]
mod tests;

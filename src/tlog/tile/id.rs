//! Names of tiles, as paths: `tile/<level>/<index>`, and `.p/<width>` behind it for a tile that is not full yet.

use std::{fmt, str::FromStr};

use super::TILE_WIDTH;
use crate::tlog::number::decimal;

/// Highest level a path can name.
pub const LEVEL_MAX: u8 = 63;

/// Which tile: `width` hashes of the roots of `256^level` leaves each, the first of them number `index * 256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Level: each is eight levels of the tree.
    pub level: u8,
    /// Number of the tile within its level.
    pub index: u64,
    /// Number of hashes, 1 to 256.
    pub width: u16,
}

/// Not the path of a tile, or not its only spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a hash tile")]
pub struct BadTilePath;

impl TileId {
    /// A full tile.
    pub const fn full(level: u8, index: u64) -> Self {
        Self { level, index, width: TILE_WIDTH }
    }

    /// Whether nothing can be added any more.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        let mut power = 1_u64;
        while self.index / power >= 1000 {
            power *= 1000;
        }
        while power > 1 {
            write!(f, "x{:03}/", self.index / power % 1000)?;
            power /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TileId {
    type Err = BadTilePath;

    fn from_str(path: &str) -> Result<Self, BadTilePath> {
        let id = parse(path).ok_or(BadTilePath)?;
        // Whatever is spelled in another way than we would is refused: leading groups of zeros, a partial tile of 256.
        if id.to_string() == path { Ok(id) } else { Err(BadTilePath) }
    }
}

fn parse(path: &str) -> Option<TileId> {
    let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let (index, width) = rest.split_once(".p/").map_or((rest, None), |(index, width)| (index, Some(width)));
    let level = u8::try_from(decimal(level)?).ok().filter(|level| *level <= LEVEL_MAX)?;
    let width = match width {
        Some(width) => u16::try_from(decimal(width)?).ok().filter(|width| (1..TILE_WIDTH).contains(width))?,
        None => TILE_WIDTH,
    };
    let mut number = 0_u64;
    for group in index.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        number = number.checked_mul(1000)?.checked_add(digits.parse().ok().filter(|digits| *digits < 1000)?)?;
    }
    Some(TileId { level, index: number, width })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let cases = [
            ("tile/0/x001/x234/067", TileId::full(0, 1_234_067)),
            ("tile/0/000", TileId::full(0, 0)),
            ("tile/63/999.p/255", TileId { level: 63, index: 999, width: 255 }),
            ("tile/1/x001/000.p/1", TileId { level: 1, index: 1000, width: 1 }),
            ("tile/0/x018/x446/x744/x073/x709/x551/615", TileId::full(0, u64::MAX)),
        ];
        for (path, id) in cases {
            assert_eq!(id.to_string(), path);
            assert_eq!(path.parse(), Ok(id));
        }
    }

    #[test]
    fn any_other_spelling_is_refused() {
        let bad = [
            "",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "/tile/0/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/x001",
            "tile/0/001/000",
            "tile/0/+01",
            "tile/0/x001/x000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/entries/000",
            "tile/0/000/",
            "tile/0/../000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ];
        for path in bad {
            assert_eq!(path.parse::<TileId>(), Err(BadTilePath), "{path:?}");
        }
    }
}

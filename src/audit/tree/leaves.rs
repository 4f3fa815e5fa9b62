//! Reads lines by their index, without going through the log from its start each time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::ProveError;
use super::source::read_tile;
use crate::audit::layout::segment_name;
use crate::audit::line::Line;
use crate::audit::lines::{LineReader, RawLine};
use crate::audit::retention::Kept;
use crate::audit::verify::{Lines as Source, SegmentFile, segments, unreadable};
use crate::tlog::{Hash, TILE_WIDTH, TileId};

/// Lines between two places that are remembered: those of one tile.
const STRIDE: u64 = 256;

/// Most places that are remembered, some megabytes.
const PLACES_MAX: usize = 50_000;

/// Is shown lines with their indices, given without their newlines.
type Each<'a, E> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), E>;

/// Is shown leaf hashes in order.
type EachLeaf<'a> = &'a mut dyn FnMut(Hash) -> Result<(), ProveError>;

/// What every announcement has in its line, spelled in no other way.
const ANNOUNCES: &[u8] = br#""kind":"key.rotate""#;

/// The lines of a log's segments.
pub(crate) struct Lines {
    log: PathBuf,
    /// Where lines begin, by their index.
    places: BTreeMap<u64, Place>,
    /// A compressed segment, which can only be read from its beginning on: where its reader stands.
    open: Option<(u64, Place, LineReader<Source>)>,
    /// See [`Lines::first`].
    first: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u64,
    offset: u64,
}

impl Lines {
    pub(crate) fn new(log: &Path) -> Self {
        Self { log: log.to_owned(), places: BTreeMap::new(), open: None, first: None }
    }

    /// Calls `each` with the lines from `from` on, `to` excluded.
    pub(crate) fn read<E: From<ProveError>>(&mut self, from: u64, to: u64, each: Each<'_, E>) -> Result<(), E> {
        if from >= to {
            return Ok(());
        }
        let (mut index, mut place) = self.place(from)?;
        loop {
            let (at, compressed, mut lines) = self.open(index, place)?;
            let failed = |source| ProveError::from(unreadable(&at)(source));
            while let Some(RawLine::Whole(line)) = lines.next_line().map_err(&failed)? {
                if index >= from {
                    each(index, line)?;
                }
                place.offset += u64::try_from(line.len() + 1).unwrap_or(u64::MAX);
                index += 1;
                if index.is_multiple_of(STRIDE) || index == to {
                    self.remember(index, place);
                }
                if index == to {
                    self.open = compressed.then_some((index, place, lines));
                    return Ok(());
                }
            }
            if index == place.segment {
                return Err(ProveError::Missing(index).into());
            }
            // A segment ends where the next one begins.
            place = Place { segment: index, offset: 0 };
        }
    }

    /// The lines of the segment of `place` from line `index` on, which begins there. One that stands there already goes on.
    fn open(&mut self, index: u64, place: Place) -> Result<(PathBuf, bool, LineReader<Source>), ProveError> {
        let path = self.log.join("seg").join(segment_name(place.segment));
        if let Some((at, open, lines)) = self.open.take()
            && open.segment == place.segment
            && at == index
        {
            return Ok((path, true, lines));
        }
        let segment = SegmentFile::find(&self.log, place.segment)?;
        let Some(mut segment) = segment else { return Err(ProveError::Missing(index)) };
        let lines = segment.open(place.offset)?.ok_or(ProveError::Missing(index))?;
        Ok((path, segment.compressed, LineReader::new(lines)))
    }

    /// One line.
    pub(crate) fn line(&mut self, index: u64) -> Result<Vec<u8>, ProveError> {
        let mut found = Vec::new();
        self.read(index, index + 1, &mut |_, line| {
            found.extend_from_slice(line);
            Ok::<(), ProveError>(())
        })?;
        Ok(found)
    }

    /// Calls `each` with the leaf hashes of the records from `from` on, `to` excluded: those of pruned records are in tiles.
    pub(crate) fn each_leaf(&mut self, from: u64, to: u64, each: EachLeaf<'_>) -> Result<(), ProveError> {
        let here = if from < to { self.first()? } else { from };
        let (mut tile, width) = (None, u64::from(TILE_WIDTH));
        for index in from..to.min(here) {
            if index.is_multiple_of(width) || tile.is_none() {
                tile = read_tile(&self.log, TileId::full(0, index / width))?;
            }
            let at = usize::try_from(index % width).unwrap_or_default();
            let leaf = tile.as_ref().and_then(|tile| tile.as_chunks().0.get(at)).copied().map(Hash::new);
            each(leaf.ok_or(ProveError::Missing(index))?)?;
        }
        self.read(from.max(here), to, &mut |_, line| each(Hash::leaf(line)))
    }

    /// The lines of `key.rotate` records from `from` on, `to` excluded, of pruned ones those that were kept, each with its index.
    pub(crate) fn announcements(&mut self, from: u64, to: u64) -> Result<Vec<(u64, Vec<u8>)>, ProveError> {
        let here = self.first()?;
        let kept = if from < here { Kept::all(&self.log)? } else { Vec::new() };
        let announces = |line: &[u8]| {
            memchr::memmem::find(line, ANNOUNCES).is_some() && Line::parse(line).is_ok_and(|line| line.epoch.is_some())
        };
        let kept = kept.into_iter().filter(|line| (from..here).contains(&line.index) && announces(&line.bytes));
        let mut found: Vec<_> = kept.map(|line| (line.index, line.bytes)).collect();
        self.read(from.max(here), to, &mut |index, line| {
            if announces(line) {
                found.push((index, line.to_owned()));
            }
            Ok::<(), ProveError>(())
        })?;
        Ok(found)
    }

    /// The line of a record that was pruned, if it was kept.
    pub(crate) fn kept(&self, index: u64) -> Result<Option<Vec<u8>>, ProveError> {
        let mut lines = Kept::all(&self.log)?.into_iter();
        Ok(lines.find(|line| line.index == index).map(|line| line.bytes))
    }

    /// The first record that is here.
    pub(crate) fn first(&mut self) -> Result<u64, ProveError> {
        match self.first {
            Some(first) => Ok(first),
            None => Ok(*self.first.insert(segments(&self.log)?.first().map_or(0, |segment| segment.first))),
        }
    }

    /// The leaf hashes of such lines.
    pub(crate) fn leaves(&mut self, from: u64, to: u64) -> Result<Vec<Hash>, ProveError> {
        let mut leaves = Vec::new();
        self.read(from, to, &mut |_, line| {
            leaves.push(Hash::leaf(line));
            Ok::<(), ProveError>(())
        })?;
        Ok(leaves)
    }

    /// The last place before a line, or at it.
    fn place(&self, index: u64) -> Result<(u64, Place), ProveError> {
        let known = self.places.range(..=index).next_back().map(|(at, place)| (*at, *place));
        if let Some(near) = known.filter(|(at, _)| index - at <= STRIDE) {
            return Ok(near);
        }
        let listed = segments(&self.log)?.into_iter().rev().find(|segment| segment.first <= index);
        let listed = listed.map(|segment| (segment.first, Place { segment: segment.first, offset: 0 }));
        known.into_iter().chain(listed).max_by_key(|(at, _)| *at).ok_or(ProveError::Missing(index))
    }

    fn remember(&mut self, index: u64, place: Place) {
        if self.places.len() == PLACES_MAX {
            self.places.pop_first();
        }
        self.places.insert(index, place);
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("log", &self.log).finish_non_exhaustive()
    }
}

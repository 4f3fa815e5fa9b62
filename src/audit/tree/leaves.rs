//! Reads lines by their index, without going through the log from its start each time.

use std::collections::BTreeMap;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::ProveError;
use crate::audit::layout::segment_name;
use crate::audit::lines::{LineReader, RawLine};
use crate::audit::verify::{Opened, regular_file, segments, unreadable};
use crate::tlog::Hash;

/// Lines between two places that are remembered: those of one tile.
const STRIDE: u64 = 256;

/// Most places that are remembered, some megabytes.
const PLACES_MAX: usize = 50_000;

/// Is shown lines with their indices, given without their newlines.
type Each<'a, E> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), E>;

/// The lines of a log's segments.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    log: PathBuf,
    /// Where lines begin, by their index.
    places: BTreeMap<u64, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u64,
    offset: u64,
}

impl Lines {
    pub(crate) fn new(log: &Path) -> Self {
        Self { log: log.to_owned(), places: BTreeMap::new() }
    }

    /// Calls `each` with the lines from `from` on, `to` excluded.
    pub(crate) fn read<E: From<ProveError>>(&mut self, from: u64, to: u64, each: Each<'_, E>) -> Result<(), E> {
        if from >= to {
            return Ok(());
        }
        let (mut index, mut place) = self.place(from)?;
        loop {
            let path = self.log.join("seg").join(segment_name(place.segment));
            let Opened::File(mut file) = regular_file(&path).map_err(ProveError::from)? else {
                return Err(ProveError::Missing(index).into());
            };
            let failed = |source| ProveError::from(unreadable(&path)(source));
            file.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
            let mut lines = LineReader::new(BufReader::with_capacity(128 * 1024, file));
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

    /// One line.
    pub(crate) fn line(&mut self, index: u64) -> Result<Vec<u8>, ProveError> {
        let mut found = Vec::new();
        self.read(index, index + 1, &mut |_, line| {
            found.extend_from_slice(line);
            Ok::<(), ProveError>(())
        })?;
        Ok(found)
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

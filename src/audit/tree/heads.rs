//! Finds heads in the files of a log. Who signed them is not looked at.

use std::io::{BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::ProveError;
use crate::audit::layout::{heads_index, heads_name};
use crate::audit::notes::{NoteReader, RawNote};
use crate::audit::verify::{Opened, list, regular_file, unreadable};
use crate::tlog::{Checkpoint, Note};

/// A head, and the note that carries it.
pub(crate) type Found = (Checkpoint, Note);

/// The newest head of a log.
pub(crate) fn newest(log: &Path) -> Result<Found, ProveError> {
    for first in files(log)?.into_iter().rev() {
        let mut heads = Heads { log: log.to_owned(), file: Some(first), offset: 0, inode: None, after: 0 };
        let mut newest = None;
        heads.scan(|note| {
            newest = Some(note.to_owned());
            false
        })?;
        if let Some(note) = newest {
            return heads.parse(&note);
        }
    }
    Err(ProveError::NoHead)
}

/// The head over exactly `size` records.
pub(crate) fn over(log: &Path, size: u64) -> Result<Found, ProveError> {
    let found = size.checked_sub(1).map(|last| Heads::after(log, last).next_head()).transpose()?.flatten();
    found.filter(|(head, _)| head.size == size).ok_or(ProveError::NoHeadOver(size))
}

/// Heads in their order, for as long as there are some; asked again later, it goes on where it stopped.
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    log: PathBuf,
    /// The file that is read, by the first index of its segment.
    file: Option<u64>,
    /// Bytes of it that were read.
    offset: u64,
    /// Which file of that name that was: retention may have put a shorter one in its place.
    inode: Option<u64>,
    /// Heads that count no more records than these are passed over.
    after: u64,
}

impl Heads {
    /// Those that count more than `size` records.
    pub(crate) fn after(log: &Path, size: u64) -> Self {
        Self { log: log.to_owned(), file: None, offset: 0, inode: None, after: size }
    }

    /// The next head.
    pub(crate) fn next_head(&mut self) -> Result<Option<Found>, ProveError> {
        loop {
            if self.file.is_none() {
                // A file has the heads that count more than its segment's first index.
                let files = files(&self.log)?;
                self.file = files.iter().rev().find(|first| **first <= self.after).or(files.first()).copied();
            }
            let Some(file) = self.file else { return Ok(None) };
            let (after, mut found) = (self.after, None);
            self.scan(|note| {
                let next = counts(note).is_none_or(|size| size > after);
                if next {
                    found = Some(note.to_owned());
                }
                next
            })?;
            if let Some(note) = found {
                let (head, note) = self.parse(&note)?;
                self.after = head.size;
                return Ok(Some((head, note)));
            }
            let Some(next) = files(&self.log)?.into_iter().find(|first| *first > file) else { return Ok(None) };
            (self.file, self.offset, self.inode) = (Some(next), 0, None);
        }
    }

    /// Shows `stop` the notes of the file, until it says that this was the one.
    fn scan(&mut self, mut stop: impl FnMut(&[u8]) -> bool) -> Result<(), ProveError> {
        let path = self.path();
        let Opened::File(mut file) = regular_file(&path)? else { return Ok(()) };
        let inode = Some(file.metadata().map_err(unreadable(&path))?.ino());
        if self.inode != inode {
            (self.offset, self.inode) = (0, inode);
        }
        file.seek(SeekFrom::Start(self.offset)).map_err(unreadable(&path))?;
        let mut notes = NoteReader::new(BufReader::new(file));
        let start = self.offset;
        // What is torn is no head, or not one yet.
        while let Some(RawNote::Whole(note)) = notes.next_note().map_err(unreadable(&path))? {
            let stopped = stop(note);
            self.offset = start + notes.offset();
            if stopped {
                break;
            }
        }
        Ok(())
    }

    fn parse(&self, note: &[u8]) -> Result<Found, ProveError> {
        let failed = |reason: String| ProveError::Head { path: self.path(), reason };
        let note = Note::parse(note).map_err(|reason| failed(reason.to_string()))?;
        let head = Checkpoint::parse(note.unverified_text()).map_err(|reason| failed(reason.to_string()))?;
        Ok((head, note))
    }

    fn path(&self) -> PathBuf {
        self.log.join("checkpoints").join(heads_name(self.file.unwrap_or_default()))
    }
}

/// How many records the head in a note counts, as far as that can be seen without reading all of it.
fn counts(note: &[u8]) -> Option<u64> {
    str::from_utf8(note.split(|byte| *byte == b'\n').nth(1)?).ok()?.parse().ok()
}

fn files(log: &Path) -> Result<Vec<u64>, ProveError> {
    Ok(list(&log.join("checkpoints"), heads_index, |first, _, _| first)?)
}

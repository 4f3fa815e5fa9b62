//! `witnessed/`: heads that witnesses have cosigned, kept beside the log for who verifies it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::layout::{heads_index, heads_name};
use super::notes::{NoteReader, RawNote};
use crate::tlog::{Checkpoint, Note, VerifierKey};

/// Appends notes. One process does, the one that writes the log.
#[derive(Debug)]
pub struct Witnessed {
    log: PathBuf,
    /// The file that is open, by the first index of its segment.
    open: Option<(u64, File)>,
}

impl Witnessed {
    /// Of the log in that directory.
    pub fn new(log_dir: &Path) -> Self {
        Self { log: log_dir.to_owned(), open: None }
    }

    /// Records under the newest note that `key` cosigned; nothing if there is none. Blocks on the disk. Signatures are not checked.
    pub fn newest_by(log_dir: &Path, key: &VerifierKey) -> io::Result<Option<u64>> {
        let folder = log_dir.join("witnessed");
        let mut files = Vec::new();
        match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => {
                for entry in entries? {
                    files.extend(entry?.file_name().to_str().and_then(heads_index));
                }
            }
        }
        files.sort_unstable();
        for first in files.into_iter().rev() {
            let mut notes = NoteReader::new(BufReader::new(File::open(folder.join(heads_name(first)))?));
            let mut newest = None;
            while let Some(RawNote::Whole(bytes)) = notes.next_note()? {
                let Ok(note) = Note::parse(bytes) else { break };
                if note.signatures().iter().any(|signature| signature.is_by(key)) {
                    newest = Checkpoint::parse(note.unverified_text()).ok().map(|head| head.size);
                }
            }
            if newest.is_some() {
                return Ok(newest);
            }
        }
        Ok(None)
    }

    /// Keeps a note over `size` records, durably. Sizes never decrease. Blocks on the disk.
    pub fn append(&mut self, size: u64, note: &Note) -> io::Result<()> {
        let segment = self.segment(size)?;
        let mut file = match self.open.take().filter(|(open, _)| *open == segment) {
            Some((_, file)) => file,
            None => self.open(segment)?,
        };
        // A note that did not become durable is cut off, or the next one would stand behind half of it.
        let end = file.metadata()?.len();
        if let Err(error) = file.write_all(format!("{note}\n").as_bytes()).and_then(|()| file.sync_data()) {
            let _ = file.set_len(end);
            return Err(error);
        }
        self.open = Some((segment, file));
        Ok(())
    }

    /// The file of heads that has the one over `size` records.
    fn segment(&self, size: u64) -> io::Result<u64> {
        let mut newest = 0;
        for entry in fs::read_dir(self.log.join("checkpoints"))? {
            let first = entry?.file_name().to_str().and_then(heads_index).filter(|first| *first < size);
            newest = newest.max(first.unwrap_or(0));
        }
        Ok(newest)
    }

    /// Opens a file at the end of its last whole note: what a crash tore is cut off.
    fn open(&self, segment: u64) -> io::Result<File> {
        let folder = self.log.join("witnessed");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join(heads_name(segment));
        let file = OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(&path)?;
        let mut notes = NoteReader::new(BufReader::new(file.try_clone()?));
        let is_whole = |note: Option<RawNote<'_>>| matches!(note, Some(RawNote::Whole(note)) if !note.contains(&0));
        let mut whole = 0;
        while is_whole(notes.next_note()?) {
            whole = notes.offset();
        }
        if whole < file.metadata()?.len() {
            file.set_len(whole)?;
            file.sync_all()?;
        }
        for directory in [&folder, &self.log] {
            File::open(directory)?.sync_all()?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(size: u64) -> Note {
        Note::parse(format!("log\n{size}\nroot\n\n\u{2014} log AAAAAAA=\n").as_bytes()).unwrap()
    }

    #[test]
    fn notes_stand_in_the_file_of_their_segment_behind_whole_ones_only() {
        let log = tempfile::tempdir().unwrap();
        fs::create_dir(log.path().join("checkpoints")).unwrap();
        for first in [0, 10] {
            fs::write(log.path().join("checkpoints").join(heads_name(first)), "").unwrap();
        }
        let read = |first| fs::read_to_string(log.path().join("witnessed").join(heads_name(first))).unwrap();
        let mut witnessed = Witnessed::new(log.path());
        for size in [5, 10, 11] {
            witnessed.append(size, &note(size)).unwrap();
        }
        assert_eq!(read(0), format!("{}\n{}\n", note(5), note(10)));
        let whole = read(10);
        assert_eq!(whole, format!("{}\n", note(11)));

        for torn in ["log\n12\nro", "\0\0\0"] {
            fs::write(log.path().join("witnessed").join(heads_name(10)), format!("{whole}{torn}")).unwrap();
            Witnessed::new(log.path()).append(12, &note(12)).unwrap();
            assert_eq!(read(10), format!("{whole}{}\n", note(12)), "{torn:?}");
        }
    }
}

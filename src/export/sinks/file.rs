//! A file of lines on this host, for an agent that ships files: `out.jsonl`, and `out.jsonl.1` (the newest), `.2`, ... of those that are full.
//!
//! What is confirmed is on the disk. A crash may leave a line that is not whole: it is cut off, and comes again.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::SinkError;
use crate::export::event::Event;

/// Longest line that is looked for at the end of a file.
const LINE: u64 = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(in crate::export) struct File {
    path: PathBuf,
    rotate: u64,
    keep: u32,
    open: Option<(fs::File, u64)>,
}

impl File {
    pub(super) fn new(path: &Path, rotate: u64, keep: u32) -> Self {
        Self { path: path.to_owned(), rotate, keep, open: None }
    }

    /// Blocks on the disk: exports have a thread of their own.
    pub(super) fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        let written = self.write(events);
        if written.is_err() {
            // What of it is on the disk is seen when it is opened again.
            self.open = None;
        }
        written.map_err(|source| SinkError::File { path: self.path.clone(), source })
    }

    fn write(&mut self, events: &[Event]) -> io::Result<()> {
        let lines: Vec<u8> = events.iter().flat_map(|event| event.body.iter().chain(b"\n")).copied().collect();
        let (mut file, mut length) = match self.open.take() {
            Some((file, length)) if length < self.rotate && is_there(&self.path, &file) => (file, length),
            Some(_) => {
                self.turn()?;
                open(&self.path)?
            }
            None => open(&self.path)?,
        };
        let from = length;
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // None is taken in part: what stands there would come twice.
            if file.metadata().is_ok_and(|metadata| metadata.len() > from) {
                let _ = file.set_len(from);
            }
            return Err(error);
        }
        length += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        self.open = Some((file, length));
        Ok(())
    }

    /// Makes room for another file, where this one is full.
    fn turn(&self) -> io::Result<()> {
        let is_full = fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() >= self.rotate);
        if !is_full {
            return Ok(());
        }
        if self.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            moved(&self.numbered(number), &self.numbered(number + 1))?;
        }
        moved(&self.path, &self.numbered(1))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

/// Whether the path still leads to the open file: an agent or `logrotate` may have moved it.
fn is_there(path: &Path, file: &fs::File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    matches!((fs::metadata(path), file.metadata()), (Ok(there), Ok(open)) if same(&there, &open))
}

fn moved(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

/// Opens it for more, with whole lines in it, and makes it where there is none. Others of the group may read it: the agent.
fn open(path: &Path) -> io::Result<(fs::File, u64)> {
    // SECURITY: what a link leads to is not written.
    let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).custom_flags(no_link).open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let torn = end.len() - end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let whole = length.saturating_sub(u64::try_from(torn).unwrap_or(u64::MAX));
    // What has no line end in so many bytes is no file of ours: nothing of it is touched.
    if torn > 0 && (from == 0 || whole > from) {
        file.set_len(whole)?;
        return Ok((file, whole));
    }
    if torn > 0 {
        // The next line is one of its own all the same.
        file.write_all(b"\n")?;
        return Ok((file, length + 1));
    }
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::export::record::Severity;

    fn events(bodies: &[&str]) -> Vec<Event> {
        let event = |body: &&str| Event {
            uid: String::new(),
            log: "".into(),
            kind: String::new(),
            time: Timestamp::UNIX_EPOCH,
            severity: Severity::Informational,
            index: 0,
            body: body.as_bytes().to_vec(),
        };
        bodies.iter().map(event).collect()
    }

    #[test]
    fn a_full_file_makes_room_for_another_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let mut file = File::new(&path, 8, 2);
        for number in 0..8 {
            file.deliver(&events(&[&format!("line {number}")])).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("out.jsonl"), "line 6\nline 7\n");
        assert_eq!(read("out.jsonl.1"), "line 4\nline 5\n");
        assert_eq!(read("out.jsonl.2"), "line 2\nline 3\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_line_that_a_crash_has_cut_is_taken_away_and_what_is_whole_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        fs::write(&path, "whole\ncu").unwrap();
        File::new(&path, 1 << 20, 1).deliver(&events(&["next"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nnext\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let mut file = File::new(&path, 1 << 20, 1);
        file.deliver(&events(&["one"])).unwrap();
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        file.deliver(&events(&["two"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }

    #[test]
    fn a_path_that_cannot_be_written_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = File::new(&folder.path().join("missing/out"), 1 << 20, 1).deliver(&events(&["one"])).unwrap_err();
        assert!(error.to_string().contains("missing/out"), "{error}");
    }
}

//! A folder of another administrator, mounted here: a file for each head, made once and never touched again, so that a mount which allows
//! no more than that (object lock, WORM) will do.
//!
//! `FOLDER/<log's name>/<day>/<records, 13 digits>.note`
//!
//! The folder itself may be a link, as the configuration says. In it there are none: whoever else writes there must not say where on this
//! host a copy goes, or what is taken for one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::{FreezeReason, Frozen};
use super::CopyError;
use crate::audit::SignedHead;
use crate::tlog::{Checkpoint, NOTE_MAX, Note};

/// Ending of a copy's name.
const SUFFIX: &str = ".note";

/// See the module.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    log: String,
}

impl Folder {
    pub(super) fn new(path: &Path, log: &str) -> Self {
        Self { path: path.to_owned(), log: log.to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies a head; blocks on the disk. The folder itself is not made: where a mount is missing, that must not go unseen.
    pub(super) fn put(&self, signed: &SignedHead) -> Result<(), CopyError> {
        fs::metadata(&self.path).map_err(unusable(&self.path))?;
        let day = self.path.join(&self.log).join(Timestamp::now().strftime("%Y-%m-%d").to_string());
        self.refuse_links(&day)?;
        fs::create_dir_all(&day).map_err(unusable(&day))?;
        let path = day.join(format!("{:013}{SUFFIX}", signed.head.size));
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return self.compare(&path, signed),
            opened => opened.map_err(unusable(&path))?,
        };
        file.write_all(signed.note.as_bytes()).and_then(|()| file.sync_all()).map_err(unusable(&path))?;
        File::open(&day).and_then(|day| day.sync_all()).map_err(unusable(&day))
    }

    /// A head of that size is there already: an earlier run's, which ended before it could say so, or another writer's.
    fn compare(&self, path: &Path, signed: &SignedHead) -> Result<(), CopyError> {
        match self.read(path)? {
            Some(head) if head.root == signed.head.root => Ok(()),
            Some(head) => {
                let reason = FreezeReason::Forked { size: head.size };
                Err(Frozen { keeper: String::new(), reason }.into())
            }
            None => {
                let torn = io::Error::new(ErrorKind::InvalidData, "there is something else than a head of this log");
                Err(unusable(path)(torn))
            }
        }
    }

    /// The newest head of this log that is there. Files which are torn, or no heads of this log, are passed over.
    pub(super) fn newest(&self) -> Result<Option<Checkpoint>, CopyError> {
        fs::metadata(&self.path).map_err(unusable(&self.path))?;
        let log = self.path.join(&self.log);
        self.refuse_links(&log)?;
        for day in names(&log)? {
            let day = log.join(day);
            self.refuse_links(&day)?;
            for name in names(&day)? {
                if let Some(head) = self.read(&day.join(name))? {
                    return Ok(Some(head));
                }
            }
        }
        Ok(None)
    }

    fn read(&self, path: &Path) -> Result<Option<Checkpoint>, CopyError> {
        let is_copy = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(SUFFIX));
        if !is_copy {
            return Ok(None);
        }
        self.refuse_links(path)?;
        if !fs::symlink_metadata(path).map_err(unusable(path))?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(NOTE_MAX).unwrap_or(u64::MAX);
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unusable(path))?;
        let head = Note::parse(&bytes).ok().and_then(|note| Checkpoint::parse(note.unverified_text()).ok());
        Ok(head.filter(|head| head.origin == self.log))
    }
}

impl Folder {
    /// Looks at every name below the folder that leads to `path`.
    fn refuse_links(&self, path: &Path) -> Result<(), CopyError> {
        let below: Vec<_> = path.ancestors().take_while(|path| *path != self.path).collect();
        for path in below.into_iter().rev() {
            match fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_symlink() => {
                    let link = io::Error::new(ErrorKind::InvalidInput, "it is a symbolic link; copies are not made through any");
                    return Err(unusable(path)(link));
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(unusable(path)(error)),
            }
        }
        Ok(())
    }
}

/// What is in a directory, the last name first; nothing where there is none.
fn names(directory: &Path) -> Result<Vec<OsString>, CopyError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries.map_err(unusable(directory))?,
    };
    let names: io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names = names.map_err(unusable(directory))?;
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> CopyError + use<> {
    let path = path.to_owned();
    move |source| CopyError::Folder { path, source }
}

//! A range of records as a log of its own: the same files, and what stands in for the records before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::super::fs::{Disk, Storage as _};
use super::super::layout::{heads_name, segment_name};
use super::super::report::LogReport;
use super::super::tree::{Heads, Lines, ProveError, Prover};
use super::super::verify::{VerifyIo, segments, verify};
use super::epochs::epochs;
use crate::tlog::{Frontier, Hash};

/// Files of a bundle that are in no log, for what came before its first record.
pub(crate) const FRONTIER: &str = "frontier";
pub(crate) const EPOCHS: &str = "epochs";

/// Longest file of a frontier: a size and 63 hashes.
pub(crate) const FRONTIER_MAX: u64 = 4096;

/// What is in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundled {
    /// Its first record.
    pub first: u64,
    /// The record after its last: where a head is, the first that counts all records asked for.
    pub end: u64,
    /// Heads over its records.
    pub heads: u64,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The range is empty.
    #[error("record {from} comes after record {to}")]
    Backwards {
        /// First record asked for.
        from: u64,
        /// Last record asked for.
        to: u64,
    },
    /// The log has no such records, or they are not what was signed.
    #[error(transparent)]
    Tree(#[from] ProveError),
    /// A file cannot be written.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bundle does not verify: the log is damaged.
    #[error("the log does not verify: record {index}: {reason}")]
    Tampered {
        /// The first bad record.
        index: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] VerifyIo),
}

/// Copies the records `from` to `to` of a log, and on to the first head that counts them all, into the new directory `out`.
pub fn bundle(log_dir: &Path, from: u64, to: u64, out: &Path) -> Result<Bundled, BundleError> {
    at_once(out, |part| fill(log_dir, from, to, part))
}

/// Makes a directory that is there as a whole or not at all: it gets its name when `fill` has filled it.
pub fn at_once<T, E: From<BundleError>>(out: &Path, fill: impl FnOnce(&Path) -> Result<T, E>) -> Result<T, E> {
    let no_name = || failed(out)(io::Error::from(io::ErrorKind::InvalidInput));
    let name = out.file_name().ok_or_else(no_name)?.to_string_lossy();
    let part = out.with_file_name(format!(".{name}.{}.part", std::process::id()));
    if let Some(parent) = part.parent() {
        Disk.create_dir_all(parent).map_err(failed(parent))?;
    }
    fs::DirBuilder::new().mode(0o700).create(&part).map_err(failed(&part))?;
    let made = fill(&part).and_then(|made| Ok(fs::rename(&part, out).map(|()| made).map_err(failed(out))?));
    if made.is_err() {
        // Whatever is left of it is nothing that anybody asked for.
        let _ = fs::remove_dir_all(&part);
    }
    made
}

fn fill(log_dir: &Path, from: u64, to: u64, out: &Path) -> Result<Bundled, BundleError> {
    if from > to {
        return Err(BundleError::Backwards { from, to });
    }
    let Some(last) = Heads::after(log_dir, to).next_head()? else {
        let size = Prover::newest(log_dir)?.head().size;
        return Err(ProveError::NoSuchRecord { index: to, size }.into());
    };
    let end = last.0.size;
    let starts: Vec<u64> = segments(log_dir)?.iter().map(|segment| segment.first).filter(|first| *first < end).collect();
    // The first one begins where the bundle does; heads lie with the segment that has the last record they count.
    let segment_of = |index: u64| starts.iter().rev().find(|first| **first <= index).map_or(from, |first| from.max(*first));

    let mut segments = Files::new(out.join("seg"), segment_name)?;
    Lines::new(log_dir).read::<BundleError>(from, end, &mut |index, line| {
        let file = segments.file(segment_of(index))?;
        file.write(line)?;
        file.write(b"\n")
    })?;
    segments.finish()?;

    let (mut heads, mut notes, mut found) = (Heads::after(log_dir, from), Files::new(out.join("checkpoints"), heads_name)?, 0);
    while let Some((head, note)) = heads.next_head()?.filter(|(head, _)| head.size <= end) {
        notes.file(segment_of(head.size - 1))?.write(format!("{note}\n").as_bytes())?;
        found += 1;
    }
    notes.finish()?;
    if from > 0 {
        let (frontier, _) = Prover::under(log_dir, last).beginning(from)?;
        let lines = [from.to_string()].into_iter().chain(frontier.peaks().iter().map(Hash::base64));
        Output::create(out.join(FRONTIER))?.all(&lines.map(|line| line + "\n").collect::<String>())?;
        Output::create(out.join(EPOCHS))?.all(&epochs(log_dir, from)?)?;
    }
    check(out)?;
    Ok(Bundled { first: from, end, heads: found })
}

/// Nothing is given away that does not verify.
fn check(out: &Path) -> Result<(), BundleError> {
    let bad = |log: LogReport| {
        let first = log.first;
        log.fault.map(|fault| (fault.index, fault.reason.to_string())).or(log.unreadable.map(|why| (first, why)))
    };
    match verify(out)?.logs.into_iter().find_map(bad) {
        Some((index, reason)) => Err(BundleError::Tampered { index, reason }),
        None => Ok(()),
    }
}

/// The frontier that a bundle says for the records before it; `None` when that is not in its form.
pub(crate) fn parse_frontier(text: &str) -> Option<Frontier> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let size = lines.next().filter(|size| !size.starts_with(['+', '0']))?.parse().ok()?;
    let hashes = lines.map(Hash::from_base64).collect::<Option<Vec<_>>>()?;
    Frontier::from_parts(size, &hashes).ok()
}

/// The files of one directory, one after the other.
struct Files {
    directory: PathBuf,
    name: fn(u64) -> String,
    open: Option<(u64, Output)>,
}

impl Files {
    fn new(directory: PathBuf, name: fn(u64) -> String) -> Result<Self, BundleError> {
        Disk.create_dir_all(&directory).map_err(failed(&directory))?;
        Ok(Self { directory, name, open: None })
    }

    /// The file of the segment that begins at `first`.
    fn file(&mut self, first: u64) -> Result<&mut Output, BundleError> {
        let (_, output) = match self.open.take() {
            Some((open, output)) if open == first => self.open.insert((open, output)),
            done => {
                done.map_or(Ok(()), |(_, output)| output.finish())?;
                self.open.insert((first, Output::create(self.directory.join((self.name)(first)))?))
            }
        };
        Ok(output)
    }

    fn finish(self) -> Result<(), BundleError> {
        self.open.map_or(Ok(()), |(_, output)| output.finish())
    }
}

/// A file that is made.
pub(super) struct Output {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Output {
    pub(super) fn create(path: PathBuf) -> Result<Self, BundleError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed(&path))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.file.write_all(bytes).map_err(failed(&self.path))
    }

    pub(super) fn finish(mut self) -> Result<(), BundleError> {
        self.file.flush().map_err(failed(&self.path))
    }

    pub(super) fn all(mut self, text: &str) -> Result<(), BundleError> {
        self.write(text.as_bytes())?;
        self.finish()
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.to_owned();
    move |source| BundleError::Write { path, source }
}

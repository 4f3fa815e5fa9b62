//! Offline verification: reads, never writes, needs no gateway and no network, and believes nothing it reads.
//!
//! Memory is bounded by some blocks of lines and a table of open calls. Files of heads are measured before the segments are listed,
//! so that a log which grows meanwhile is judged by heads that everything found must reach. The walk is in order; what can be
//! judged by itself, lines and signatures, is done by as many threads as there are cores.

mod anchors;
mod before;
mod behind_stop;
mod blocks;
mod heads;
mod names;
mod pool;
mod pruned;
mod segments;
mod tiles;
mod walk;

use std::error::Error as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::anchors::Known;
use self::heads::HeadsFile;
use self::names::tell;
use self::pool::{Pool, Promise};
pub(crate) use self::segments::{Lines, SegmentFile, segments};
use self::walk::Walk;
use super::frame::{self, BadFrame};
use super::layout::LOCK;
use super::lock;
use super::report::{LogReport, Report, Verdict};
use crate::tlog::Checkpoint;

/// `<data_dir>/audit/<origin>/<replica>`: logs are at most this far below the path given.
const SEARCH_DEPTH: u8 = 3;

/// How often and how long to wait for a writer to finish a line or a head that was caught half-way.
const RETRIES: u8 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Why nothing could be verified; exit code 4.
#[derive(Debug, thiserror::Error)]
pub enum VerifyIo {
    /// The path holds no log.
    #[error("no audit log in `{}`", .0.display())]
    NoLog(PathBuf),
    /// What was kept of pruned records cannot be read.
    #[error("`{}` is damaged at the first line of a record from {least} on", .path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// The smallest index that the line can have.
        least: u64,
    },
    /// A head was kept of a log that is not here.
    #[error("there is no log `{}` here, which a pin is of", .0.escape_debug())]
    NoPinned(String),
    /// The disk failed, or permission is missing.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How far verification is, in bytes of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes checked.
    pub done: u64,
    /// Bytes found at the beginning.
    pub total: u64,
}

/// Verifies every log in `path`: a log's own directory, an audit directory, or a data directory that holds `audit/`.
pub fn verify(path: &Path) -> Result<Report, VerifyIo> {
    verify_with(path, &Known::default(), &mut |_| ())
}

/// [`verify`] by what is known from elsewhere, telling `watch` now and then how far it is.
pub fn verify_with(path: &Path, trust: &Known, watch: &mut dyn FnMut(Progress)) -> Result<Report, VerifyIo> {
    let mut logs = Vec::new();
    let mut progress = Progress::default();
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    search(path, SEARCH_DEPTH, &mut found, &mut failed);
    found.sort();
    for directory in found {
        let segments = segments(&directory);
        progress.total += segments.iter().flatten().map(|segment| segment.bytes).sum::<u64>();
        logs.push((directory, segments));
    }
    if logs.is_empty() {
        return Err(failed.into_iter().next().map_or_else(|| VerifyIo::NoLog(path.to_owned()), |(_, error)| error));
    }
    watch(progress);
    let pool = Pool::new();
    let mut report = Report::default();
    for (directory, segments) in logs {
        let judged = segments.and_then(|segments| {
            let mut judged = verify_log(&directory, &segments, (&pool, trust), &mut progress, watch)?;
            tell(&mut judged)?;
            Ok(judged)
        });
        report.logs.push(judged.unwrap_or_else(|error| unread(directory, &error)));
    }
    report.logs.extend(failed.into_iter().map(|(directory, error)| unread(directory, &error)));
    // Where records were changed, their log may not say its name any more.
    let is_here = |pin: &&Checkpoint| report.logs.iter().any(|log| log.log == pin.origin);
    match trust.pins.iter().find(|pin| !is_here(pin)) {
        Some(pin) if report.verdict() != Verdict::Tampered => Err(VerifyIo::NoPinned(pin.origin.clone())),
        Some(_) | None => Ok(report),
    }
}

/// Of a log, or of a directory that may hold some, that cannot be read: the others are judged nevertheless.
fn unread(directory: PathBuf, error: &VerifyIo) -> LogReport {
    let why = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    LogReport { directory, unreadable: Some(why), ..LogReport::default() }
}

/// The directories of the logs in and under `path`, in order.
pub(crate) fn find_logs(path: &Path) -> Result<Vec<PathBuf>, VerifyIo> {
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    search(path, SEARCH_DEPTH, &mut found, &mut failed);
    found.sort();
    failed.into_iter().next().map_or(Ok(found), |(_, error)| Err(error))
}

/// Goes on behind a directory that cannot be read.
fn search(path: &Path, depth: u8, found: &mut Vec<PathBuf>, failed: &mut Vec<(PathBuf, VerifyIo)>) {
    // A log that lost its segments is still one, by its heads.
    if path.join("seg").is_dir() || path.join("checkpoints").is_dir() {
        return found.push(path.to_owned());
    }
    if depth == 0 {
        return;
    }
    let children = fs::read_dir(path).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<io::Result<Vec<_>>>()
    });
    match children.map_err(unreadable(path)) {
        Ok(children) => {
            for child in children.iter().filter(|child| child.is_dir()) {
                search(child, depth - 1, found, failed);
            }
        }
        Err(error) => failed.push((path.to_owned(), error)),
    }
}

/// The files of a directory whose names say an index, in order of it.
pub(super) fn list<T, K: Ord>(
    directory: &Path,
    index: impl Fn(&str) -> Option<K>,
    make: impl Fn(K, PathBuf, u64) -> T,
) -> Result<Vec<T>, VerifyIo> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(directory)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable(directory))?.path();
        let Some(first) = path.file_name().and_then(|name| name.to_str()).and_then(&index) else {
            continue;
        };
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        files.push((first, path, bytes));
    }
    files.sort_unstable();
    Ok(files.into_iter().map(|(first, path, bytes)| make(first, path, bytes)).collect())
}

fn verify_log(
    directory: &Path,
    segments: &[SegmentFile],
    judge: (&Pool, &Known),
    progress: &mut Progress,
    watch: &mut dyn FnMut(Progress),
) -> Result<LogReport, VerifyIo> {
    let before = *progress;
    let mut retries = RETRIES;
    loop {
        let heads = heads::files(&directory.join("checkpoints"))?;
        // Listed after the heads, so that no segment they count is missing from the list.
        let found = self::segments(directory)?;
        let report = walk(directory, &heads, &found, judge, progress, watch)?;
        // A writer at work, or retention, may have been caught half-way through. A log at rest is judged at once.
        let at_rest = || {
            let same = heads::files(&directory.join("checkpoints"))? == heads;
            Ok::<_, VerifyIo>(same && names(&self::segments(directory)?) == names(&found))
        };
        if report.fault.is_none() || retries == 0 || at_rest()? {
            progress.done = before.done + segments.iter().map(|segment| segment.bytes).sum::<u64>();
            watch(*progress);
            return Ok(report);
        }
        retries -= 1;
        *progress = before;
    }
}

/// One pass over a log, judged by `heads`.
fn walk(
    directory: &Path,
    heads: &[HeadsFile],
    segments: &[SegmentFile],
    (pool, trust): (&Pool, &Known),
    progress: &mut Progress,
    watch: &mut dyn FnMut(Progress),
) -> Result<LogReport, VerifyIo> {
    let mut walk = Walk::new(directory, segments, heads, pool, trust)?;
    if !walk.before()? {
        return Ok(walk.finish());
    }
    let mut frame = segments.first().and_then(|segment| check_frame(segment, pool));
    for (at, segment) in segments.iter().enumerate() {
        // While one segment is walked, the frame of the next is checked.
        let next = segments.get(at + 1);
        let checked = std::mem::replace(&mut frame, next.and_then(|next| check_frame(next, pool)));
        if !walk.segment(segment, next.map(|next| next.first), checked)? {
            break;
        }
        progress.done += segment.bytes;
        watch(*progress);
    }
    Ok(walk.finish())
}

/// What will be known of a compressed segment before any line of it is believed.
type FrameCheck = Promise<Result<Result<(), BadFrame>, VerifyIo>>;

/// Has a compressed segment checked as a whole.
fn check_frame(segment: &SegmentFile, pool: &Pool) -> Option<FrameCheck> {
    let path = Arc::new(segment.path.clone());
    segment.compressed.then(|| {
        pool.submit(move || match regular_file(&path)? {
            Opened::File(file) => {
                let length = file.metadata().map_err(unreadable(&path))?.len();
                frame::check(file, length).map_err(unreadable(&path))
            }
            // Whoever opens it next says so.
            Opened::Missing | Opened::Other => Ok(Ok(())),
        })
    })
}

fn names(segments: &[SegmentFile]) -> Vec<&Path> {
    segments.iter().map(|segment| segment.path.as_path()).collect()
}

/// How often something half-written is read again: while its writer is at work a few times, and once in a log at rest, whose
/// writer may have ended in between.
struct Patience {
    lock: PathBuf,
    left: u8,
}

impl Patience {
    fn new(directory: &Path) -> Self {
        Self { lock: directory.join(LOCK), left: RETRIES }
    }

    /// Whether to read again, now that there was time for a writer to go on.
    fn again(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = if lock::may_be_held(&self.lock) {
            std::thread::sleep(RETRY_AFTER);
            left
        } else {
            0
        };
        true
    }
}

/// What a path turned out to be.
pub(crate) enum Opened {
    File(File),
    Missing,
    Other,
}

/// SECURITY: opening a pipe or a device from a hostile bundle would block for ever or never end.
pub(crate) fn regular_file(path: &Path) -> Result<Opened, VerifyIo> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => File::open(path).map(Opened::File).map_err(unreadable(path)),
        Ok(_) => Ok(Opened::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Opened::Missing),
        Err(error) => Err(unreadable(path)(error)),
    }
}

pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> VerifyIo {
    let path = path.to_owned();
    move |source| VerifyIo::Read { path, source }
}

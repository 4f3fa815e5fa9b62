//! Offline verification: reads, never writes, needs no gateway and no network, and believes nothing it reads.
//!
//! Memory is bounded by one line and a table of open calls. The head is read before the segments, so that a log which
//! grows meanwhile is judged by a head that everything found must reach.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::chain::{Broken, Chain};
use super::hash::Leaf;
use super::head::{HEAD_MAX, Head};
use super::layout::{LOCK, segment_index, segment_name};
use super::line::{Line, is_one_batch};
use super::lines::{LineReader, RawLine};
use super::lock;
use super::observe::Observer;
use super::report::{Fault, FaultReason, LogReport, Report};

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
    verify_watched(path, &mut |_| ())
}

/// [`verify`], telling `watch` now and then how far it is.
pub fn verify_watched(path: &Path, watch: &mut dyn FnMut(Progress)) -> Result<Report, VerifyIo> {
    let mut logs = Vec::new();
    let mut progress = Progress::default();
    for directory in find_logs(path)? {
        let segments = segments(&directory)?;
        progress.total += segments.iter().map(|segment| segment.bytes).sum::<u64>();
        logs.push((directory, segments));
    }
    if logs.is_empty() {
        return Err(VerifyIo::NoLog(path.to_owned()));
    }
    let mut report = Report::default();
    for (directory, segments) in logs {
        report.logs.push(verify_log(&directory, &segments, &mut progress, watch)?);
    }
    Ok(report)
}

/// The directories of the logs in and under `path`, in order.
pub(crate) fn find_logs(path: &Path) -> Result<Vec<PathBuf>, VerifyIo> {
    let mut found = Vec::new();
    search(path, SEARCH_DEPTH, &mut found)?;
    found.sort();
    Ok(found)
}

fn search(path: &Path, depth: u8, found: &mut Vec<PathBuf>) -> Result<(), VerifyIo> {
    // A log that lost its segments is still one, by its head.
    if path.join("seg").is_dir() || path.join("head").is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(unreadable(path))? {
        let child = entry.map_err(unreadable(path))?.path();
        if child.is_dir() {
            search(&child, depth - 1, found)?;
        }
    }
    Ok(())
}

/// A segment file as its directory lists it.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// The segments of a log in order of their names.
pub(crate) fn segments(log: &Path) -> Result<Vec<SegmentFile>, VerifyIo> {
    let directory = log.join("seg");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&directory)(error)),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable(&directory))?.file_name();
        let Some(first) = name.to_str().and_then(segment_index) else {
            continue;
        };
        let path = directory.join(segment_name(first));
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        segments.push(SegmentFile { first, path, bytes });
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

fn verify_log(
    directory: &Path,
    segments: &[SegmentFile],
    progress: &mut Progress,
    watch: &mut dyn FnMut(Progress),
) -> Result<LogReport, VerifyIo> {
    let before = *progress;
    let mut retries = RETRIES;
    loop {
        let head = read_head(directory)?;
        let report = walk(directory, &head, progress, watch)?;
        // A writer at work may have been caught half-way through the head. A log at rest is judged at once.
        if report.fault.is_none() || retries == 0 || read_head(directory)? == head {
            progress.done = before.done + segments.iter().map(|segment| segment.bytes).sum::<u64>();
            watch(*progress);
            return Ok(report);
        }
        retries -= 1;
        *progress = before;
    }
}

/// One pass over a log, judged by `head`.
fn walk(
    directory: &Path,
    head: &HeadFile,
    progress: &mut Progress,
    watch: &mut dyn FnMut(Progress),
) -> Result<LogReport, VerifyIo> {
    // Listed after the head was read, so that no segment it counts is missing from the list.
    let segments = segments(directory)?;
    let first = segments.first().map_or(0, |segment| segment.first);
    let mut walk = Walk::new(directory, segments.len(), head, first);
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        if !walk.segment(segment, last)? {
            break;
        }
        progress.done += segment.bytes;
        watch(*progress);
    }
    Ok(walk.finish())
}

/// What stands in the place of the head.
#[derive(Debug, PartialEq, Eq)]
enum HeadFile {
    Missing,
    Malformed,
    Read(String, Head),
}

fn read_head(directory: &Path) -> Result<HeadFile, VerifyIo> {
    let path = directory.join("head");
    let mut patience = Patience::new(directory);
    loop {
        let mut text = Vec::new();
        match regular_file(&path)? {
            Opened::File(file) => file.take(HEAD_MAX).read_to_end(&mut text).map_err(unreadable(&path))?,
            Opened::Missing => return Ok(HeadFile::Missing),
            Opened::Other => return Ok(HeadFile::Malformed),
        };
        if let Some((log, head)) = Head::parse(&text) {
            return Ok(HeadFile::Read(log.to_owned(), head));
        }
        if text.is_empty() {
            return Ok(HeadFile::Missing);
        }
        if !patience.again() {
            return Ok(HeadFile::Malformed);
        }
    }
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

/// One pass over one log.
struct Walk {
    directory: PathBuf,
    chain: Chain,
    head: Option<Head>,
    observer: Observer,
    report: LogReport,
    suspect: Option<Suspect>,
}

/// A record that does not follow its predecessor. Which of the two was changed, only the next record can tell.
struct Suspect {
    index: u64,
    leaf: Leaf,
}

impl Walk {
    fn new(directory: &Path, segments: usize, head: &HeadFile, first: u64) -> Self {
        let mut report = LogReport {
            directory: directory.to_owned(),
            segments: u64::try_from(segments).unwrap_or(u64::MAX),
            first,
            ..LogReport::default()
        };
        let (log, head) = match head {
            HeadFile::Read(log, head) => (Some(log.clone()), Some(*head)),
            HeadFile::Missing => (None, None),
            HeadFile::Malformed => {
                report.fault = Some(Fault { index: first, reason: FaultReason::HeadMalformed });
                (None, None)
            }
        };
        report.head = head.map(|head| head.size);
        let chain = if first == 0 { Chain::genesis(log) } else { Chain::from_middle(log, first) };
        Self { directory: directory.to_owned(), chain, head, observer: Observer::default(), report, suspect: None }
    }

    /// Checks one segment; false when there is no point in going on.
    fn segment(&mut self, segment: &SegmentFile, last: bool) -> Result<bool, VerifyIo> {
        let next = self.chain.next;
        if segment.first > next {
            return Ok(self.fault(next, FaultReason::Missing { index: next, last: segment.first - 1 }));
        }
        if segment.first < next {
            return Ok(self.fault(segment.first, FaultReason::Overlap { first: segment.first }));
        }
        let mut offset = 0;
        let mut patience = Patience::new(&self.directory);
        loop {
            let Opened::File(mut file) = regular_file(&segment.path)? else {
                return Ok(self.fault(next, FaultReason::NotAFile));
            };
            io::Seek::seek(&mut file, io::SeekFrom::Start(offset)).map_err(unreadable(&segment.path))?;
            let mut lines = LineReader::new(BufReader::with_capacity(256 * 1024, file));
            let torn = loop {
                match lines.next_line().map_err(unreadable(&segment.path))? {
                    None => return Ok(true),
                    // The segment that grows ends in room made ahead; a sealed one has given it back.
                    Some(RawLine::Room) if last => return Ok(true),
                    Some(RawLine::Room) => return Ok(self.fault(self.chain.next, Broken::Torn.into())),
                    Some(RawLine::Whole(bytes)) => {
                        offset += u64::try_from(bytes.len() + 1).unwrap_or(u64::MAX);
                        if !self.line(bytes) {
                            return Ok(false);
                        }
                    }
                    Some(RawLine::Torn(bytes)) if !is_one_batch(bytes) => {
                        return Ok(self.fault(self.chain.next, Broken::Torn.into()));
                    }
                    Some(RawLine::Torn(bytes)) => break u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                    Some(RawLine::Endless) => return Ok(self.fault(self.chain.next, Broken::Endless.into())),
                }
            };
            // Only behind everything the head counts can an unfinished line be the work of a crash.
            let counted = self.head.is_none_or(|head| head.size > self.chain.next);
            if !last || counted {
                return Ok(self.fault(self.chain.next, Broken::Torn.into()));
            }
            if !patience.again() {
                self.report.unfinished_bytes = torn;
                return Ok(true);
            }
        }
    }

    fn line(&mut self, bytes: &[u8]) -> bool {
        if let Some(suspect) = self.suspect.take() {
            let follows = Line::parse(bytes).is_ok_and(|line| line.prev == suspect.leaf);
            let index = if follows { suspect.index.saturating_sub(1) } else { suspect.index };
            return self.fault(index, FaultReason::Changed);
        }
        let index = self.chain.next;
        match self.chain.accept(bytes) {
            Ok(line) => {
                self.report.records += 1;
                self.observer.record(&line, &mut self.report);
                self.compare_head()
            }
            // Before record 0 there is none that could have been changed instead.
            Err(Broken::Previous) if index > 0 => {
                self.suspect = Some(Suspect { index, leaf: Leaf::of(bytes) });
                true
            }
            Err(Broken::Previous) => self.fault(index, FaultReason::Changed),
            Err(Broken::Index { found, follows }) if found > index && !follows => {
                self.fault(index, FaultReason::Missing { index, last: found - 1 })
            }
            Err(Broken::Index { found, follows }) if found < index && !follows => self.fault(found, FaultReason::Duplicate),
            Err(reason) => self.fault(index, reason.into()),
        }
    }

    fn compare_head(&mut self) -> bool {
        let counted = self.head.filter(|head| head.size == self.chain.next);
        if counted.is_none_or(|head| self.chain.previous == Some(head.leaf)) {
            return true;
        }
        // If the next record vouches for these bytes, the head is wrong; without a next one they are.
        self.report.fault = Some(Fault { index: self.chain.next - 1, reason: FaultReason::HeadDiffers });
        false
    }

    /// Keeps the first fault.
    fn fault(&mut self, index: u64, reason: FaultReason) -> bool {
        self.report.fault.get_or_insert(Fault { index, reason });
        false
    }

    fn finish(mut self) -> LogReport {
        let next = self.chain.next;
        if let Some(Suspect { index, leaf }) = self.suspect.take() {
            // Nobody follows: only a head that counts the suspect can clear it.
            let cleared = self.head.is_some_and(|head| head.size == index + 1 && head.leaf == leaf);
            self.fault(if cleared { index - 1 } else { index }, FaultReason::Changed);
        }
        match self.head {
            Some(head) if head.size > next => {
                self.fault(next, FaultReason::Cut { size: head.size });
            }
            Some(head) if next == self.report.first && head.size == 0 && head.leaf != Leaf::NONE => {
                self.fault(0, FaultReason::HeadDiffers);
            }
            Some(head) if head.size < self.report.first => {
                self.fault(self.report.first, FaultReason::HeadDiffers);
            }
            None if self.report.records > 0 => {
                self.fault(self.report.first, FaultReason::HeadMissing);
            }
            Some(_) | None => {}
        }
        self.observer.end(&mut self.report);
        self.report.log = self.chain.log.unwrap_or_default();
        self.report.leaf = self.chain.previous.filter(|_| self.report.records > 0).map(|leaf| leaf.to_string());
        self.report
    }
}

/// What a path turned out to be.
enum Opened {
    File(File),
    Missing,
    Other,
}

/// SECURITY: opening a pipe or a device from a hostile bundle would block for ever or never end.
fn regular_file(path: &Path) -> Result<Opened, VerifyIo> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => File::open(path).map(Opened::File).map_err(unreadable(path)),
        Ok(_) => Ok(Opened::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Opened::Missing),
        Err(error) => Err(unreadable(path)(error)),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> VerifyIo {
    let path = path.to_owned();
    move |source| VerifyIo::Read { path, source }
}

//! Drops old heads of which a minute has many. What is left proves the same: a later head counts all that an earlier one did.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::Path;

use jiff::Timestamp;

use super::super::fs::Storage;
use super::super::layout::{Layout, heads_name};
use super::super::line::Line;
use super::super::lines::{LineReader, RawLine};
use super::super::notes::{NoteReader, RawNote};
use super::super::stamp::Stamp;
use super::super::verify::{Opened, SegmentFile, VerifyIo, regular_file, segments, unreadable};
use super::super::writer::{WriteError, failed};
use super::prune::PruneError;
use crate::tlog::{Checkpoint, KeyId, Note, Signature};

/// Records that a head may count more than the one before it (docs/audit-format.md).
const APART: u64 = 10_000;

const MINUTE: i64 = 60_000_000;

/// Segments whose heads are never touched: a start reads those of the two newest.
const NEEDED: usize = 2;

/// Most segments read at once.
const SEGMENTS: usize = 16;

/// Where it is noted which segment is the next. A hint: without it all are read again, and nothing else is found.
const PLACE: &str = "thinned";

/// A head in a file, with the time of the last record it counts.
#[derive(Clone, Debug)]
struct Head {
    note: Vec<u8>,
    size: u64,
    time: Stamp,
    signer: Option<KeyId>,
}

/// Thins the heads of segments whose records are all older than `before`, some segments at a time. Gives the number of heads dropped, and
/// whether there may be more to do.
pub fn thin(storage: &dyn Storage, log: &Path, before: Timestamp) -> Result<(u64, bool), PruneError> {
    let layout = Layout::of(log);
    let place = log.join(PLACE);
    let from: u64 = fs::read_to_string(&place).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let segments = segments(log)?;
    let old = segments.len().saturating_sub(NEEDED);
    let (mut dropped, mut read) = (0, 0);
    for segment in segments.into_iter().take(old).filter(|segment| segment.first >= from) {
        if read == SEGMENTS {
            return Ok((dropped, true));
        }
        read += 1;
        let first = segment.first;
        let files = [layout.heads_file(first), log.join("witnessed").join(heads_name(first))];
        let mut found = [read_heads(&files[0])?, read_heads(&files[1])?];
        let (end, newest) = tell_times(segment, found.iter_mut().flatten())?;
        if newest >= Stamp::from_timestamp(before) {
            break;
        }
        for (path, heads) in files.iter().zip(found) {
            // One that cannot be read is left for `audit verify` to judge.
            let Some(heads) = heads else { continue };
            let kept = kept(&heads, first);
            if kept.len() < heads.len() {
                replace(storage, path, &kept)?;
                dropped += u64::try_from(heads.len() - kept.len()).unwrap_or(u64::MAX);
            }
        }
        let _ = storage.publish(&place, format!("{end}\n").as_bytes());
    }
    Ok((dropped, false))
}

/// Those to keep of the heads made while the segment that begins at `first` was the last.
fn kept(heads: &[Head], first: u64) -> Vec<&Head> {
    let mut kept: Vec<&Head> = Vec::new();
    for (at, head) in heads.iter().enumerate() {
        let Some(next) = heads.get(at + 1) else {
            kept.push(head);
            break;
        };
        let minute = |head: &Head| head.time.micros_since(Stamp::EPOCH) / MINUTE;
        let last = kept.last().map_or(first, |last| last.size);
        let begins = first == 0 && at == 0;
        // The last head of an epoch hands over to the next one.
        if begins || minute(head) != minute(next) || head.signer != next.signer || next.size - last > APART {
            kept.push(head);
        }
    }
    kept
}

/// The heads of a file; `None` if there is none, or something in it is no head.
fn read_heads(path: &Path) -> Result<Option<Vec<Head>>, VerifyIo> {
    let Opened::File(file) = regular_file(path)? else { return Ok(None) };
    let mut notes = NoteReader::new(BufReader::new(file));
    let mut heads: Vec<Head> = Vec::new();
    while let Some(raw) = notes.next_note().map_err(unreadable(path))? {
        let RawNote::Whole(bytes) = raw else { return Ok(None) };
        let Ok(note) = Note::parse(bytes) else { return Ok(None) };
        let Ok(head) = Checkpoint::parse(note.unverified_text()) else { return Ok(None) };
        if heads.last().is_some_and(|before| before.size > head.size) {
            return Ok(None);
        }
        let signer = note.signatures().first().map(Signature::id);
        heads.push(Head { note: bytes.to_vec(), size: head.size, time: Stamp::EPOCH, signer });
    }
    Ok(Some(heads))
}

/// Notes the times of the records that heads count last. Gives the index behind the segment, and its last time.
fn tell_times<'a>(mut segment: SegmentFile, heads: impl Iterator<Item = &'a mut Vec<Head>>) -> Result<(u64, Stamp), PruneError> {
    let mut wanted: BTreeMap<u64, Vec<&mut Head>> = BTreeMap::new();
    for head in heads.flatten() {
        wanted.entry(head.size).or_default().push(head);
    }
    let path = segment.path.clone();
    let gone = || VerifyIo::Read { path: path.clone(), source: std::io::ErrorKind::NotFound.into() };
    let mut lines = LineReader::new(segment.open(0)?.ok_or_else(gone)?);
    let (mut next, mut newest) = (segment.first, Stamp::EPOCH);
    let mut last = Vec::new();
    while let Some(RawLine::Whole(line)) = lines.next_line().map_err(unreadable(&path))? {
        next += 1;
        if let Some(heads) = wanted.remove(&next) {
            let time = Line::parse(line).map_or(Stamp::EPOCH, |line| line.time);
            for head in heads {
                head.time = time;
            }
        }
        last.clear();
        last.extend_from_slice(line);
    }
    if let Ok(line) = Line::parse(&last) {
        newest = line.time;
    }
    Ok((next, newest))
}

fn replace(storage: &dyn Storage, path: &Path, heads: &[&Head]) -> Result<(), WriteError> {
    let unfinished = path.with_extension("notes.tmp");
    storage.remove(&unfinished).map_err(failed("remove", &unfinished))?;
    let mut file = storage.create(&unfinished).map_err(failed("create", &unfinished))?;
    let mut text = Vec::new();
    for head in heads {
        text.extend_from_slice(&head.note);
        text.push(b'\n');
    }
    file.write_at(0, &text).map_err(failed("write", &unfinished))?;
    file.sync_data().map_err(failed("sync", &unfinished))?;
    storage.rename(&unfinished, path).map_err(failed("rename", &unfinished))?;
    path.parent().map_or(Ok(()), |directory| storage.sync_dir(directory).map_err(failed("sync", directory)))
}

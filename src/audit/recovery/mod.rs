//! What a start does with what the last run left: verify the end of the log, move what was never acknowledged, refuse
//! what nobody but a tamperer or a broken disk can have left.
//!
//! All checks come before the first change, so that a refused log is untouched evidence. Only the last two segments are
//! read: the head is never older than the last one, and calls still open are carried from segment to segment.

mod error;
mod scan;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;

pub use error::RecoveryError;
use scan::{Scan, Tail};

use super::chain::{Broken, Chain};
use super::epoch::{Epoch, EpochError};
use super::frame::FrameReader;
use super::fs::Storage;
use super::heads::{self, FoundHeads, KnownHead};
use super::layout::{Layout, compressed_index, epoch_number, segment_index};
use super::log::{Opened, Unfinished};
use super::queue::Entry;
use super::record::{Draft, Kind};
use super::stamp::Stamp;
use super::value::sha256_hex;
use crate::seal::Key;
use crate::tlog::{Frontier, Hash};

/// Most records that can stand behind the newest head: what comes in a second or a thousand, and on a full volume the outcomes of as
/// many calls as can be open.
pub(crate) const UNCOVERED_MAX: u64 = 10_000;

/// Whether a record can stand under no head yet where the last one under a head is a `stop`: a run that begins behind an orderly end ends
/// what was left open, and has its keys under a head before it writes anything else.
pub(crate) fn may_follow_stop(kind: &str) -> bool {
    matches!(kind, "call.outcome" | "clock.step" | "key.rotate" | "recovery" | "tick")
}

/// How a segment lies on the disk; in this order one counts before the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Plain,
    Compressed,
}

/// The state a writer continues from.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) next: u64,
    pub(crate) previous: Hash,
    pub(crate) time: Stamp,
    pub(crate) segment_first: u64,
    pub(crate) segment_bytes: u64,
    /// Length of the last segment's file: its lines, and zeros.
    pub(crate) segment_allocated: u64,
    pub(crate) segment_started: Option<Stamp>,
    pub(crate) open: HashMap<Box<str>, u64>,
    /// The tree over all records.
    pub(crate) tree: Frontier,
    /// The keys in force, and those that wait for their hand-over. None for a log that begins.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) next_epoch: Option<Epoch>,
    pub(crate) heads: FoundHeads,
    quarantined: Option<Quarantined>,
    unclean: bool,
}

/// Bytes that were moved.
#[derive(Debug)]
struct Quarantined {
    file: String,
    bytes: u64,
    sha256: String,
}

/// Reads, checks and repairs. The caller holds the lock.
pub(crate) fn recover(
    storage: &dyn Storage,
    layout: &Layout,
    seal: &Key,
    known: Option<&KnownHead>,
) -> Result<Recovered, RecoveryError> {
    let directory = layout.segments();
    let files = storage.list(&directory).map_err(failed("list", &directory))?;
    let index = |name: &str| {
        let plain = segment_index(name).map(|first| (first, Form::Plain));
        plain.or_else(|| compressed_index(name).map(|first| (first, Form::Compressed)))
    };
    let mut firsts: Vec<_> = files.iter().filter_map(|(name, length)| Some((index(name)?, *length))).collect();
    firsts.sort_unstable();
    // While a segment is compressed it is there twice, and the plain one counts.
    firsts.dedup_by_key(|((first, _), _)| *first);
    let heads = heads::find(storage, layout)?;
    let counted = heads.newest.as_ref().map_or(0, |(head, _)| head.size);
    let Some(&((last, form), length)) = firsts.last() else {
        known.map_or(Ok(()), |known| known.check(0, None))?;
        return if counted > 0 { Err(RecoveryError::Cut { size: counted, found: 0 }) } else { create(storage, layout, heads) };
    };
    if counted < last {
        return Err(RecoveryError::HeadOld { size: counted, segment: last });
    }

    if form == Form::Compressed {
        return Err(RecoveryError::Compressed(layout.compressed(last)));
    }
    let before = firsts.len().checked_sub(2).and_then(|at| firsts.get(at)).copied();
    let start = before.map_or(last, |((first, _), _)| first);
    let name = Some(layout.name.clone());
    let chain = if start == 0 { Chain::genesis(name) } else { Chain::from_middle(name, start) };
    let mut scan = Scan {
        chain,
        head: heads.newest.as_ref().map(|(head, _)| head.clone()),
        open: HashMap::new(),
        last_kind_stop: true,
        counted_stop: false,
        foreign: false,
        tail: Tail { length, ..Tail::default() },
    };
    if let Some(((first, form), length)) = before {
        let path = if form == Form::Plain { layout.segment(first) } else { layout.compressed(first) };
        let source = storage.read(&path).map_err(failed("open", &path))?;
        let source = match form {
            Form::Plain => source,
            Form::Compressed => Box::new(FrameReader::open(source, length).map_err(failed("read", &path))?),
        };
        scan.segment(source, &path, first, false)?;
    }
    let path = layout.segment(last);
    scan.segment(storage.read(&path).map_err(failed("open", &path))?, &path, last, true)?;
    let found = scan.chain.next;
    if counted > found {
        return Err(RecoveryError::Cut { size: counted, found });
    }
    // The one record that a log can have before its first head announces the keys that will sign it.
    if counted == 0 && found > 1 {
        return Err(RecoveryError::HeadMissing(layout.heads()));
    }
    if found - counted > UNCOVERED_MAX || (scan.counted_stop && scan.foreign) {
        return Err(RecoveryError::Foreign { index: counted });
    }
    if let Some(known) = known {
        let root = heads::root_at(storage, layout, known.size)?;
        known.check(found, root.as_ref())?;
    }
    let keys = if found == 0 { Keys::default() } else { epochs(storage, layout, seal, &scan.chain, &heads)? };
    scan.repair(storage, layout, last, keys, heads)
}

/// What is to become of the signing keys.
#[derive(Debug, Default)]
struct Keys {
    /// They sign the next head.
    epoch: Option<Epoch>,
    /// They wait for it.
    next: Option<Epoch>,
    /// Private keys whose time is over, or never came.
    doomed: Vec<u64>,
}

fn epochs(storage: &dyn Storage, layout: &Layout, seal: &Key, chain: &Chain, heads: &FoundHeads) -> Result<Keys, RecoveryError> {
    let directory = layout.keys();
    let listed = storage.list(&directory).map_err(failed("list", &directory))?;
    let mut numbers: Vec<u64> = listed.iter().filter_map(|(name, _)| epoch_number(name)).collect();
    numbers.sort_unstable();
    let counted = heads.newest.as_ref().map_or(0, |(head, _)| head.size);
    let announced = chain.announced.as_ref().map(|(index, keys)| (*index, keys.number));
    // Keys above the newest that was announced belong to a start that died before it did so.
    let newest = announced.map(|(_, number)| number).or_else(|| numbers.first().copied());
    let newest = newest.ok_or_else(|| EpochError::Missing(layout.epoch_key(0).display().to_string()))?;
    let epoch = Epoch::load(storage, layout, seal, newest)?;
    if announced.is_some() && chain.announced.as_ref().map(|(_, keys)| keys) != Some(&epoch.keys) {
        return Err(EpochError::Missing(layout.epoch_key(newest).display().to_string()).into());
    }
    if let Some((head, note)) = &heads.newest {
        let signed = epoch.keys.verify(note).or_else(|reason| match &epoch.before {
            Some(before) => before.verify(note),
            None => Err(reason),
        });
        signed.map_err(|reason| RecoveryError::HeadUnsigned { size: head.size, reason })?;
    }
    let waits = newest > 0 && announced.is_some_and(|(index, _)| index >= counted);
    let in_use = if waits { newest - 1..=newest } else { newest..=newest };
    let doomed = numbers.into_iter().filter(|number| !in_use.contains(number)).collect();
    if waits {
        let old = Epoch::load(storage, layout, seal, newest - 1)?;
        return Ok(Keys { epoch: Some(old), next: Some(epoch), doomed });
    }
    Ok(Keys { epoch: Some(epoch), next: None, doomed })
}

impl Recovered {
    /// The records that say what was found. A run that ended in order leaves none.
    pub(crate) fn drafts(&self) -> VecDeque<Entry> {
        let mut drafts = VecDeque::new();
        if !self.unclean {
            return drafts;
        }
        let mut recovery = Draft::new(Kind::Recovery);
        recovery.object("recovery", |object| {
            object.integer("bytes", self.quarantined.as_ref().map_or(0, |moved| moved.bytes));
            if let Some(moved) = &self.quarantined {
                object.text("file", &moved.file);
            }
            object.count("open", self.open.len());
            if let Some(moved) = &self.quarantined {
                object.text("sha256", &moved.sha256);
            }
        });
        drafts.push_back(Entry::own(recovery));
        for (call, _) in self.by_index() {
            let mut outcome = Draft::new(Kind::CallOutcome);
            outcome.raw_member("call", call).object("out", |out| {
                out.text("reason", "restart").text("status", "unknown");
            });
            drafts.push_back(Entry::own(outcome));
        }
        drafts
    }

    pub(crate) fn opened(&self) -> Opened {
        let unfinished =
            self.by_index().into_iter().map(|(call, index)| Unfinished { call: call.trim_matches('"').to_owned(), index });
        Opened {
            next_index: self.next,
            quarantined_bytes: self.quarantined.as_ref().map_or(0, |moved| moved.bytes),
            unfinished: unfinished.collect(),
            unclean: self.unclean,
        }
    }

    fn by_index(&self) -> Vec<(&str, u64)> {
        let mut calls: Vec<_> = self.open.iter().map(|(call, index)| (&**call, *index)).collect();
        calls.sort_by_key(|(_, index)| *index);
        calls
    }
}

/// Makes an empty log.
fn create(storage: &dyn Storage, layout: &Layout, heads: FoundHeads) -> Result<Recovered, RecoveryError> {
    // The directories above are new too: each name must survive, from the top down.
    for directory in layout.directory.ancestors().take(4).collect::<Vec<_>>().iter().rev() {
        storage.sync_dir(directory).map_err(failed("sync", directory))?;
    }
    // Crash point: directories without a segment. The next start comes here again.
    let path = layout.segment(0);
    storage.create(&path).map_err(failed("create", &path))?;
    let directory = layout.segments();
    storage.sync_dir(&directory).map_err(failed("sync", &directory))?;
    Ok(Recovered {
        next: 0,
        previous: Hash::ZERO,
        time: Stamp::EPOCH,
        segment_first: 0,
        segment_bytes: 0,
        segment_allocated: 0,
        segment_started: None,
        open: HashMap::new(),
        tree: Frontier::default(),
        epoch: None,
        next_epoch: None,
        heads,
        quarantined: None,
        unclean: false,
    })
}

impl Scan {
    /// Moves what was never acknowledged, and says from where a writer goes on.
    fn repair(
        self,
        storage: &dyn Storage,
        layout: &Layout,
        last: u64,
        keys: Keys,
        heads: FoundHeads,
    ) -> Result<Recovered, RecoveryError> {
        let Self { chain, open, last_kind_stop, tail, .. } = self;
        // Rotation leaves no two segments without a record: then one of them was removed.
        let missing = || RecoveryError::Broken { segment: layout.segment(last), index: chain.next, reason: Broken::Tree };
        let tree = chain.tree.clone().ok_or_else(missing)?;
        for number in keys.doomed {
            Epoch::destroy(storage, layout, number)?;
        }
        let repaired = !tail.torn.is_empty() || !tail.uncounted.is_empty();
        let quarantined = if tail.torn.is_empty() { None } else { Some(quarantine(storage, layout, chain.next, &tail.torn)?) };
        if repaired {
            // Crash point: the torn bytes are in quarantine and still in the segment. The next start moves them once more.
            //
            // Lines the head does not count may never have been synced: after a failed sync the kernel keeps serving them
            // from memory, marked clean. Writing them again is what makes the next sync mean something.
            let path = layout.segment(last);
            storage.replace_tail(&path, tail.counted, &tail.uncounted).map_err(failed("repair", &path))?;
        }
        Ok(Recovered {
            next: chain.next,
            previous: chain.previous.unwrap_or(Hash::ZERO),
            time: chain.time,
            segment_first: last,
            segment_bytes: tail.bytes,
            segment_allocated: if repaired { tail.bytes } else { tail.length },
            segment_started: tail.started,
            unclean: chain.next > 0 && (!last_kind_stop || quarantined.is_some() || !open.is_empty()),
            open,
            tree,
            epoch: keys.epoch,
            next_epoch: keys.next,
            heads,
            quarantined,
        })
    }
}

/// Keeps the bytes under a name of their own; nothing in quarantine is ever overwritten.
fn quarantine(storage: &dyn Storage, layout: &Layout, index: u64, bytes: &[u8]) -> Result<Quarantined, RecoveryError> {
    let directory = layout.quarantine();
    let taken = storage.list(&directory).map_err(failed("list", &directory))?;
    let mut copies = 0_u64;
    let mut file = format!("{index:013}.{copies}.part");
    while taken.iter().any(|(other, _)| *other == file) {
        copies += 1;
        file = format!("{index:013}.{copies}.part");
    }
    let path = directory.join(&file);
    let mut target = storage.create(&path).map_err(failed("create", &path))?;
    target.write_at(0, bytes).map_err(failed("write", &path))?;
    target.sync_data().map_err(failed("sync", &path))?;
    storage.sync_dir(&directory).map_err(failed("sync", &directory))?;
    Ok(Quarantined { file, bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX), sha256: sha256_hex(bytes) })
}

pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecoveryError {
    let path = path.to_owned();
    move |source| RecoveryError::Io { action, path, source }
}

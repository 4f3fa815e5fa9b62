//! What is known of a log from outside its directory, compared with what its leaves make.
//!
//! A directory can only be consistent with itself. A pin (a head that somebody kept) or a head that enough witnesses have cosigned
//! says what it must be consistent with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::chain::Chain;
use super::super::epoch::EpochKeys;
use super::super::fault::FaultReason;
use super::super::notes::RawNote;
use super::super::report::Anchored;
use super::super::stamp::Stamp;
use super::heads::{self, HeadsFile, Notes};
use super::{VerifyIo, unreadable};
use crate::tlog::{Checkpoint, Frontier, Note, Policy, VerifierKey};

/// An anchor of before that counts for the end of a log no more: a witness sees a log that serves every minute.
const FRESH: i64 = 24 * 60 * 60 * 1_000_000;

/// What an auditor knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Verifier keys of epoch 0, witnesses, and how many of them it takes.
    pub policy: Option<Policy>,
    /// Heads that somebody kept.
    pub pins: Vec<Checkpoint>,
    /// The time of the verification; without it the last record's.
    pub now: Option<Timestamp>,
}

/// Anchors of one log, in the order of their sizes.
pub(super) struct Anchors<'t> {
    trust: &'t Known,
    /// Files of `witnessed/` that were not read yet, in order, and the name that every head in them has.
    files: Vec<HeadsFile>,
    log: Option<String>,
    /// The file that is being read.
    notes: Option<Notes>,
    path: PathBuf,
    /// Records that the next head in it counts at least, and at most.
    least: u64,
    most: u64,
    /// That head, and whether enough witnesses have cosigned it. No other is in memory.
    ahead: Option<(Checkpoint, bool)>,
    /// Pins of this log that are not reached yet, by their sizes.
    pins: BTreeMap<u64, Vec<Checkpoint>>,
    /// The largest that was right, and the time of its last record.
    newest: Option<(u64, Stamp)>,
}

impl<'t> Anchors<'t> {
    /// Of the log in `directory`, by that name, of which the records from `first` on are here.
    pub(super) fn new(directory: &Path, trust: &'t Known, log: Option<String>, first: u64) -> Result<Self, VerifyIo> {
        let mut files = heads::files(&directory.join("witnessed"))?;
        files.retain(|file| file.segment >= first && file.bytes > 0);
        Ok(Self {
            trust,
            files,
            log,
            notes: None,
            path: PathBuf::new(),
            least: 0,
            most: 0,
            ahead: None,
            pins: BTreeMap::new(),
            newest: None,
        })
    }

    /// Whether `keys`, those of epoch 0, are none that the policy names.
    pub(super) fn unknown(&self, keys: &EpochKeys) -> Option<FaultReason> {
        let known = self.trust.policy.as_ref().map(Policy::logs).unwrap_or_default();
        let names = |key: &VerifierKey| known.iter().any(|log| log.key == *key);
        let is_known = known.is_empty() || names(&keys.ed25519) || keys.ml_dsa.as_ref().is_some_and(names);
        (!is_known).then_some(FaultReason::UnknownKey)
    }

    /// Goes on to the segment that begins at `segment`, and behind which comes that of record `most`: what witnesses have cosigned.
    pub(super) fn begin(&mut self, segment: u64, most: u64) -> Result<Option<FaultReason>, VerifyIo> {
        self.notes = None;
        (self.least, self.most) = (self.least.max(segment.saturating_add(1)), most);
        let Some(at) = self.files.iter().position(|file| file.segment == segment) else { return Ok(None) };
        let file = self.files.remove(at);
        self.path.clone_from(&file.path);
        self.notes = heads::open(&file)?;
        self.advance()
    }

    /// The next head of the file.
    fn advance(&mut self) -> Result<Option<FaultReason>, VerifyIo> {
        self.ahead = None;
        let Some(notes) = &mut self.notes else { return Ok(None) };
        let (note, holed) = match notes.next_note().map_err(unreadable(&self.path))? {
            None => return Ok(None),
            Some(RawNote::Whole(note)) => (Note::parse(note).map_err(|reason| reason.to_string()), note.contains(&0)),
            Some(RawNote::Torn) => (Err("it has no end".to_owned()), true),
        };
        let head = note.and_then(|note| {
            let head = Checkpoint::parse(note.unverified_text()).map_err(|reason| reason.to_string())?;
            Ok((head, note))
        });
        let misplaced = match head {
            Ok((head, note)) if (self.least..=self.most).contains(&head.size) => {
                self.least = head.size;
                self.ahead = Some((head, self.is_quorum(&note)));
                return Ok(None);
            }
            Ok((head, _)) => FaultReason::HeadOrder { size: head.size },
            Err(reason) => FaultReason::HeadMalformed { reason },
        };
        // A crash tears no head but the newest.
        if holed && self.files.is_empty() {
            let name = self.log.as_deref().unwrap_or("\u{2014}");
            let goes_on = self.notes.take().map_or(Ok(false), |notes| notes.goes_on(name)).map_err(unreadable(&self.path))?;
            if !goes_on {
                return Ok(None);
            }
        }
        Ok(Some(misplaced))
    }

    /// A file that belongs to no segment, if record `next` is reached.
    pub(super) fn stray(&self, next: u64) -> Option<u64> {
        self.files.first().map(|file| file.segment).filter(|segment| *segment <= next)
    }

    fn is_quorum(&self, note: &Note) -> bool {
        let Some(policy) = self.trust.policy.as_ref().filter(|policy| policy.needs_witnesses()) else { return false };
        let keys: Vec<&VerifierKey> = policy.witnesses().map(|witness| &witness.key).collect();
        let Ok(verified) = note.verify(&keys) else { return false };
        policy.is_quorum(|key| verified.signatures.iter().any(|signed| signed.key == key))
    }

    /// Takes a record. At the first one the log's name is known, and with it which pins are of this log.
    pub(super) fn record(&mut self, chain: &Chain, is_first: bool) -> Result<Option<FaultReason>, VerifyIo> {
        if is_first {
            for pin in self.trust.pins.iter().filter(|pin| chain.log.as_ref() == Some(&pin.origin)) {
                self.pins.entry(pin.size).or_default().push(pin.clone());
            }
        }
        let fits = |head: &Checkpoint, log: &String, tree: &Frontier| {
            *log == head.origin && tree.size() == head.size && tree.root() == head.root
        };
        let differs =
            |head: &Checkpoint| !chain.log.as_ref().zip(chain.tree.as_ref()).is_some_and(|(log, tree)| fits(head, log, tree));
        // SECURITY: all that are due, so that none can be put in front of another to have it passed by.
        while let Some(due) = self.pins.first_entry().filter(|entry| *entry.key() <= chain.next) {
            let (size, pins) = due.remove_entry();
            // Where reading began in the middle the tree may not be known yet, and pins may be of records that are not here.
            if chain.tree.is_none() || size < chain.next {
                continue;
            }
            if pins.iter().any(differs) {
                return Ok(Some(FaultReason::PinDiffers { size }));
            }
            self.newest = Some((size, chain.time));
        }
        while let Some((head, is_quorum)) = self.ahead.take_if(|(head, _)| head.size <= chain.next) {
            let size = head.size;
            if differs(&head) {
                return Ok(Some(FaultReason::WitnessDiffers { size }));
            }
            if is_quorum {
                self.newest = Some((size, chain.time));
            }
            if let Some(misplaced) = self.advance()? {
                return Ok(Some(misplaced));
            }
        }
        Ok(None)
    }

    /// What counts more records than there are at the end of the log, or is named after one.
    pub(super) fn beyond(&self, next: u64) -> Option<FaultReason> {
        if let Some((size, _)) = self.pins.first_key_value() {
            return Some(FaultReason::PinAhead { size: *size });
        }
        if let Some((head, _)) = self.ahead.as_ref().filter(|(head, _)| head.size > next) {
            return Some(FaultReason::Cut { size: head.size });
        }
        self.files.first().map(|file| FaultReason::HeadOrder { size: file.segment })
    }

    /// How far the log is confirmed.
    pub(super) fn anchored(&self, last: Stamp) -> Option<Anchored> {
        let (size, time) = self.newest?;
        let now = self.trust.now.map_or(last, Stamp::from_timestamp);
        Some(Anchored { size, time: time.text(), stale: now.micros_since(time) > FRESH })
    }
}

//! What is known of a log from outside its directory, compared with what its leaves make.
//!
//! A directory can only be consistent with itself. A pin (a head that somebody kept) or a head that enough witnesses have cosigned
//! says what it must be consistent with.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _};
use std::path::Path;

use jiff::Timestamp;

use super::super::chain::Chain;
use super::super::epoch::EpochKeys;
use super::super::notes::{NoteReader, RawNote};
use super::super::report::{Anchored, FaultReason};
use super::super::stamp::Stamp;
use super::heads::{self, HeadsFile};
use super::{Opened, VerifyIo, regular_file, unreadable};
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

/// Why a root is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Pin,
    /// Cosigned; whether by enough.
    Witnessed {
        quorum: bool,
    },
}

/// Anchors of one log, in the order of their sizes.
pub(super) struct Anchors<'t> {
    trust: &'t Known,
    /// Files of `witnessed/` that were not read yet, in order, and the name that every head in them has.
    files: Vec<HeadsFile>,
    log: Option<String>,
    /// Records that the next head in them counts at least.
    least: u64,
    ahead: BTreeMap<u64, Vec<(Checkpoint, Source)>>,
    /// What stands behind the head of so many records, and cannot.
    misplaced: Option<(u64, FaultReason)>,
    /// The largest that was right, and the time of its last record.
    newest: Option<(u64, Stamp)>,
}

impl<'t> Anchors<'t> {
    /// Of the log in `directory`, by that name, of which the records from `first` on are here.
    pub(super) fn new(directory: &Path, trust: &'t Known, log: Option<String>, first: u64) -> Result<Self, VerifyIo> {
        let mut files = heads::files(&directory.join("witnessed"))?;
        files.retain(|file| file.segment >= first && file.bytes > 0);
        Ok(Self { trust, files, log, least: 0, ahead: BTreeMap::new(), misplaced: None, newest: None })
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
        self.least = self.least.max(segment.saturating_add(1));
        let Some(at) = self.files.iter().position(|file| file.segment == segment) else { return Ok(None) };
        let path = self.files.remove(at);
        let (path, length) = (path.path, path.bytes);
        let Opened::File(file) = regular_file(&path)? else { return Ok(None) };
        let mut notes = NoteReader::new(BufReader::new(file.take(length)));
        let mut before = segment;
        while let Some(raw) = notes.next_note().map_err(unreadable(&path))? {
            let (note, holed) = match raw {
                RawNote::Whole(note) => (Note::parse(note).map_err(|reason| reason.to_string()), note.contains(&0)),
                RawNote::Torn => (Err("it has no end".to_owned()), true),
            };
            let head = note.and_then(|note| {
                let head = Checkpoint::parse(note.unverified_text()).map_err(|reason| reason.to_string())?;
                Ok((head, self.is_quorum(&note)))
            });
            let misplaced = match head {
                Ok((head, quorum)) if (self.least..=most).contains(&head.size) => {
                    (self.least, before) = (head.size, head.size);
                    self.ahead.entry(head.size).or_default().push((head, Source::Witnessed { quorum }));
                    continue;
                }
                Ok((head, _)) => FaultReason::HeadOrder { size: head.size },
                Err(reason) => FaultReason::HeadMalformed { reason },
            };
            // A crash tears no head but the newest.
            let is_behind = holed && self.files.is_empty() && {
                let name = self.log.as_deref().unwrap_or("\u{2014}");
                !notes.goes_on(name).map_err(unreadable(&path))?
            };
            if is_behind {
                break;
            }
            if before == segment {
                return Ok(Some(misplaced));
            }
            // It is looked at once the head before it was judged.
            self.misplaced = Some((before, misplaced));
            break;
        }
        Ok(None)
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
    pub(super) fn record(&mut self, chain: &Chain, is_first: bool) -> Option<FaultReason> {
        if is_first {
            for pin in self.trust.pins.iter().filter(|pin| chain.log.as_ref() == Some(&pin.origin)) {
                self.ahead.entry(pin.size).or_default().push((pin.clone(), Source::Pin));
            }
        }
        // SECURITY: all that are due, so that none can be put in front of another to have it passed by.
        while let Some(due) = self.ahead.first_entry().filter(|entry| *entry.key() <= chain.next) {
            let (size, anchors) = due.remove_entry();
            for (head, source) in anchors {
                // Where reading began in the middle the tree may not be known yet, and pins may be of records that are not here.
                if source == Source::Pin && chain.tree.is_none() {
                    continue;
                }
                let fits = |log: &String, tree: &Frontier| *log == head.origin && tree.size() == size && tree.root() == head.root;
                let differs = !chain.log.as_ref().zip(chain.tree.as_ref()).is_some_and(|(log, tree)| fits(log, tree));
                match source {
                    Source::Pin if size < chain.next => {}
                    Source::Pin if differs => return Some(FaultReason::PinDiffers { size }),
                    Source::Witnessed { .. } if differs => return Some(FaultReason::WitnessDiffers { size }),
                    Source::Witnessed { quorum: false } => {}
                    Source::Pin | Source::Witnessed { quorum: true } => self.newest = Some((size, chain.time)),
                }
            }
        }
        self.misplaced.take_if(|(size, _)| *size <= chain.next).map(|(_, reason)| reason)
    }

    /// What counts more records than there are at the end of the log, or is named after one.
    pub(super) fn beyond(&self, next: u64) -> Option<FaultReason> {
        if let Some((size, anchors)) = self.ahead.iter().find(|(size, _)| **size > next) {
            let pinned = anchors.iter().any(|(_, source)| *source == Source::Pin);
            return Some(if pinned { FaultReason::PinAhead { size: *size } } else { FaultReason::Cut { size: *size } });
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
